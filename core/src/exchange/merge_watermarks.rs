//! Event time at a stage with several inputs: the minimum of what they say. Pure.

use crate::time::EventTime;

/// Merges the watermarks of a stage's channels.
#[derive(Clone)]
pub(crate) struct WatermarkMerger {
    channels: Vec<EventTime>,
    merged: EventTime,
}

impl WatermarkMerger {
    pub fn new(channels: usize) -> WatermarkMerger {
        WatermarkMerger { channels: vec![EventTime::MIN; channels], merged: EventTime::MIN }
    }

    /// How far event time has come.
    pub fn merged(&self) -> EventTime {
        self.merged
    }

    /// Event time has come to `watermark` already, before any channel has spoken: a backlog says so.
    pub fn reach(&mut self, watermark: EventTime) {
        self.merged = watermark.max(self.merged);
    }

    /// `channel` says `watermark`. The merged watermark, if that made it advance; it never goes back.
    pub fn on_watermark(&mut self, channel: usize, watermark: EventTime) -> Option<EventTime> {
        let said = &mut self.channels[channel];
        *said = watermark.max(*said);
        let merged = self.channels.iter().copied().min()?;
        (merged > self.merged).then(|| {
            self.merged = merged;
            merged
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: i64) -> EventTime {
        EventTime::from_millis(millis)
    }

    #[test]
    fn event_time_is_the_minimum_of_the_channels_and_waits_for_the_silent_one() {
        let mut merger = WatermarkMerger::new(2);
        assert_eq!(merger.on_watermark(0, at(5)), None);
        assert_eq!(merger.on_watermark(1, at(3)), Some(at(3)));
        assert_eq!(merger.on_watermark(1, at(9)), Some(at(5)));
        assert_eq!(merger.on_watermark(1, EventTime::MAX), None);
        assert_eq!(merger.on_watermark(0, EventTime::MAX), Some(EventTime::MAX));
    }

    #[test]
    fn channels_that_begin_to_speak_say_nothing_new_below_what_was_reached_without_them() {
        let mut merger = WatermarkMerger::new(2);
        merger.reach(at(5));
        assert_eq!(merger.on_watermark(0, at(9)), None);
        assert_eq!(merger.on_watermark(1, at(5)), None);
        assert_eq!(merger.on_watermark(1, at(6)), Some(at(6)));
        merger.reach(at(4));
        assert_eq!(merger.merged(), at(6));
    }

    #[test]
    fn event_time_never_goes_back() {
        let mut merger = WatermarkMerger::new(1);
        assert_eq!(merger.on_watermark(0, at(5)), Some(at(5)));
        assert_eq!(merger.on_watermark(0, at(4)), None);
        assert_eq!(merger.on_watermark(0, at(6)), Some(at(6)));
    }
}
