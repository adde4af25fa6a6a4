impl CountVisits {
    fn on_event(&mut self, visit: Visit, session: &mut Session) {}
}
const _: () = {
    type __Unknown = [(); ::core::compile_error! {
        "`on_event` takes `&mut self`, but the operator's fields are configuration, shared by all keys; a change would be lost at a restart\nhelp: write `&self`, and keep what must survive in a struct marked `#[state(key = ..)]`"
    }];
    impl ::tidegate::operator::Operator for CountVisits {
        type In = Visit;
        type State = Session;
        type Out = __Unknown;
        type Side = __Unknown;
        type Timer = __Unknown;
        type Shared = ();
        type Broadcast = ::tidegate::operator::Never;
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
