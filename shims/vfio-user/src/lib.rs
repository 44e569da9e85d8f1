//! Shows a simulated controller as a PCI device to a virtual machine, over the vfio-user protocol.
//!
//! The models of `sim-backend` are plain registers and memory accesses. Here they get what a driver of an operating system
//! expects around them: PCI configuration space, base address registers, the guest's memory, interrupts. QEMU from 10.1 on is
//! a client (`-device vfio-user-pci`), so an unmodified driver meets the model.
//!
//! ```no_run
//! use std::path::Path;
//! use std::sync::Arc;
//!
//! use hba_vfio_user::{GuestMemory, Part, Server};
//! use sim_backend::disk::{DiskConfig, SimDisk};
//! use sim_backend::memory::DeviceMemory;
//! use sim_backend::mpi1::{Mpi1Controller, Personality};
//!
//! let memory = Arc::new(GuestMemory::default());
//! let device = DeviceMemory::outside(memory.clone());
//! let mut model = Mpi1Controller::new(Personality::hardware(), device);
//! let disk = SimDisk::new(&DiskConfig::nth(0, 1 << 17))?;
//! sim_backend::controller::ControllerModel::attach(&mut model, 0, Box::new(disk))?;
//! let server = Server::bind(Path::new("/tmp/hba.sock"), &Part::sas1068(), Box::new(model), memory)?;
//! server.serve()?; // one client, until it leaves
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Threads and time
//!
//! The thread that calls [`Server::serve`] answers messages. A second one, the worker, lets the model work: after a register
//! write, and when the model's clock, which is the machine's monotonic clock, reaches its next event. Otherwise both sleep.
//! A third party may act on the device through a [`Remote`].
//!
//! # Trust
//!
//! The client's numbers are checked before use. A client that shrinks the file behind the memory that it lent ends this process
//! with SIGBUS; that cannot be prevented without copying its memory.

extern crate alloc;

mod backend;
mod config_space;
mod error;
mod interrupts;
mod memory;
mod part;
mod server;
mod worker;

pub use error::ServeError;
pub use memory::GuestMemory;
pub use part::{Bar, Capability, Part};
pub use server::Server;
pub use worker::{Remote, RemoteError};
