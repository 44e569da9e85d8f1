//! The register file of MPI 1.x controllers: offsets and bits. Source: measured layouts, `SYSIF_REGS`.

use hba_core::register::RegOffset;

/// State, handshake and fault code; writes are doorbell functions and handshake words.
pub const DOORBELL: RegOffset = RegOffset(0x00);
/// Keys that unlock the diagnostic register.
pub const WRITE_SEQUENCE: RegOffset = RegOffset(0x04);
/// Adapter reset and its history.
pub const DIAGNOSTIC: RegOffset = RegOffset(0x08);
/// Interrupt causes; any write acknowledges the doorbell.
pub const INT_STATUS: RegOffset = RegOffset(0x30);
/// Interrupt causes that are masked.
pub const INT_MASK: RegOffset = RegOffset(0x34);
/// Write: the low half of a request frame's bus address.
pub const REQUEST_FIFO: RegOffset = RegOffset(0x40);
/// Read: the next reply, all ones when there is none. Write: gives a reply frame to the controller.
pub const REPLY_FIFO: RegOffset = RegOffset(0x44);
/// As [`REQUEST_FIFO`], for task management, where the controller has it.
pub const REQUEST_HI_PRI_FIFO: RegOffset = RegOffset(0x48);

/// Doorbell: a handshake is under way.
pub const DOORBELL_USED: u32 = 1 << 27;
/// Doorbell: lowest bit of the who-init field, bits 26:24.
pub const WHO_INIT_SHIFT: u32 = 24;

/// Doorbell function: message unit reset.
pub const FUNCTION_MESSAGE_UNIT_RESET: u8 = 0x40;
/// Doorbell function: IO unit reset.
pub const FUNCTION_IO_UNIT_RESET: u8 = 0x41;
/// Doorbell function: start of a handshake of bits 23:16 dwords.
pub const FUNCTION_HANDSHAKE: u8 = 0x42;

/// IntStatus: the controller has not taken the last doorbell write.
pub const STATUS_DOORBELL_PENDING: u32 = 1 << 31;
/// IntStatus and IntMask: a reply is in the FIFO.
pub const INT_REPLY: u32 = 1 << 3;
/// IntStatus and IntMask: the doorbell has something for the host.
pub const INT_DOORBELL: u32 = 1 << 0;

/// Diagnostic: writes are enabled (DRWE).
pub const DIAG_WRITE_ENABLED: u32 = 0x80;
/// Diagnostic: the adapter was reset.
pub const DIAG_RESET_HISTORY: u32 = 0x20;
/// Diagnostic: reset the adapter.
pub const DIAG_RESET_ADAPTER: u32 = 0x04;
/// Diagnostic: hold the embedded processor.
pub const DIAG_DISABLE_ARM: u32 = 0x02;
/// The keys of the diagnostic register, low nibbles.
pub const UNLOCK_KEYS: [u32; 5] = [0x4, 0xb, 0x2, 0x7, 0xd];

/// Reply FIFO: the word is the address of a reply frame, shifted right by one.
pub const REPLY_IS_ADDRESS: u32 = 1 << 31;
/// Context replies contain 29 bits of context.
pub const CONTEXT_MASK: u32 = 0x1fff_ffff;

/// The state of the controller, doorbell bits 31:28.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IocState {
    /// Being reset.
    Reset,
    /// Waiting for IOC_INIT.
    Ready,
    /// Taking requests.
    Operational,
    /// Stopped with a fault code.
    Fault(FaultCode),
}

/// Why the controller stopped, doorbell bits 15:0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FaultCode(pub u16);

impl FaultCode {
    /// A function that the (emulated) firmware does not know. Source: QEMU, measured.
    pub const INVALID_FUNCTION: Self = Self(0x0001);
    /// A FIFO ran over. Source: QEMU, measured.
    pub const INSUFFICIENT_RESOURCES: Self = Self(0x0006);
    /// A request arrived before IOC_INIT. Source: QEMU, measured.
    pub const INVALID_STATE: Self = Self(0x0008);
    /// A frame address that nobody mapped. The number is this model's own.
    pub const HOST_MEMORY: Self = Self(0x8112);
}

impl IocState {
    /// Doorbell bits 31:28 and, in the fault state, 15:0.
    #[must_use]
    pub const fn doorbell_bits(self) -> u32 {
        match self {
            Self::Reset => 0,
            Self::Ready => 1 << 28,
            Self::Operational => 2 << 28,
            Self::Fault(code) => 4 << 28 | code.0 as u32,
        }
    }
}
