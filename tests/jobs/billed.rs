//! A job of several sources: orders and returns come together, prices are told to all subtasks, and when all has been read each customer is
//! billed.
//!
//! An order, or a return, is a line: `customer item count`; a price is one: `item cents`, and the last of each item counts. Other orders go to
//! the rejects. With `--until FILE` a further source gives nothing, and ends when that file is there: so the job can be looked at when it has read
//! all. With `--crash-once FILE` it panics at the first order of item `storm`, and makes that file, so that it does not do so again.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::PathBuf;

use tidegate::prelude::*;
use tidegate::source::{Offset, ReadStatus, Replay, Source, Split, SplitId, SplitReader};

/// Bills customers when all is known
#[job]
fn billed(job: &Job, args: Args) -> Result<()> {
    let (orders, bad_orders) = job.source("orders", Lines::open(args.orders)).try_map(order);
    let (returns, bad_returns) = job.source("returns", Lines::open(args.returns)).try_map(order);
    let returns = returns.map(|order| Order { count: -order.count, ..order });
    let prices = job.source("prices", Lines::open(args.prices)).map(price);
    let waiting = job.source("waiting", Until { file: args.until });
    orders
        .union(returns)
        .union(waiting)
        .key_by_ref(|order: &Order| &order.customer)
        .connect_broadcast(prices)
        .process("bill", Bill { crash_once: args.crash_once })
        .sink("bills", JsonLines::write(args.output));
    bad_orders.union(bad_returns).sink("rejects", JsonLines::write(args.rejects));
    Ok(())
}

#[derive(clap::Args)]
struct Args {
    /// Files with an order a line
    #[arg(long, num_args = 1.., required = true)]
    orders: Vec<PathBuf>,
    /// Files with a return a line; they may be the same
    #[arg(long, num_args = 1.., required = true)]
    returns: Vec<PathBuf>,
    /// Files with a price a line
    #[arg(long, num_args = 1.., required = true)]
    prices: Vec<PathBuf>,
    /// Directory for the bills
    #[arg(long)]
    output: PathBuf,
    /// Directory for what is no order
    #[arg(long)]
    rejects: PathBuf,
    /// The input does not end before this file is there
    #[arg(long)]
    until: Option<PathBuf>,
    /// Panic once, and make this file
    #[arg(long)]
    crash_once: Option<PathBuf>,
}

#[event]
#[derive(Debug)]
struct Order {
    customer: String,
    item: String,
    count: i64,
}

fn order(line: Line) -> Result<Order, BadLine> {
    line.parse(|text| {
        let mut words = text.split(' ');
        let (customer, item, count) = (words.next(), words.next(), words.next());
        let count = count.and_then(|count| count.parse().ok()).ok_or("there is no count")?;
        let [customer, item] = [customer, item].map(|word| word.unwrap_or_default().to_string());
        Ok::<_, &str>(Order { customer, item, count })
    })
}

fn price(line: Line) -> (String, i64) {
    let text = line.text_lossy();
    let price = text.split_once(' ').and_then(|(item, cents)| Some((item.to_string(), cents.parse().ok()?)));
    price.unwrap_or_else(|| panic!("{text:?} is no price"))
}

#[state(key = String)]
#[derive(Default)]
struct Account {
    items: BTreeMap<String, i64>,
}

#[state(broadcast)]
#[derive(Default)]
struct Prices {
    cents: BTreeMap<String, i64>,
    told: u64,
}

struct Bill {
    crash_once: Option<PathBuf>,
}

#[operator]
impl Bill {
    fn on_event(&self, order: Order, account: &mut Account, _: &Prices, cx: &mut Context<Self>) {
        if let Some(file) = self.crash_once.as_ref().filter(|file| order.item == "storm" && !file.exists()) {
            File::create(file).expect("the test has a directory for it");
            panic!("a storm has come");
        }
        if account.items.is_empty() {
            cx.set_timer(EventTime::MAX, ());
        }
        *account.items.entry(order.item).or_default() += order.count;
    }

    fn on_broadcast(&self, (item, cents): (String, i64), prices: &mut Prices) {
        prices.told += 1;
        prices.cents.insert(item, cents);
    }

    fn on_timer(
        &self,
        _: (),
        account: &mut Account,
        prices: &Prices,
        cx: &mut Context<Self>,
    ) -> (String, i64, u64) {
        let cents =
            account.items.iter().map(|(item, count)| count * prices.cents.get(item).unwrap_or(&0)).sum();
        (cx.key().clone(), cents, prices.told)
    }
}

/// Gives nothing, and ends when a file is there; without one at once.
struct Until {
    file: Option<PathBuf>,
}

impl Source for Until {
    type Item = Order;
    type Reader = Until;

    fn describe(&self) -> String {
        "nothing, for a while".to_string()
    }

    fn replay(&self) -> Replay {
        Replay::FromOffset
    }

    fn splits(&self) -> Result<Vec<Split>> {
        Ok(vec![Split { id: SplitId("nothing".to_string()), bytes: None }])
    }

    fn open(&self, _: &SplitId, _: Offset) -> Result<Until> {
        Ok(Until { file: self.file.clone() })
    }
}

impl SplitReader for Until {
    type Item = Order;

    fn read(&mut self, _: usize, _: &mut impl FnMut(Order)) -> Result<ReadStatus> {
        let waits = self.file.as_ref().is_some_and(|file| !file.exists());
        Ok(if waits { ReadStatus::Idle } else { ReadStatus::End })
    }

    fn offset(&self) -> Offset {
        Offset::default()
    }
}
