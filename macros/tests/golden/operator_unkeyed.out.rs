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
impl ::tidegate::operator::UnkeyedOperator for Batcher {
    type In = Line;
    type State = Pending;
    type Out = Batch;
    type Side = Line;
    #[inline]
    fn on_event(
        &self,
        event: Self::In,
        state: &mut Self::State,
        cx: &::tidegate::operator::UnkeyedContext,
        out: &mut impl ::tidegate::operator::Emit<Self::Out>,
        side: &mut impl ::tidegate::operator::Emit<Self::Side>,
    ) {
        Self::on_event(self, event, state, cx, out, side);
    }
    #[inline]
    fn on_watermark(
        &self,
        state: &mut Self::State,
        cx: &::tidegate::operator::UnkeyedContext,
        out: &mut impl ::tidegate::operator::Emit<Self::Out>,
        _: &mut impl ::tidegate::operator::Emit<Self::Side>,
    ) {
        if let ::core::option::Option::Some(value) = Self::on_watermark(
            self,
            cx,
            state,
        ) {
            ::tidegate::operator::Emit::emit(out, value);
        }
    }
    #[inline]
    fn on_end(
        &self,
        state: &mut Self::State,
        _: &::tidegate::operator::UnkeyedContext,
        out: &mut impl ::tidegate::operator::Emit<Self::Out>,
        _: &mut impl ::tidegate::operator::Emit<Self::Side>,
    ) {
        Self::on_end(self, state, out);
    }
    #[inline]
    fn on_restore(
        &self,
        state: &mut Self::State,
        cx: &::tidegate::operator::UnkeyedContext,
    ) {
        Self::on_restore(self, state, cx);
    }
}
impl ::tidegate::operator::WorksOn<Line> for Batcher {
    type As = Self;
    fn itself(self) -> Self {
        self
    }
}
/// Numbers lines.
fn number(line: Line, pending: &mut Pending) -> (u64, Line) {
    (pending.next(), line)
}
/// Numbers lines.
///
/// The operator that calls [`number`](fn@number).
#[derive(Clone, Copy, Debug, Default)]
struct Number;
impl ::tidegate::operator::UnkeyedOperator for Number {
    type In = Line;
    type State = Pending;
    type Out = (u64, Line);
    type Side = ::tidegate::operator::Never;
    #[inline]
    fn on_event(
        &self,
        event: Self::In,
        state: &mut Self::State,
        _: &::tidegate::operator::UnkeyedContext,
        out: &mut impl ::tidegate::operator::Emit<Self::Out>,
        _: &mut impl ::tidegate::operator::Emit<Self::Side>,
    ) {
        ::tidegate::operator::Emit::emit(out, number(event, state));
    }
}
impl ::tidegate::operator::WorksOn<Line> for Number {
    type As = Self;
    fn itself(self) -> Self {
        self
    }
}
