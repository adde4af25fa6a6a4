/// Counts the visits of a user.
#[operator]
pub fn count_visits(visit: Visit, session: &mut Session) -> VisitCount {
    session.visits += 1;
    VisitCount { user: visit.user, visits: session.visits }
}
