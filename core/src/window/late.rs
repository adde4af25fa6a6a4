//! Late records: those whose windows are all gone.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::operator::{Emit, Never};
use crate::time::EventTime;

/// What becomes of late records.
pub trait LateRecords<T>: Send + Sync + 'static {
    /// What goes to the side output.
    type Side: Send + 'static;

    /// A record whose windows are all gone.
    fn take(
        &self,
        operator: &str,
        record: T,
        at: EventTime,
        watermark: EventTime,
        side: &mut impl Emit<Self::Side>,
    );
}

/// They are counted, and the log says so: of the first one, the tenth, the hundredth, ..
#[derive(Debug, Default)]
pub struct Counted {
    count: AtomicU64,
}

impl<T> LateRecords<T> for Counted {
    type Side = Never;

    fn take(&self, operator: &str, _: T, at: EventTime, watermark: EventTime, _: &mut impl Emit<Never>) {
        let count = self.count.fetch_add(1, Ordering::Relaxed) + 1;
        if count != 10u64.pow(count.ilog10()) {
            return;
        }
        if at == EventTime::MIN {
            tracing::warn!(
                "a record without event time belongs to no window of {operator:?} and was left out, {count} so far: give records \
                 one by `.event_time(..)` before `.key_by(..)`"
            );
        } else {
            tracing::warn!(
                "a record of {at} came to {operator:?} after its windows were gone (watermark {watermark}) and was left out, {count} so \
                 far: `.allowed_lateness(..)` keeps windows for longer, `.side_output_late()` makes a stream of late records"
            );
        }
    }
}

/// They go to the side output.
#[derive(Debug, Default)]
pub struct ToSide;

impl<T: Send + 'static> LateRecords<T> for ToSide {
    type Side = T;

    fn take(&self, _: &str, record: T, _: EventTime, _: EventTime, side: &mut impl Emit<T>) {
        side.emit(record);
    }
}
