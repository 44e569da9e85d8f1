//! Most of f027 to f071 on MPI 1.x: a controller that is nothing but registers and memory posts what it likes. No number of its is
//! used unchecked, no command ends twice, and what cannot be explained ends in a reset.

mod frames;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod rewritten;
mod scene;
mod sense;
mod words;
