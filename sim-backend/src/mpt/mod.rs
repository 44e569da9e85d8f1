//! What the models of MPI 1.x and of MPI 2.x have in common: codes, the handshake, the task set, and building blocks.

pub(crate) mod codes;
pub(crate) mod handshake;
pub(crate) mod page;
pub(crate) mod tasks;
pub(crate) mod wire;
