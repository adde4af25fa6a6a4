/// A card is tried out with small payments, and then emptied.
pub fn card_theft(
    small: Payment,
    more: Vec<Payment>,
    _: (),
    refund: (),
    large: Vec<Payment>,
    twice: [Payment; 2],
    last: Option<Payment>,
) -> Theft {
    Theft {
        card: small.card,
        large,
        last,
    }
}
/// A card is tried out with small payments, and then emptied.
///
/// The pattern whose matches [`card_theft`](fn@card_theft) is given.
#[derive(Clone, Copy, Debug, Default)]
pub struct CardTheft;
impl ::tidegate::pattern::Matcher for CardTheft {
    type Event = Payment;
    type Out = Theft;
    fn pattern(&self) -> ::tidegate::pattern::Pattern<Self::Event> {
        ::tidegate::pattern::Pattern::<Payment>::begin("small")
            .filter(|payment| payment.amount < 10)
            .next("more")
            .filter(|payment| payment.amount < 10)
            .times(1..=3)
            .greedy()
            .not_next("not_next 3")
            .filter(|payment| payment.declined)
            .not_followed_by("refund")
            .filter(is_refund)
            .followed_by("large")
            .filter_with(|event, so_far| {
                #[allow(unused_variables)]
                let ::core::option::Option::Some(small) = so_far.first("small") else {
                    return false
                };
                ::tidegate::__rt::holds(
                    event,
                    |payment| payment.amount > 100 * small.amount,
                )
            })
            .one_or_more()
            .optional()
            .consecutive()
            .until_with(|event, so_far| {
                #[allow(unused_variables)]
                let ::core::option::Option::Some(small) = so_far.first("small") else {
                    return false
                };
                #[allow(unused_variables)]
                let large: ::std::vec::Vec<&Payment> = so_far.all("large");
                ::tidegate::__rt::holds(
                    event,
                    |payment| large.len() > 4 && payment.amount < small.amount,
                )
            })
            .followed_by_any("twice")
            .times(2)
            .followed_by("last")
            .filter_with(|event, so_far| {
                #[allow(unused_variables)]
                let large: ::std::vec::Vec<&Payment> = so_far.all("large");
                ::tidegate::__rt::holds(
                    event,
                    |payment| matches!(& large[..], [first, ..] if first.at < payment.at),
                )
            })
            .optional()
            .within(::core::time::Duration::from_millis(600000u64))
            .skip(::tidegate::pattern::Skip::PastLast)
    }
    fn select(&self, mut found: ::tidegate::pattern::Match<Self::Event>) -> Self::Out {
        card_theft(
            ::tidegate::__rt::taken_once(&mut found, "small"),
            found.take("more"),
            (),
            (),
            found.take("large"),
            ::tidegate::__rt::taken_exactly(&mut found, "twice"),
            found.take("last").pop(),
        )
    }
}
