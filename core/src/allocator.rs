//! The allocator of the executable, with the feature `mimalloc`.
//!
//! It gives memory in pages of 2 MiB where the system has them ([transparent huge
//! pages](https://docs.kernel.org/admin-guide/mm/transhuge.html), `madvise` or `always`): the rows of a large state lie all over
//! it, and with pages of 4 KiB nearly each of them is first looked up in the page table. A program has one such allocator; with
//! one of your own, leave the feature off.

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
