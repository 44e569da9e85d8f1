//! The only place in this crate that names atomics, locks or memory barriers.
//!
//! Ordinary code calls [`publish`] and [`observe`], which say what they order rather than how.

use core::sync::atomic::{Ordering, fence};

/// Orders every earlier store to DMA memory before a later doorbell store.
///
/// Call after a request frame is written and before its doorbell word is handed out. The register write itself must be
/// an ordered device store (`writel` semantics: on Arm a barrier for the outer shareable domain stands in the platform's
/// accessor). Costs no instruction on x86-64.
#[inline]
pub fn publish() {
    fence(Ordering::Release);
}

/// Orders the load of a word that says "valid" before the loads of what it makes valid.
///
/// Call after a reply word was read and before the reply frame that it names. Costs no instruction on x86-64.
#[inline]
pub fn observe() {
    fence(Ordering::Acquire);
}
