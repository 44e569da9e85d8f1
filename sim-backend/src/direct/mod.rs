//! `sim:direct`: a small controller with one memory reply ring for each vector, and the backend that drives it.
//!
//! Both sides live here: [`DirectControl`] and [`DirectQueue`] implement the backend traits of `hba-core`,
//! [`DirectController`] is the device. Nothing of MPI is in it, so the core's contract is exercised by a second,
//! independent shape: 1 to 16 vectors, rings in memory, generations on the wire.
//!
//! # The direct controller
//!
//! ## Registers
//!
//! 32-bit words, little-endian. A controller that has left the bus reads all ones everywhere.
//!
//! | offset | name | access | content |
//! |---|---|---|---|
//! | 000h | SIGNATURE | R | 3143_5344h, `DSC1` |
//! | 004h | STATE | R | 31:28 state: 0 resetting, 1 ready, 2 operational, 4 fault; 15:0 fault code |
//! | 008h | RESET | W | the key 5453_4552h resets; other values do nothing |
//! | 00Ch | CAPACITY | R | 15:0 slots of a vector, 23:16 vectors |
//! | 010h | ELEMENTS | R | scatter elements of one command |
//! | 014h | TRANSFER | R | longest transfer in bytes |
//! | 018h | TARGETS | R | target addresses, used or not |
//! | 01Ch | START | W | 15:0 slots in use, 23:16 vectors in use: from ready to operational, or to fault |
//! | 020h | INTERRUPTS | W | bit 0 enables them; a reset disables them |
//! | 024h | TARGET_SELECT | W | latches one target address into the next three |
//! | 028h, 02Ch | TARGET_NAME | R | port name, bits 31:0 and 63:32 |
//! | 030h | TARGET_PRESENT | R | 1 or 0 |
//! | 034h | INTERRUPT_STATUS | R | bit n: interrupts are enabled and the host has not taken all of ring n |
//! | 040h | ADMIN_TARGET | W | target of a task management function |
//! | 044h, 048h | ADMIN_LUN | W | logical unit, wire bytes 0 to 3 and 4 to 7, first byte in bits 7:0 |
//! | 04Ch | ADMIN_TASK | W | 15:0 slot, 31:16 generation |
//! | 050h | ADMIN_ID | W | echoed in the answer |
//! | 054h | ADMIN_SUBMIT | W | 7:0 function, 15:8 vector of the task; starts it |
//!
//! Each vector has a block of 20h bytes from 100h on:
//!
//! | offset | name | access | content |
//! |---|---|---|---|
//! | +00h | DOORBELL | W | the slot that has a request |
//! | +04h | CONSUMER | W | descriptors taken from the ring since START, modulo 2^32 |
//! | +08h, +0Ch | REQUESTS | W | bus address of the request slots, bits 31:0 and 63:32 |
//! | +10h, +14h | RING | W | bus address of the ring, likewise |
//! | +18h | ENTRIES | W | descriptors in the ring, a power of two |
//!
//! ## Memory of a vector
//!
//! * Request slots of 256 bytes: a head of 64 bytes, then the first twelve scatter elements of 16 bytes. The others are
//!   in a list that the head points to. The controller reads a slot once, after its doorbell.
//! * The ring, eight bytes for each descriptor: first the name of the command (15:0 slot, 31:16 generation) or what a
//!   message is about; then 31 phase, 30:28 kind (1 success, 2 detail, 3 message), 27:24 the vector that the command was
//!   sent on, 23:16 a message's topic, 15:0 its code. The controller writes the second word last. The phase is 1 on the
//!   first lap and changes with each; the host clears the ring before START. The controller never posts more
//!   descriptors than CONSUMER leaves room for.
//! * Behind the ring, one detail record of 272 bytes for each slot: the name again, how the command ended with its
//!   status, bytes moved, and up to 252 bytes of sense data from byte 16 on. The controller writes it before the
//!   descriptor that names it and not again before the slot's next doorbell.
//!
//! The words are in `layout`.
//!
//! ## Rules
//!
//! * Every request gets exactly one descriptor on the ring of its vector: success (GOOD and every byte moved) or detail.
//! * A command that a task management function ends is answered with a detail record that says so, before the function
//!   is answered. The answer is a message on the ring of vector 0, as is the news that a target came or went.
//! * A message is its descriptor: no other memory belongs to it.
//! * A reset ends all access to host memory before STATE says ready. Nothing outstanding is answered.

mod config;
mod control;
mod device;
mod layout;
mod port;
mod registers;
#[cfg(test)]
mod tests;

pub use config::DirectConfig;
pub use control::DirectControl;
pub use device::{DirectController, Facts, FaultCode, Faults};
pub use port::DirectQueue;
pub use registers::ControllerState;

/// Most vectors of a controller.
pub const VECTORS_MAX: u16 = 16;
