//! Stories that cross crates: what they share.

extern crate alloc;

pub mod qemu;
