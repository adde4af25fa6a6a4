//! A job of a package whose manifest calls Tidegate `tg`. Nothing here may need the name `tidegate`, and no other
//! dependency may be needed for what the macros expand to.

use tg::prelude::*;

/// A page was asked for.
#[event(time = at, crate = tg)]
#[derive(Clone, Debug, PartialEq)]
pub struct Visit {
    /// Who asked.
    pub user: User,
    /// When.
    pub at: EventTime,
}

/// Who asks for pages.
#[key(crate = tg)]
pub enum User {
    /// By a number.
    Known(u64),
    /// By an address.
    Guest {
        /// The address.
        address: String,
    },
}

/// What is remembered of a user.
#[state(key = User, name = "session", crate = tg)]
#[derive(Default)]
pub struct Session {
    visits: u64,
    closes: Option<TimerId>,
}

/// How often a user came.
#[event(crate = tg)]
#[derive(Clone, Debug, PartialEq)]
pub struct VisitCount {
    /// Who came.
    pub user: User,
    /// How often.
    pub visits: u64,
}

/// Counts the visits of a user until there was none for a minute.
pub struct CountVisits;

#[operator(crate = tg)]
impl CountVisits {
    fn on_event(&self, visit: Visit, session: &mut Session, cx: &mut Context<Self>) {
        session.visits += 1;
        if let Some(timer) = session.closes.take() {
            cx.cancel_timer(timer);
        }
        session.closes = Some(cx.set_timer(visit.at + secs(60), visit.user));
    }

    fn on_timer(&self, user: User, session: &mut Session) -> VisitCount {
        session.closes = None;
        VisitCount { user, visits: std::mem::take(&mut session.visits) }
    }
}

/// Numbers the visits of a user.
#[operator(crate = tg)]
pub fn number_visits(visit: Visit, session: &mut Session, out: &mut impl Emit<VisitCount>) {
    session.visits += 1;
    out.emit(VisitCount { user: visit.user, visits: session.visits });
}

/// Whether a visit is a guest's.
#[operator(crate = tg)]
pub fn is_guest(visit: &Visit) -> bool {
    matches!(visit.user, User::Guest { .. })
}

/// Counts visits under another name.
#[job(crate = tg)]
pub fn renamed(job: &Job) -> Result<()> {
    let (all, guests) =
        job.source("visits", Memory::of(visits())).watermarks(Watermarks::bounded(secs(0))).tee();
    all.key_by(|visit| visit.user.clone()).process("count-visits", CountVisits).discard();
    guests.filter(is_guest).key_by_ref(|visit| &visit.user).process("number-visits", NumberVisits).discard();
    Ok(())
}

fn visits() -> Vec<Visit> {
    let visit = |user: User, at: i64| Visit { user, at: EventTime::from_millis(at) };
    vec![
        visit(User::Known(7), 0),
        visit(User::Guest { address: "10.0.0.1".to_string() }, 10),
        visit(User::Known(7), 20),
    ]
}

#[cfg(test)]
mod tests {
    use tg::record::Event;

    use super::*;

    #[test]
    fn the_macros_implement_the_traits_of_the_crate_under_its_other_name() {
        let [first, guest, _] = &visits()[..] else { panic!("three visits") };
        assert_eq!(guest.event_time(), EventTime::from_millis(10));
        assert!(!is_guest(first) && is_guest(guest));

        let mut bytes = Vec::new();
        guest.user.encode(&mut bytes);
        assert_eq!(User::decode(&mut &bytes[..]).as_ref(), Some(&guest.user));

        let schema = Session::schema();
        assert_eq!((schema.name.as_str(), schema.key.to_string().as_str()), ("session", "User"));

        let (mut session, mut counts) = (Session::initial(), Vec::new());
        number_visits(first.clone(), &mut session, &mut counts);
        number_visits(first.clone(), &mut session, &mut counts);
        assert_eq!(counts[1], VisitCount { user: User::Known(7), visits: 2 });
    }

    #[test]
    fn the_job_is_wired() {
        let job = Job::new("renamed");
        renamed(&job).unwrap();
        job.finish().unwrap();
    }
}
