//! What becomes of other matches when one has been found: Flink's `AfterMatchSkipStrategy`.

/// Which partial matches are given up when a match comes out, by the event that they began with.
///
/// With any but [`Skip::None`], matches come out in the order of the events that they began with: one that is complete waits
/// for the partial matches that began before it.
///
/// ```
/// # use tidegate::pattern::PatternMatch;
/// # use tidegate::prelude::*;
/// # use tidegate::testing::Harness;
/// #
/// # /// The matches in `events`, one a millisecond.
/// # fn found(pattern: Pattern<char>, events: &str) -> Vec<String> {
/// #     let mut harness = Harness::new(PatternMatch::of(pattern).unwrap(), |_: &char| 0u8).unwrap();
/// #     for (millis, event) in (0..).zip(events.chars()) {
/// #         harness.push(event, EventTime::from_millis(millis)).unwrap();
/// #     }
/// #     harness.advance_watermark(EventTime::MAX).unwrap();
/// #     let mut found: Vec<String> =
/// #         harness.take_output().iter().map(|found| found.iter().map(|(_, event)| *event).collect()).collect();
/// #     found.sort();
/// #     found
/// # }
/// let digits = || Pattern::begin("n").filter(char::is_ascii_digit).one_or_more().consecutive();
/// let matches = |skip| found(digits().next("e").filter(|event| *event == 'e').skip(skip), "123e");
/// assert_eq!(matches(Skip::None), ["123e", "23e", "3e"]);
/// assert_eq!(matches(Skip::ToFirst("n")), ["123e", "23e", "3e"]);
/// assert_eq!(matches(Skip::ToLast("n")), ["123e", "3e"]);
/// assert_eq!(matches(Skip::PastLast), ["123e"]);
/// // Of those that begin with one event, the first is enough.
/// assert_eq!(found(digits().skip(Skip::ToNext), "123"), ["1", "2", "3"]);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Skip {
    /// None: every match comes out.
    #[default]
    None,
    /// Those that began with the same event as the match.
    ToNext,
    /// Those that began before the match ended, and with the event that ended it.
    PastLast,
    /// Those that began before the first event that this step has taken. None if it has taken none.
    ToFirst(&'static str),
    /// Those that began before the last event that this step has taken. None if it has taken none.
    ToLast(&'static str),
}

impl Skip {
    /// The step that it names.
    pub(crate) fn step(self) -> Option<&'static str> {
        match self {
            Skip::ToFirst(step) | Skip::ToLast(step) => Some(step),
            Skip::None | Skip::ToNext | Skip::PastLast => None,
        }
    }

    /// Runs that began with an event before this one are given up, by the events that a match has taken: each the name of its
    /// step and its number.
    pub(crate) fn begin_at(self, mut taken: impl DoubleEndedIterator<Item = (&'static str, u64)>) -> u64 {
        let found = match self {
            Skip::None => None,
            Skip::ToNext => taken.next().map(|(_, event)| event + 1),
            Skip::PastLast => taken.next_back().map(|(_, event)| event + 1),
            Skip::ToFirst(step) => taken.find(|(name, _)| *name == step).map(|(_, event)| event),
            Skip::ToLast(step) => taken.rfind(|(name, _)| *name == step).map(|(_, event)| event),
        };
        found.unwrap_or(0)
    }
}
