//! Controllers that QEMU emulates.

use alloc::sync::Arc;

use hba_core::dma::AddressWidth;
use hba_core::runtime::{Clock as _, Platform as _};
use hba_core::tracer::Tracer;
use hba_qemu::serde_json::Map;
use hba_qemu::{AsyncQemuPlatform, Config, Controller, DiskConfig, Qemu};
use mpt_backend::mpi1::{FifoRegister, Mpi1, Mpi1Config};
use sim_backend::disk::DiskIdentity;

use super::facade::Facade;
use super::{ClockFn, Driver, FlightRecorder, Session, SessionConfig, SessionError};
use crate::controller::DiskSource;

/// `mpt-backend` on QEMU's `mptsas1068`.
pub(super) fn mptsas1068(config: SessionConfig) -> Result<Session, SessionError> {
    let disks = config.disks.sources().len();
    if config.behaviour.fault.is_some() {
        return Err(SessionError::FaultNeedsSimulation { controller: config.controller });
    }
    if disks > SLOTS {
        let controller = config.controller;
        return Err(SessionError::Slots { controller, slots: SLOTS, disks });
    }
    let disks = config.disks.sources().iter().enumerate();
    let disks = disks.map(|(index, source)| disk(index, source, &config)).collect();
    let record = config.record;
    let config = Config {
        controller: Controller::Mptsas1068,
        disks,
        qemu_args: config.qemu_args,
        ..Config::default()
    };
    Ok(session(Qemu::start(config).map_err(SessionError::Qemu)?, record))
}

fn session(qemu: Qemu, record: bool) -> Session {
    let window = qemu.memory().window(AddressWidth::BITS_64);
    let fifo = FifoRegister(qemu.registers());
    let port = Mpi1::new(Mpi1Config { window, ..Mpi1Config::default() }, fifo);
    let platform = AsyncQemuPlatform::new(qemu);
    let (buffers, handle) = (Box::new(platform.buffers()), platform.handle());
    let clock: ClockFn = {
        let clock = platform.clock();
        Arc::new(move || clock.now())
    };
    let end = Box::new(move || handle.quit().map_err(SessionError::Quit));
    let recorder = record.then(|| FlightRecorder::new(Arc::clone(&clock)));
    let driver: Box<dyn Driver> = match recorder.clone() {
        None => Box::new(Facade::new(port, platform, buffers, end)),
        Some(recorder) => {
            let port = Tracer::with(port, recorder.clone());
            Box::new(Facade::new(port, platform, buffers, end).recorded(recorder))
        }
    };
    Session { driver, power: None, recorder, clock }
}

/// The disk with serial number and name of the simulated disk at the same place.
fn disk(index: usize, source: &DiskSource, config: &SessionConfig) -> DiskConfig {
    let identity = DiskIdentity::nth(index as u32);
    let block_size = config.disks.block_size().bytes();
    let physical = block_size << config.disks.physical_block_exponent();
    let disk = match source {
        DiskSource::Memory { bytes } => DiskConfig::memory(*bytes),
        DiskSource::Image { path, .. } => DiskConfig::image(path),
    };
    let disk = disk.with_block_sizes(block_size, physical);
    let options = Map::from_iter([("dpofua".to_owned(), true.into())]);
    DiskConfig {
        serial: Some(identity.serial),
        wwn: Some(identity.wwn),
        device_options: options,
        ..disk
    }
}

/// Phys of the emulated controller; each has a disk at most.
const SLOTS: usize = 8;
