//! From the type that a record had when it was written to the one that it has: for records in flight, which a snapshot can hold.

use super::carry::{Carrier, Place};
use super::conversion::Conversion;
use super::difference::Difference;
use super::plan::apply_whole;
use super::value::skip;
use crate::error::{Error, Result};
use crate::evolution::format::RowFormat;
use crate::state::Schema;
use crate::state::kinds::Now;
use crate::time::EventTime;

/// What becomes of records of one type.
#[derive(Debug)]
pub struct RecordPlan {
    differences: Vec<Difference>,
    /// None if they are refused.
    conversion: Option<Conversion>,
    /// What they are then.
    schema: Schema,
}

impl RecordPlan {
    /// What becomes of records that were written as `was`. They are carried by the rules of state; no code of the program's
    /// takes them over.
    pub fn of(was: &Schema, is: &Schema) -> RecordPlan {
        let fix = "restore with the program that wrote them, and stop that: behind its last snapshot nothing is in flight";
        // Records have no fields that expire.
        let epoch = EventTime::from_millis(0);
        let never = Now { event: epoch, record: epoch, processing: epoch, uptime: epoch };
        let mut carrier = Carrier::new(fix.to_string(), never);
        let conversion = carrier.carry(&Place::record(), was, is);
        let conversion = conversion.filter(|conversion| carrier.can_walk(conversion.unknown()));
        RecordPlan { differences: carrier.differences, conversion, schema: is.clone() }
    }

    /// Everything that is not as it was.
    pub fn differences(&self) -> &[Difference] {
        &self.differences
    }

    /// The type that the program has.
    pub fn schema(&self) -> &Schema {
        &self.schema
    }

    /// Whether the program can't take the records over.
    pub fn is_refused(&self) -> bool {
        self.conversion.is_none()
    }

    /// Whether every record stays as it is.
    pub fn is_identity(&self) -> bool {
        self.conversion.as_ref().is_some_and(Conversion::is_copy)
    }

    /// Appends a record, which `bytes` are, as the program has it.
    ///
    /// # Errors
    /// If it is not of the type that it was to be, or records are refused.
    pub fn record(&self, bytes: &[u8], out: &mut Vec<u8>) -> Result<()> {
        let taken_over =
            self.conversion.as_ref().and_then(|conversion| apply_whole::<RowFormat>(conversion, bytes, out));
        taken_over.ok_or_else(|| {
            Error::failure("a record in flight is not of the type that the snapshot says it is of")
        })
    }
}

/// Whether `bytes` are a record of this type, to the last one.
pub(crate) fn is_record(schema: &Schema, mut bytes: &[u8]) -> bool {
    skip::<RowFormat>(schema, &mut bytes).is_some() && bytes.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evolution::fixture::Letter;
    use crate::state::{Describe, Field};

    fn told(plan: &RecordPlan) -> Vec<String> {
        plan.differences().iter().map(Difference::to_string).collect()
    }

    #[test]
    fn records_are_carried_by_the_rules_of_state() {
        let visit = |fields| Schema::Struct("Visit".to_string(), fields);
        let was = visit(vec![Field::of::<u8>("n"), Field::of::<Letter>("letter")]);
        let is = visit(vec![Field::of::<Letter>("letter"), Field::of::<Option<u32>>("n")]);
        let plan = RecordPlan::of(&was, &is);
        assert_eq!(
            told(&plan),
            [
                "has field \"record.n: u8\", this program has \"record.n: Option<u32>\": carried, every number is one of the new \
                 type; every value goes into a `Some`",
                "has fields in order n, letter; this program has letter, n: carried, in the new order",
            ]
        );
        let mut record = Vec::new();
        plan.record(&postcard::to_stdvec(&(200u8, Letter::B(7))).unwrap(), &mut record).unwrap();
        assert_eq!(record, postcard::to_stdvec(&(Letter::B(7), Some(200u32))).unwrap());
        assert!(plan.record(&[200], &mut record).is_err());
        assert!(RecordPlan::of(&was, &was).is_identity());
        assert!(is_record(&is, &record) && !is_record(&is, &[&record[..], &[0]].concat()));
        assert!(!is_record(&is, &record[..record.len() - 1]));
    }

    #[test]
    fn records_of_another_type_are_refused() {
        let plan = RecordPlan::of(&String::schema(), &u64::schema());
        assert!(plan.is_refused() && plan.record(&[0], &mut Vec::new()).is_err());
        assert_eq!(
            told(&plan),
            ["has record \"String\", this program has \"u64\": refused, it is another type"]
        );
    }
}
