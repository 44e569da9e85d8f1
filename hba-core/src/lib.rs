//! The portable state machine of a SCSI host bus adapter driver.
//!
//! A platform brings registers, memory, time and interrupts. This crate brings what driver authors get wrong: command
//! dispatch, tags, scatter lists, reply queues on many vectors, deadlines, aborts, resets, removal. It has no thread,
//! no clock, no I/O of its own, and after attach it allocates nothing per command.
//!
//! # The contract
//!
//! 1. **Exactly once.** A submit that returned `Ok` completes exactly once. A submit that was refused hands the whole
//!    request back and has no other effect.
//! 2. **No call outward.** There are no callbacks. Completions are values in a [`Batch`](queue::Batch) that the caller
//!    owns; register writes are words that the caller writes.
//! 3. **No lock, no atomic read-modify-write, no allocation, no clock read** per command.
//! 4. **Buffers move in and come home** only when the device can no longer touch them: after its reply, a confirmed
//!    reset of the controller, or when it is gone. The answer to an abort is not enough.
//! 5. **Nothing from the device is trusted.** It can cause errors, never a panic, an endless loop or a second completion.
//! 6. **Success means the device said so.** No command is answered by the core.
//! 7. **CDB transparency.** The bytes on the wire are the bytes submitted; direction and length are the caller's.
//! 8. **Bus addresses are a type** and are checked before any doorbell.
//! 9. **Time and work are bounded.** Time is an argument, every pass has a budget, every wait a deadline.
//! 10. **Gone is gone.** After removal no register is touched and everything ends, once, promptly.
//! 11. **Deterministic.** Same inputs, same outputs.
//! 12. **Memory order is stated**: see [`sync`], [`register::Registers`] and [`dma::DmaSync`].
//!
//! # Shape
//!
//! * [`queue::IoQueue`] is the data path of one interrupt vector, owned by value.
//! * [`control::Control`] is the one machine for everything that vectors share: bring-up, recovery, removal, events.
//! * They exchange values, which [`adapter::Adapter`] carries for hosts with one thread, and [`host::Host`] adds the loop
//!   around it.
//! * A controller plugs in through [`port::QueuePort`] and [`port::ControlPort`]; [`tracer::Tracer`] wraps any.
//! * [`device_queue::DeviceQueues`] queue, pace and repeat commands for callers that want it; nothing else does.
//! * [`discovery::Discovery`] turns targets into [`logical_unit::LogicalUnit`]s, which build checked requests.
//!
//! # The loop
//!
//! ```
//! use hba_core::command::Request;
//! use hba_core::dma::RegionBuffer;
//! use hba_core::port::QueuePort;
//! use hba_core::queue::{Batch, IoQueue};
//! use hba_core::register::{HostWrite, Registers};
//! use hba_core::time::Instant;
//!
//! /// One turn of the thread that owns a vector.
//! fn turn<P: QueuePort>(
//!     queue: &mut IoQueue<P, RegionBuffer>,
//!     registers: &mut dyn Registers,
//!     backlog: &mut Vec<Request<RegionBuffer>>,
//!     batch: &mut Batch<RegionBuffer>,
//!     now: Instant,
//! ) {
//!     while let Some(request) = backlog.pop() {
//!         match queue.submit(request, now) {
//!             Ok(submitted) => submitted.doorbell.write_to(registers),
//!             Err(rejected) => {
//!                 // Nothing happened, and all of it is here: try again once something completed.
//!                 backlog.push(rejected.request);
//!                 break;
//!             }
//!         }
//!     }
//!     let serviced = queue.service(batch);
//!     if let Some(ack) = serviced.ack {
//!         ack.write_to(registers);
//!     }
//!     for done in batch.drain() {
//!         println!("{:?}: {}", done.completion.cookie, done.completion.outcome);
//!         // The memory is home: `done.completion.data`.
//!     }
//! }
//! ```

#![cfg_attr(not(test), no_std)]

extern crate alloc;
#[cfg(feature = "tokio")]
extern crate std;

pub mod adapter;
pub mod command;
pub mod control;
pub mod device_queue;
pub mod discovery;
pub mod dispatch;
pub mod dma;
pub mod durability;
pub mod fabric;
pub mod host;
pub mod limits;
pub mod logical_unit;
pub mod name;
pub mod port;
pub mod queue;
pub mod register;
#[cfg(feature = "tokio")]
pub mod runtime;
pub mod sabotage;
pub mod sync;
pub mod task_id;
pub mod time;
pub mod tracer;
