impl CountVisits {
    fn on_event(
        &self,
        visit: Visit,
        session: &mut Session,
        cx: &mut Context<Self>,
        out: &mut impl Emit<VisitCount>,
        late: &mut impl Emit<Late>,
    ) {
        late.emit(Late(visit));
    }
    fn on_timer(
        &self,
        _: Close,
        session: &mut Session,
        out: &mut impl Emit<VisitCount>,
    ) {
        out.emit(session.close());
    }
    fn helper(&self) {}
}
impl ::tidegate::operator::Operator for CountVisits {
    type In = Visit;
    type State = Session;
    type Out = VisitCount;
    type Side = Late;
    type Timer = Close;
    type Shared = ();
    type Broadcast = ::tidegate::operator::Never;
    #[inline]
    fn on_event(
        &self,
        event: Self::In,
        state: &mut Self::State,
        _: &Self::Shared,
        cx: &mut ::tidegate::operator::Context<'_, Self>,
        out: &mut impl ::tidegate::operator::Emit<Self::Out>,
        side: &mut impl ::tidegate::operator::Emit<Self::Side>,
    ) {
        Self::on_event(self, event, state, cx, out, side);
    }
    #[inline]
    fn on_timer(
        &self,
        timer: Self::Timer,
        state: &mut Self::State,
        _: &Self::Shared,
        _: &mut ::tidegate::operator::Context<'_, Self>,
        out: &mut impl ::tidegate::operator::Emit<Self::Out>,
        _: &mut impl ::tidegate::operator::Emit<Self::Side>,
    ) {
        Self::on_timer(self, timer, state, out);
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
