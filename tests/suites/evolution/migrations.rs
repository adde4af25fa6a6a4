//! State of an older version, taken over by the program's own code.

use tidegate::evolution::Plan;
use tidegate::key::{Key, MaxParallelism};
use tidegate::prelude::*;
use tidegate::snapshot::part::Section;
use tidegate::state::{Describe, State};
use tidegate::time::EventTime;

use super::{TAKEN_AT, assert_goes_over, key_bytes, plan, program, recorded, refused, told};

#[state(key = u64, name = "Account")]
#[derive(Debug, Default, PartialEq)]
struct OldAccount {
    cents: String,
    kept: bool,
}

#[state(key = u64, name = "Account", version = 2, from = OldAccount)]
#[derive(Debug, Default, PartialEq)]
struct Account {
    cents: i64,
}

impl From<OldAccount> for Account {
    fn from(old: OldAccount) -> Account {
        Account { cents: old.cents.parse().unwrap_or(-1) }
    }
}

#[key]
struct AccountId {
    number: u64,
    branch: u8,
}

impl From<u64> for AccountId {
    fn from(number: u64) -> AccountId {
        AccountId { number, branch: 1 }
    }
}

#[state(key = AccountId, name = "Account", version = 5, from = Account)]
#[derive(Debug, Default, PartialEq)]
struct NewAccount {
    euros: i64,
    cents: i64,
}

impl From<Account> for NewAccount {
    fn from(old: Account) -> NewAccount {
        NewAccount { euros: old.cents / 100, cents: old.cents % 100 }
    }
}

fn taken_over<Old: State, New: State>(plan: &Plan, key: &Old::Key, old: &Old) -> (Vec<u8>, New) {
    let (key, old) = (key_bytes(key), postcard::to_stdvec(old).unwrap());
    let (key, new) = plan.row(Section::State, &key, &old).unwrap().unwrap();
    (key.into_owned(), postcard::from_bytes(&new).unwrap())
}

#[test]
fn an_older_version_is_taken_over_by_the_programs_own_code() {
    let plan = plan::<OldAccount, Account>();
    assert_eq!(
        told(&plan),
        ["has version \"1\", this program has \"2\": migrated, by the program: from `Account` to `Account`"]
    );
    assert!(plan.keeps_keys() && plan.keeps_order() && !plan.is_identity());
    assert_goes_over(&plan, &OldAccount { cents: "1250".to_string(), kept: true }, &Account { cents: 1250 });
}

#[test]
fn versions_are_taken_over_one_after_another_and_keys_with_them() {
    let plan = plan::<OldAccount, NewAccount>();
    assert_eq!(
        told(&plan),
        [
            "has version \"1\", this program has \"5\": migrated, by the program: from `Account` to `Account` to `Account`"
        ]
    );
    assert!(!plan.keeps_keys() && !plan.keeps_order());
    let old = OldAccount { cents: "1250".to_string(), kept: true };
    let (key, new) = taken_over::<OldAccount, NewAccount>(&plan, &9, &old);
    assert_eq!(key, key_bytes(&AccountId { number: 9, branch: 1 }));
    assert_eq!(new, NewAccount { euros: 12, cents: 50 });
    let (key, new) =
        taken_over::<Account, NewAccount>(&super::plan::<Account, NewAccount>(), &9, &Account { cents: 7 });
    assert_eq!(key, key_bytes(&AccountId { number: 9, branch: 1 }));
    assert_eq!(new, NewAccount { euros: 0, cents: 7 });
    let max = MaxParallelism::DEFAULT;
    assert_eq!(plan.group(Section::State, &key, max), Some(AccountId::from(9).hash().group(max)));
}

#[test]
fn what_the_snapshot_has_is_first_carried_into_the_struct_that_was_kept() {
    #[state(key = u64, name = "Account")]
    #[derive(Default)]
    struct Older {
        kept: bool,
        number: u8,
    }
    let plan = plan::<Older, Account>();
    assert_eq!(
        told(&plan),
        [
            "has field \"number: u8\", this program has none: carried, without it",
            "has no field \"cents: String\", this program has one: carried, it begins as \"\"",
            "has version \"1\", this program has \"2\": migrated, by the program: from `Account` to `Account`",
        ]
    );
    assert_goes_over(&plan, &Older { kept: true, number: 3 }, &Account { cents: -1 });
}

#[test]
fn a_struct_that_was_kept_wrongly_is_refused() {
    #[state(key = u64, name = "Account")]
    #[derive(Default)]
    struct Older {
        cents: u8,
    }
    refused::<Older, Account>(
        &[
            "has field \"cents: u8\", this program has \"cents: String\": refused, it is another type",
            "has no field \"kept: bool\", this program has one: carried, it begins as false",
            "has version \"1\", this program has \"2\": migrated, by the program: from `Account` to `Account`",
        ],
        "declare `Account`, version 1, as the snapshot has it",
    );
}

#[test]
fn a_version_of_which_the_program_has_nothing_is_refused() {
    #[state(key = u64, name = "Account", version = 3)]
    #[derive(Default)]
    struct Third {
        cents: i64,
    }
    refused::<OldAccount, Third>(
        &["has version \"1\", this program has \"3\": refused, this program has nothing of version 1"],
        "`#[state(key = u64, version = 1)] struct OldAccount`; mark the new one `#[state(key = u64, version = 3, from = \
         OldAccount)]`",
    );
}

#[test]
fn a_snapshot_of_a_newer_program_is_refused() {
    refused::<Account, OldAccount>(
        &[
            "has version \"2\", this program has \"1\": refused, this program is older than the one that took it",
        ],
        "start the program that took it",
    );
}

#[test]
fn timers_follow_their_keys() {
    let (was, is) = (program::<Account>(u8::schema()), program::<NewAccount>(Option::<u16>::schema()));
    let plan = Plan::of(&recorded(&was), &is, TAKEN_AT);
    let row_key =
        |key: Vec<u8>| [&EventTime::from_millis(5).as_millis().to_be_bytes()[..], &[0; 8], &key].concat();
    let new_key = AccountId { number: 9, branch: 1 };
    let old_key = row_key(key_bytes(&9u64));
    let (key, payload) = plan.row(Section::EventTimer, &old_key, &[200]).unwrap().unwrap();
    assert_eq!(*key, *row_key(key_bytes(&new_key)));
    assert_eq!(postcard::from_bytes::<Option<u16>>(&payload).unwrap(), Some(200));
    let max = MaxParallelism::DEFAULT;
    assert_eq!(plan.group(Section::EventTimer, &key, max), Some(new_key.hash().group(max)));
}
