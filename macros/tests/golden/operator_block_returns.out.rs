impl Alarm {
    fn on_event(
        &self,
        cx: &mut Context<Self>,
        load: &mut Load,
        bytes: Bytes,
    ) -> Option<Alert> {
        None
    }
}
impl ::tidegate::operator::Operator for Alarm {
    type In = Bytes;
    type State = Load;
    type Out = Alert;
    type Side = ::tidegate::operator::Never;
    type Timer = ::tidegate::operator::Never;
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
        _: &mut impl ::tidegate::operator::Emit<Self::Side>,
    ) {
        if let ::core::option::Option::Some(value) = Self::on_event(
            self,
            cx,
            state,
            event,
        ) {
            ::tidegate::operator::Emit::emit(out, value);
        }
    }
    #[inline]
    fn on_timer(
        &self,
        timer: Self::Timer,
        _: &mut Self::State,
        _: &Self::Shared,
        _: &mut ::tidegate::operator::Context<'_, Self>,
        _: &mut impl ::tidegate::operator::Emit<Self::Out>,
        _: &mut impl ::tidegate::operator::Emit<Self::Side>,
    ) {
        match timer {}
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
