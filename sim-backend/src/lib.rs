//! Simulated disks and simulated controllers for hba-core.

extern crate alloc;

pub mod controller;
pub mod direct;
pub mod disk;
pub mod machine;
pub mod memory;
pub mod mpi1;
pub mod platform;
pub mod schedule;
pub mod target;
pub mod topology;
