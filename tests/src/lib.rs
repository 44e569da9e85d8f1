//! Stories that cross crates: what they share.

extern crate alloc;

pub mod async_bank;
pub mod caller;
pub mod every_ending;
pub mod forged;
pub mod fuzz;
pub mod hand_polled;
pub mod hostile;
pub mod naive;
pub mod non_coherent;
pub mod qemu;
pub mod recorder;
pub mod register_bank;
pub mod rig;
pub mod scattered;
pub mod scene;
pub mod sim;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
pub mod single_step;
pub mod soak;
pub mod startup;
pub mod vectors;

/// The example of the README, compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
pub struct Readme;

/// The examples for platforms, compiled.
#[cfg(doctest)]
#[doc = include_str!("../../docs/embedding.md")]
pub struct Embedding;

/// The example for applications' memory, compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../../docs/dma.md")]
pub struct Dma;

/// Contract 2: two threads that share a queue do not compile, so none enters it while another is in it.
///
/// ```compile_fail,E0277
/// fn shared<T: Sync>() {}
/// shared::<hba_core::queue::IoQueue<sim_backend::direct::DirectQueue, hba_core::host::Data>>();
/// ```
///
/// Nor does entering a queue again from what it gives out: completions borrow the batch, never the queue, and a pass
/// borrows the queue for as long as it lasts.
///
/// ```compile_fail,E0499
/// use hba_core::{dma::NoData, port::QueuePort, queue::{Batch, IoQueue}};
/// fn again<P: QueuePort>(queue: &mut IoQueue<P, NoData>, batch: &mut Batch<NoData>) {
///     let mut inside = || _ = queue.service(batch);
///     let _ = queue.quiesce();
///     inside();
/// }
/// ```
#[cfg(doctest)]
pub struct QueuesAreNotShared;
