#[operator]
impl CountVisits {
    fn on_event(&mut self, visit: Visit, session: &mut Session) {}
}
