//! The register file of MPI 2.x controllers: offsets and bits. Source: measured layouts, `MPI2_SYSTEM_INTERFACE_REGS`.

use hba_core::register::RegOffset;

/// State, handshake and fault code; writes are doorbell functions and handshake words.
pub const DOORBELL: RegOffset = RegOffset(0x00);
/// Keys that unlock the host diagnostic register.
pub const WRITE_SEQUENCE: RegOffset = RegOffset(0x04);
/// Adapter reset and its history.
pub const HOST_DIAGNOSTIC: RegOffset = RegOffset(0x08);
/// Interrupt causes; any write acknowledges the doorbell.
pub const INT_STATUS: RegOffset = RegOffset(0x30);
/// Interrupt causes that are masked.
pub const INT_MASK: RegOffset = RegOffset(0x34);
/// Write: how far the host has filled the reply free queue.
pub const REPLY_FREE_HOST_INDEX: RegOffset = RegOffset(0x48);
/// Write: how far the host has emptied a reply post queue.
pub const REPLY_POST_HOST_INDEX: RegOffset = RegOffset(0x6c);
/// Size of a host boot image; this model only stores it.
pub const HCB_SIZE: RegOffset = RegOffset(0x74);
/// Low half of a request descriptor.
pub const REQUEST_POST_LOW: RegOffset = RegOffset(0xc0);
/// High half of a request descriptor; writing it posts the descriptor.
pub const REQUEST_POST_HIGH: RegOffset = RegOffset(0xc4);
/// A whole request descriptor in 32 bits, where the firmware offers it.
pub const ATOMIC_REQUEST_POST: RegOffset = RegOffset(0xc8);
/// The first supplemental reply post host index (MPI 2.5): vectors 0 to 7.
pub const SUPPLEMENTAL_POST_INDEX: RegOffset = RegOffset(0x30c);
/// Bytes from one supplemental reply post host index to the next, which is for the next eight vectors.
pub const SUPPLEMENTAL_STRIDE: u32 = 0x10;
/// Supplemental reply post host index registers.
pub const SUPPLEMENTAL_COUNT: u32 = 12;

/// Doorbell: a handshake is under way.
pub const DOORBELL_USED: u32 = 1 << 27;
/// Doorbell: lowest bit of the who-init field, bits 26:24.
pub const WHO_INIT_SHIFT: u32 = 24;

/// Doorbell function: message unit reset.
pub const FUNCTION_MESSAGE_UNIT_RESET: u8 = 0x40;
/// Doorbell function: start of a handshake of bits 23:16 dwords.
pub const FUNCTION_HANDSHAKE: u8 = 0x42;

/// IntStatus: the controller has not taken the last doorbell write.
pub const STATUS_DOORBELL_PENDING: u32 = 1 << 31;
/// IntMask: reset.
pub const INT_RESET: u32 = 1 << 30;
/// IntStatus and IntMask: a reply post queue is not empty.
pub const INT_REPLY: u32 = 1 << 3;
/// IntStatus and IntMask: the doorbell has something for the host.
pub const INT_DOORBELL: u32 = 1 << 0;

/// HostDiagnostic: writes are enabled.
pub const DIAG_WRITE_ENABLED: u32 = 0x80;
/// HostDiagnostic: the adapter was reset.
pub const DIAG_RESET_HISTORY: u32 = 0x20;
/// HostDiagnostic: reset the adapter.
pub const DIAG_RESET_ADAPTER: u32 = 0x04;
/// HostDiagnostic: hold the embedded processor in reset.
pub const DIAG_HOLD_IOC_RESET: u32 = 0x02;
/// The keys of the host diagnostic register, low nibbles; anything else starts over.
pub const UNLOCK_KEYS: [u32; 6] = [0xf, 0x4, 0xb, 0x2, 0x7, 0xd];

/// Reply post host index: bits 23:0 are the index, bits 31:24 the vector.
pub const POST_INDEX_MASK: u32 = 0x00ff_ffff;
/// Reply post host index: lowest bit of the vector.
pub const POST_VECTOR_SHIFT: u32 = 24;

/// Type of a request descriptor, bits 4:1 of its first byte.
pub mod request_type {
    /// SCSI IO.
    pub const SCSI_IO: u8 = 0x00;
    /// Task management.
    pub const HIGH_PRIORITY: u8 = 0x06;
    /// Every other function.
    pub const DEFAULT: u8 = 0x08;
    /// SCSI IO by the fast path (MPI 2.5).
    pub const FAST_PATH: u8 = 0x0c;
}

/// Type of a reply descriptor, bits 3:0 of its first byte.
pub mod reply_type {
    /// A SCSI IO ended GOOD with all its bytes.
    pub const SCSI_IO_SUCCESS: u8 = 0x00;
    /// A reply frame says what happened.
    pub const ADDRESS: u8 = 0x01;
    /// As [`SCSI_IO_SUCCESS`], for the fast path.
    pub const FAST_PATH_SUCCESS: u8 = 0x06;
}

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
    /// Stopped with a fault code, and writing down why; [`Fault`](Self::Fault) follows.
    CoreDump(FaultCode),
}

/// Why the controller stopped, doorbell bits 15:0.
///
/// Real firmware has hundreds of codes, which are not documented. This model has its own, one for each kind of mistake:
/// [`Violation`](super::Violation) says what it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FaultCode(pub u16);

impl IocState {
    /// Doorbell bits 31:28 and, after a fault, 15:0.
    #[must_use]
    pub const fn doorbell_bits(self) -> u32 {
        match self {
            Self::Reset => 0,
            Self::Ready => 1 << 28,
            Self::Operational => 2 << 28,
            Self::Fault(code) => 4 << 28 | code.0 as u32,
            Self::CoreDump(code) => 5 << 28 | code.0 as u32,
        }
    }

    /// Whether the controller has stopped, writing down why or not.
    #[must_use]
    pub const fn has_stopped(self) -> bool {
        matches!(self, Self::Fault(_) | Self::CoreDump(_))
    }
}
