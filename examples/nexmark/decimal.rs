//! Amounts of money with three decimal places, exact.

use std::fmt;

use serde::{Serialize, Serializer};

/// An amount in thousandths; written as `1194913.472`.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Decimal {
    thousandths: u128,
}

impl Decimal {
    /// A whole amount.
    pub const fn whole(amount: u64) -> Decimal {
        Decimal { thousandths: amount as u128 * 1000 }
    }

    /// Dollars in euros, at the benchmark's rate of 0.908.
    pub const fn euros(dollars: u64) -> Decimal {
        Decimal { thousandths: dollars as u128 * 908 }
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:03}", self.thousandths / 1000, self.thousandths % 1000)
    }
}

impl Serialize for Decimal {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_digit_is_lost() {
        assert_eq!(Decimal::euros(1_315_984).to_string(), "1194913.472");
        assert_eq!(Decimal::euros(1000).to_string(), "908.000");
        assert_eq!(Decimal::euros(1).to_string(), "0.908");
        assert_eq!(Decimal::euros(u64::MAX).to_string(), "16749643618928272866.420");
        assert!(Decimal::whole(908) < Decimal::euros(1001) && Decimal::whole(908) == Decimal::euros(1000));
    }
}
