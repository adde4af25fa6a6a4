//! A job with every kind of state that can be proved from its results: it books payments, and says with each what it
//! remembers of the account. What it remembers for a time depends on how far event time had come, and so it says that, too.
//!
//! A payment is a line: `account place at payee cents`. Its place is its number among the payments of its account, from 1.

use std::path::PathBuf;

use tidegate::prelude::*;

/// Books payments, and says what it remembers
#[job]
fn ledger(job: &Job, args: Args) -> Result<()> {
    job.source("payments", Lines::open(args.input))
        .map(parse)
        .watermarks(Watermarks::bounded(secs(2)))
        .key_by(|payment| payment.account)
        .process("ledger", Book)
        .sink("bookings", JsonLines::write(args.output));
    Ok(())
}

#[derive(clap::Args)]
struct Args {
    /// Files with a payment a line
    #[arg(long, num_args = 1.., required = true)]
    input: Vec<PathBuf>,
    /// Directory for the bookings
    #[arg(long)]
    output: PathBuf,
}

#[event(time = at)]
struct Payment {
    account: u32,
    place: u64,
    at: EventTime,
    payee: u32,
    cents: i64,
}

fn parse(line: Line) -> Payment {
    let text = line.text_lossy();
    let numbers: Vec<i64> = text.split(' ').map(|number| number.parse().unwrap_or_default()).collect();
    let [account, place, at, payee, cents] = numbers[..] else { panic!("{text:?} is not a payment") };
    let at = EventTime::from_millis(at);
    Payment { account: account as u32, place: place as u64, at, payee: payee as u32, cents }
}

#[state(key = u32)]
#[derive(Default)]
struct Account {
    balance: i64,
    last_place: u64,
    #[state(unbounded)]
    by_payee: Map<u32, i64>,
    #[state(ttl = "20s", time = "event")]
    lately: Map<u32, u64>,
    #[state(max = 5)]
    recent: List<i64>,
    #[state(ttl = "30s", time = "event")]
    open: List<u64>,
    #[state(ttl = "7d")]
    since: Value<EventTime>,
}

/// Ten seconds after a payment it is settled.
#[event]
struct Settle {
    place: u64,
}

#[event]
struct Booking {
    account: u32,
    place: u64,
    settled: bool,
    last_place: u64,
    watermark: EventTime,
    balance: i64,
    by_payee: Vec<(u32, i64)>,
    recent: Vec<i64>,
    since: Option<EventTime>,
    /// What is remembered for a time; not said when event time is at its end.
    lately: Option<Vec<(u32, u64)>>,
    open: Option<Vec<u64>>,
}

struct Book;

#[operator]
impl Book {
    fn on_event(&self, payment: Payment, account: &mut Account, cx: &mut Context<Self>) -> Booking {
        let Payment { place, at, payee, cents, .. } = payment;
        assert_eq!(place, account.last_place + 1, "the payments of account {} are in order", payment.account);
        account.balance += cents;
        account.last_place = place;
        match cents {
            0 => account.by_payee = Map::default(),
            1 => drop(account.by_payee.remove(&payee)),
            _ => *account.by_payee.get_or_default(payee) += cents,
        }
        account.lately.insert(payee, place);
        account.recent.push(cents);
        account.open.push(place);
        account.since.get_or_insert_with(|| at);
        cx.set_timer(at + secs(10), Settle { place });
        account.booking(place, false, cx)
    }

    fn on_timer(&self, settle: Settle, account: &mut Account, cx: &mut Context<Self>) -> Booking {
        account.booking(settle.place, true, cx)
    }
}

/// A map has no order that means anything.
fn sorted<'a, V: Copy + Ord + 'a>(entries: impl Iterator<Item = (&'a u32, &'a V)>) -> Vec<(u32, V)> {
    let mut sorted: Vec<_> = entries.map(|(payee, value)| (*payee, *value)).collect();
    sorted.sort_unstable();
    sorted
}

impl Account {
    fn booking(&mut self, place: u64, settled: bool, cx: &Context<'_, Book>) -> Booking {
        let has_ended = cx.watermark() == EventTime::MAX;
        let lately = || sorted(self.lately.iter());
        let open = || self.open.iter().copied().collect();
        Booking {
            account: *cx.key(),
            place,
            settled,
            last_place: self.last_place,
            watermark: cx.watermark(),
            balance: self.balance,
            by_payee: sorted(self.by_payee.iter()),
            recent: self.recent.iter().copied().collect(),
            since: self.since.get().copied(),
            lately: (!has_ended).then(lately),
            open: (!has_ended).then(open),
        }
    }
}
