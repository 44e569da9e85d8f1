//! Stories that cross crates: what they share.

extern crate alloc;

pub mod qemu;
pub mod register_bank;
pub mod recorder;
pub mod sim;
