//! Processing time: timers by the clock, which a restore must bring back and none of which may fire twice.

use tidegate::prelude::*;

use super::{Dribble, assert_same, under_seeds};

#[event]
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Reminder {
    key: u32,
    number: u64,
    after_ms: u64,
}

#[state(key = u32)]
#[derive(Default)]
struct Waiting {
    reminders: u64,
    last: Option<TimerId>,
}

/// Gives every reminder back when its time has come; every fifth replaces the one before.
struct Remind;

#[operator]
impl Remind {
    fn on_event(&self, reminder: Reminder, waiting: &mut Waiting, cx: &mut Context<Self>) {
        if reminder.number.is_multiple_of(5)
            && let Some(last) = waiting.last.take()
            && cx.cancel_timer(last)
        {
            waiting.reminders -= 1;
        }
        let due = cx.processing_time() + millis(reminder.after_ms);
        waiting.reminders += 1;
        waiting.last = Some(cx.set_processing_timer(due, reminder));
    }

    fn on_timer(
        &self,
        reminder: Reminder,
        waiting: &mut Waiting,
        cx: &mut Context<Self>,
        out: &mut impl Emit<(Reminder, u64)>,
    ) {
        assert!(cx.event_time() <= cx.processing_time(), "a timer does not fire before its time");
        waiting.reminders = waiting.reminders.checked_sub(1).expect("a timer fires once");
        out.emit((reminder, waiting.reminders));
    }
}

#[test]
fn every_timer_by_the_clock_fires_once_and_in_the_end_none_is_left() {
    under_seeds("every_timer_by_the_clock", 32, |random, scenario| {
        let splits = 1 + random.below(3);
        let reminders: Vec<Vec<Reminder>> = (0..splits)
            .map(|split| {
                let key = |random: &mut super::Random| (split + splits * random.below(10)) as u32;
                // None is divisible by 5: nothing is cancelled, so that all must come.
                (0..random.below(300))
                    .map(|n| Reminder { key: key(random), number: 5 * n + 1, after_ms: random.below(40) })
                    .collect()
            })
            .collect();
        let results = Collect::new();
        let run = scenario.run(|job| {
            // The input ends long after the last timer is due; those that are not due at its end do not fire.
            job.source("reminders", Dribble::of(reminders.clone(), scenario.seed).idle_at_end(300))
                .key_by(|reminder| reminder.key)
                .process("remind", Remind)
                .map(|(reminder, _)| reminder)
                .sink("reminded", results.clone());
            Ok(())
        });
        assert_same(results.take(), reminders.into_iter().flatten().collect());
        run
    });
}

#[test]
fn a_timer_by_the_clock_that_was_cancelled_never_fires() {
    under_seeds("a_timer_by_the_clock_that_was_cancelled", 16, |random, scenario| {
        // Every reminder but the last is far away, and the next one cancels it.
        let count = 50 + random.below(400);
        let reminders: Vec<Reminder> = (1..=count)
            .map(|n| Reminder { key: 7, number: 5 * n, after_ms: if n == count { 20 } else { 1_000_000 } })
            .collect();
        let results = Collect::new();
        let run = scenario.run(|job| {
            job.source("reminders", Dribble::of(vec![reminders.clone()], scenario.seed).idle_at_end(300))
                .key_by(|reminder| reminder.key)
                .process("remind", Remind)
                .sink("reminded", results.clone());
            Ok(())
        });
        assert_same(results.take(), vec![(reminders.last().unwrap().clone(), 0)]);
        run
    });
}
