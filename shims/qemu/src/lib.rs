//! Drives a controller that QEMU emulates, without a guest.
//!
//! The process plays the CPU. QEMU runs with its virtual CPU stopped; register accesses go over a qtest socket, guest
//! RAM is memory that both processes map, and an MSI is the device's write to a page of it. So a driver core meets a
//! controller and disks that somebody else wrote, with real DMA and real concurrency, and without privileges.
//!
//! # Nothing is left behind
//!
//! RAM, memory disks and sockets have no names: they are inherited descriptors, and no file is ever created. QEMU
//! survives the end of its qtest socket, so it is killed on drop, and by the kernel (parent death signal) when this
//! process ends without one: by a panic, Ctrl-C or SIGKILL. QEMU runs in a process group of its own: Ctrl-C in a
//! terminal reaches the driver, which may end its I/O before it lets go of the controller.
//!
//! # Example
//!
//! ```no_run
//! use hba_core::register::{RegOffset, Registers};
//! use hba_qemu::{Config, DiskConfig, Qemu};
//!
//! let qemu = Qemu::start(Config {
//!     disks: vec![DiskConfig::memory(64 << 20)],
//!     ..Config::default()
//! })?;
//! let mut registers = qemu.registers();
//! let doorbell = registers.read32(RegOffset(0));
//! let frames = qemu.memory().allocate(128 * 512, 4096)?;
//! println!("IOC state {:x}, frames at {}", doorbell >> 28, frames.bus());
//! qemu.quit()?;
//! # Ok::<(), Box<dyn core::error::Error>>(())
//! ```
//!
//! # Needs
//!
//! Linux with `/proc`, and QEMU 7.2 or later (Debian package `qemu-system-x86`). The variable `HBA_QEMU` names another
//! program. Tests that need QEMU ask [`available_for_tests`], which fails rather than skips.

extern crate alloc;

mod arena;
mod config;
mod disk;
mod error;
mod instance;
mod interrupt;
mod line;
mod memory;
mod parent_death;
mod pci;
mod platform;
mod process;
mod qmp;
mod qtest;
mod reactor;

pub use config::{Config, Controller, InterruptMode};
pub use disk::{BlockFilter, DiskConfig, DiskSource, ImageFormat};
pub use error::{QuitError, StartError};
pub use instance::{Qemu, available_for_tests};
pub use interrupt::QemuInterrupt;
pub use memory::{AllocError, QemuMemory, Zone};
pub use pci::{Bar, BarSpace, PciError, PciFunction};
pub use platform::QemuPlatform;
pub use qmp::{Qmp, QmpError, Throttle};
pub use qtest::{QemuRegisters, QtestError};
pub use reactor::{AsyncQemuInterrupt, AsyncQemuPlatform, QemuClock, QemuHandle};
/// The JSON types of [`Qmp::execute`] and of the option maps.
pub use serde_json;
