/// Counts the visits of a user.
pub fn count_visits(visit: Visit, session: &mut Session) -> VisitCount {
    session.visits += 1;
    VisitCount {
        user: visit.user,
        visits: session.visits,
    }
}
/// Counts the visits of a user.
///
/// The operator that calls [`count_visits`](fn@count_visits).
#[derive(Clone, Copy, Debug, Default)]
pub struct CountVisits;
impl ::tidegate::operator::Operator for CountVisits {
    type In = Visit;
    type State = Session;
    type Out = VisitCount;
    type Side = ::tidegate::operator::Never;
    type Timer = ::tidegate::operator::Never;
    type Shared = ();
    type Broadcast = ::tidegate::operator::Never;
    #[inline]
    fn on_event(
        &self,
        event: Self::In,
        state: &mut Self::State,
        _: &Self::Shared,
        _: &mut ::tidegate::operator::Context<'_, Self>,
        out: &mut impl ::tidegate::operator::Emit<Self::Out>,
        _: &mut impl ::tidegate::operator::Emit<Self::Side>,
    ) {
        ::tidegate::operator::Emit::emit(out, count_visits(event, state));
    }
    #[inline]
    fn on_timer(
        &self,
        timer: Self::Timer,
        _: &mut Self::State,
        _: &Self::Shared,
        _: &mut ::tidegate::operator::Context<'_, Self>,
        _: &mut impl ::tidegate::operator::Emit<Self::Out>,
        _: &mut impl ::tidegate::operator::Emit<Self::Side>,
    ) {
        match timer {}
    }
    #[inline]
    fn on_broadcast(
        &self,
        record: Self::Broadcast,
        _: &mut Self::Shared,
        _: &::tidegate::operator::UnkeyedContext,
        _: &mut impl ::tidegate::operator::Emit<Self::Out>,
        _: &mut impl ::tidegate::operator::Emit<Self::Side>,
    ) {
        match record {}
    }
}
