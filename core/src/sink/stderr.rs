//! Results on the standard error: rejects and alerts that a person should see, beside results on the standard output.

use std::io::IsTerminal;
use std::marker::PhantomData;

use super::stdout::{Format, Json, Printer, Text};
use super::{Delivery, Settle, SettleContext, Sink, SinkContext};
use crate::error::Result;

/// A sink that prints a line for every record: [as JSON](Stderr::json) or [as text](Stderr::text).
///
/// It is to the standard error what [`Stdout`](super::Stdout) is to the standard output. The job's own log goes there too.
#[derive(Clone, Copy, Debug)]
pub struct Stderr<F>(PhantomData<F>);

impl Stderr<Json> {
    /// Prints JSON.
    pub fn json() -> Stderr<Json> {
        Stderr(PhantomData)
    }
}

impl Stderr<Text> {
    /// Prints what a record's `Display` says.
    pub fn text() -> Stderr<Text> {
        Stderr(PhantomData)
    }
}

impl<F: Send + Sync> Settle for Stderr<F> {
    fn describe(&self) -> String {
        "the standard error".to_string()
    }

    fn delivery(&self) -> Delivery {
        Delivery::AtLeastOnce
    }

    fn prints_on_terminal(&self) -> bool {
        std::io::stderr().is_terminal()
    }

    fn settle(&self, _: &SettleContext<'_>) -> Result<()> {
        Ok(())
    }
}

impl<T, F: Format<T> + Send + Sync> Sink<T> for Stderr<F> {
    type Writer = Printer<F, std::io::Stderr>;

    fn open(&self, _: &SinkContext) -> Result<Self::Writer> {
        Ok(Printer::onto(std::io::stderr(), "the standard error"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::BadLine;

    #[test]
    fn what_can_be_printed_has_a_sink_and_no_claim_to_be_exact() {
        fn takes<T>(sink: &impl Sink<T>) -> (String, Delivery) {
            (sink.describe(), sink.delivery())
        }
        let expected = ("the standard error".to_string(), Delivery::AtLeastOnce);
        assert_eq!(takes::<BadLine>(&Stderr::json()), expected);
        assert_eq!(takes::<BadLine>(&Stderr::text()), expected);
    }
}
