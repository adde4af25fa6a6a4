//! The queries as timely dataflows, as somebody would write them who knows timely: records are picked, exchanged by their key
//! where there is one, and kept in the structs that the [loops](super::by_hand) have, one in each worker.
//!
//! Timely's time is event time. An input advances with every batch to the time of its first event, and events come in order,
//! so the frontier says exactly what a watermark says, and four seconds earlier. What needs a second look over all workers (the
//! hottest of all, the averages of a category) is exchanged once more. Absent: snapshots, which timely has not.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::hash::{BuildHasher, Hash};
use std::rc::Rc;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tidegate::prelude::{Error, EventTime, Result};
use timely::Config;
use timely::container::CapacityContainerBuilder;
use timely::dataflow::channels::pact::{Exchange, Pipeline};
use timely::dataflow::operators::generic::Operator;
use timely::dataflow::operators::probe::Probe;
use timely::dataflow::operators::vec::Map;
use timely::dataflow::{InputHandle, ProbeHandle, StreamVec};

use super::super::event::{Bid, Event};
use super::super::queries::q15::Figure;
use super::super::queries::winning_bids::Move;
use super::super::queries::{Query, q0, q1, q4, q9, q14, q21, q22};
use super::by_hand::auctions::{Averages, Closed, LastBids, TopTen, WinningBids};
use super::by_hand::bidders::{PerWindow, Sessions};
use super::by_hand::hot_items::{Highest, HighestBids, Hot, HotItems};
use super::by_hand::join::{ExpandedBids, NewSellers, Sellers};
use super::by_hand::statistics::{OfAuctions, OfChannels, OfDays};
use super::by_hand::{Kept, Loop, bid, hot, selected};
use super::clock::{Stopwatch, peak_rss_mb};
use super::one_run::{Measured, OneRun};
use super::replay::Began;
use super::tally::{Tally, Total};

/// How many events an input sends before the worker takes a turn.
const BATCH: usize = 1024;

type Time = u64;
type Events<'s> = StreamVec<'s, Time, Event>;

/// Whatever an exchange takes.
trait Sent: Serialize + DeserializeOwned + Send + 'static {}
impl<T: Serialize + DeserializeOwned + Send + 'static> Sent for T {}

fn hash(key: impl Hash) -> u64 {
    foldhash::fast::FixedState::default().hash_one(key)
}

/// The watermark that a frontier says: nothing before it comes any more.
fn watermark(frontier: Option<Time>) -> EventTime {
    frontier.map_or(EventTime::MAX, |time| EventTime::from_millis(time as i64 - 1))
}

/// Takes the records of a key to the worker that keeps it.
fn keyed<'s, K: Kept<In: Sent>, H: Hash>(
    records: StreamVec<'s, Time, K::In>,
    key: impl Fn(&K::In) -> H + 'static,
) -> StreamVec<'s, Time, K::Out> {
    kept::<K, _>(records, Exchange::new(move |record: &K::In| hash(key(record))))
}

fn kept<'s, K: Kept, P>(records: StreamVec<'s, Time, K::In>, pact: P) -> StreamVec<'s, Time, K::Out>
where
    P: timely::dataflow::channels::pact::ParallelizationContract<Time, Vec<K::In>>,
{
    records.unary_frontier::<CapacityContainerBuilder<Vec<K::Out>>, _, _, _>(pact, "kept", |capability, _| {
        let (mut kept, mut capability) = (K::default(), Some(capability));
        move |(input, frontier), output| {
            let frontier = frontier.frontier().first().copied();
            let Some(held) = &mut capability else { return };
            {
                let mut session = output.session(held);
                let mut out = |row| session.give(row);
                input.for_each_stamp(|_, batches| {
                    batches.for_each(|batch| batch.drain(..).for_each(|record| kept.take(record, &mut out)));
                });
                kept.advance(watermark(frontier), &mut out);
            }
            match frontier {
                Some(time) => held.downgrade(&time),
                None => capability = None,
            }
        }
    })
}

/// Counts the rows of one worker.
fn count<'s, R: Serialize + 'static>(
    rows: StreamVec<'s, Time, R>,
    tally: &Rc<RefCell<Tally>>,
    probe: &ProbeHandle<Time>,
) {
    let tally = Rc::clone(tally);
    let counted = rows.unary::<CapacityContainerBuilder<Vec<()>>, _, _, _>(Pipeline, "count", |_, _| {
        move |input, _| {
            let mut tally = tally.borrow_mut();
            input.for_each_stamp(|_, batches| {
                batches.for_each(|batch| batch.drain(..).for_each(|row| tally.count(&row)));
            });
        }
    });
    counted.probe_with(probe);
}

/// The hottest of those that the workers have found.
#[derive(Default)]
struct Hottest {
    windows: BTreeMap<i64, Vec<Hot>>,
}

impl Kept for Hottest {
    type In = Hot;
    type Out = Hot;

    fn take(&mut self, found: Hot, _: &mut impl FnMut(Hot)) {
        let hottest = self.windows.entry(found.end).or_default();
        let most = hottest.first().map_or(0, |hot| hot.bids);
        if found.bids > most {
            hottest.clear();
        }
        if found.bids >= most {
            hottest.push(found);
        }
    }

    fn advance(&mut self, watermark: EventTime, out: &mut impl FnMut(Hot)) {
        while let Some(window) = self.windows.first_entry()
            && window.key() - 1 <= watermark.as_millis()
        {
            window.remove().into_iter().for_each(&mut *out);
        }
    }
}

/// The highest of those that the workers have found.
#[derive(Default)]
struct HighestOfAll {
    windows: BTreeMap<i64, Vec<Highest>>,
}

impl Kept for HighestOfAll {
    type In = Highest;
    type Out = super::super::queries::q7::Row;

    fn take(&mut self, found: Highest, _: &mut impl FnMut(Self::Out)) {
        self.windows.entry(found.start).or_default().push(found);
    }

    fn advance(&mut self, watermark: EventTime, out: &mut impl FnMut(Self::Out)) {
        while let Some(window) = self.windows.first_entry()
            && window.key() + 9_999 <= watermark.as_millis()
        {
            let found = window.remove();
            let most = found.iter().map(|found| found.most).max().unwrap_or(0);
            found.into_iter().filter_map(|found| found.row(most)).for_each(&mut *out);
        }
    }
}

/// The averages of the categories of one worker, at the end.
#[derive(Default)]
struct AtTheEnd(Averages);

impl Kept for AtTheEnd {
    type In = Closed;
    type Out = q4::Row;

    fn take(&mut self, closed: Closed, _: &mut impl FnMut(q4::Row)) {
        self.0.add(&closed);
    }

    fn advance(&mut self, watermark: EventTime, out: &mut impl FnMut(q4::Row)) {
        if watermark == EventTime::MAX {
            self.0.rows().for_each(|(category, average)| out(q4::Row { category, average }));
        }
    }
}

/// Bids to rows, one by one.
fn each<'s, R: 'static>(
    events: Events<'s>,
    row: impl Fn(Bid) -> Option<R> + 'static,
) -> StreamVec<'s, Time, R> {
    events.flat_map(move |event| bid(event).and_then(&row))
}

fn picked<'s, L: Loop<In: 'static>>(events: Events<'s>) -> StreamVec<'s, Time, L::In> {
    events.flat_map(L::pick)
}

fn wire(query: Query, events: Events<'_>, tally: &Rc<RefCell<Tally>>, probe: &ProbeHandle<Time>) {
    macro_rules! count {
        ($rows:expr) => {
            count($rows, tally, probe)
        };
    }
    match query {
        Query::Q0 => count!(each(events, |bid| Some(q0::Row::of(bid)))),
        Query::Q1 => count!(each(events, |bid| Some(q1::Row::of(bid)))),
        Query::Q2 => count!(each(events, selected)),
        Query::Q3 => count!(keyed::<Sellers, _>(picked::<Sellers>(events), |selling| selling.seller())),
        Query::Q4 => {
            let won = keyed::<WinningBids<false>, _>(picked::<WinningBids<false>>(events), Move::auction);
            count!(keyed::<AtTheEnd, _>(won.map(Closed::from), |closed| closed.category));
        }
        Query::Q5 => {
            let found = keyed::<HotItems, _>(picked::<HotItems>(events), |(auction, _)| *auction);
            count!(keyed::<Hottest, _>(found, |found| found.end).map(hot));
        }
        Query::Q7 => {
            let found = kept::<HighestBids, _>(picked::<HighestBids>(events), Pipeline);
            count!(keyed::<HighestOfAll, _>(found, |found| found.start));
        }
        Query::Q8 => count!(keyed::<NewSellers, _>(picked::<NewSellers>(events), |selling| selling.seller())),
        Query::Q9 => {
            let won = keyed::<WinningBids<true>, _>(picked::<WinningBids<true>>(events), Move::auction);
            count!(won.flat_map(q9::Row::of));
        }
        Query::Q11 => count!(keyed::<Sessions, _>(picked::<Sessions>(events), |(bidder, _)| *bidder)),
        Query::Q12 => count!(keyed::<PerWindow, _>(picked::<PerWindow>(events), |(bidder, _)| *bidder)),
        Query::Q14 => count!(each(events, q14::Row::of)),
        Query::Q15 => {
            let figures = picked::<OfDays>(events);
            count!(keyed::<OfDays, _>(figures, |figure| figure.at.as_millis() / 86_400_000));
        }
        Query::Q16 => {
            let key = |(channel, figure): &(String, Figure)| {
                hash((channel.as_str(), figure.at.as_millis() / 86_400_000))
            };
            count!(keyed::<OfChannels, _>(picked::<OfChannels>(events), key));
        }
        Query::Q17 => {
            count!(keyed::<OfAuctions, _>(picked::<OfAuctions>(events), |(auction, ..)| *auction));
        }
        Query::Q18 => {
            count!(keyed::<LastBids, _>(picked::<LastBids>(events), |bid| (bid.bidder, bid.auction)))
        }
        Query::Q19 => count!(keyed::<TopTen, _>(picked::<TopTen>(events), |bid| bid.auction)),
        Query::Q20 => {
            count!(keyed::<ExpandedBids, _>(picked::<ExpandedBids>(events), |offer| offer.auction()));
        }
        Query::Q21 => count!(each(events, q21::Row::of)),
        Query::Q22 => count!(each(events, |bid| Some(q22::Row::of(bid)))),
        Query::Events | Query::Q6 | Query::Q10 | Query::Q13 => unreachable!("asked for without a dataflow"),
    }
}

/// Runs a dataflow.
pub fn measure(run: OneRun) -> Result<Measured> {
    let stopwatch = Stopwatch::start();
    let began = Arc::new(Began::new(stopwatch.clone(), run.parallelism));
    let (noted, ended_at) = (Arc::clone(&began), stopwatch.clone());
    let worker = move |worker: &mut timely::worker::Worker| {
        let events = run.script.split(worker.index() as u32, run.parallelism);
        let tally = Rc::new(RefCell::new(Tally::new(run.check, run.query, run.parallelism)));
        let (mut input, probe) =
            (InputHandle::<Time, CapacityContainerBuilder<_>>::new(), ProbeHandle::new());
        worker.dataflow(|scope| wire(run.query, input.to_stream(scope), &tally, &probe));
        noted.wait();
        let mut waits_in_batch = 0;
        for event in events {
            if waits_in_batch == BATCH {
                waits_in_batch = 0;
                worker.step();
            }
            if waits_in_batch == 0 {
                input.advance_to(event.at().as_millis() as Time);
            }
            waits_in_batch += 1;
            input.send(event);
        }
        input.close();
        while !probe.done() {
            worker.step();
        }
        (tally.borrow_mut().take(), ended_at.lap())
    };
    let failed = |error: String| Error::failure(format!("timely: {error}"));
    let workers = timely::execute(Config::process(run.parallelism as usize), worker).map_err(failed)?;
    let began = began.at().ok_or_else(|| Error::failure("no worker has begun"))?;
    let (mut total, mut ended) = (Total::default(), began);
    for of_worker in workers.join() {
        let (counted, at) = of_worker.map_err(failed)?;
        total.add(counted);
        ended = ended.later(at);
    }
    let (seconds, cpu_seconds) = ended.since(began);
    Ok(Measured { seconds, cpu_seconds, peak_rss_mb: peak_rss_mb(), total, snapshots: 0 })
}
