//! The program for Apache Flink: its sources. The benchmarks of the engine have it, too, where it runs on a cluster.

/// The class that is started.
pub const MAIN: &str = "NexmarkBench";

/// Names and texts.
pub const SOURCES: [(&str, &str); 13] = [
    ("Events.java", include_str!("flink/Events.java")),
    ("Replay.java", include_str!("flink/Replay.java")),
    ("Tally.java", include_str!("flink/Tally.java")),
    ("NexmarkBench.java", include_str!("flink/NexmarkBench.java")),
    ("AtTheEnd.java", include_str!("flink/AtTheEnd.java")),
    ("Auctions.java", include_str!("flink/Auctions.java")),
    ("Bidders.java", include_str!("flink/Bidders.java")),
    ("Bids.java", include_str!("flink/Bids.java")),
    ("CountByWindow.java", include_str!("flink/CountByWindow.java")),
    ("HotItems.java", include_str!("flink/HotItems.java")),
    ("Joins.java", include_str!("flink/Joins.java")),
    ("Lines.java", include_str!("flink/Lines.java")),
    ("Statistics.java", include_str!("flink/Statistics.java")),
];
