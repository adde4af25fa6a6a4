use tidegate::prelude::*;

// What a snapshot has must be kept as the state that it was.
struct OldAccount {
    balance: i32,
}

#[state(key = u64, version = 2, from = OldAccount)]
#[derive(Default)]
struct Account {
    cents: i64,
}

impl From<OldAccount> for Account {
    fn from(old: OldAccount) -> Account {
        Account { cents: i64::from(old.balance) * 100 }
    }
}

fn main() {}
