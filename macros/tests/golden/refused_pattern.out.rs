#[allow(dead_code)]
fn card_theft(small: Payment, large: Vec<Payment>) -> Theft {
    Theft { card: small.card, large }
}
/// The pattern whose matches [`card_theft`](fn@card_theft) is given.
#[derive(Clone, Copy, Debug, Default)]
struct CardTheft;
const _: () = {
    type __Unknown = [(); ::core::compile_error! {
        "nothing says how the step follows the one before\nhelp: mark it `#[next(..)]`, `#[followed_by(..)]` or `#[followed_by_any(..)]`"
    }];
    impl ::tidegate::pattern::Matcher for CardTheft {
        type Event = Payment;
        type Out = Theft;
        fn pattern(&self) -> ::tidegate::pattern::Pattern<Self::Event> {
            ::core::unreachable!()
        }
        fn select(&self, _: ::tidegate::pattern::Match<Self::Event>) -> Self::Out {
            ::core::unreachable!()
        }
    }
};
