#[pattern(within = "1h", skip = to_first(order), crate = streams)]
fn unpaid(
    #[begin(|event| event.is_order())] order: Event,
    #[not_followed_by(|event| event.order == order.order)] _: (),
) -> u32 {
    order.order
}
