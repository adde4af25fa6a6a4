//! The windows of a key that are kept each for itself: nearly always one.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::event;
use crate::window::trigger::WindowTimers;

/// A window that is not over for good.
#[event(crate = crate)]
pub(crate) struct OpenWindow<W, Acc, S> {
    pub window: W,
    /// What is kept of its records; nothing if they were purged.
    pub contents: Option<Acc>,
    /// What its trigger remembers.
    pub trigger: S,
    /// When its trigger wants to be asked.
    pub timers: WindowTimers,
}

impl<W, Acc, S: Default> OpenWindow<W, Acc, S> {
    pub fn new(window: W) -> OpenWindow<W, Acc, S> {
        OpenWindow { window, contents: None, trigger: S::default(), timers: WindowTimers::None }
    }
}

/// Windows, in their order.
pub(crate) enum OpenWindows<W, Acc, S> {
    None,
    One(OpenWindow<W, Acc, S>),
    Several(Vec<OpenWindow<W, Acc, S>>),
}

impl<W, Acc, S> OpenWindows<W, Acc, S> {
    #[inline]
    pub fn as_slice(&self) -> &[OpenWindow<W, Acc, S>] {
        match self {
            OpenWindows::None => &[],
            OpenWindows::One(window) => std::slice::from_ref(window),
            OpenWindows::Several(windows) => windows,
        }
    }

    #[inline]
    pub fn as_mut_slice(&mut self) -> &mut [OpenWindow<W, Acc, S>] {
        match self {
            OpenWindows::None => &mut [],
            OpenWindows::One(window) => std::slice::from_mut(window),
            OpenWindows::Several(windows) => windows,
        }
    }

    pub fn insert(&mut self, place: usize, window: OpenWindow<W, Acc, S>) {
        *self = match std::mem::replace(self, OpenWindows::None) {
            OpenWindows::None => OpenWindows::One(window),
            OpenWindows::One(other) if place == 0 => OpenWindows::Several(vec![window, other]),
            OpenWindows::One(other) => OpenWindows::Several(vec![other, window]),
            OpenWindows::Several(mut windows) => {
                windows.insert(place, window);
                OpenWindows::Several(windows)
            }
        };
    }

    /// Those stay that `keep` is true of.
    pub fn retain_mut(&mut self, mut keep: impl FnMut(&mut OpenWindow<W, Acc, S>) -> bool) {
        match self {
            OpenWindows::None => {}
            OpenWindows::One(window) => {
                if !keep(window) {
                    *self = OpenWindows::None;
                }
            }
            OpenWindows::Several(windows) => windows.retain_mut(keep),
        }
    }

    pub fn remove(&mut self, place: usize) {
        self.remove_range(place..place + 1);
    }

    pub fn remove_range(&mut self, places: std::ops::Range<usize>) {
        match self {
            OpenWindows::Several(windows) => drop(windows.drain(places)),
            OpenWindows::One(_) if !places.is_empty() => *self = OpenWindows::None,
            OpenWindows::One(_) | OpenWindows::None => {}
        }
    }
}

/// As a sequence.
impl<W: Serialize, Acc: Serialize, S: Serialize> Serialize for OpenWindows<W, Acc, S> {
    fn serialize<Z: Serializer>(&self, serializer: Z) -> Result<Z::Ok, Z::Error> {
        self.as_slice().serialize(serializer)
    }
}

impl<'de, W, Acc, S> Deserialize<'de> for OpenWindows<W, Acc, S>
where
    W: Deserialize<'de>,
    Acc: Deserialize<'de>,
    S: Deserialize<'de>,
{
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut windows = Vec::<OpenWindow<W, Acc, S>>::deserialize(deserializer)?;
        Ok(match windows.len() {
            1 => windows.pop().map_or(OpenWindows::None, OpenWindows::One),
            0 => OpenWindows::None,
            _ => OpenWindows::Several(windows),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn windows(of: &OpenWindows<u8, (), ()>) -> Vec<u8> {
        of.as_slice().iter().map(|open| open.window).collect()
    }

    #[test]
    fn windows_lie_in_their_order_whether_there_is_none_one_or_more() {
        let mut open = OpenWindows::None;
        open.insert(0, OpenWindow::new(5));
        assert_eq!(windows(&open), [5]);
        open.insert(0, OpenWindow::new(3));
        open.insert(1, OpenWindow::new(4));
        open.insert(3, OpenWindow::new(9));
        assert_eq!(windows(&open), [3, 4, 5, 9]);
        let bytes = postcard::to_stdvec(&open).unwrap();
        assert_eq!(windows(&postcard::from_bytes(&bytes).unwrap()), [3, 4, 5, 9]);
        open.remove_range(1..3);
        open.retain_mut(|open| open.window > 3);
        assert_eq!(windows(&open), [9]);
        let bytes = postcard::to_stdvec(&open).unwrap();
        let mut one: OpenWindows<u8, (), ()> = postcard::from_bytes(&bytes).unwrap();
        one.remove_range(1..1);
        one.insert(1, OpenWindow::new(10));
        assert_eq!(windows(&one), [9, 10]);
        let mut one = OpenWindows::One(OpenWindow::<u8, (), ()>::new(1));
        one.remove(0);
        assert!(windows(&one).is_empty());
        one.insert(0, OpenWindow::new(7));
        one.retain_mut(|_| false);
        assert!(windows(&one).is_empty());
    }
}
