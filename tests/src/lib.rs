//! Stories that cross crates: what they share.

extern crate alloc;

pub mod non_coherent;
pub mod qemu;
pub mod recorder;
pub mod register_bank;
pub mod rig;
pub mod scattered;
pub mod sim;

/// The example of the README, compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
pub struct Readme;

/// The examples for platforms, compiled.
#[cfg(doctest)]
#[doc = include_str!("../../docs/embedding.md")]
pub struct Embedding;
