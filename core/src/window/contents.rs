//! What is kept of the records of a window or slice, and what is made of it when a window fires: [`Folding`] an aggregate, or all
//! [`Elements`].

use std::borrow::Cow;
use std::marker::PhantomData;

use crate::aggregate::Aggregate;
use crate::operator::Emit;
use crate::state::Data;
use crate::window::firing::{Firing, Windowed};
use crate::window::slices::Slices;
use crate::window::{Element, Evictor, TimeWindow, Window};

/// What is kept of records, and what is made of it.
pub trait Contents<K, T, W>: Send + Sync + 'static {
    /// What is kept.
    type Acc: Data + Clone;
    /// What is made of it.
    type Out: 'static;

    /// What is kept of no record.
    fn create(&self) -> Self::Acc;

    /// A record comes.
    fn add(&self, acc: &mut Self::Acc, element: Element<T>);

    /// Takes in what is kept of later records.
    fn merge(&self, acc: &mut Self::Acc, other: Self::Acc);

    /// A window fires. Whether anything of it is left.
    fn fire(&self, acc: &mut Self::Acc, firing: &Firing<'_, K, W>, out: &mut impl Emit<Self::Out>) -> bool;

    /// A window fires, and nobody needs it any more.
    fn fire_last(&self, mut acc: Self::Acc, firing: &Firing<'_, K, W>, out: &mut impl Emit<Self::Out>) {
        self.fire(&mut acc, firing, out);
    }

    /// A window fires that is made of slices: those of `span`, of which some are `done` then.
    fn fire_slices(
        &self,
        slices: &mut Slices<Self::Acc>,
        span_and_done: (&TimeWindow, impl Fn(i64) -> bool),
        firing: &Firing<'_, K, W>,
        out: &mut impl Emit<Self::Out>,
    );

    /// Whether firing changes what is kept, so that windows can't share it.
    fn evicts(&self) -> bool {
        false
    }
}

/// What follows when the value of a window is known.
pub trait Finish<K, W, V>: Send + Sync + 'static {
    /// What is emitted.
    type Out: 'static;

    /// The value of a window.
    fn finish(&self, firing: &Firing<'_, K, W>, value: V, out: &mut impl Emit<Self::Out>);
}

/// The value is emitted, with its key and window.
pub struct AsWindowed;

impl<K: Clone + 'static, W: Clone + 'static, V: 'static> Finish<K, W, V> for AsWindowed {
    type Out = Windowed<K, V, W>;

    fn finish(&self, firing: &Firing<'_, K, W>, value: V, out: &mut impl Emit<Self::Out>) {
        out.emit(Windowed { key: firing.key.clone(), window: firing.window.clone(), value });
    }
}

/// A function makes of the value any number of records.
pub struct Then<F, I> {
    function: F,
    of: PhantomData<fn() -> I>,
}

impl<F, I> Then<F, I> {
    pub(crate) fn new(function: F) -> Then<F, I> {
        Then { function, of: PhantomData }
    }
}

impl<K, W, V, F, I> Finish<K, W, V> for Then<F, I>
where
    F: Fn(&Firing<'_, K, W>, V) -> I + Send + Sync + 'static,
    I: IntoIterator<Item: 'static> + 'static,
{
    type Out = I::Item;

    fn finish(&self, firing: &Firing<'_, K, W>, value: V, out: &mut impl Emit<I::Item>) {
        (self.function)(firing, value).into_iter().for_each(|record| out.emit(record));
    }
}

/// Records are folded as they come; only the accumulator is kept.
pub struct Folding<A, F> {
    pub(crate) aggregate: A,
    pub(crate) finish: F,
}

impl<K, T, W, A, F> Contents<K, T, W> for Folding<A, F>
where
    A: Aggregate<In = T> + Send + Sync,
    F: Finish<K, W, A::Out>,
{
    type Acc = A::Acc;
    type Out = F::Out;

    #[inline]
    fn create(&self) -> A::Acc {
        self.aggregate.create()
    }

    #[inline]
    fn add(&self, acc: &mut A::Acc, element: Element<T>) {
        self.aggregate.add(acc, element.value);
    }

    fn merge(&self, acc: &mut A::Acc, other: A::Acc) {
        self.aggregate.merge(acc, other);
    }

    fn fire(&self, acc: &mut A::Acc, firing: &Firing<'_, K, W>, out: &mut impl Emit<F::Out>) -> bool {
        self.finish.finish(firing, self.aggregate.result(acc), out);
        true
    }

    fn fire_last(&self, acc: A::Acc, firing: &Firing<'_, K, W>, out: &mut impl Emit<F::Out>) {
        self.finish.finish(firing, self.aggregate.finish(acc), out);
    }

    fn fire_slices(
        &self,
        slices: &mut Slices<A::Acc>,
        (span, done): (&TimeWindow, impl Fn(i64) -> bool),
        firing: &Firing<'_, K, W>,
        out: &mut impl Emit<F::Out>,
    ) {
        let merge = |acc: &mut A::Acc, later| self.aggregate.merge(acc, later);
        let value = slices.with_merged(span, done, merge, |acc| match acc {
            Cow::Owned(acc) => self.aggregate.finish(acc),
            Cow::Borrowed(acc) => self.aggregate.result(acc),
        });
        if let Some(value) = value {
            self.finish.finish(firing, value, out);
        }
    }
}

/// All records are kept; a function is shown them in the order in which they came.
pub struct Elements<E, P> {
    pub(crate) evictor: E,
    pub(crate) evicts: bool,
    pub(crate) look: P,
}

/// What is made of all records of a window.
pub trait Look<K, T, W>: Send + Sync + 'static {
    /// What is emitted.
    type Out: 'static;

    /// The records of a window that fires.
    fn look<'a>(
        &self,
        firing: &Firing<'_, K, W>,
        records: impl ExactSizeIterator<Item = &'a T>,
        out: &mut impl Emit<Self::Out>,
    ) where
        T: 'a;
}

impl<K, T, W, F, I> Look<K, T, W> for Then<F, I>
where
    F: Fn(&Firing<'_, K, W>, Vec<&T>) -> I + Send + Sync + 'static,
    I: IntoIterator<Item: 'static> + 'static,
{
    type Out = I::Item;

    fn look<'a>(
        &self,
        firing: &Firing<'_, K, W>,
        records: impl ExactSizeIterator<Item = &'a T>,
        out: &mut impl Emit<I::Item>,
    ) where
        T: 'a,
    {
        (self.function)(firing, records.collect()).into_iter().for_each(|record| out.emit(record));
    }
}

/// They are folded when the window fires, for an evictor may drop some before that. Of none there is no result.
impl<K, T: Clone, W, A, F> Look<K, T, W> for Folding<A, F>
where
    A: Aggregate<In = T> + Send + Sync,
    F: Finish<K, W, A::Out>,
{
    type Out = F::Out;

    fn look<'a>(
        &self,
        firing: &Firing<'_, K, W>,
        records: impl ExactSizeIterator<Item = &'a T>,
        out: &mut impl Emit<F::Out>,
    ) where
        T: 'a,
    {
        if records.len() == 0 {
            return;
        }
        let mut acc = self.aggregate.create();
        records.for_each(|record| self.aggregate.add_ref(&mut acc, record));
        self.finish.finish(firing, self.aggregate.finish(acc), out);
    }
}

impl<K, T, W, E, P> Contents<K, T, W> for Elements<E, P>
where
    T: Data + Clone,
    W: Window,
    E: Evictor<T, W>,
    P: Look<K, T, W>,
{
    type Acc = Vec<Element<T>>;
    type Out = P::Out;

    fn create(&self) -> Vec<Element<T>> {
        Vec::new()
    }

    #[inline]
    fn add(&self, acc: &mut Vec<Element<T>>, element: Element<T>) {
        // Most keys have few records at a time, if windows are short.
        acc.reserve_exact(usize::from(acc.is_empty()));
        acc.push(element);
    }

    fn merge(&self, acc: &mut Vec<Element<T>>, other: Vec<Element<T>>) {
        acc.extend(other);
        acc.sort_by_key(|element| element.arrival);
    }

    fn fire(
        &self,
        elements: &mut Vec<Element<T>>,
        firing: &Firing<'_, K, W>,
        out: &mut impl Emit<P::Out>,
    ) -> bool {
        self.evictor.before(elements, firing);
        self.look.look(firing, elements.iter().map(|element| &element.value), out);
        self.evictor.after(elements, firing);
        !elements.is_empty()
    }

    fn fire_slices(
        &self,
        slices: &mut Slices<Vec<Element<T>>>,
        (span, _): (&TimeWindow, impl Fn(i64) -> bool),
        firing: &Firing<'_, K, W>,
        out: &mut impl Emit<P::Out>,
    ) {
        let mut of_span = slices.of(span);
        let (Some(first), second) = (of_span.next(), of_span.next()) else { return };
        let Some(second) = second else {
            return self.look.look(firing, first.iter().map(|element| &element.value), out);
        };
        let mut elements: Vec<_> = [first, second].into_iter().chain(of_span).flatten().collect();
        elements.sort_by_key(|element| element.arrival);
        self.look.look(firing, elements.into_iter().map(|element| &element.value), out);
    }

    fn evicts(&self) -> bool {
        self.evicts
    }
}
