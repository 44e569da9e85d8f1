//! MPI 1.x, and in [`mpi2`] what MPI 2.x changes, on the wire: registers, frames, events and configuration pages.
//!
//! The types here are layouts and nothing else. Names are those of the MPI standard in Rust
//! spelling, integers are little-endian, and no type needs alignment.
//!
//! # Who writes what
//!
//! * Request types are written by the host. From the post of a frame until its reply they belong to
//!   the controller, which only reads them.
//! * Reply, event and page types are written by the controller. Lay them over a private copy of the
//!   bytes, never over memory that the controller can still write: a field read twice from shared
//!   memory can hold two values. Every byte pattern is a valid value of every type here, so laying
//!   one over a copy of sufficient length cannot fail, and no field may be trusted before it has
//!   been checked.
//!
//! # Codes and flags
//!
//! A code such as [`message::Function`] is an open enum: a number with names for the values that
//! the standard defines. An unknown value survives and prints as a number.
//!
//! # Building requests
//!
//! Reserved fields are zero. [`zerocopy::FromZeros::new_zeroed`] with struct update syntax keeps
//! them so.

#[macro_use]
mod open;

pub mod config;
pub mod config_pages;
pub mod event;
pub mod event_data;
pub mod ioc;
pub mod message;
pub mod mpi2;
pub mod port;
pub mod registers;
pub mod sas;
pub mod sas_pages;
pub mod scsi_io;
pub mod sge;
pub mod task_mgmt;

#[cfg(test)]
mod layout;
