//! For how long a split has given nothing. Pure: told what time it is.
//!
//! Only the time counts in which somebody looked. A worker that is held up by a slow stage, or a split that is not read
//! because it is ahead of the others, says nothing of what there would be to read. (Flink pauses its clock for the same.)

use std::time::Duration;

/// Counts the silence of a split.
#[derive(Debug, Default)]
pub(super) struct Silence {
    lasted: Duration,
    /// When the last look found nothing; none if it found something.
    looked: Option<Duration>,
}

impl Silence {
    /// Somebody has looked at `now`, and heard something or not. Of the time since the look before at most `longest` counts.
    pub fn look(&mut self, heard: bool, now: Duration, longest: Duration) {
        if heard {
            *self = Silence::default();
            return;
        }
        let since = self.looked.map_or(Duration::ZERO, |looked| now.saturating_sub(looked));
        self.lasted = self.lasted.saturating_add(since.min(longest));
        self.looked = Some(now);
    }

    /// How long it has lasted.
    pub fn lasted(&self) -> Duration {
        self.lasted
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::millis;

    #[test]
    fn silence_is_the_time_between_looks_that_find_nothing() {
        let mut silence = Silence::default();
        let lasted = |silence: &mut Silence, heard, now| {
            silence.look(heard, millis(now), millis(100));
            silence.lasted()
        };
        assert_eq!(lasted(&mut silence, false, 500), millis(0), "it begins with the first look");
        assert_eq!(lasted(&mut silence, false, 530), millis(30));
        assert_eq!(lasted(&mut silence, false, 600), millis(100));
        assert_eq!(lasted(&mut silence, false, 90_000), millis(200), "nobody looked for all that time");
        assert_eq!(lasted(&mut silence, true, 90_001), millis(0));
        assert_eq!(lasted(&mut silence, false, 90_050), millis(0));
        assert_eq!(lasted(&mut silence, false, 90_060), millis(10));
    }
}
