#[operator(unkeyed)]
impl Batcher {
    fn on_event(&self, line: Line, pending: &mut Pending, cx: &mut Context<Self>) {}

    fn on_timer(&self, flush: Flush, pending: &mut Pending) {}
}
