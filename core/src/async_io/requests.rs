//! Requests on their way: futures that the worker polls itself, when they have been woken.
//!
//! *Enters:* futures by number, and wakes from whichever thread. *Leaves:* what they come to. *Always:* a future is polled by the
//! worker's thread alone, when it begins and after each wake; so under virtual time, where all is one thread, what happens
//! depends on nothing else. *Absent:* timers and I/O. A future brings what wakes it.

use std::collections::{HashMap, VecDeque};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use super::queue::Number;

/// A request on its way.
pub type Request<R> = Pin<Box<dyn Future<Output = R>>>;

pub(super) struct Requests<R> {
    on_their_way: HashMap<Number, Begun<R>>,
    woken: Arc<Woken>,
}

struct Begun<R> {
    request: Request<R>,
    bell: Arc<Bell>,
    waker: Waker,
}

/// The requests that want to be polled, and the worker that does it.
struct Woken {
    bells: Mutex<VecDeque<Arc<Bell>>>,
    worker: Waker,
}

/// Wakes one request.
pub(super) struct Bell {
    pub number: Number,
    rung: AtomicBool,
    woken: Arc<Woken>,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        if !self.rung.swap(true, Ordering::AcqRel) {
            let woken = Arc::clone(&self.woken);
            woken.bells.lock().unwrap_or_else(PoisonError::into_inner).push_back(self);
            woken.worker.wake_by_ref();
        }
    }
}

impl<R> Requests<R> {
    /// None yet. Whoever polls them is woken by `worker`.
    pub fn new(worker: Waker) -> Requests<R> {
        let woken = Arc::new(Woken { bells: Mutex::default(), worker });
        Requests { on_their_way: HashMap::new(), woken }
    }

    /// A request begins, in the place of an earlier one of the number. What it comes to, if that is there at once.
    pub fn begin(&mut self, number: Number, request: Request<R>) -> Option<R> {
        let bell = Arc::new(Bell { number, rung: AtomicBool::new(false), woken: Arc::clone(&self.woken) });
        let waker = Waker::from(Arc::clone(&bell));
        let mut begun = Begun { request, bell, waker };
        let result = begun.poll();
        if result.is_none() {
            self.on_their_way.insert(number, begun);
        }
        result
    }

    /// It is not waited for any more.
    pub fn cancel(&mut self, number: Number) {
        self.on_their_way.remove(&number);
    }

    /// Those that have been woken since it was last asked.
    pub fn take_woken(&mut self) -> VecDeque<Arc<Bell>> {
        std::mem::take(&mut *self.woken.bells.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Polls one that has been woken. What it came to, if it has come to anything.
    pub fn poll_woken(&mut self, bell: &Arc<Bell>) -> Option<R> {
        bell.rung.store(false, Ordering::Release);
        // The bell of one that was cancelled may still ring, and its number be that of another attempt.
        let begun = self.on_their_way.get_mut(&bell.number).filter(|begun| Arc::ptr_eq(&begun.bell, bell))?;
        let result = begun.poll()?;
        self.on_their_way.remove(&bell.number);
        Some(result)
    }
}

impl<R> Begun<R> {
    fn poll(&mut self) -> Option<R> {
        match self.request.as_mut().poll(&mut Context::from_waker(&self.waker)) {
            Poll::Ready(result) => Some(result),
            Poll::Pending => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU32;

    use super::*;

    /// Counts how often the worker is woken.
    #[derive(Default)]
    struct Wakes(AtomicU32);

    impl Wake for Wakes {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Ready when it is polled for the so manieth time; it leaves its waker.
    fn ready_at(polls: u32, waker: &Arc<Mutex<Option<Waker>>>) -> Request<u32> {
        let (mut polled, waker) = (0, Arc::clone(waker));
        Box::pin(std::future::poll_fn(move |cx| {
            polled += 1;
            *waker.lock().unwrap() = Some(cx.waker().clone());
            if polled >= polls { Poll::Ready(polled) } else { Poll::Pending }
        }))
    }

    fn polled(requests: &mut Requests<u32>) -> Vec<Option<u32>> {
        requests.take_woken().iter().map(|bell| requests.poll_woken(bell)).collect()
    }

    #[test]
    fn a_request_is_polled_when_it_begins_and_once_for_any_number_of_wakes() {
        let (wakes, waker) = (Arc::new(Wakes::default()), Arc::default());
        let mut requests = Requests::new(Waker::from(Arc::clone(&wakes)));
        assert_eq!(requests.begin(7, ready_at(1, &waker)), Some(1));
        assert_eq!(requests.begin(7, ready_at(3, &waker)), None);
        assert_eq!(polled(&mut requests), [None; 0]);
        let wake = waker.lock().unwrap().clone().unwrap();
        wake.wake_by_ref();
        std::thread::scope(|scope| {
            scope.spawn(|| wake.wake_by_ref());
        });
        assert_eq!(wakes.0.load(Ordering::Relaxed), 1);
        assert_eq!(polled(&mut requests), [None]);
        wake.wake_by_ref();
        assert_eq!(polled(&mut requests), [Some(3)]);
        wake.wake();
        assert_eq!(polled(&mut requests), [None], "it has come to its end");
    }

    #[test]
    fn a_late_wake_of_one_that_was_cancelled_does_not_poll_its_successor() {
        let (first, second) = (Arc::default(), Arc::default());
        let mut requests = Requests::new(Waker::noop().clone());
        requests.begin(0, ready_at(2, &first));
        requests.cancel(0);
        requests.begin(0, ready_at(2, &second));
        first.lock().unwrap().take().unwrap().wake();
        assert_eq!(polled(&mut requests), [None]);
        second.lock().unwrap().take().unwrap().wake();
        assert_eq!(polled(&mut requests), [Some(2)]);
    }
}
