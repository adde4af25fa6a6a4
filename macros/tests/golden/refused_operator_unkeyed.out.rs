impl Batcher {
    fn on_event(&self, line: Line, pending: &mut Pending, cx: &mut Context<Self>) {}
    fn on_timer(&self, flush: Flush, pending: &mut Pending) {}
}
::core::compile_error! {
    "the runtime would never call `on_timer` here\nhelp: timers are kept per key: write `#[operator]`, with a state marked `#[state(key = ..)]`, and `.key_by(..)` in the wiring; what waits for event time can look at each watermark, in `on_watermark`"
}
const _: () = {
    type __Unknown = [(); ::core::compile_error! {
        "`on_event` asks for a `Context`, which has a key and its timers, but a stream without keys has neither\nhelp: take `cx: &UnkeyedContext` for the times and the subtask; for timers write `#[operator]`, with a state per key, behind `.key_by(..)`"
    }];
    impl ::tidegate::operator::Operator for Batcher {
        type In = __Unknown;
        type State = __Unknown;
        type Out = __Unknown;
        type Side = __Unknown;
        type Timer = __Unknown;
        type Shared = __Unknown;
        type Broadcast = __Unknown;
        fn on_event(
            &self,
            _: Self::In,
            _: &mut Self::State,
            _: &Self::Shared,
            _: &mut ::tidegate::operator::Context<'_, Self>,
            _: &mut impl ::tidegate::operator::Emit<Self::Out>,
            _: &mut impl ::tidegate::operator::Emit<Self::Side>,
        ) {
            ::core::unreachable!()
        }
        fn on_timer(
            &self,
            _: Self::Timer,
            _: &mut Self::State,
            _: &Self::Shared,
            _: &mut ::tidegate::operator::Context<'_, Self>,
            _: &mut impl ::tidegate::operator::Emit<Self::Out>,
            _: &mut impl ::tidegate::operator::Emit<Self::Side>,
        ) {
            ::core::unreachable!()
        }
        fn on_broadcast(
            &self,
            _: Self::Broadcast,
            _: &mut Self::Shared,
            _: &::tidegate::operator::UnkeyedContext,
            _: &mut impl ::tidegate::operator::Emit<Self::Out>,
            _: &mut impl ::tidegate::operator::Emit<Self::Side>,
        ) {
            ::core::unreachable!()
        }
    }
    impl ::tidegate::operator::UnkeyedOperator for Batcher {
        type In = Line;
        type State = Pending;
        type Out = __Unknown;
        type Side = __Unknown;
        fn on_event(
            &self,
            _: Self::In,
            _: &mut Self::State,
            _: &::tidegate::operator::UnkeyedContext,
            _: &mut impl ::tidegate::operator::Emit<Self::Out>,
            _: &mut impl ::tidegate::operator::Emit<Self::Side>,
        ) {
            ::core::unreachable!()
        }
    }
    impl ::tidegate::operator::WorksOn<Line> for Batcher {
        type As = Self;
        fn itself(self) -> Self {
            self
        }
    }
};
