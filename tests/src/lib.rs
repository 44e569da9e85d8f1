//! Stories that cross crates: what they share.

extern crate alloc;

pub mod non_coherent;
pub mod qemu;
pub mod recorder;
pub mod register_bank;
pub mod rig;
pub mod scattered;
pub mod sim;
