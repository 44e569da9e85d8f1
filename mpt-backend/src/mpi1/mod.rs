//! MPI 1.x: 53C1030, SAS1064, SAS1068.
//!
//! One request FIFO, one reply FIFO, one interrupt. [`Mpi1`] is the control path, [`Mpi1Queue`] the data path; the
//! platform gives each a handle of the registers.

mod bring_up;
mod config;
mod context;
mod control;
mod discover;
mod events;
mod fifo;
mod queue;
mod replies;
mod requests;
mod reset;
mod sgl;
mod tasks;

pub use config::Mpi1Config;
pub use control::Mpi1;
pub use fifo::{EMPTY, FifoRegister, ReplyFifo, WordFifo};
pub use queue::Mpi1Queue;
