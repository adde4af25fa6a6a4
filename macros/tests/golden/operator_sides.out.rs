impl Settle {
    fn on_left(&self, order: Order, account: &mut Account) -> Option<Settled> {
        account.order(order)
    }
    fn on_right(
        &self,
        payment: Payment,
        account: &mut Account,
        cx: &mut Context<Self>,
        out: &mut impl Emit<Settled>,
    ) {
        out.emit(account.pay(payment, cx.event_time()));
    }
}
impl ::tidegate::operator::Operator for Settle {
    type In = ::tidegate::record::Either<Order, Payment>;
    type State = Account;
    type Out = Settled;
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
        match event {
            ::tidegate::record::Either::Left(event) => {
                if let ::core::option::Option::Some(value) = Self::on_left(
                    self,
                    event,
                    state,
                ) {
                    ::tidegate::operator::Emit::emit(out, value);
                }
            }
            ::tidegate::record::Either::Right(event) => {
                Self::on_right(self, event, state, cx, out);
            }
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
