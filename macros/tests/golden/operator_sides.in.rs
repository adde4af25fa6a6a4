#[operator]
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
