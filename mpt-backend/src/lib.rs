//! LSI Fusion-MPT controllers for hba-core

#![cfg_attr(not(test), no_std)]

extern crate alloc;

pub mod mpi1;
pub mod wire;
