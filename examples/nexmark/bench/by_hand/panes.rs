//! What is kept of the windows that are open: few at a time, the youngest most often asked for.

use std::collections::VecDeque;

use tidegate::prelude::EventTime;

/// Windows of `WIDTH` milliseconds, one behind the other.
pub struct Panes<const WIDTH: i64, S> {
    /// By their starts.
    open: VecDeque<(i64, S)>,
}

impl<const WIDTH: i64, S> Default for Panes<WIDTH, S> {
    fn default() -> Self {
        Panes { open: VecDeque::new() }
    }
}

impl<const WIDTH: i64, S: Default> Panes<WIDTH, S> {
    /// That of the time `at`.
    #[inline]
    pub fn of(&mut self, at: EventTime) -> &mut S {
        let at = at.as_millis();
        let is_youngest = self.open.back().is_some_and(|(start, _)| (0..WIDTH).contains(&(at - start)));
        if !is_youngest {
            return self.find(at.div_euclid(WIDTH) * WIDTH);
        }
        let youngest = self.open.len() - 1;
        &mut self.open[youngest].1
    }

    fn find(&mut self, start: i64) -> &mut S {
        let place = self.open.partition_point(|(other, _)| *other < start);
        if self.open.get(place).is_none_or(|(other, _)| *other != start) {
            self.open.insert(place, (start, S::default()));
        }
        &mut self.open[place].1
    }

    /// The oldest one with its start, if nothing can come for it any more.
    #[inline]
    pub fn close(&mut self, watermark: EventTime) -> Option<(i64, S)> {
        let (start, _) = self.open.front()?;
        if start + WIDTH - 1 <= watermark.as_millis() { self.open.pop_front() } else { None }
    }

    /// The oldest start.
    pub fn oldest(&self) -> Option<i64> {
        self.open.front().map(|(start, _)| *start)
    }

    /// All that are open.
    pub fn iter(&self) -> impl Iterator<Item = &(i64, S)> {
        self.open.iter()
    }

    /// Forgets those that start before `start`.
    pub fn forget_before(&mut self, start: i64) {
        while self.open.front().is_some_and(|(oldest, _)| *oldest < start) {
            self.open.pop_front();
        }
    }
}
