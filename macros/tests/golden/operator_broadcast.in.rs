#[operator]
impl Apply {
    fn on_event(&self, order: Order, account: &mut Account, rates: &Rates, cx: &mut Context<Self>) -> Option<Sum> {
        rates.apply(order, account)
    }

    fn on_timer(&self, _: Close, rates: &Rates, account: &mut Account, out: &mut impl Emit<Sum>) {
        out.emit(account.close(rates));
    }

    fn on_broadcast(&self, rate: Rate, rates: &mut Rates, cx: &UnkeyedContext, out: &mut impl Emit<Sum>) {
        rates.set(rate);
    }
}
