//! What is kept of the records of a window or slice, and what is made of it when a window fires: [`Folding`] an aggregate, or all
//! [`Elements`].

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

    /// A window fires that is made of slices: those of `span`.
    fn fire_slices(
        &self,
        slices: &mut Slices<Self::Acc>,
        span: &TimeWindow,
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

    fn fire_slices(
        &self,
        slices: &mut Slices<A::Acc>,
        span: &TimeWindow,
        firing: &Firing<'_, K, W>,
        out: &mut impl Emit<F::Out>,
    ) {
        let merge = |acc: &mut A::Acc, later| self.aggregate.merge(acc, later);
        if let Some(value) = slices.with_merged(span, merge, |acc| self.aggregate.result(acc)) {
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
    fn look(&self, firing: &Firing<'_, K, W>, records: Vec<&T>, out: &mut impl Emit<Self::Out>);
}

impl<K, T, W, F, I> Look<K, T, W> for Then<F, I>
where
    F: Fn(&Firing<'_, K, W>, Vec<&T>) -> I + Send + Sync + 'static,
    I: IntoIterator<Item: 'static> + 'static,
{
    type Out = I::Item;

    fn look(&self, firing: &Firing<'_, K, W>, records: Vec<&T>, out: &mut impl Emit<I::Item>) {
        (self.function)(firing, records).into_iter().for_each(|record| out.emit(record));
    }
}

/// They are folded when the window fires, for an evictor may drop some before that. Of none there is no result.
impl<K, T: Clone, W, A, F> Look<K, T, W> for Folding<A, F>
where
    A: Aggregate<In = T> + Send + Sync,
    F: Finish<K, W, A::Out>,
{
    type Out = F::Out;

    fn look(&self, firing: &Firing<'_, K, W>, records: Vec<&T>, out: &mut impl Emit<F::Out>) {
        if records.is_empty() {
            return;
        }
        let mut acc = self.aggregate.create();
        records.into_iter().for_each(|record| self.aggregate.add_ref(&mut acc, record));
        self.finish.finish(firing, self.aggregate.result(&acc), out);
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
        self.look.look(firing, elements.iter().map(|element| &element.value).collect(), out);
        self.evictor.after(elements, firing);
        !elements.is_empty()
    }

    fn fire_slices(
        &self,
        slices: &mut Slices<Vec<Element<T>>>,
        span: &TimeWindow,
        firing: &Firing<'_, K, W>,
        out: &mut impl Emit<P::Out>,
    ) {
        let mut elements: Vec<_> = slices.of(span).flatten().collect();
        elements.sort_by_key(|element| element.arrival);
        if !elements.is_empty() {
            self.look.look(firing, elements.into_iter().map(|element| &element.value).collect(), out);
        }
    }

    fn evicts(&self) -> bool {
        self.evicts
    }
}
