#[operator]
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

    fn on_timer(&self, _: Close, session: &mut Session, out: &mut impl Emit<VisitCount>) {
        out.emit(session.close());
    }

    fn helper(&self) {}
}
