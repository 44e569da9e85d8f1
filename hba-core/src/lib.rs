//! The portable state machine of a SCSI host bus adapter driver.

#![cfg_attr(not(test), no_std)]

extern crate alloc;

pub mod adapter;
pub mod command;
pub mod control;
pub mod discovery;
pub mod dispatch;
pub mod dma;
pub mod host;
pub mod limits;
pub mod logical_unit;
pub mod port;
pub mod queue;
pub mod register;
pub mod sync;
pub mod task_id;
pub mod time;
