//! Simulated disks and simulated controllers: a machine to put a driver against.
//!
//! # The contract
//!
//! * **Deterministic.** No thread, no clock, no hash order: the host sets the time, the device works when its registers are
//!   read or when it is told to, every choice comes from a seed. Equal runs are equal in every register access.
//! * **A second reading.** The register-level models are written from the measured layouts and from how hardware behaves,
//!   never from a driver, so that one mistake is not made twice.
//! * **Strict.** Memory that was not allocated, was freed, or belongs to nobody faults and is recorded; behind a [`fabric`]
//!   so does what is not mapped for the requester, for the direction, or any more. Credits, addresses,
//!   element flags and states are enforced as hardware enforces them.
//! * **Nothing that a host does panics the model**, and every walk over what a host wrote has a bound.
//!
//! # A driver of your own against a faulty controller
//!
//! ```
//! use hba_core::register::{ALL_ONES, RegOffset, Registers};
//! use sim_backend::disk::{DiskConfig, SimDisk};
//! use sim_backend::machine::{PowerDomain, SimMachine};
//! use sim_backend::memory::SimMemory;
//! use sim_backend::mpi1::{FaultCode, Mpi1Controller, Personality};
//!
//! // Host memory, a SAS1068, a disk with a volatile write cache.
//! let memory = SimMemory::new(16 << 20);
//! let controller = Mpi1Controller::new(Personality::hardware(), memory.device());
//! let machine = SimMachine::new(controller, memory);
//! machine.attach(0, SimDisk::new(&DiskConfig::nth(0, 1 << 16))?)?;
//!
//! // What the driver gets: registers, and memory whose bus address is no pointer.
//! let mut registers = machine.registers();
//! let frames = machine.memory().allocate(128 * 512, 64)?;
//! assert_eq!(registers.read32(RegOffset(0)) >> 28, 1, "the doorbell says READY");
//!
//! // What the driver has to survive.
//! machine.hold(0, true); // the disk answers nothing
//! machine.with_controller(|c| c.faults_mut().lose_replies = 3);
//! machine.cut_power(PowerDomain::Targets); // what was not flushed is gone
//! machine.restore_power(PowerDomain::Targets);
//! machine.with_controller(|c| c.force_fault(FaultCode(0x5862)));
//! assert_eq!(registers.read32(RegOffset(0)) >> 28, 4, "the doorbell says FAULT");
//! machine.with_controller(|c| c.faults_mut().removed = true);
//! assert_eq!(registers.read32(RegOffset(0)), ALL_ONES, "gone");
//!
//! // What the machine saw: memory faults, accesses, each register access in turn.
//! assert_eq!(machine.memory().faults().count(), 0);
//! assert_eq!(machine.register_count().reads, 3);
//! # drop(frames);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [`platform::SimPlatform`] joins a machine to [`hba_core::host::Host`], for drivers built on `hba-core`.
//!
//! | module | what |
//! |---|---|
//! | [`machine`], [`memory`], [`topology`], [`platform`] | controller, targets and host memory as one machine |
//! | [`fabric`] | bridges, root port, IOMMU; applications' memory and its `DmaMapper` |
//! | [`mpi1`] | register-level LSI SAS1068, as hardware is or as QEMU's is |
//! | [`mpi2`] | register-level LSI SAS2008 and SAS3008, with one to many vectors |
//! | [`direct`] | a controller without MPI: N vectors, reply rings in memory, and the backend for it |
//! | [`campaign`] | whole runs from a seed, with faults as data and oracles after every event |
//! | [`disk`] | disks: commands, volatile cache, power cuts, lies, errors |
//! | [`target`], [`controller`], [`schedule`] | what a target and a model are, and in which order commands end |
//!
//! The command `hba` knows the models by these names:
//!
//! | `--controller` | model | vectors |
//! |---|---|---|
//! | `sim:sas1068` | [`mpi1::Personality::hardware`]: MPI 1.5 | 1 |
//! | `sim:sas2008` | [`mpi2::Personality::sas2008`]: MPI 2.0 | 1, more [where asked for](mpi2::Personality::with_vectors) |
//! | `sim:sas3008` | [`mpi2::Personality::sas3008`]: MPI 2.5 | 16 |
//! | `sim:direct` | [`direct::DirectController`]: no MPI | up to 16 |

extern crate alloc;

pub mod campaign;
pub mod controller;
mod counted;
pub mod direct;
pub mod disk;
pub mod fabric;
pub mod machine;
pub mod memory;
pub mod mpi1;
pub mod mpi2;
mod mpt;
pub mod platform;
#[cfg(feature = "tokio")]
pub mod pulse;
mod scattered;
pub mod schedule;
pub mod target;
pub mod topology;
