//! Simulated disks: a medium, a volatile write cache with power loss, and a SCSI device server.
//!
//! [`SimDisk`] implements [`Target`](crate::target::Target). A [`DiskConfig`] says what kind of
//! disk it is; [`UnitControl`] plants faults and reads what the initiator cannot see; a [`PowerCut`]
//! chooses what an unflushed cache leaves behind. [`SharedDisk`] keeps hold of a disk that a
//! simulated controller owns.
//!
//! The promise that drivers can be tested against: after any power cut, every block holds a value
//! that was written to it, at least as new as the last one that a flush, FUA or a switched-off
//! cache made durable. Only the configurations that say so break it.

mod attention;
mod cache;
mod cache_commands;
mod condition;
mod config;
mod control;
mod data;
mod device;
mod echo;
mod exchange;
mod failure;
mod faults;
mod file_medium;
mod flat_medium;
mod identity;
mod medium;
mod memory_medium;
mod mode_select;
mod modes;
mod no_unit;
mod opcodes;
mod plain;
mod power;
mod prng;
mod provisioning;
mod shared;
mod sparse;
mod store;
#[cfg(test)]
mod tests;
mod unit;

pub use attention::PortIndex;
pub use condition::Condition;
pub use config::{DiskConfig, DiskConfigError, DiskIdentity};
pub use control::UnitControl;
pub use device::{Hold, SimDisk};
pub use echo::{VENDOR_ECHO_IN, VENDOR_ECHO_OUT};
pub use faults::{MediumAccess, Miswrite, Times};
pub use file_medium::{FileMedium, OpenMediumError};
pub use flat_medium::FlatMedium;
pub use medium::{BlockSize, Medium, MediumError, MediumErrorKind};
pub use memory_medium::MemoryMedium;
pub use power::{CutReport, PowerCut};
pub use shared::{SharedDisk, SharedPort};
pub use store::Lies;
