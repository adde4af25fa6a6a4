#[operator]
impl Apply {
    fn on_event(&self, order: Order, account: &mut Account, rates: &mut Rates) {}

    fn on_broadcast(&self, rate: Rate, rates: &Rates, cx: &mut Context<Self>) {}
}
