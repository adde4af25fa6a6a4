impl Apply {
    fn on_event(
        &self,
        order: Order,
        account: &mut Account,
        rates: &Rates,
        cx: &mut Context<Self>,
    ) -> Option<Sum> {
        rates.apply(order, account)
    }
    fn on_timer(
        &self,
        _: Close,
        rates: &Rates,
        account: &mut Account,
        out: &mut impl Emit<Sum>,
    ) {
        out.emit(account.close(rates));
    }
    fn on_broadcast(
        &self,
        rate: Rate,
        rates: &mut Rates,
        cx: &UnkeyedContext,
        out: &mut impl Emit<Sum>,
    ) {
        rates.set(rate);
    }
}
impl ::tidegate::operator::Operator for Apply {
    type In = Order;
    type State = Account;
    type Out = Sum;
    type Side = ::tidegate::operator::Never;
    type Timer = Close;
    type Shared = Rates;
    type Broadcast = Rate;
    #[inline]
    fn on_event(
        &self,
        event: Self::In,
        state: &mut Self::State,
        shared: &Self::Shared,
        cx: &mut ::tidegate::operator::Context<'_, Self>,
        out: &mut impl ::tidegate::operator::Emit<Self::Out>,
        _: &mut impl ::tidegate::operator::Emit<Self::Side>,
    ) {
        if let ::core::option::Option::Some(value) = Self::on_event(
            self,
            event,
            state,
            shared,
            cx,
        ) {
            ::tidegate::operator::Emit::emit(out, value);
        }
    }
    #[inline]
    fn on_timer(
        &self,
        timer: Self::Timer,
        state: &mut Self::State,
        shared: &Self::Shared,
        _: &mut ::tidegate::operator::Context<'_, Self>,
        out: &mut impl ::tidegate::operator::Emit<Self::Out>,
        _: &mut impl ::tidegate::operator::Emit<Self::Side>,
    ) {
        Self::on_timer(self, timer, shared, state, out);
    }
    #[inline]
    fn on_broadcast(
        &self,
        record: Self::Broadcast,
        shared: &mut Self::Shared,
        cx: &::tidegate::operator::UnkeyedContext,
        out: &mut impl ::tidegate::operator::Emit<Self::Out>,
        _: &mut impl ::tidegate::operator::Emit<Self::Side>,
    ) {
        Self::on_broadcast(self, record, shared, cx, out);
    }
}
