//! Calls that wait, for clients without futures: threads of their own wait for them.
//!
//! Under virtual time there are no threads: a call is made where it is asked for.

use std::cell::Cell;
use std::pin::Pin;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Waker};

use crate::error::Error;
use crate::task::panic;
use crate::task::thread::spawn;

/// A function that waits, as one that gives a future: it is called in one of up to `threads` threads, which all workers of the
/// process share. For [`Stream::async_map`](crate::job::Stream::async_map) and
/// [`lookup_join`](crate::job::Stream::lookup_join).
///
/// So many calls can be under way at once; what is more waits, and its timeout runs. A call can't be cut short: one that has
/// timed out keeps its thread until it returns.
///
/// ```
/// use std::io;
/// use tidegate::async_io::blocking;
/// use tidegate::prelude::*;
/// use tidegate::testing::TestJob;
///
/// /// Asks a server, and waits for what it says.
/// fn price_of(article: &u64) -> io::Result<u64> { Ok(article * 100) }
///
/// let prices = Collect::new();
/// TestJob::new("prices", |job| {
///     job.source("articles", Memory::of(vec![1, 2, 3]))
///         .async_map("price", blocking(8, price_of))
///         .or_fail()
///         .sink("prices", prices.clone());
///     Ok(())
/// })?
/// .run()?;
/// assert_eq!(prices.take(), [100, 200, 300]);
/// # Ok::<(), tidegate::Error>(())
/// ```
pub fn blocking<T, R, E, F>(
    threads: usize,
    call: F,
) -> impl Fn(T) -> BlockingCall<R, E> + Clone + Send + Sync + 'static
where
    T: Send + 'static,
    R: Send + 'static,
    E: Send + 'static,
    F: Fn(&T) -> Result<R, E> + Send + Sync + 'static,
{
    let (call, threads) = (Arc::new(call), Arc::new(Threads::new(threads.max(1))));
    move |record| {
        let call = Arc::clone(&call);
        let made = Box::new(move || call(&record));
        BlockingCall(State::Asked(made, Arc::clone(&threads)))
    }
}

/// A call in another thread, as a future.
pub struct BlockingCall<R, E>(State<R, E>);

enum State<R, E> {
    /// It has not been polled.
    Asked(Box<dyn FnOnce() -> Result<R, E> + Send>, Arc<Threads>),
    /// A thread makes it, or will.
    UnderWay(Arc<Answer<R, E>>),
    Over,
}

/// What a call came to, and who waits for it.
struct Answer<R, E>(Mutex<Slot<R, E>>);

struct Slot<R, E> {
    result: Option<Result<Result<R, E>, Error>>,
    waker: Waker,
}

impl<R, E> Answer<R, E> {
    fn lock(&self) -> MutexGuard<'_, Slot<R, E>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<R: Send + 'static, E: Send + 'static> Future for BlockingCall<R, E> {
    type Output = Result<R, E>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<R, E>> {
        match std::mem::replace(&mut self.0, State::Over) {
            State::Asked(call, _) if IN_PLACE.get() => Poll::Ready(call()),
            State::Asked(call, threads) => {
                let slot = Slot { result: None, waker: cx.waker().clone() };
                let answer = Arc::new(Answer(Mutex::new(slot)));
                let waits = Arc::downgrade(&answer);
                self.0 = State::UnderWay(answer);
                threads.make(Box::new(move || make(call, &waits)));
                Poll::Pending
            }
            State::UnderWay(answer) => {
                let mut slot = answer.lock();
                match slot.result.take() {
                    Some(Ok(result)) => Poll::Ready(result),
                    // It was caught in the other thread, and goes on here, where the record is known.
                    Some(Err(panic)) => std::panic::resume_unwind(Box::new(panic)),
                    None => {
                        slot.waker.clone_from(cx.waker());
                        drop(slot);
                        self.0 = State::UnderWay(answer);
                        Poll::Pending
                    }
                }
            }
            State::Over => panic!("a call that has returned was polled again"),
        }
    }
}

/// Makes a call, unless nobody waits for it any more.
fn make<R, E>(call: impl FnOnce() -> Result<R, E>, waits: &Weak<Answer<R, E>>) {
    if waits.strong_count() == 0 {
        return;
    }
    let result = panic::catch(call).map_err(|caught| caught.into_error("a call"));
    if let Some(answer) = waits.upgrade() {
        let mut slot = answer.lock();
        slot.result = Some(result);
        slot.waker.wake_by_ref();
    }
}

type Job = Box<dyn FnOnce() + Send>;

/// Threads that make calls. They start when they are first needed, and end when nobody can ask them any more.
struct Threads {
    jobs: Sender<Job>,
    waiting: Arc<Mutex<Receiver<Job>>>,
    /// How many are still to start.
    left: Mutex<usize>,
}

impl Threads {
    fn new(count: usize) -> Threads {
        let (jobs, waiting) = channel();
        Threads { jobs, waiting: Arc::new(Mutex::new(waiting)), left: Mutex::new(count) }
    }

    fn make(&self, job: Job) {
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        if *left > 0 {
            let waiting = Arc::clone(&self.waiting);
            // If the system has none left, those that there are do it all.
            if spawn("blocking-call", move || work(&waiting)).is_ok() {
                *left -= 1;
            }
        }
        drop(left);
        // The receiver is here, too: it is not gone.
        let _ = self.jobs.send(job);
    }
}

fn work(waiting: &Mutex<Receiver<Job>>) {
    loop {
        let job = waiting.lock().unwrap_or_else(PoisonError::into_inner).recv();
        match job {
            Ok(job) => job(),
            Err(_) => return,
        }
    }
}

thread_local! {
    static IN_PLACE: Cell<bool> = const { Cell::new(false) };
}

/// Runs `body`; calls that it polls are made in this thread, if `in_place`.
pub(super) fn calling<T>(in_place: bool, body: impl FnOnce() -> T) -> T {
    let outer = IN_PLACE.replace(in_place);
    let result = body();
    IN_PLACE.set(outer);
    result
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;
    use std::thread::Thread;

    use super::*;

    struct Unpark(Thread);

    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }

    /// Polls futures until all are ready.
    fn all<F: Future + Unpin>(mut futures: Vec<F>) -> Vec<F::Output> {
        let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
        let mut results: Vec<Option<F::Output>> = futures.iter().map(|_| None).collect();
        while results.iter().any(Option::is_none) {
            let mut idle = true;
            for (future, result) in futures.iter_mut().zip(&mut results) {
                if result.is_none()
                    && let Poll::Ready(ready) = Pin::new(future).poll(&mut Context::from_waker(&waker))
                {
                    (*result, idle) = (Some(ready), false);
                }
            }
            if idle {
                std::thread::park();
            }
        }
        results.into_iter().flatten().collect()
    }

    #[test]
    fn no_more_calls_are_made_at_once_than_there_are_threads() {
        let (under_way, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (now, seen) = (Arc::clone(&under_way), Arc::clone(&most));
        let call = blocking(3, move |n: &u64| {
            seen.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            std::thread::yield_now();
            now.fetch_sub(1, Ordering::SeqCst);
            if n.is_multiple_of(2) { Ok(n * 10) } else { Err(*n) }
        });
        let results = all((0..100).map(&call).collect());
        assert_eq!(results[..4], [Ok(0), Err(1), Ok(20), Err(3)]);
        assert_eq!(results.len(), 100);
        assert!(most.load(Ordering::SeqCst) <= 3);
    }

    #[test]
    fn a_panic_of_a_call_is_that_of_whoever_waits_for_it_and_its_thread_goes_on() {
        let call = blocking(1, |n: &u64| if *n == 0 { panic!("no zero") } else { Ok::<_, ()>(*n) });
        let caught = panic::catch(|| all(vec![call(0)])).unwrap_err().into_error("record 0");
        assert!(caught.to_string().starts_with("record 0: a call panicked: \"no zero\""), "{caught}");
        assert_eq!(all(vec![call(7)]), [Ok(7)]);
    }

    #[test]
    fn in_place_a_call_is_made_by_the_thread_that_asks() {
        let caller = std::thread::current().id();
        let call = blocking(1, move |_: &()| Ok::<_, ()>(std::thread::current().id() == caller));
        assert_eq!(calling(true, || all(vec![call(())])), [Ok(true)]);
        assert_eq!(all(vec![call(())]), [Ok(false)]);
    }
}
