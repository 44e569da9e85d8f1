//! An MPI 1.x controller that is nothing but a register bank in memory.
//!
//! It answers what bring-up asks and then does only what its owner says: which request ends, how, and when. So it costs
//! next to nothing, and what is measured over it is the driver. For a controller that behaves by itself, take the models
//! of `sim-backend`.

mod handshake;
mod memory;

use std::sync::Arc;

use hba_core::command::{Cookie, Nexus, TargetId};
use hba_core::control::RecoveryConfig;
use hba_core::dma::{BusAddr, DataBuffer, DmaRegion, Segment};
use hba_core::dispatch::ClassTimeouts;
use hba_core::adapter::{Adapter, Need};
use hba_core::port::RegionPlan;
use hba_core::queue::Batch;
use hba_core::register::{ALL_ONES, RegOffset, Registers};
use hba_core::time::Instant;
use mpt_backend::mpi1::{Mpi1, Mpi1Config};
use mpt_backend::wire::message::Function;
use mpt_backend::wire::registers::{
    DOORBELL, INT_STATUS, REPLY_FIFO, REQUEST_FIFO, REQUEST_HI_PRI_FIFO,
};

use handshake::{DoorbellUnit, answer};
pub use memory::{BankFifo, Memory};
