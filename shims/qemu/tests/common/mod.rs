//! The least of an MPI 1.5 driver, written out by hand: the shim must be provable without the driver that it is for.
//!
//! Register offsets and message layouts: MPI 1.5 system interface registers and message formats.
#![allow(dead_code, reason = "each test file uses a part")]

use hba_core::dma::{BusAddr, DmaRegion};
use hba_core::register::{RegOffset, Registers};
use hba_qemu::{Config, Qemu, QemuRegisters, Zone};

pub(crate) const DOORBELL: RegOffset = RegOffset(0x00);
pub(crate) const INTERRUPT_STATUS: RegOffset = RegOffset(0x30);
pub(crate) const INTERRUPT_MASK: RegOffset = RegOffset(0x34);
const REQUEST_QUEUE: RegOffset = RegOffset(0x40);
const REPLY_QUEUE: RegOffset = RegOffset(0x44);

pub(crate) const READY: u32 = 1;
pub(crate) const OPERATIONAL: u32 = 2;

/// Starts the machine, or says why not; `None` only where tests may skip QEMU.
pub(crate) fn start(config: Config) -> Option<Qemu> {
    hba_qemu::available_for_tests().then(|| Qemu::start(config).unwrap_or_else(|e| panic!("{e}")))
}

pub(crate) fn ioc_state(registers: &mut QemuRegisters) -> u32 {
    registers.read32(DOORBELL) >> 28
}

/// Doorbell function 40h; the controller is ready afterwards.
pub(crate) fn message_unit_reset(registers: &mut QemuRegisters) {
    registers.write32(DOORBELL, 0x40 << 24);
    assert_eq!(ioc_state(registers), READY);
}

/// Starts doorbell function 42h: the request goes out, the reply waits.
pub(crate) fn send_handshake(registers: &mut QemuRegisters, request: &[u32]) {
    registers.write32(INTERRUPT_STATUS, 0);
    registers.write32(DOORBELL, 0x42 << 24 | (request.len() as u32) << 16);
    registers.write32(INTERRUPT_STATUS, 0);
    for &dword in request {
        registers.write32(DOORBELL, dword);
    }
}

/// Reads a handshake reply of `N` half words and ends the handshake.
pub(crate) fn read_handshake<const N: usize>(registers: &mut QemuRegisters) -> [u16; N] {
    let halves = core::array::from_fn(|_| {
        assert_eq!(registers.read32(INTERRUPT_STATUS) & 1, 1, "a half word is there");
        let half = registers.read32(DOORBELL) as u16;
        registers.write32(INTERRUPT_STATUS, 0);
        half
    });
    registers.write32(INTERRUPT_STATUS, 0);
    halves
}

/// An operational controller with one request frame and one reply frame.
pub(crate) struct Initiator<'a> {
    pub(crate) qemu: &'a Qemu,
    registers: QemuRegisters,
    frames: DmaRegion,
    /// Dealt in one piece with the request, so that both share the upper address half.
    reply: DmaRegion,
    sense: DmaRegion,
}

/// What came back for one command.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Reply {
    /// A context reply: good status.
    Good,
    /// A reply frame: IOC status, and sense key, ASC and ASCQ from fixed format sense.
    Frame { ioc_status: u16, sense: [u8; 3] },
}

impl<'a> Initiator<'a> {
    pub(crate) fn new(qemu: &'a Qemu, zone: Zone) -> Self {
        let mut registers = qemu.registers();
        let frames = qemu.memory().allocate_in(zone, 4096, 4096).expect("room");
        let (frames, rest) = frames.split_at(2048);
        let (reply, sense) = rest.split_at(1024);
        let high = frames.bus().high();
        message_unit_reset(&mut registers);
        let init = [0x0200_0004, 0x0001_0800, 0, 80, high, high, 0, 0, 0, 0, 0x0105];
        send_handshake(&mut registers, &init);
        assert_eq!(read_handshake::<10>(&mut registers)[7], 0, "IOC init status");
        send_handshake(&mut registers, &[0x0600_0000, 0, 0]);
        assert_eq!(read_handshake::<10>(&mut registers)[7], 0, "port enable status");
        assert_eq!(ioc_state(&mut registers), OPERATIONAL);
        registers.write32(INTERRUPT_MASK, 1);
        Self { qemu, registers, frames, reply, sense }
    }

    /// Takes the unit attention that a disk reports first after power on and after the reset in [`Self::new`].
    pub(crate) fn clear_unit_attention(&mut self, target: u8) {
        let reply = self.execute(target, [0; 16], Data::None);
        assert_eq!(reply, Reply::Frame { ioc_status: 0x0045, sense: [6, 0x29, 0] });
    }

    pub(crate) fn execute(&mut self, target: u8, cdb: [u8; 16], data: Data) -> Reply {
        // Direction: control bits 25:24 of the request, bit 26 of the element is "host to IOC".
        let (control, element, addr, len) = match data {
            Data::None => (0, 0, BusAddr::new(0), 0),
            Data::Read(addr, len) => (2 << 24, 0, addr, len),
            Data::Write(addr, len) => (1 << 24, 1 << 26, addr, len),
        };
        let frame = &mut self.frames;
        // CDB of 16 bytes, sense buffer of 18.
        frame.write_words(0, [u32::from(target), 18 << 8 | 16, CONTEXT, 0, 0, control]);
        frame.write_bytes(0x18, &cdb);
        frame.write_words(0x28, [len, self.sense.bus().low()]);
        // Simple, 64-bit, last element, end of buffer, end of list.
        frame.write_words(0x30, [0xd300_0000 | element | len, addr.low(), addr.high()]);
        self.registers.write32(REPLY_QUEUE, self.reply.bus().low());
        self.registers.write32(REQUEST_QUEUE, frame.bus().low());
        self.reply()
    }

    fn reply(&mut self) -> Reply {
        let limit = core::time::Duration::from_secs(60);
        assert!(self.qemu.interrupt().wait(limit), "no interrupt");
        let word = self.registers.read32(REPLY_QUEUE);
        if word == CONTEXT {
            return Reply::Good;
        }
        assert_eq!(word << 1, self.reply.bus().low(), "our reply frame");
        let mut sense = [0; 18];
        self.sense.read_bytes(0, &mut sense);
        let ioc_status = (self.reply.read_u32(0x0c) >> 16) as u16;
        Reply::Frame { ioc_status, sense: [sense[2] & 0xf, sense[12], sense[13]] }
    }
}

/// The data of one command: where, and how many bytes.
#[derive(Clone, Copy)]
pub(crate) enum Data {
    None,
    Read(BusAddr, u32),
    Write(BusAddr, u32),
}

const CONTEXT: u32 = 0x1234;
