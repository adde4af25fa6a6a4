//! Asking memory for what is needed soon: the only unsafe code of the crate.
//!
//! A load that misses the caches keeps the processor from retiring what comes behind it, so that no more than a handful of
//! them are under way at once. A prefetch is done as soon as it is asked for. Measured with `cargo bench --bench
//! running_count`, a million keys: see `docs/architecture.md`.
#![allow(unsafe_code)]

/// What memory gives at once.
const LINE_BYTES: usize = 64;

/// Asks for a value: for its first two lines, and the one in which it ends, if it is no longer than that. Nothing waits for them, and nothing else comes of it.
#[inline]
pub(crate) fn prefetch<T: ?Sized>(value: &T) {
    let first = std::ptr::from_ref(value).cast::<u8>();
    ask_for(first);
    if size_of_val(value) > LINE_BYTES {
        ask_for(first.wrapping_add(LINE_BYTES));
    }
    if size_of_val(value) > 1 {
        // It can begin in one line and end in another, however short it is.
        ask_for(first.wrapping_add((size_of_val(value) - 1).min(2 * LINE_BYTES - 1)));
    }
}

#[inline]
fn ask_for(place: *const u8) {
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: a prefetch is a hint. It reads nothing that could be seen, and does not fault, whatever the address.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(place.cast()) };
    }
    #[cfg(all(target_arch = "aarch64", not(miri)))]
    // SAFETY: as above; the instruction changes no register, no flag and no memory.
    unsafe {
        std::arch::asm!("prfm pldl1keep, [{place}]", place = in(reg) place, options(nostack, preserves_flags, readonly));
    }
    #[cfg(any(miri, not(any(target_arch = "x86_64", target_arch = "aarch64"))))]
    let _ = place;
}

#[cfg(test)]
mod tests {
    use super::*;

    /// To be run under miri, too: `cargo +nightly miri test -p tidegate --lib state::prefetch`.
    #[test]
    fn values_of_any_size_can_be_asked_for_and_are_what_they_were() {
        prefetch(&());
        prefetch::<[u8]>(&[]);
        prefetch("");
        for length in [1, 63, 64, 65, 4096] {
            let bytes = vec![7u8; length];
            prefetch(&bytes);
            prefetch(&bytes[..]);
            assert!(bytes.iter().all(|&byte| byte == 7));
        }
    }
}
