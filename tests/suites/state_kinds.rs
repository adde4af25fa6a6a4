//! What `#[state]` makes of fields that are kinds of state: which they are, how they are declared, and what a manifest says.

use tidegate::Result;
use tidegate::prelude::*;
use tidegate::state::kinds::Managed;
use tidegate::state::{ManagedSpec, ManagedVisitor, Refresh, Ttl, TtlTime};

#[event]
#[derive(Clone)]
struct Payment {
    cents: u64,
}

impl Reduce for Payment {
    fn reduce(&mut self, other: Payment) {
        self.cents += other.cents;
    }
}

#[derive(Default)]
struct Longest;

impl Aggregate for Longest {
    type In = String;
    type Acc = Option<String>;
    type Out = usize;

    fn create(&self) -> Option<String> {
        None
    }

    fn add(&self, longest: &mut Option<String>, text: String) {
        if longest.as_ref().is_none_or(|longest| longest.len() < text.len()) {
            *longest = Some(text);
        }
    }

    fn merge(&self, longest: &mut Option<String>, other: Option<String>) {
        other.into_iter().for_each(|text| self.add(longest, text));
    }

    fn result(&self, longest: &Option<String>) -> usize {
        longest.as_ref().map_or(0, String::len)
    }
}

/// By its type it is a map, whatever it is called.
type Pages = Map<String, u64>;

#[state(key = String)]
#[derive(Default, Clone, Debug, PartialEq)]
struct Account {
    balance: i64,
    #[state(ttl = "7d")]
    pages: Pages,
    #[serde(skip)]
    scratch: Vec<u8>,
    #[state(name = "latest", max = 3, ttl = "1h 30min", time = "event", refresh = "read-and-write")]
    payments: List<Payment>,
    owner: Option<String>,
    #[state(ttl = "10s", time = "uptime")]
    attempts: tidegate::state::Value<u8>,
    paid: Reducing<Payment>,
    longest: Aggregating<Longest>,
    #[state(unbounded)]
    friends: Map<u64, ()>,
}

impl PartialEq for Payment {
    fn eq(&self, other: &Payment) -> bool {
        self.cents == other.cents
    }
}

impl std::fmt::Debug for Payment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ct", self.cents)
    }
}

fn ttl(lasts: std::time::Duration, time: TtlTime, refresh: Refresh) -> Option<Ttl> {
    Some(Ttl { lasts, time, refresh })
}

#[test]
fn the_managed_fields_are_found_by_their_types_and_numbered_in_order_of_declaration() {
    let specs = [
        ManagedSpec {
            name: "pages",
            ttl: ttl(secs(7 * 86_400), TtlTime::Processing, Refresh::Write),
            max: None,
        },
        ManagedSpec {
            name: "latest",
            ttl: ttl(minutes(90), TtlTime::Event, Refresh::ReadAndWrite),
            max: Some(3),
        },
        ManagedSpec { name: "attempts", ttl: ttl(secs(10), TtlTime::Uptime, Refresh::Write), max: None },
        ManagedSpec { name: "paid", ttl: None, max: None },
        ManagedSpec { name: "longest", ttl: None, max: None },
        ManagedSpec { name: "friends", ttl: None, max: None },
    ];
    assert_eq!(Account::MANAGED, specs);

    struct Seen(Vec<(u8, &'static str, bool)>);
    impl ManagedVisitor for Seen {
        fn visit<M: Managed>(&mut self, index: u8, spec: &'static ManagedSpec, _: &mut M) -> Result<()> {
            self.0.push((index, spec.name, M::HAS_ENTRIES));
            Ok(())
        }
    }
    let mut seen = Seen(Vec::new());
    Account::default().managed(&mut seen).unwrap();
    let with_entries = ["pages", "latest", "friends"];
    let expected: Vec<_> =
        (0..).zip(specs).map(|(index, spec)| (index, spec.name, with_entries.contains(&spec.name))).collect();
    assert_eq!(seen.0, expected);
}

#[test]
fn a_manifest_says_what_kinds_they_are_and_how_long_they_are_kept() {
    let fields = Account::schema().fields;
    let said: Vec<String> = fields.iter().map(|field| format!("{}: {}", field.name, field.schema)).collect();
    let expected = [
        "balance: i64",
        "pages: Map<String, u64>",
        "latest: List<Payment>",
        "owner: Option<String>",
        "attempts: Value<u8>",
        "paid: Reducing<Payment>",
        "longest: Aggregating<Option<String>>",
        "friends: Map<u64, ()>",
    ];
    assert_eq!(said, expected);
    let json = serde_json::to_value(&fields).unwrap();
    assert_eq!(json[0].get("ttl"), None);
    assert_eq!(
        json[2]["ttl"],
        serde_json::json!({ "lasts": "1h 30m", "time": "event", "refresh": "read-and-write" })
    );
}

#[test]
fn without_a_job_a_state_is_a_plain_struct() {
    let mut account = Account::default();
    *account.pages.get_or_default("/".to_string()) += 2;
    account.payments.extend([Payment { cents: 5 }, Payment { cents: 7 }]);
    account.paid.add(Payment { cents: 5 });
    account.paid.add(Payment { cents: 7 });
    ["ab", "abcd", "abc"].into_iter().for_each(|text| account.longest.add(text.to_string()));
    account.attempts.set(3);

    assert_eq!(account.longest.result(), Some(4));
    let copy = account.clone();
    assert_eq!(copy, account);
    assert_eq!(
        format!("{account:?}"),
        "Account { balance: 0, pages: {\"/\": 2}, scratch: [], payments: [5 ct, 7 ct], owner: None, attempts: Some(3), \
         paid: Some(12 ct), longest: Some(Some(\"abcd\")), friends: {} }"
    );
    account.payments.pop_front();
    assert_ne!(copy, account);
}
