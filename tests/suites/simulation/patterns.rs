//! A pattern, its matches and its partial matches whose time is up, while the job is killed and rescaled.

use tidegate::prelude::*;

use super::{Dribble, assert_same, under_seeds};
use crate::patterns::{DISORDER, Payment, WITHIN, expected, payments};

fn numbers(found: &tidegate::pattern::Match<Payment>) -> Vec<u64> {
    found.iter().map(|(_, payment)| payment.number).collect()
}

#[test]
fn a_pattern_gives_every_match_and_every_timeout_once_however_the_job_is_killed_and_rescaled() {
    under_seeds("a_pattern_gives_every_match", 16, |random, scenario| {
        let (count, cards, splits) = (1 + random.below(800), 1 + random.below(30), 1 + random.below(3));
        let payments = payments(random, count, cards, 10, splits as usize);
        let (thefts, attempts) = (Collect::new(), Collect::new());
        let run = scenario.run(|job| {
            let theft = Pattern::begin("tried")
                .filter(|payment: &Payment| payment.kind == 0)
                .not_followed_by("refused")
                .filter(|payment| payment.kind == 2)
                .followed_by_any("emptied")
                .filter_with(|payment, so_far| {
                    payment.kind == 1
                        && so_far.first("tried").is_some_and(|tried| payment.amount > tried.amount)
                })
                .followed_by("closed")
                .filter(|payment| payment.kind == 3)
                .within(millis(WITHIN));
            let (found, timed_out, late) = job
                .source("payments", Dribble::of(payments.clone(), scenario.seed))
                .watermarks(Watermarks::bounded(millis(DISORDER)))
                .key_by(|payment| payment.card)
                .pattern(theft)
                .side_output_timeouts()
                .side_output_late()
                .matches("thefts");
            found.map(|found| numbers(&found)).sink("thefts", thefts.clone());
            timed_out.map(|partial| numbers(&partial)).sink("attempts", attempts.clone());
            late.map(|payment| -> u64 { panic!("none is late: {payment:?}") }).discard();
            Ok(())
        });
        let (of_thefts, of_attempts) = expected(&payments);
        assert_same(thefts.take(), of_thefts);
        assert_same(attempts.take(), of_attempts);
        run
    });
}
