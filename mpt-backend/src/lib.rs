//! LSI Fusion-MPT controllers for [`hba_core`].
//!
//! # What it drives
//!
//! [`mpi1`]: MPI 1.x, that is 53C1030, SAS1064 and SAS1068. From whatever state firmware left the controller in, through
//! polling or interrupts, with 32- or 64-bit addresses.
//!
//! [`mpi2`]: MPI 2.0 and 2.5, that is SAS2008 and SAS3008, on up to sixteen vectors.
//!
//! # The contract
//!
//! It is [`hba_core`]'s. This crate adds what is the wire's own: every structure of [`wire`] has the layout that was
//! measured from the reference headers; contexts, reply addresses, message lengths and sense counts are checked against
//! our own records before use; each word that the controller wrote is read once.
//!
//! # Example
//!
//! The platform hands over one handle of the reply FIFO register, and drives the rest through
//! [`hba_core::adapter::Adapter`] (or `Control` and `IoQueue` apart):
//!
//! ```
//! use hba_core::adapter::{Adapter, Need};
//! use hba_core::control::RecoveryConfig;
//! use hba_core::dispatch::ClassTimeouts;
//! use hba_core::dma::{DmaRegion, RegionBuffer};
//! use hba_core::port::MemoryPlan;
//! use hba_core::queue::Batch;
//! use hba_core::register::Registers;
//! use hba_core::time::Instant;
//! use mpt_backend::mpi1::{FifoRegister, Mpi1, Mpi1Config};
//!
//! fn attach<R: Registers + Clone>(
//!     mut registers: R,
//!     clock: impl Fn() -> Instant,
//!     allocate: impl Fn(&MemoryPlan) -> Vec<DmaRegion>,
//! ) -> Adapter<Mpi1<FifoRegister<R>>, RegionBuffer> {
//!     let port = Mpi1::new(Mpi1Config::default(), FifoRegister(registers.clone()));
//!     let (recovery, timeouts) = (RecoveryConfig::default(), ClassTimeouts::default());
//!     let mut adapter = Adapter::new(port, recovery, timeouts, clock());
//!     let mut batch = Batch::new(32);
//!     while !adapter.control().is_operational() && adapter.stopped().is_none() {
//!         let progress = adapter.poll(clock(), &mut registers, &mut batch);
//!         if let Some(Need::Memory(plan)) = progress.need {
//!             adapter.provide_memory(allocate(&plan)).expect("the allocator keeps to the plan");
//!         }
//!     }
//!     adapter
//! }
//! ```

#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

mod bring_up;
mod events;
mod handshake;
mod ioc;
pub mod mpi1;
pub mod mpi2;
mod pages;
mod reply;
mod reset;
mod sense;
mod status;
mod tasks;
pub mod wire;
