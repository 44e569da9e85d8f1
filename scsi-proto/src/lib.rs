//! SCSI commands, status, sense and parameter data as T10 lays them out.
//!
//! # Contract
//!
//! * **Nothing panics.** Every function takes any bytes and any values, from a device or from a
//!   caller, and returns. Every walk over received data ends with the data: no length field, zero
//!   ones included, can stop it or lead it outside.
//! * **Nothing is lost.** Codes that have no name here are kept as they came (`SenseKey(0x0c)`,
//!   `AnyCommand::Other`). A [`Cdb`] is never changed. What [`AnyCommand::parse`] accepts, it
//!   builds again byte for byte; what it cannot represent, it refuses and says where.
//! * **`parse` reads what is there.** Received data may be shorter than it claims, because the
//!   allocation length was, and may claim less than was received. Fields that are not both claimed
//!   and present read as zero or `None`. An error means that the fields without which the data
//!   means nothing are missing.
//! * **`emit` writes whole data or nothing usable.** It tells how many bytes it wrote, or that the
//!   buffer is too small. Cutting data to an allocation length is the caller's business.
//! * **No allocation, no `unsafe`, no I/O, no state.** Buffers belong to the caller.
//!
//! # Layers
//!
//! | module | bytes of |
//! |---|---|
//! | crate root | CDB, LUN, status, operation code, block address |
//! | [`command`] | typed commands, strict |
//! | [`table`] | facts on every command: name, length, direction, implied data length; lenient |
//! | [`sense`] | sense data in both formats, names of additional sense codes |
//! | [`inquiry`], [`vpd`] | INQUIRY data, vital product data |
//! | [`capacity`], [`report_luns`] | READ CAPACITY, REPORT LUNS |
//! | [`mode`] | mode parameter header, block descriptors, pages |
//! | [`provisioning`] | UNMAP, GET LBA STATUS and WRITE SAME data |
//! | [`log`] | log pages and parameters |
//! | [`extended_copy`] | EXTENDED COPY(LID1) parameter list |
//! | [`persistent`] | PERSISTENT RESERVE IN and OUT |
//! | [`target_port_groups`], [`defect`] | REPORT TARGET PORT GROUPS, READ DEFECT DATA |
//! | [`supported`] | REPORT SUPPORTED OPERATION CODES and TASK MANAGEMENT FUNCTIONS |
//!
//! # Example
//!
//! ```
//! use scsi_proto::command::{self, Access, AnyCommand};
//! use scsi_proto::table::{self, ImpliedTransfer};
//! use scsi_proto::{AdditionalSense, Lba, Sense, SenseKey};
//!
//! let cdb = command::write(Lba(8), 1, Access { fua: true, dpo: false })?;
//! assert_eq!(cdb.to_string(), "2a080000000800000100");
//! assert_eq!(table::implied_transfer(&cdb, 512), ImpliedTransfer::Exactly(512));
//!
//! let AnyCommand::Write10(write) = AnyCommand::parse(&cdb)? else { unreachable!() };
//! assert!(write.fields().fua);
//!
//! // A deferred error: an earlier write failed, whatever command this came with.
//! let sense = Sense::parse(&[0xf1, 0, 3, 0, 0, 0, 8, 10, 0, 0, 0, 0, 0x0c, 0, 0, 0, 0, 0])?;
//! assert!(sense.deferred);
//! assert_eq!(sense.key, SenseKey::MEDIUM_ERROR);
//! assert_eq!(sense.additional, AdditionalSense::WRITE_ERROR);
//! assert_eq!(sense.information, Some(8));
//! # Ok::<(), Box<dyn core::error::Error>>(())
//! ```
//!
//! [`AnyCommand::parse`]: command::AnyCommand::parse

#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

pub mod capacity;
pub mod command;
pub mod defect;
pub mod extended_copy;
pub mod inquiry;
pub mod log;
pub mod mode;
pub mod persistent;
pub mod provisioning;
pub mod report_luns;
pub mod sense;
pub mod supported;
pub mod table;
pub mod target_port_groups;
pub mod vpd;

mod ascii;
mod cdb;
mod lun;
mod macros;
mod opcode;
mod record;
mod status;
mod task;
mod wire;

pub use ascii::Ascii;
pub use cdb::{Cdb, CdbLengthError};
pub use lun::{AddressMethod, Lun};
pub use opcode::Opcode;
pub use sense::{AdditionalSense, Sense, SenseKey};
pub use status::Status;
pub use task::{Direction, Lba, TaskAttribute};
pub use wire::{BufferTooSmall, Truncated};
