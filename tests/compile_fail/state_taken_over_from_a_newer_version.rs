use tidegate::prelude::*;

#[state(key = u64, version = 3)]
#[derive(Default)]
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
