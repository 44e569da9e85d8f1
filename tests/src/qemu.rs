//! The MPI 1.x backend on QEMU's `mptsas1068`.

use core::time::Duration;

use hba_core::command::Cookie;
use hba_core::command::{Nexus, Request, TargetId, Transfer};
use hba_core::control::{ControlEvent, RecoveryConfig};
use hba_core::dispatch::ClassTimeouts;
use hba_core::dma::AddressWidth;
use hba_core::host::{Answer, Data, Host, HostError, Platform};
use hba_qemu::{Config, DiskConfig, Qemu, QemuPlatform, QemuRegisters};
use mpt_backend::mpi1::{FifoRegister, Mpi1, Mpi1Config};
use scsi_proto::{Cdb, Lun};

/// A host with QEMU underneath.
pub type QemuHost = Host<Mpi1<FifoRegister<QemuRegisters>>, QemuPlatform>;

/// Starts QEMU with `disks` and brings the controller up; `None` where tests may do without QEMU.
///
/// # Panics
///
/// If anything fails.
pub fn host(disks: Vec<DiskConfig>, recovery: RecoveryConfig) -> Option<QemuHost> {
    if !hba_qemu::available_for_tests() {
        return None;
    }
    let qemu = Qemu::start(Config { disks, ..Config::default() }).expect("QEMU starts");
    let platform = QemuPlatform::new(qemu);
    let mut host = unstarted(platform, Mpi1Config::default(), recovery);
    host.bring_up().expect("the controller comes up");
    Some(host)
}

/// A host on `platform` that is not brought up yet.
pub fn unstarted(
    mut platform: QemuPlatform,
    config: Mpi1Config,
    recovery: RecoveryConfig,
) -> QemuHost {
    let window = platform.qemu().memory().window(AddressWidth::BITS_64);
    let fifo = FifoRegister(platform.qemu().registers());
    let port = Mpi1::new(Mpi1Config { window, ..config }, fifo);
    let mut host = Host::new(port, platform, recovery, ClassTimeouts::default());
    host.adapter().set_interrupts(true);
    host
}

/// Short waits, so that a test of the whole ladder takes seconds.
pub fn impatient() -> RecoveryConfig {
    RecoveryConfig {
        abort: Duration::from_millis(700),
        logical_unit_reset: Duration::from_secs(5),
        target_reset: Duration::from_secs(5),
        ..RecoveryConfig::default()
    }
}

/// LUN 0 of target `id`.
pub const fn disk(id: u16) -> Nexus {
    Nexus::new(TargetId::new(id), Lun::ZERO)
}

/// A request with a buffer of its own where data moves.
///
/// # Panics
///
/// If the platform has no memory left or the CDB is malformed.
pub fn request(host: &mut QemuHost, id: u16, cdb: &[u8], transfer: Transfer) -> Request<Data> {
    let len = transfer.length as usize;
    let data = (len > 0).then(|| host.platform().buffer(len).expect("memory"));
    Request::new(disk(id), Cdb::new(cdb).expect("a cdb"), transfer, data, Cookie(u64::from(id)))
}

/// Sends one command and waits for its end.
///
/// # Errors
///
/// As [`Host::execute`].
///
/// # Panics
///
/// As [`request`].
pub fn send(
    host: &mut QemuHost,
    id: u16,
    cdb: &[u8],
    transfer: Transfer,
) -> Result<Answer, HostError> {
    let request = request(host, id, cdb, transfer);
    host.execute(request)
}

/// Clears the unit attentions of target `id`.
///
/// # Panics
///
/// If the unit does not become ready.
pub fn make_ready(host: &mut QemuHost, id: u16) {
    for _ in 0..4 {
        let answer = send(host, id, &[0; 6], Transfer::NONE).expect("test unit ready");
        if answer.completion.is_done() {
            return;
        }
    }
    panic!("target {id} does not become ready");
}

/// Whether an event of this kind came.
pub fn saw(events: &[ControlEvent], wanted: impl Fn(&ControlEvent) -> bool) -> bool {
    events.iter().any(wanted)
}
