//! What becomes of a record about which there is no answer.

use std::fmt;

use super::retry::Failure;
use super::step::in_words;
use crate::error::{Error, Result};
use crate::operator::Never;
use crate::state::Data;

/// What becomes of a record about which there is no answer.
pub trait OnFailure<T, O, E>: Clone + Send + Sync + 'static {
    /// What goes another way.
    type Side: Send + 'static;

    /// Settles it, in the operator that is called `operator`.
    ///
    /// # Errors
    /// If it is the job's failure.
    fn settle(&self, operator: &str, record: T, failure: Failure<E>) -> Result<Settled<O, Self::Side>>;
}

/// Where what comes of it goes.
pub enum Settled<O, S> {
    /// On with the results.
    Out(O),
    /// Another way.
    Side(S),
}

/// The job fails.
#[derive(Clone, Copy, Debug)]
pub struct OrFail;

impl<T: Data, O, E: fmt::Display> OnFailure<T, O, E> for OrFail {
    type Side = Never;

    fn settle(&self, operator: &str, record: T, failure: Failure<E>) -> Result<Settled<O, Never>> {
        let record = in_words(&record);
        let hint = match failure {
            Failure::TimedOut { .. } => {
                "give it more time, `.timeout(..)`, or say what to do instead, `.or_else(..)` or `.or_reject()`"
            }
            Failure::Failed { .. } => {
                "ask again, `.retry(..)`, or say what to do instead, `.or_else(..)` or `.or_reject()`"
            }
        };
        Err(Error::failure(format!(
            "operator {operator:?} has no answer about the record {record}: {failure}"
        ))
        .hint(hint))
    }
}

/// Something else goes on.
#[derive(Clone, Copy, Debug)]
pub struct OrElse<G>(pub(super) G);

impl<T, O, E, G> OnFailure<T, O, E> for OrElse<G>
where
    G: Fn(T, Failure<E>) -> O + Clone + Send + Sync + 'static,
{
    type Side = Never;

    fn settle(&self, _operator: &str, record: T, failure: Failure<E>) -> Result<Settled<O, Never>> {
        Ok(Settled::Out((self.0)(record, failure)))
    }
}

/// The record goes to the rejects.
#[derive(Clone, Copy, Debug)]
pub struct OrReject;

impl<T: Send + 'static, O, E: Send + 'static> OnFailure<T, O, E> for OrReject {
    type Side = (T, Failure<E>);

    fn settle(&self, _operator: &str, record: T, failure: Failure<E>) -> Result<Settled<O, (T, Failure<E>)>> {
        Ok(Settled::Side((record, failure)))
    }
}
