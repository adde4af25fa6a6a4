#[state(key = AccountId, version = 2, from = OldAccount)]
#[derive(Default)]
struct Account {
    #[state(was = "sum")]
    balance: i64,
    #[state(was = ["flag", "is_flagged"])]
    flagged: bool,
}
