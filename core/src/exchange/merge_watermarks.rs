//! Event time at a stage with several inputs: the minimum of what the active ones say. Pure.
//!
//! The rules are those of Flink's `StatusWatermarkValve`. A channel that is idle is not waited for. One that becomes active
//! again behind the others is not waited for either until it has *caught up* with what was merged without it. When the last
//! active channel becomes idle, and it was the one that held the others back, event time comes to the greatest that any of
//! them has said: nothing else would ever bring it there.

use crate::record::WatermarkStatus;
use crate::time::EventTime;

/// Merges the watermarks and statuses of a stage's channels.
#[derive(Clone)]
pub(crate) struct WatermarkMerger {
    channels: Vec<Said>,
    merged: EventTime,
    status: WatermarkStatus,
}

/// What a channel has said.
#[derive(Clone)]
struct Said {
    watermark: EventTime,
    status: WatermarkStatus,
    /// Whether it is active and has not fallen behind while it was idle.
    caught_up: bool,
}

/// What a change of a channel's status changes for the stage.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct StatusChange {
    /// Event time advances; before the status changes.
    pub watermark: Option<EventTime>,
    pub status: Option<WatermarkStatus>,
}

impl WatermarkMerger {
    pub fn new(channels: usize) -> WatermarkMerger {
        let silent = Said { watermark: EventTime::MIN, status: WatermarkStatus::Active, caught_up: true };
        WatermarkMerger {
            channels: vec![silent; channels],
            merged: EventTime::MIN,
            status: WatermarkStatus::Active,
        }
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
        // One that is idle says that it is active before it says anything else.
        if said.status == WatermarkStatus::Idle || watermark <= said.watermark {
            return None;
        }
        said.watermark = watermark;
        said.caught_up |= watermark >= self.merged;
        self.advance(self.slowest())
    }

    /// `channel` says that it is idle, or active again.
    pub fn on_status(&mut self, channel: usize, status: WatermarkStatus) -> StatusChange {
        let said = &mut self.channels[channel];
        if said.status == status {
            return StatusChange::default();
        }
        said.status = status;
        let watermark = said.watermark;
        match status {
            WatermarkStatus::Active => {
                said.caught_up = watermark >= self.merged;
                StatusChange { watermark: None, status: self.change(WatermarkStatus::Active) }
            }
            WatermarkStatus::Idle => {
                said.caught_up = false;
                let held_back = watermark == self.merged;
                if self.channels.iter().any(|said| said.status == WatermarkStatus::Active) {
                    let slowest = self.slowest().filter(|_| held_back);
                    return StatusChange { watermark: self.advance(slowest), status: None };
                }
                let greatest = self.channels.iter().map(|said| said.watermark).max().filter(|_| held_back);
                StatusChange { watermark: self.advance(greatest), status: self.change(WatermarkStatus::Idle) }
            }
        }
    }

    /// The least that a channel says that is waited for.
    fn slowest(&self) -> Option<EventTime> {
        self.channels.iter().filter(|said| said.caught_up).map(|said| said.watermark).min()
    }

    fn advance(&mut self, watermark: Option<EventTime>) -> Option<EventTime> {
        let advanced = watermark.filter(|watermark| *watermark > self.merged)?;
        self.merged = advanced;
        Some(advanced)
    }

    fn change(&mut self, status: WatermarkStatus) -> Option<WatermarkStatus> {
        (std::mem::replace(&mut self.status, status) != status).then_some(status)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use WatermarkStatus::{Active, Idle};

    fn at(millis: i64) -> EventTime {
        EventTime::from_millis(millis)
    }

    fn change(watermark: Option<i64>, status: Option<WatermarkStatus>) -> StatusChange {
        StatusChange { watermark: watermark.map(at), status }
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

    #[test]
    fn an_idle_channel_is_not_waited_for_and_a_stage_is_idle_when_all_its_channels_are() {
        let mut merger = WatermarkMerger::new(3);
        assert_eq!(merger.on_watermark(0, at(5)), None);
        assert_eq!(merger.on_watermark(1, at(7)), None);
        assert_eq!(merger.on_status(2, Idle), change(Some(5), None));
        assert_eq!(merger.on_status(2, Idle), change(None, None), "that was known");
        assert_eq!(merger.on_status(0, Idle), change(Some(7), None));
        assert_eq!(merger.on_status(1, Idle), change(None, Some(Idle)));
        assert_eq!(merger.on_watermark(1, at(9)), None, "an idle channel says nothing");
        assert_eq!(merger.on_status(2, Active), change(None, Some(Active)));
        assert_eq!(merger.on_status(0, Active), change(None, None));
    }

    #[test]
    fn a_channel_that_comes_back_is_not_waited_for_before_it_has_caught_up() {
        let mut merger = WatermarkMerger::new(2);
        assert_eq!(merger.on_status(1, Idle), change(None, None));
        assert_eq!(merger.on_watermark(0, at(10)), Some(at(10)));
        assert_eq!(merger.on_status(1, Active), change(None, None));
        assert_eq!(merger.on_watermark(1, at(4)), None);
        assert_eq!(merger.on_watermark(0, at(20)), Some(at(20)), "the other one is still at 4");
        assert_eq!(merger.on_watermark(1, at(19)), None);
        assert_eq!(merger.on_watermark(1, at(20)), None);
        assert_eq!(merger.on_watermark(0, at(30)), None, "now it has caught up, and is waited for");
        assert_eq!(merger.on_watermark(1, at(25)), Some(at(25)));
    }

    #[test]
    fn when_the_one_that_held_the_others_back_is_the_last_to_become_idle_event_time_comes_to_the_greatest() {
        let mut merger = WatermarkMerger::new(3);
        for (channel, watermark) in [(0, 10), (1, 5), (2, 12)] {
            merger.on_watermark(channel, at(watermark));
        }
        assert_eq!(merger.on_status(0, Idle), change(None, None));
        assert_eq!(merger.on_status(2, Idle), change(None, None));
        assert_eq!(merger.on_status(1, Idle), change(Some(12), Some(Idle)));
    }

    /// Every sequence of up to six sayings of two channels, against the rules written out with sets.
    #[test]
    fn it_is_what_the_rules_say_whatever_is_said() {
        #[derive(Clone, Copy, Debug, PartialEq)]
        enum Says {
            Watermark(i64),
            Status(WatermarkStatus),
        }
        #[derive(Clone)]
        struct Rules {
            said: [i64; 2],
            active: Vec<usize>,
            waited_for: Vec<usize>,
            merged: i64,
        }
        impl Rules {
            fn hear(&mut self, channel: usize, says: Says) {
                match says {
                    Says::Watermark(watermark) if self.active.contains(&channel) => {
                        self.said[channel] = self.said[channel].max(watermark);
                        if self.said[channel] >= self.merged && !self.waited_for.contains(&channel) {
                            self.waited_for.push(channel);
                        }
                        let slowest = self.waited_for.iter().map(|waited| self.said[*waited]).min();
                        self.merged = slowest.map_or(self.merged, |slowest| slowest.max(self.merged));
                    }
                    Says::Status(Active) if !self.active.contains(&channel) => {
                        self.active.push(channel);
                        if self.said[channel] >= self.merged {
                            self.waited_for.push(channel);
                        }
                    }
                    Says::Status(Idle) if self.active.contains(&channel) => {
                        self.active.retain(|active| *active != channel);
                        self.waited_for.retain(|waited| *waited != channel);
                        if self.said[channel] == self.merged {
                            let known = match self.active.len() {
                                0 => self.said.iter().copied().max(),
                                _ => self.waited_for.iter().map(|waited| self.said[*waited]).min(),
                            };
                            self.merged = known.map_or(self.merged, |known| known.max(self.merged));
                        }
                    }
                    Says::Watermark(_) | Says::Status(_) => {}
                }
            }
        }
        fn explore(rules: &Rules, happened: &mut Vec<(usize, Says)>) -> usize {
            let mut merger = WatermarkMerger::new(2);
            let (mut merged, mut status) = (EventTime::MIN, Active);
            for &(channel, says) in &*happened {
                let change = match says {
                    Says::Watermark(watermark) => {
                        StatusChange { watermark: merger.on_watermark(channel, at(watermark)), status: None }
                    }
                    Says::Status(status) => merger.on_status(channel, status),
                };
                assert!(change.watermark.is_none_or(|watermark| watermark > merged), "{happened:?}");
                assert_ne!(change.status, Some(status), "{happened:?}");
                merged = change.watermark.unwrap_or(merged);
                status = change.status.unwrap_or(status);
            }
            assert_eq!(merged, at(rules.merged), "{happened:?}");
            assert_eq!(status == Idle, rules.active.is_empty(), "{happened:?}");
            if happened.len() == 6 {
                return 1;
            }
            let all = [Says::Watermark(1), Says::Watermark(2), Says::Watermark(3)];
            let all = all.into_iter().chain([Active, Idle].map(Says::Status));
            let both = all.flat_map(|says| [(0, says), (1, says)]);
            both.map(|(channel, says)| {
                let mut next = rules.clone();
                next.hear(channel, says);
                happened.push((channel, says));
                let explored = explore(&next, happened);
                happened.pop();
                explored
            })
            .sum()
        }
        let rules =
            Rules { said: [i64::MIN; 2], active: vec![0, 1], waited_for: vec![0, 1], merged: i64::MIN };
        assert_eq!(explore(&rules, &mut Vec::new()), 1_000_000);
    }
}
