#[operator(unkeyed)]
impl Batcher {
    fn on_event(
        &self,
        line: Line,
        pending: &mut Pending,
        cx: &UnkeyedContext,
        out: &mut impl Emit<Batch>,
        late: &mut impl Emit<Line>,
    ) {
        late.emit(line);
    }

    fn on_watermark(&self, cx: &UnkeyedContext, pending: &mut Pending) -> Option<Batch> {
        pending.take()
    }

    fn on_end(&self, pending: &mut Pending, out: &mut impl Emit<Batch>) {}

    fn on_restore(&self, pending: &mut Pending, cx: &UnkeyedContext) {}
}

/// Numbers lines.
#[operator(unkeyed)]
fn number(line: Line, pending: &mut Pending) -> (u64, Line) {
    (pending.next(), line)
}
