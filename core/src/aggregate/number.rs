//! [`Number`]: what can be summed up.

use std::time::Duration;

use crate::state::Data;

/// What can be summed up: integers, floats, durations.
#[diagnostic::on_unimplemented(
    message = "`{Self}` can't be summed up",
    label = "not a number",
    note = "return an integer, a float or a `Duration` from the closure, or implement `tidegate::aggregate::Number`"
)]
pub trait Number: Data + Copy {
    /// What can hold the sum of as many of them as there will ever be.
    type Wide: Number;

    /// Nothing.
    const ZERO: Self;

    /// The same number.
    fn widen(self) -> Self::Wide;

    /// The sum. That of integers and durations stays at the end of the type when it would pass it.
    #[must_use]
    fn plus(self, other: Self) -> Self;

    /// The nearest float; a duration in seconds.
    fn to_f64(self) -> f64;
}

macro_rules! integers {
    ($wide:ty: $($int:ty),*) => {$(
        impl Number for $int {
            type Wide = $wide;

            const ZERO: $int = 0;

            #[inline]
            fn widen(self) -> $wide {
                self as $wide
            }

            #[inline]
            fn plus(self, other: $int) -> $int {
                self.saturating_add(other)
            }

            fn to_f64(self) -> f64 {
                self as f64
            }
        }
    )*};
}

integers!(u128: u8, u16, u32, u64, u128, usize);
integers!(i128: i8, i16, i32, i64, i128, isize);

macro_rules! floats {
    ($($float:ty),*) => {$(
        impl Number for $float {
            type Wide = f64;

            const ZERO: $float = 0.0;

            #[inline]
            fn widen(self) -> f64 {
                f64::from(self)
            }

            #[inline]
            fn plus(self, other: $float) -> $float {
                self + other
            }

            fn to_f64(self) -> f64 {
                f64::from(self)
            }
        }
    )*};
}

floats!(f32, f64);

impl Number for Duration {
    type Wide = Duration;

    const ZERO: Duration = Duration::ZERO;

    fn widen(self) -> Duration {
        self
    }

    fn plus(self, other: Duration) -> Duration {
        self.saturating_add(other)
    }

    fn to_f64(self) -> f64 {
        self.as_secs_f64()
    }
}
