//! The `hba` command line: lists, verifies and talks to the disks behind a controller that it drives itself.
//!
//! [`run()`] is the whole program. The parts that other tests reuse are public: [`session`] starts a controller, simulated
//! or emulated by QEMU, and drives it; [`verify`] proves that what a disk promised is there.
//!
//! ```
//! use hba_cli::controller::{ControllerSpec, DiskPlan};
//! use hba_cli::session::{Session, SessionConfig};
//!
//! let disks = DiskPlan::memory(2, 64 << 20, 512)?;
//! let mut session = Session::open(SessionConfig::new(ControllerSpec::SimSas1068, disks))?;
//! let found = session.attach()?;
//! assert_eq!(found.units.len(), 2);
//! session.close()?;
//! # Ok::<(), hba_cli::session::SessionError>(())
//! ```
//!
//! # Exit codes
//!
//! 0: done, and nothing is wrong. 1: verify found a block that is not what it has to be, or doctor what would fail. 2: the
//! request makes no sense. 3: the controller or a device failed.

extern crate alloc;

pub mod args;
pub mod bench;
pub mod controller;
pub mod decode;
pub mod doctor;
pub mod fabric;
pub mod hctl;
pub mod hex;
pub mod list;
pub mod output;
pub mod part;
pub mod send;
mod serve;
pub mod session;
pub mod sim;
pub mod size;
pub mod trace;
pub mod verify;

mod error;
mod run;

pub use error::{CliError, Exit};
pub use run::run;
