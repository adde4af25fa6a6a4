impl Apply {
    fn on_event(&self, order: Order, account: &mut Account, rates: &mut Rates) {}
    fn on_broadcast(&self, rate: Rate, rates: &Rates, cx: &mut Context<Self>) {}
}
::core::compile_error! {
    "`on_broadcast` takes the broadcast state by `&`, but it is what changes it\nhelp: write `rates: &mut Rates`"
}
::core::compile_error! {
    "`on_broadcast` asks for a `Context`, which has a key and its timers, but a record that is broadcast has neither\nhelp: take `cx: &UnkeyedContext` for the times and the subtask"
}
const _: () = {
    type __Unknown = [(); ::core::compile_error! {
        "`on_event` changes two states, `Account` and `Rates`, but what is broadcast is the same in every subtask: only `on_broadcast` changes it\nhelp: read it: `rates: &Rates`"
    }];
    impl ::tidegate::operator::Operator for Apply {
        type In = Order;
        type State = Account;
        type Out = __Unknown;
        type Side = __Unknown;
        type Timer = __Unknown;
        type Shared = Rates;
        type Broadcast = Rate;
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
};
