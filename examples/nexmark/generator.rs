//! Makes up events as the benchmark describes them: of every fifty one is a person, three are auctions, 46 are bids.
//!
//! What enters: a seed and a number. What leaves: the event of that number. Always: it depends on nothing else, so that a
//! source can begin anywhere and any worker can make any event. Absent: bursts, and events out of order.
//!
//! Interest is uneven, as in life. Half of the bids go to the *hot* auction, three quarters come from the hot bidder, three
//! quarters of the auctions are of the hot seller; who is hot changes with every hundredth auction or person.

use tidegate::prelude::*;

use super::event::{Auction, Bid, Event, Person};

/// How many of every fifty events are what, in this order.
const PEOPLE: u64 = 1;
const AUCTIONS: u64 = 3;
const EPOCH: u64 = 50;

const FIRST_PERSON: u64 = 1000;
const FIRST_AUCTION: u64 = 1000;
const FIRST_CATEGORY: u64 = 10;
const CATEGORIES: u64 = 5;

/// Of so many people, the newest, those who do something are.
const ACTIVE_PEOPLE: u64 = 1000;
/// So many auctions are open at a time, on average.
const OPEN_AUCTIONS: u64 = 100;
/// An id may be of a person or an auction that comes only among the next so many.
const LEAD: u64 = 10;
/// One of so many is hot.
const HOT_EVERY: u64 = 100;

/// Average sizes in bytes, with 8 bytes for a number or a time; a bid's channel and URL come on top.
const PERSON_BYTES: u64 = 200;
const AUCTION_BYTES: u64 = 500;
const BID_BYTES: u64 = 100;

const FIRST_NAMES: [&str; 11] =
    ["Peter", "Paul", "Luke", "John", "Saul", "Vicky", "Kate", "Julie", "Sarah", "Deiter", "Walter"];
const LAST_NAMES: [&str; 9] =
    ["Shultz", "Abrams", "Spencer", "White", "Bartels", "Walton", "Smith", "Jones", "Noris"];
const CITIES: [&str; 10] = [
    "Phoenix",
    "Los Angeles",
    "San Francisco",
    "Boise",
    "Portland",
    "Bend",
    "Redmond",
    "Seattle",
    "Kent",
    "Cheyenne",
];
const STATES: [&str; 6] = ["AZ", "CA", "ID", "OR", "WA", "WY"];
const HOT_CHANNELS: [&str; 4] = ["Google", "Facebook", "Baidu", "Apple"];
const CHANNELS: u64 = 10_000;
/// No URL is longer.
const URL_BYTES: usize = 80;

/// Makes up events.
#[derive(Clone, Copy, Debug)]
pub struct Generator {
    /// Another seed makes other events.
    pub seed: u64,
    /// How many events happen in a second of event time; at least 1.
    pub rate: u64,
}

impl Generator {
    /// When the first event happens: 2015-07-15, midnight.
    const BEGIN: EventTime = EventTime::from_millis(1_436_918_400_000);

    /// Event number `number`, counted from 0.
    pub fn event(&self, number: u64) -> Event {
        let mut random = Random::new(self.seed, number);
        match number % EPOCH {
            place if place < PEOPLE => Event::Person(self.person(number, &mut random)),
            place if place < PEOPLE + AUCTIONS => Event::Auction(self.auction(number, &mut random)),
            _ => Event::Bid(self.bid(number, &mut random)),
        }
    }

    fn at(&self, number: u64) -> EventTime {
        let millis = u128::from(number) * 1000 / u128::from(self.rate.max(1));
        Generator::BEGIN + millis_of(millis)
    }

    fn person(&self, number: u64, random: &mut Random) -> Person {
        let name = format!("{} {}", random.one_of(&FIRST_NAMES), random.one_of(&LAST_NAMES));
        let email_address = format!("{}@{}.com", random.word(3, 7), random.word(3, 5));
        let credit_card = [(); 4].map(|()| format!("{:04}", random.below(10_000))).join(" ");
        let (city, state) = (random.one_of(&CITIES).to_string(), random.one_of(&STATES).to_string());
        let texts = [&name, &email_address, &credit_card, &city, &state];
        let extra = random.extra(PERSON_BYTES, 16 + texts.map(|text| text.len() as u64).iter().sum::<u64>());
        Person {
            id: FIRST_PERSON + newest_person(number),
            name,
            email_address,
            credit_card,
            city,
            state,
            date_time: self.at(number),
            extra,
        }
    }

    fn auction(&self, number: u64, random: &mut Random) -> Auction {
        let seller = match random.below(4) {
            0 => random.person(number),
            _ => newest_person(number) / HOT_EVERY * HOT_EVERY,
        };
        let (item_name, description) = (random.word(3, 20), random.sentence(3, 100));
        let initial_bid = random.price();
        let extra = random.extra(AUCTION_BYTES, 64 + (item_name.len() + description.len()) as u64);
        // So that, on average, as many auctions are open as should be.
        let date_time = self.at(number);
        let until = self.at(number + OPEN_AUCTIONS * EPOCH / AUCTIONS).since(date_time).as_millis() as u64;
        Auction {
            id: FIRST_AUCTION + newest_auction(number),
            item_name,
            description,
            initial_bid,
            reserve: initial_bid + random.price(),
            date_time,
            expires: date_time + millis(1 + random.below((2 * until).max(1))),
            seller: FIRST_PERSON + seller,
            category: FIRST_CATEGORY + random.below(CATEGORIES),
            extra,
        }
    }

    fn bid(&self, number: u64, random: &mut Random) -> Bid {
        let newest = newest_auction(number);
        let auction = match random.below(2) {
            0 => {
                let oldest = newest.saturating_sub(OPEN_AUCTIONS);
                oldest + random.below(newest - oldest + 1 + LEAD)
            }
            _ => newest / HOT_EVERY * HOT_EVERY,
        };
        let bidder = match random.below(4) {
            0 => random.person(number),
            _ => newest_person(number) / HOT_EVERY * HOT_EVERY + 1,
        };
        let price = random.price();
        let (channel, url) = random.channel(self.seed);
        Bid {
            auction: FIRST_AUCTION + auction,
            bidder: FIRST_PERSON + bidder,
            price,
            channel,
            url,
            date_time: self.at(number),
            extra: random.extra(BID_BYTES, 32),
        }
    }
}

fn millis_of(millis_since: u128) -> std::time::Duration {
    millis(u64::try_from(millis_since).unwrap_or(u64::MAX))
}

/// How many people have come before the newest one at event `number`. Every fifty events begin with the one person.
fn newest_person(number: u64) -> u64 {
    number / EPOCH
}

/// How many auctions have come before the newest one at event `number`; none before there is any.
fn newest_auction(number: u64) -> u64 {
    let (epoch, place) = (number / EPOCH * AUCTIONS, number % EPOCH);
    match place.checked_sub(PEOPLE) {
        Some(place) => epoch + place.min(AUCTIONS - 1),
        None => epoch.saturating_sub(1),
    }
}

/// Chance that a seed and a number decide: SplitMix64 (Steele, Lea and Flood 2014).
struct Random(u64);

impl Random {
    fn new(seed: u64, number: u64) -> Random {
        // What is near each other must not begin near each other: one generator's steps would be the other's.
        let mut random = Random(seed);
        Random(random.next() ^ Random(number).next().rotate_left(32))
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(bound)) >> 64) as u64
    }

    fn one_of<'a>(&mut self, choices: &[&'a str]) -> &'a str {
        choices[self.below(choices.len() as u64) as usize]
    }

    /// Somebody who is active at event `number`, or will be soon.
    fn person(&mut self, number: u64) -> u64 {
        let people = newest_person(number) + 1;
        let active = people.min(ACTIVE_PEOPLE);
        people - active + self.below(active + LEAD)
    }

    /// From 100 to 100,000,000: every order of magnitude is as likely.
    fn price(&mut self) -> u64 {
        let uniform = (self.next() >> 11) as f64 / (1u64 << 53) as f64;
        (10f64.powf(6.0 * uniform) * 100.0).round() as u64
    }

    /// Small letters.
    fn word(&mut self, least: u64, most: u64) -> String {
        let length = least + self.below(most - least + 1);
        self.letters(length)
    }

    /// Small letters with spaces between some.
    fn sentence(&mut self, least: u64, most: u64) -> String {
        let length = least + self.below(most - least + 1);
        let mut letter = || if self.below(13) == 0 { b' ' } else { self.letter() };
        text((0..length).map(|_| letter()).collect())
    }

    fn letters(&mut self, length: u64) -> String {
        text((0..length).map(|_| self.letter()).collect())
    }

    fn letter(&mut self) -> u8 {
        b'a' + self.below(26) as u8
    }

    /// What brings a record that has `bytes` to its average size: a fifth more or less of what is missing.
    fn extra(&mut self, average_bytes: u64, bytes: u64) -> String {
        let missing = average_bytes.saturating_sub(bytes);
        let least = missing - missing / 5;
        let length = least + self.below(2 * (missing / 5) + 1);
        self.letters(length)
    }

    /// A channel and its URL: one of the hot ones for every other bid. Nine of ten of the others have their id in the URL.
    fn channel(&mut self, seed: u64) -> (String, String) {
        if self.below(2) == 0 {
            let channel = self.one_of(&HOT_CHANNELS);
            let of_channel = channel.bytes().map(u64::from).sum();
            return (channel.to_string(), Random::new(seed, of_channel).url());
        }
        let number = self.below(CHANNELS);
        let mut of_channel = Random::new(seed, u64::MAX - number);
        let mut url = of_channel.url();
        if of_channel.below(10) > 0 {
            url.push_str("&channel_id=");
            url.push_str(&of_channel.below(1 << 31).to_string());
        }
        (format!("channel-{number}"), url)
    }

    fn url(&mut self) -> String {
        let mut url = Vec::with_capacity(URL_BYTES);
        url.extend_from_slice(b"https://www.nexmark.com/");
        for _ in 0..3 {
            let length = 3 + self.below(3);
            url.extend((0..length).map(|_| self.letter()));
            url.push(b'/');
        }
        url.extend_from_slice(b"item.htm?query=1");
        text(url)
    }
}

/// What was made letter by letter.
fn text(ascii: Vec<u8>) -> String {
    String::from_utf8(ascii).expect("letters and spaces are UTF-8")
}

#[cfg(test)]
mod tests {
    use std::collections::{HashMap, HashSet};

    use super::*;

    const GENERATOR: Generator = Generator { seed: 7, rate: 10_000 };

    struct Events {
        people: Vec<Person>,
        auctions: Vec<Auction>,
        bids: Vec<Bid>,
    }

    fn events(count: u64) -> Events {
        let mut events = Events { people: Vec::new(), auctions: Vec::new(), bids: Vec::new() };
        for number in 0..count {
            match GENERATOR.event(number) {
                Event::Person(person) => events.people.push(person),
                Event::Auction(auction) => events.auctions.push(auction),
                Event::Bid(bid) => events.bids.push(bid),
            }
        }
        events
    }

    fn share(part: usize, of: usize) -> f64 {
        part as f64 / of as f64
    }

    fn greatest(counts: impl IntoIterator<Item = u64>) -> (u64, usize) {
        let mut by_value = HashMap::new();
        counts.into_iter().for_each(|value| *by_value.entry(value).or_default() += 1);
        by_value.into_iter().max_by_key(|&(_, count)| count).unwrap()
    }

    #[test]
    fn of_fifty_events_one_is_a_person_three_are_auctions_and_the_rest_are_bids() {
        let events = events(5000);
        assert_eq!((events.people.len(), events.auctions.len(), events.bids.len()), (100, 300, 4600));
        assert!(events.people.iter().map(|person| person.id).eq(1000..1100));
        assert!(events.auctions.iter().map(|auction| auction.id).eq(1000..1300));
    }

    #[test]
    fn an_event_is_a_function_of_the_seed_and_its_number() {
        assert_eq!(GENERATOR.event(4711), GENERATOR.event(4711));
        let other = Generator { seed: 8, ..GENERATOR };
        let same = (0..1000).filter(|&number| other.event(number) == GENERATOR.event(number)).count();
        assert_eq!(same, 0);
        let extras: HashSet<String> = events(5000).bids.into_iter().map(|bid| bid.extra).collect();
        assert_eq!(extras.len(), 4600, "no event is like another");
    }

    #[test]
    fn events_happen_in_their_order_at_the_rate() {
        let at = |rate, number| Generator { rate, ..GENERATOR }.event(number).at().since(Generator::BEGIN);
        assert_eq!((at(10_000, 0), at(10_000, 99_999)), (millis(0), millis(9_999)));
        assert_eq!(at(3, 4), millis(1333));
        Generator { rate: 1, ..GENERATOR }.event(u64::MAX);
    }

    #[test]
    fn interest_is_as_uneven_as_it_should_be() {
        // Of the first auctions and people only, so that the hot ones are always the same.
        let Events { auctions, bids, .. } = events(1600);
        let (hot, count) = greatest(bids.iter().map(|bid| bid.auction));
        assert_eq!(hot, 1000);
        assert!((0.45..0.56).contains(&share(count, bids.len())), "{count}");
        let (hot, count) = greatest(bids.iter().map(|bid| bid.bidder));
        assert_eq!(hot, 1001);
        assert!((0.72..0.80).contains(&share(count, bids.len())), "{count}");
        let (hot, count) = greatest(auctions.iter().map(|auction| auction.seller));
        assert_eq!(hot, 1000);
        assert!((0.6..0.9).contains(&share(count, auctions.len())), "{count}");
        let hot = bids.iter().filter(|bid| HOT_CHANNELS.contains(&bid.channel.as_str())).count();
        assert!((0.45..0.55).contains(&share(hot, bids.len())), "{hot}");
    }

    #[test]
    fn records_have_their_average_sizes() {
        let Events { people, auctions, bids } = events(100_000);
        let average = |sizes: Vec<usize>| share(sizes.iter().sum(), sizes.len());
        let person = |person: &Person| {
            let Person { name, email_address, credit_card, city, state, extra, .. } = person;
            16 + [name, email_address, credit_card, city, state, extra].map(String::len).iter().sum::<usize>()
        };
        let auction = |auction: &Auction| {
            64 + auction.item_name.len() + auction.description.len() + auction.extra.len()
        };
        for (sizes, expected) in [
            (people.iter().map(person).collect::<Vec<_>>(), PERSON_BYTES),
            (auctions.iter().map(auction).collect(), AUCTION_BYTES),
            (bids.iter().map(|bid| 32 + bid.extra.len()).collect(), BID_BYTES),
        ] {
            let average = average(sizes);
            assert!((average - expected as f64).abs() < 2.0, "{average}, not {expected}");
        }
    }

    #[test]
    fn prices_are_as_likely_in_every_order_of_magnitude() {
        let bids = events(50_000).bids;
        for magnitude in 2..8 {
            let prices = 10u64.pow(magnitude)..10u64.pow(magnitude + 1);
            let count = bids.iter().filter(|bid| prices.contains(&bid.price)).count();
            assert!((0.15..0.185).contains(&share(count, bids.len())), "{prices:?}: {count}");
        }
    }

    #[test]
    fn about_a_hundred_auctions_are_open_at_a_time() {
        let auctions = events(100_000).auctions;
        let at = GENERATOR.event(50_000).at();
        let open = auctions.iter().filter(|auction| auction.date_time <= at && at <= auction.expires).count();
        assert!((70..130).contains(&open), "{open}");
    }
}
