//! Stories that cross crates: what they share.

extern crate alloc;

pub mod qemu;
pub mod recorder;
pub mod register_bank;
pub mod sim;
