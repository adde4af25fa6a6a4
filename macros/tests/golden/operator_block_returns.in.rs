#[operator]
impl Alarm {
    fn on_event(&self, cx: &mut Context<Self>, load: &mut Load, bytes: Bytes) -> Option<Alert> {
        None
    }
}
