/// A card is tried out with small payments, and then emptied.
#[pattern(within = "10m", skip = past_last)]
pub fn card_theft(
    #[begin(|payment| payment.amount < 10)] small: Payment,
    #[next(|payment| payment.amount < 10)] #[times(1..=3)] #[greedy] more: Vec<Payment>,
    #[not_next(|payment| payment.declined)] _: (),
    #[not_followed_by(is_refund)] refund: (),
    #[followed_by(|payment| payment.amount > 100 * small.amount)]
    #[optional]
    #[consecutive]
    #[until(|payment| large.len() > 4 && payment.amount < small.amount)]
    large: Vec<Payment>,
    #[followed_by_any] twice: [Payment; 2],
    #[followed_by(|payment| matches!(&large[..], [first, ..] if first.at < payment.at))] last: Option<Payment>,
) -> Theft {
    Theft { card: small.card, large, last }
}
