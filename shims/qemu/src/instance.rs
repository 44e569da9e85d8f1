//! One emulated machine, from start to end.

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::Instant;

use rustix::fs::{MemfdFlags, ftruncate, memfd_create};
use serde_json::{Map, Value, json};

use crate::config::{Config, InterruptMode};
use crate::disk::{DiskConfig, DiskSource, ImageFormat};
use crate::error::{QuitError, StartError};
use crate::interrupt::QemuInterrupt;
use crate::memory::{QemuMemory, RamLayout};
use crate::pci::{self, PciError, PciFunction};
use crate::process::{Process, find_binary};
use crate::qmp::{Qmp, QmpError};
use crate::qtest::{QemuRegisters, Qtest, SharedQtest};

/// A running QEMU with one controller; dropping it kills QEMU.
///
/// Register, memory, interrupt and monitor handles may outlive it. Registers then read all ones, memory stays mapped.
#[derive(Debug)]
pub struct Qemu {
    process: Process,
    qmp: Qmp,
    registers: QemuRegisters,
    memory: QemuMemory,
    interrupt: QemuInterrupt,
    pci: PciFunction,
    /// The data of memory disks, by index in `Config::disks`.
    disk_files: Vec<Option<File>>,
    config: Config,
}

impl Qemu {
    /// Starts QEMU, waits until its machine is complete, and sets up the controller's PCI function.
    ///
    /// # Errors
    ///
    /// [`StartError`]; QEMU's own words are in it. Nothing is left running.
    pub fn start(config: Config) -> Result<Self, StartError> {
        let deadline = Instant::now() + config.start_deadline;
        let host = |what| move |source| StartError::Host { what, source };
        let binary = find_binary(config.binary.as_deref())?;
        let layout = config.ram_layout()?;
        let (memory, ram) = QemuMemory::create(layout).map_err(host("guest RAM"))?;
        let (qtest, qemu_qtest) = UnixStream::pair().map_err(host("qtest socket"))?;
        let (qmp, qemu_qmp) = UnixStream::pair().map_err(host("QMP socket"))?;

        let mut inherited = vec![ram, qemu_qtest.into(), qemu_qmp.into()];
        let mut arguments = machine_arguments(&config, layout, &inherited);
        let mut disk_files = Vec::new();
        for (index, disk) in config.disks.iter().enumerate() {
            let (disk_arguments, file) = disk_arguments(index, disk, &mut inherited)?;
            arguments.extend(disk_arguments);
            disk_files.push(file);
        }
        arguments.extend(config.qemu_args.iter().cloned());

        let mut process = Process::spawn(&binary, &arguments, inherited)?;
        let qmp = Qmp::negotiate(qmp, deadline).map_err(|e| explain(e, &mut process, &config))?;
        qmp.set_timeout(config.access_timeout).map_err(host("QMP socket"))?;
        let mut qtest = Qtest::new(qtest, config.access_timeout).map_err(host("qtest socket"))?;
        let pci = pci::set_up(&mut qtest, config.controller.device_id(), config.interrupt)?;
        let bar = pci.memory_bar().ok_or_else(|| PciError::Bars { bars: pci.bars.clone() })?;
        let qtest = SharedQtest::new(qtest);
        let interrupt = match config.interrupt {
            InterruptMode::Msi => QemuInterrupt::msi(memory.msi_word()),
            InterruptMode::IntX => QemuInterrupt::intx(qtest.clone()),
        };
        let registers = QemuRegisters::new(qtest, bar.base, bar.len);
        Ok(Self { process, qmp, registers, memory, interrupt, pci, disk_files, config })
    }

    /// QEMU's process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// The controller's registers: its first memory BAR.
    #[must_use]
    pub fn registers(&self) -> QemuRegisters {
        self.registers.clone()
    }

    /// The machine's RAM.
    #[must_use]
    pub fn memory(&self) -> QemuMemory {
        self.memory.clone()
    }

    /// The controller's interrupt.
    #[must_use]
    pub fn interrupt(&self) -> QemuInterrupt {
        self.interrupt.clone()
    }

    /// The monitor.
    #[must_use]
    pub fn qmp(&self) -> Qmp {
        self.qmp.clone()
    }

    /// Ids and BARs of the controller.
    #[must_use]
    pub const fn pci(&self) -> &PciFunction {
        &self.pci
    }

    /// The data of memory disk number `index`, for a look behind the controller's back; `None` for image files.
    ///
    /// A write that the disk has answered is in the file. Writes to the file show in the disk.
    #[must_use]
    pub fn disk_file(&self, index: usize) -> Option<&File> {
        self.disk_files.get(index)?.as_ref()
    }

    /// Kills QEMU at once, as if the controller were pulled out of a running machine.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Ends QEMU in order: what it caches of a qcow2 image is written out.
    ///
    /// Dropping kills instead, which is fine for memory disks and raw images but may lose metadata of a qcow2 image.
    ///
    /// # Errors
    ///
    /// [`QuitError`] if QEMU did not end as asked within `Config::access_timeout`; it is killed then.
    pub fn quit(mut self) -> Result<(), QuitError> {
        let limit = self.config.access_timeout;
        match self.qmp.execute("quit", json!({})) {
            // The answer may be lost in the end that it announces.
            Ok(_) | Err(QmpError::Gone { .. }) => {}
            Err(error) => return Err(QuitError::Qmp(error)),
        }
        match self.process.wait(limit).map_err(QuitError::Wait)? {
            Some(status) if status.success() => Ok(()),
            Some(status) => Err(QuitError::Status { status, stderr: self.process.stderr() }),
            None => Err(QuitError::Deadline { after: limit }),
        }
    }
}

/// Everything but the disks. The descriptors are RAM, qtest and QMP, in this order.
fn machine_arguments(config: &Config, layout: RamLayout, inherited: &[OwnedFd]) -> Vec<String> {
    let [ram, qtest, qmp] = [0, 1, 2].map(|index| inherited[index].as_raw_fd());
    let RamLayout { below_4g, .. } = layout;
    let size = layout.len();
    let ram =
        format!("memory-backend-file,id=ram,size={size},mem-path=/proc/self/fd/{ram},share=on");
    let controller = device_text(config.controller.device_name(), &config.controller_options);
    let options = [
        // TCG with a stopped CPU: QEMU 7.2 of Debian 12 has no qtest accelerator, and needs none.
        ["-accel", "tcg"],
        ["-object", &ram],
        ["-machine", &format!("q35,memory-backend=ram,max-ram-below-4g={below_4g}")],
        ["-m", &format!("size={size}B")],
        ["-display", "none"],
        ["-chardev", &format!("socket,id=qtest,fd={qtest}")],
        ["-qtest", "chardev:qtest"],
        ["-qtest-log", "/dev/null"],
        ["-chardev", &format!("socket,id=qmp,fd={qmp}")],
        ["-mon", "chardev=qmp,mode=control"],
        ["-device", &controller],
    ];
    let flags = ["-S", "-nodefaults", "-no-user-config"];
    flags.into_iter().chain(options.iter().flatten().copied()).map(str::to_owned).collect()
}

/// The controller as text. QEMU makes devices that are given as JSON after those that are given as text, so with JSON
/// no `-device` of [`Config::qemu_args`] would find the controller's bus.
fn device_text(driver: &str, options: &Map<String, Value>) -> String {
    let mut text = format!("{driver},id=hba");
    for (name, value) in options {
        let value = match value {
            Value::Bool(on) => if *on { "on" } else { "off" }.to_owned(),
            Value::String(value) => value.replace(',', ",,"),
            value => value.to_string(),
        };
        text.push_str(&format!(",{name}={value}"));
    }
    text
}

/// The options of one disk, and our handle of its data if it lives in memory.
fn disk_arguments(
    index: usize,
    disk: &DiskConfig,
    inherited: &mut Vec<OwnedFd>,
) -> Result<(Vec<String>, Option<File>), StartError> {
    match &disk.source {
        DiskSource::Memory { size } => {
            let (ours, theirs) = memory_file(*size)
                .map_err(|source| StartError::Host { what: "memory for a disk", source })?;
            let filename = format!("/proc/self/fd/{}", theirs.as_raw_fd());
            inherited.push(theirs);
            Ok((disk.arguments(index, &filename, ImageFormat::Raw), Some(ours)))
        }
        DiskSource::Image { path, format } => {
            let image = |source| StartError::Image { path: path.clone(), source };
            let detected = ImageFormat::detect(path).map_err(image)?;
            let not_text = || image(io::Error::other("the name is not UTF-8"));
            let filename = path.to_str().ok_or_else(not_text)?;
            Ok((disk.arguments(index, filename, format.unwrap_or(detected)), None))
        }
    }
}

/// Two handles of one nameless file.
fn memory_file(size: u64) -> io::Result<(File, OwnedFd)> {
    let theirs = memfd_create("hba-qemu-disk", MemfdFlags::CLOEXEC)?;
    ftruncate(&theirs, size)?;
    Ok((File::from(theirs.try_clone()?), theirs))
}

/// Turns a failed negotiation into what QEMU said about it.
fn explain(error: QmpError, process: &mut Process, config: &Config) -> StartError {
    if let QmpError::Timeout { .. } = error {
        return StartError::Deadline { after: config.start_deadline, stderr: process.stderr() };
    }
    match process.wait(config.access_timeout) {
        Ok(Some(status)) => StartError::Exited { status, stderr: process.stderr() },
        _ => StartError::Qmp(error),
    }
}

/// Whether tests that need QEMU can run here.
///
/// `false` only if QEMU is not installed and the variable `HBA_TESTS_WITHOUT_QEMU` is `1`: a test suite never skips
/// them by accident.
///
/// # Panics
///
/// If QEMU is not installed and the variable is not set; the message names the package.
#[must_use]
pub fn available_for_tests() -> bool {
    match find_binary(None) {
        Ok(_) => true,
        Err(_) if std::env::var_os("HBA_TESTS_WITHOUT_QEMU").is_some_and(|v| v == "1") => false,
        Err(error) => {
            panic!("{error}, or set HBA_TESTS_WITHOUT_QEMU=1 to skip the tests that need it")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_handle_moves_to_another_thread() {
        const fn sendable<T: Send>() {}
        const {
            sendable::<Qemu>();
            sendable::<QemuRegisters>();
            sendable::<QemuMemory>();
            sendable::<QemuInterrupt>();
            sendable::<Qmp>();
        }
    }

    #[test]
    fn memory_disks_are_sparse_and_shared() {
        use std::os::unix::fs::{FileExt, MetadataExt};
        let (ours, theirs) = memory_file(66 << 40).expect("a file of 66 TiB");
        File::from(theirs).write_all_at(b"end", (66 << 40) - 3).expect("write");
        let mut back = [0; 3];
        ours.read_exact_at(&mut back, (66 << 40) - 3).expect("read");
        assert_eq!(&back, b"end");
        assert!(ours.metadata().expect("metadata").blocks() * 512 <= 2 << 20);
    }
}
