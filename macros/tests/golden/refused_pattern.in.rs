#[pattern]
fn card_theft(#[begin] small: Payment, large: Vec<Payment>) -> Theft {
    Theft { card: small.card, large }
}
