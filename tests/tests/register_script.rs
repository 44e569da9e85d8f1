//! The simulated SAS1068 against QEMU's `mptsas1068`: the same register accesses, answer by answer.
//!
//! Two readings of one chip, made independently: where they agree, the driver is tested against something real.

use hba_core::dma::{BusAddr, DmaRegion};
use hba_qemu::{Config, DiskConfig, Qemu};
use sim_backend::disk::{DiskConfig as SimDiskConfig, DiskIdentity, SharedDisk, SimDisk};
use sim_backend::machine::SimMachine;
use sim_backend::memory::SimMemory;
use sim_backend::mpi1::registers::{DOORBELL, REPLY_FIFO, REQUEST_FIFO};
use sim_backend::mpi1::script::{Action, InitNumbers, Script, Transcript};
use sim_backend::mpi1::{Mpi1Controller, Personality};
use sim_backend::target::SasAddress;

/// The name of the one disk, in slot 0; the same on both sides.
const WWN: u64 = 0x5000_c500_15ea_71ac;
const DISK_BYTES: u64 = 1 << 20;

/// Memory at equal addresses on both sides.
struct Memory {
    qemu: DmaRegion,
    model: DmaRegion,
}

impl Memory {
    fn bus(&self) -> u32 {
        self.qemu.bus().low()
    }

    fn write(&mut self, offset: usize, words: &[u32]) {
        for (i, word) in words.iter().enumerate() {
            self.qemu.write_u32(offset + 4 * i, *word);
            self.model.write_u32(offset + 4 * i, *word);
        }
    }

    fn fill(&mut self, byte: u8) {
        self.qemu.fill(0, self.qemu.len(), byte);
        self.model.fill(0, self.model.len(), byte);
    }

    /// The bytes of both sides, QEMU's first.
    fn read(&self, offset: usize, len: usize) -> [Vec<u8>; 2] {
        [&self.qemu, &self.model].map(|region| {
            let mut bytes = vec![0; len];
            region.read_bytes(offset, &mut bytes);
            bytes
        })
    }
}

/// Both controllers.
struct Both {
    qemu: Qemu,
    model: SimMachine<Mpi1Controller>,
}

impl Both {
    /// QEMU, and a model of `personality` where QEMU put its controller; `None` where tests may do without QEMU.
    fn new(personality: Personality) -> Option<Self> {
        if !hba_qemu::available_for_tests() {
            return None;
        }
        let disk = DiskConfig { wwn: Some(WWN), ..DiskConfig::memory(DISK_BYTES) };
        let qemu = Qemu::start(Config { disks: vec![disk], ..Config::default() });
        let qemu = qemu.expect("QEMU starts");
        let memory = SimMemory::at(BusAddr::new(0x10_0000), 8 << 20);
        let personality = personality.at_pci_device(qemu.pci().slot);
        let controller = Mpi1Controller::new(personality, memory.device());
        let model = SimMachine::new(controller, memory);
        assert!(model.attach(0, model_disk()).is_ok());
        Some(Self { qemu, model })
    }

    fn memory(&self, len: usize) -> Memory {
        let qemu = self.qemu.memory().allocate(len, 64).expect("memory");
        self.model.memory().seek(qemu.bus());
        let model = self.model.memory().allocate(len, 64).expect("memory");
        assert_eq!(qemu.bus(), model.bus());
        Memory { qemu, model }
    }

    /// Runs the script on both; QEMU's transcript first.
    fn run(&self, script: &Script) -> [Transcript; 2] {
        let qemu = script.run(&mut self.qemu.registers(), std::thread::sleep);
        let model = script.run(&mut self.model.registers(), |time| self.model.advance(time));
        [qemu.unwrap_or_else(|e| panic!("qemu: {e}")), model.unwrap_or_else(|e| panic!("{e}"))]
    }

    /// Runs the script on both; the transcripts must be equal. Returns their length.
    fn agree(&self, script: &Script) -> usize {
        let [qemu, model] = self.run(script);
        assert_eq!(qemu.differences(&model), [], "QEMU, then the model:\n{qemu}\n{model}");
        qemu.lines.len()
    }
}

/// A disk with the port name that QEMU makes of the logical unit's name: the name itself.
fn model_disk() -> SharedDisk {
    let identity = DiskIdentity { wwn: WWN, sas_address: SasAddress(WWN), ..DiskIdentity::nth(0) };
    let config = SimDiskConfig { identity, ..SimDiskConfig::nth(0, DISK_BYTES / 512) };
    SharedDisk::new(SimDisk::new(&config).expect("a disk"))
}

const INIT: InitNumbers =
    InitNumbers { max_devices: 8, reply_frame_size: 128, host_mfa_high: 0, sense_high: 0 };
const FRAMES: u32 = 8;
const FRAME: u32 = 128;

fn start(replies: &Memory) -> Script {
    let frames: Vec<_> = (0..FRAMES).map(|i| replies.bus() + i * FRAME).collect();
    Script::start(INIT, &frames)
}

/// Every page type, with numbers and addresses that exist and that do not: type, number, address.
fn pages() -> Vec<(u8, u8, u32)> {
    const SAS_IO_UNIT: u8 = 0x10;
    const SAS_EXPANDER: u8 = 0x11;
    const SAS_DEVICE: u8 = 0x12;
    const SAS_PHY: u8 = 0x13;
    let by_number = [(9, 11), (0, 6), (1, 8), (2, 1), (3, 2), (8, 2), (SAS_IO_UNIT, 5)];
    let by_number = by_number
        .into_iter()
        .flat_map(|(kind, count)| (0..count).map(move |number| (kind, number, 0)));
    // By handle, the first and the next ones; by bus and target.
    let devices = [0xffff, 9, 1 << 28, 1 << 28 | 1, 2 << 28 | 9];
    let devices = devices
        .into_iter()
        .flat_map(|address| (0..4).map(move |number| (SAS_DEVICE, number, address)));
    let phys = (0..3).flat_map(|number| [(SAS_PHY, number, 0), (SAS_PHY, number, 8)]);
    let absent = [(SAS_EXPANDER, 0, 0), (SAS_EXPANDER, 1, 0), (0x15, 0, 0), (0x15, 1, 0)];
    by_number.chain(devices).chain(phys).chain(absent).collect()
}

#[test]
fn start_up_and_configuration_headers_agree_in_every_word() {
    let Some(both) = Both::new(Personality::qemu()) else { return };
    let replies = both.memory((FRAMES * FRAME) as usize);
    let headers = pages().into_iter().fold(Script::new(), |script, (kind, number, address)| {
        script.append(Script::config_header(kind, number, address))
    });
    let script = Script::identify()
        .append(start(&replies))
        .append(headers)
        .append(Script::diagnostic_reset())
        .append(Script::identify())
        .append(start(&replies));
    let lines = both.agree(&script);
    assert!(lines > 500, "{lines} lines");
}

#[test]
fn an_unknown_function_is_the_same_fault_and_both_resets_end_it() {
    let Some(both) = Both::new(Personality::qemu()) else { return };
    let replies = both.memory((FRAMES * FRAME) as usize);
    let mut frame = both.memory(128);
    frame.write(0, &[0x1500_0000, 0, 0x1007]);
    let post = || {
        let post = Action::Write(REQUEST_FIFO, frame.bus());
        let fault = Action::Poll { offset: DOORBELL, mask: 0xf000_0000, wanted: 0x4000_0000 };
        Script::new().then("post", post).then("fault", fault).then("code", Action::Read(DOORBELL))
    };
    for reset in [Script::diagnostic_reset(), Script::identify()] {
        // A function that neither has (RAID action), and then any function in the wrong state.
        let script =
            Script::identify().append(start(&replies)).append(post()).append(reset.clone());
        both.agree(&script.append(post()).append(reset).append(Script::identify()));
    }
}

#[test]
fn configuration_pages_agree_in_every_byte() {
    const PAGE: usize = 512;
    let Some(both) = Both::new(Personality::qemu()) else { return };
    let replies = both.memory((FRAMES * FRAME) as usize);
    both.agree(&Script::identify().append(start(&replies)));
    let mut page = both.memory(PAGE);
    for (kind, number, address) in pages() {
        let (plain, extended) = if kind > 0xf { (0xf, kind) } else { (kind, 0) };
        let message = vec![
            0x0400_0001,
            u32::from(extended) << 16,
            0x1008,
            0,
            0,
            u32::from(plain) << 24 | u32::from(number) << 16,
            address,
            0xd100_0000 | PAGE as u32,
            page.bus(),
            0,
        ];
        page.fill(0xa5);
        both.agree(&Script::new().then("page", Action::Handshake(message)));
        let [qemu, model] = page.read(0, PAGE);
        assert_eq!(qemu, model, "page type {kind:#x} number {number} address {address:#x}");
    }
}

/// A SCSI IO request to `target` with one 64-bit element for `len` bytes at `data`.
fn scsi_io(target: u32, context: u32, cdb: [u8; 8], data: u32, len: u32, sense: u32) -> Vec<u32> {
    let word = |at: usize| u32::from_le_bytes([cdb[at], cdb[at + 1], cdb[at + 2], cdb[at + 3]]);
    let read = if len > 0 { 0x0200_0000 } else { 0 };
    let mut words = vec![target, 6 | 32 << 8, context, 0, 0, read, word(0), word(4), 0, 0, len];
    words.extend([sense, 0xd300_0000 | len, data, 0]);
    words
}

#[test]
fn requests_through_the_fifo_get_the_same_replies() {
    let Some(both) = Both::new(Personality::qemu()) else { return };
    let mut replies = both.memory((FRAMES * FRAME) as usize);
    let (mut frame, sense, data) = (both.memory(128), both.memory(64), both.memory(512));
    both.agree(&Script::identify().append(start(&replies)));
    let io =
        |target, context, cdb, len| scsi_io(target, context, cdb, data.bus(), len, sense.bus());
    let requests = [
        ("facts", vec![0x0300_0000, 0, 0x2001]),
        ("port facts", vec![0x0500_0000, 0, 0x2002]),
        ("port facts of a port that is not there", vec![0x0500_0000, 0x0900_0000, 0x2003]),
        ("page header", vec![0x0400_0000, 0, 0x2004, 0, 0, 0x0900_0000, 0, 0, 0, 0]),
        // The first command finds the unit attention of power on.
        ("unit attention", io(0, 0x2005, [0; 8], 0)),
        ("test unit ready", io(0, 0x2006, [0; 8], 0)),
        ("test unit ready", io(0, 0x1fff_ffff, [0; 8], 0)),
        ("no such target", io(3, 0x2007, [0; 8], 0)),
        ("target beyond the last", io(200, 0x2008, [0; 8], 0)),
        ("read", io(0, 0x2009, [0x08, 0, 0, 0, 1, 0, 0, 0], 512)),
        ("read beyond the end", io(0, 0x200a, [0x08, 0x1f, 0xff, 0xff, 1, 0, 0, 0], 512)),
        ("unknown operation code", io(0, 0x200b, [0xff, 0, 0, 0, 0, 0, 0, 0], 0)),
        ("abort of nothing", vec![0x0100_0000, 0x100, 0x200c, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x77]),
        ("target reset", vec![0x0100_0000, 0x300, 0x200d, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
        ("unit attention of the reset", io(0, 0x200e, [0; 8], 0)),
        ("unknown task management", vec![0x0100_0000, 0x5500, 0x200f, 0, 0, 0, 0, 0, 0, 0, 0]),
    ];
    let mut found = Vec::new();
    for (name, request) in requests {
        replies.fill(0xee);
        frame.fill(0);
        frame.write(0, &request);
        let [qemu, model] = both.run(&Script::post(frame.bus()));
        assert_eq!(qemu, model, "{name}: QEMU, then the model:\n{qemu}\n{model}");
        for word in qemu.values("replies").into_iter().filter(|word| word >> 31 == 1) {
            let offset = (word << 1).wrapping_sub(replies.bus()) as usize;
            let [qemu, model] = replies.read(offset, FRAME as usize);
            let differing = (0..FRAME as usize).filter(|at| qemu[*at] != model[*at]);
            let differing: Vec<_> = differing.map(|at| (name, at, qemu[at], model[at])).collect();
            if !differing.is_empty() {
                println!("{differing:x?}\n{qemu:x?}\n{model:x?}");
                found.extend(differing);
            }
            let free = Script::new().then("free", Action::Write(REPLY_FIFO, word << 1));
            both.run(&free);
        }
    }
    assert_eq!(found, REPLIES_ACCEPTED);
}

/// Bytes of replies that differ and may: request, offset, QEMU's byte and the model's.
///
/// EventState of IOC facts (27h): QEMU never says that events are on, MPI demands it.
const REPLIES_ACCEPTED: &[(&str, usize, u8, u8)] = &[("facts", 0x27, 0, 1)];

/// Where a SAS1068 and QEMU's differ by design while they are identified and started: step, index of the answer, why.
const BY_DESIGN: &[(&str, u32, &str)] = &[
    ("ioc facts", 5, "block size"),
    ("ioc facts", 6, "reply queue depth and frame size: 128 words in QEMU, 32 on the chip"),
    ("ioc facts", 9, "credits, and the one port of the chip"),
    ("ioc facts", 11, "devices per bus: hardware has room for more than its own phys"),
    ("ioc facts", 13, "capabilities: QEMU has no high-priority queue"),
    ("ioc facts", 14, "firmware version"),
    ("ioc facts", 15, "depth of the high-priority queue"),
    ("port facts", 5, "devices"),
    ("port facts", 6, "QEMU's port is also a target"),
];

#[test]
fn the_hardware_personality_differs_only_by_design() {
    let Some(both) = Both::new(Personality::hardware()) else { return };
    let replies = both.memory((FRAMES * FRAME) as usize);
    let [qemu, hardware] = both.run(&Script::identify().append(start(&replies)));
    let differences = qemu.differences(&hardware);
    let found: Vec<_> =
        differences.iter().filter_map(|(qemu, _)| qemu.map(|l| (l.name, l.index))).collect();
    let listed: Vec<_> = BY_DESIGN.iter().map(|(step, index, _)| (*step, *index)).collect();
    assert_eq!(found, listed, "{differences:#x?}");
}
