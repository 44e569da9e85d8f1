//! MPI 2.0 and 2.5: SAS2008, SAS3008.
//!
//! Requests are frames named by a number (SMID) and posted with one descriptor; replies are descriptors in one queue in
//! memory for each vector. [`Mpi2`] is the control path, [`Mpi2Queue`] the data path of one vector.
//!
//! ```text
//!   SMID 0        nobody's: replies to it are events
//!   1 ..          queue 0's tags, then queue 1's, ...
//!   then          Control's requests, its task management among them
//! ```
//!
//! # What vectors share
//!
//! Reply frames: the controller puts a frame that it took from the reply free queue on whatever vector it likes. A queue
//! copies the frame and sends its number to Control as a message of its own; Control alone writes the reply free queue, with its
//! next poll. A frame that two vectors report until then costs the controller its trust; later that is not told from a new reply
//! in the frame.
//!
//! Commands, where the controller tells the end of one to another vector than the one that its descriptor named: that queue
//! sends it to Control, and Control to the queue of the SMID, which completes it and counts the detour. A SMID carries no
//! generation: a controller that tells the same end twice, on two vectors, ends the next command of the SMID if the slot's rest
//! is over before the second arrives.

mod bring_up;
mod config;
mod control;
mod discover;
mod events;
mod note;
mod post;
mod queue;
mod replies;
mod requests;
mod reset;
mod sgl;
mod tasks;
#[cfg(test)]
mod tests;

pub use config::Mpi2Config;
pub use control::Mpi2;
pub use queue::Mpi2Queue;
