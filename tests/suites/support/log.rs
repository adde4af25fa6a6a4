//! An access log whose sessions are known: by a plain loop over all visits, or by somebody else's.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;

use super::{Random, reader};

/// A session, ordered by user and then time.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Session {
    pub user: String,
    pub first: i64,
    pub last: i64,
    pub visits: i64,
}

/// An access log.
pub struct Log {
    pub lines: Vec<String>,
    /// What is to be found in it, sorted.
    pub sessions: Vec<Session>,
}

/// The directory with data to test on that the repository does not hold.
pub fn shared() -> Option<PathBuf> {
    std::env::var_os("TIDEGATE_SHARED").map(PathBuf::from)
}

impl Log {
    /// The real log if it is there, or a synthetic one.
    pub fn any() -> Log {
        match shared() {
            Some(shared) => Log::real(&shared),
            None => Log::synthetic(),
        }
    }

    /// The real log, whose sessions somebody else has found.
    pub fn real(shared: &Path) -> Log {
        let lines = gunzip(&shared.join("data/access.log.gz")).lines().map(str::to_string).collect();
        let sessions =
            reader::sessions(&reader::lines(&gunzip(&shared.join("data/access.sessions.jsonl.gz"))));
        Log { lines, sessions }
    }

    /// A few days of 400 visitors who come and go, out of order by up to 59 s; a few lines are cut off.
    pub fn synthetic() -> Log {
        let mut random = Random::seeded(2015);
        let mut visits = Vec::new();
        for user in 0..400 {
            let mut second = random.below(86_400);
            for _ in 0..10 + random.below(80) {
                // Around the gap as often as far from it.
                second +=
                    *random.one_of(&[3, 40, 300, 1_740, 1_799, 1_800, 1_801, 1_860, 9_000]) + random.below(3);
                visits.push((second + random.below(60), second, user));
            }
        }
        visits.sort_unstable();
        let lines: Vec<String> = visits
            .into_iter()
            .map(|(_, second, user)| {
                let (days, clock) = (second / 86_400, second % 86_400);
                let at = format!("{:02}:{:02}:{:02}", clock / 3600, clock / 60 % 60, clock % 60);
                let line = format!(
                    "2001:db8::{user:x} - - [{:02}/May/2015:{at} +0000] \"GET /{} HTTP/1.1\" 200 - \"-\" \"-\"",
                    17 + days,
                    random.below(1000)
                );
                let cut = usize::from(random.below(4000) == 0);
                line[..line.len() - cut].to_string()
            })
            .collect();
        assert!(lines.iter().any(|line| is_bad(line)));
        let sessions = sessions(&lines);
        Log { lines, sessions }
    }

    /// A log that is shipped with an example.
    pub fn shipped(path: &Path) -> Log {
        let lines: Vec<_> = std::fs::read_to_string(path).unwrap().lines().map(str::to_string).collect();
        let sessions = sessions(&lines);
        Log { lines, sessions }
    }

    /// Writes the log as three files, as three servers would have: the lines in turn. The last one is compressed.
    pub fn write(&self, dir: &Path) -> [PathBuf; 3] {
        let paths = ["a.log", "b.log", "c.log.gz"].map(|name| dir.join(name));
        for (part, path) in paths.iter().enumerate() {
            let lines: Vec<_> = self.lines.iter().skip(part).step_by(3).map(String::as_str).collect();
            let text = lines.join("\n") + "\n";
            match path.extension().is_some_and(|extension| extension == "gz") {
                true => {
                    let mut encoder = GzEncoder::new(File::create(path).unwrap(), Compression::fast());
                    encoder.write_all(text.as_bytes()).unwrap();
                    encoder.finish().unwrap();
                }
                false => std::fs::write(path, text).unwrap(),
            }
        }
        paths
    }

    /// The texts of the lines that are no visits, sorted.
    pub fn bad_lines(&self) -> Vec<String> {
        let mut bad: Vec<_> = self.lines.iter().filter(|line| is_bad(line)).cloned().collect();
        bad.sort();
        bad
    }
}

/// A line that has been cut off lacks its last quote.
fn is_bad(line: &str) -> bool {
    !line.ends_with('"')
}

/// The sessions in a log by a plain loop: all visits of a user in order, a new session wherever 30 minutes are missing.
fn sessions(lines: &[String]) -> Vec<Session> {
    let mut visits = BTreeMap::<&str, Vec<i64>>::new();
    for line in lines.iter().filter(|line| !is_bad(line)) {
        let user = line.split(' ').next().unwrap();
        visits.entry(user).or_default().push(seconds(line) * 1000);
    }
    let mut sessions = Vec::new();
    for (user, mut times) in visits {
        times.sort_unstable();
        for times in times.chunk_by(|earlier, later| later - earlier < 30 * 60 * 1000) {
            let (first, last) = (times[0], times[times.len() - 1]);
            sessions.push(Session { user: user.to_string(), first, last, visits: times.len() as i64 });
        }
    }
    sessions
}

/// The time in a line, in seconds since the epoch.
fn seconds(line: &str) -> i64 {
    let time = line.split(['[', ']']).nth(1).unwrap();
    let time = time.strip_suffix(" +0000").expect("these logs are in UTC");
    let parts: Vec<&str> = time.split(['/', ':']).collect();
    let number = |part: usize| parts[part].parse::<i64>().unwrap();
    epoch_seconds(number(2), parts[1], number(0)) + number(3) * 3600 + number(4) * 60 + number(5)
}

/// Midnight of a day since 1970, by counting.
fn epoch_seconds(year: i64, month: &str, day: i64) -> i64 {
    let leap = |year: i64| i64::from(year % 4 == 0);
    assert!((1970..2100).contains(&year), "every fourth of these years is a leap year");
    let months = [
        ("Jan", 31),
        ("Feb", 28 + leap(year)),
        ("Mar", 31),
        ("Apr", 30),
        ("May", 31),
        ("Jun", 30),
        ("Jul", 31),
        ("Aug", 31),
        ("Sep", 30),
        ("Oct", 31),
        ("Nov", 30),
        ("Dec", 31),
    ];
    let years: i64 = (1970..year).map(|year| 365 + leap(year)).sum();
    let months: i64 = months.iter().take_while(|(name, _)| *name != month).map(|(_, days)| days).sum();
    (years + months + day - 1) * 86_400
}

/// A compressed file's text.
pub fn gunzip(path: &Path) -> String {
    let mut text = String::new();
    let file = File::open(path).unwrap_or_else(|error| panic!("can't read {}: {error}", path.display()));
    GzDecoder::new(file).read_to_string(&mut text).unwrap();
    text
}
