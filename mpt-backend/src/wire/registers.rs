//! System interface registers (`SYSIF_REGS`): offsets, bits, and the words of the two FIFOs.
//!
//! Offsets are in bytes from the start of the BAR that holds the register set. All registers are 32
//! bits wide and little-endian; the functions here take and return values in host order.

use super::ioc::WhoInit;

/// Doorbell. Read: [`Doorbell`]. Write: [`doorbell_function`] or a dword of a handshake.
pub const DOORBELL: u32 = 0x00;
/// Write sequence. Takes [`WRITE_SEQUENCE_KEYS`] to open the Diagnostic register.
pub const WRITE_SEQUENCE: u32 = 0x04;
/// Diagnostic. Bits are [`Diagnostic`]; writable only after the key sequence.
pub const DIAGNOSTIC: u32 = 0x08;
/// Base address for chip tests.
pub const TEST_BASE: u32 = 0x0c;
/// Data port of the diagnostic window.
pub const DIAG_RW_DATA: u32 = 0x10;
/// Address port of the diagnostic window.
pub const DIAG_RW_ADDRESS: u32 = 0x14;
/// Interrupt status. Bits are [`IntStatus`]; any write clears the doorbell interrupt.
pub const INT_STATUS: u32 = 0x30;
/// Interrupt mask. Bits are [`IntMask`]; a set bit masks.
pub const INT_MASK: u32 = 0x34;
/// Request FIFO. Write only: [`request_fifo_word`].
pub const REQUEST_FIFO: u32 = 0x40;
/// Reply FIFO. A read pops one [`ReplyWord`]; a write gives a reply frame back to the controller.
pub const REPLY_FIFO: u32 = 0x44;
/// High-priority request FIFO. Exists only with the capability
/// [`HIGH_PRI_Q`](super::ioc::IocCapabilities::HIGH_PRI_Q).
pub const REQUEST_HI_PRI_FIFO: u32 = 0x48;
/// Host index, used only when reply FIFO host signalling is on.
pub const HOST_INDEX: u32 = 0x50;
/// Fubar. Undocumented.
pub const FUBAR: u32 = 0x90;
/// Reset register of 1078-class parts. Absent on 53C1030, SAS1064 and SAS1068.
pub const RESET_1078: u32 = 0x10fc;

/// Keys that open the Diagnostic register, written to [`WRITE_SEQUENCE`] in this order.
///
/// Only the low four bits count. A write of [`WRITE_SEQUENCE_LOCK`] first forgets a sequence that
/// another user left half done.
pub const WRITE_SEQUENCE_KEYS: [u32; 5] = [0x04, 0x0b, 0x02, 0x07, 0x0d];
/// A wrong key: restarts the sequence, and closes the Diagnostic register when it is open.
pub const WRITE_SEQUENCE_LOCK: u32 = 0xff;

code! {
    /// State of the controller, bits 31:28 of the Doorbell register.
    pub struct IocState(u8) as "IOC state" {
        RESET = 0x0, "reset";
        READY = 0x1, "ready";
        OPERATIONAL = 0x2, "operational";
        FAULT = 0x4, "fault";
    }
}

/// A value read from the [`DOORBELL`] register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Doorbell(pub u32);

impl Doorbell {
    /// State of the controller, bits 31:28.
    #[must_use = "the state is only decoded, not kept"]
    pub const fn ioc_state(self) -> IocState {
        IocState((self.0 >> 28) as u8)
    }

    /// Whether a doorbell handshake is open, bit 27.
    #[must_use = "this only asks; it changes nothing"]
    pub const fn is_used(self) -> bool {
        self.0 & 1 << 27 != 0
    }

    /// Who sent the last IOC init, bits 26:24.
    #[must_use = "the value is only decoded, not kept"]
    pub const fn who_init(self) -> WhoInit {
        WhoInit((self.0 >> 24 & 0x7) as u8)
    }

    /// Bits 15:0: the next half word of a handshake reply, or the fault code in the fault state.
    #[must_use = "the value is only decoded, not kept"]
    pub const fn data(self) -> u16 {
        (self.0 & 0xffff) as u16
    }

    /// The fault code, `None` unless the state is fault.
    ///
    /// Codes from 0x8000 up mean the same on every product.
    #[must_use = "the code is only decoded, not kept"]
    pub const fn fault_code(self) -> Option<u16> {
        if self.ioc_state().0 == IocState::FAULT.0 { Some(self.data()) } else { None }
    }

    /// Whether the read found no device: all ones. No controller state reads so.
    #[must_use = "a register of a device that is gone must not be touched again"]
    pub const fn is_all_ones(self) -> bool {
        self.0 == u32::MAX
    }
}

code! {
    /// Function in bits 31:24 of a word written to the Doorbell register.
    pub struct DoorbellFunction(u8) as "doorbell function" {
        MESSAGE_UNIT_RESET = 0x40, "message unit reset";
        IO_UNIT_RESET = 0x41, "IO unit reset";
        HANDSHAKE = 0x42, "handshake";
        REPLY_FRAME_REMOVAL = 0x43, "reply frame removal";
    }
}

/// The word that starts a doorbell function.
///
/// `dwords` is the length of the message that follows, in 32-bit words. It is used by
/// [`DoorbellFunction::HANDSHAKE`] only and is 0 for the others.
#[must_use = "the word has no effect until it is written to the doorbell"]
pub const fn doorbell_function(function: DoorbellFunction, dwords: u8) -> u32 {
    (function.0 as u32) << 24 | (dwords as u32) << 16
}

flags! {
    /// Bits of the [`INT_STATUS`] register.
    pub struct IntStatus(u32) {
        IOP_DOORBELL_STATUS = 0x8000_0000, "IOP doorbell pending";
        REPLY_MESSAGE_INTERRUPT = 0x0000_0008, "reply message interrupt";
        DOORBELL_INTERRUPT = 0x0000_0001, "doorbell interrupt";
    }
}

flags! {
    /// Bits of the [`INT_MASK`] register. A set bit masks its interrupt.
    pub struct IntMask(u32) {
        REPLY = 0x0000_0008, "reply masked";
        DOORBELL = 0x0000_0001, "doorbell masked";
    }
}

flags! {
    /// Bits of the [`DIAGNOSTIC`] register.
    pub struct Diagnostic(u32) {
        CLEAR_FLASH_BAD_SIG = 0x0400, "clear flash bad signature";
        PREVENT_IOC_BOOT = 0x0200, "prevent IOC boot";
        DRWE = 0x0080, "diagnostic write enabled";
        FLASH_BAD_SIG = 0x0040, "flash bad signature";
        RESET_HISTORY = 0x0020, "reset history";
        RW_ENABLE = 0x0010, "diagnostic window enabled";
        RESET_ADAPTER = 0x0004, "reset adapter";
        DISABLE_ARM = 0x0002, "ARM disabled";
        MEM_ENABLE = 0x0001, "diagnostic memory enabled";
    }
}

code! {
    /// Type of a context reply, bits 30:29 of its word.
    pub struct ContextReplyType(u8) as "context reply type" {
        SCSI_INITIATOR = 0x0, "SCSI initiator";
        SCSI_TARGET = 0x1, "SCSI target";
        LAN = 0x2, "LAN";
    }
}

/// A word popped from the [`REPLY_FIFO`].
///
/// The controller writes it; addresses and contexts must be checked against the host's own records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplyWord {
    /// All ones: nothing is waiting. A controller that is gone reads the same, so this alone never
    /// means that it is present.
    Empty,
    /// Bit 31 set: a reply frame waits in host memory, at this low half of its bus address.
    Address(u32),
    /// Bit 31 clear: the request with this context succeeded and has no reply frame.
    Context {
        /// Kind of request that ended, bits 30:29.
        kind: ContextReplyType,
        /// Bits 28:0 of the request's message context.
        msg_context: u32,
    },
}

impl ReplyWord {
    /// Bits of a message context that a context reply carries.
    pub const CONTEXT_MASK: u32 = 0x1fff_ffff;

    /// Decodes one word.
    #[must_use = "the pop has already happened; a reply that is dropped here is lost"]
    pub const fn decode(word: u32) -> Self {
        if word == u32::MAX {
            Self::Empty
        } else if word >> 31 != 0 {
            Self::Address(word << 1)
        } else {
            let kind = ContextReplyType((word >> 29 & 0x3) as u8);
            Self::Context { kind, msg_context: word & Self::CONTEXT_MASK }
        }
    }
}

/// The word that posts a request frame: the low half of its bus address with size hint 0.
///
/// Bits 1:0 of the word may tell the controller how much of the frame to fetch at once. A hint that
/// is too small loses the tail of the frame; 0 is always safe. `None` when the address is not a
/// multiple of 8.
#[must_use = "the word has no effect until it is written to the request FIFO"]
pub const fn request_fifo_word(address_low: u32) -> Option<u32> {
    if address_low.is_multiple_of(8) { Some(address_low) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doorbell_fields_are_apart() {
        let doorbell = Doorbell(0x1c00_0000);
        assert_eq!(doorbell.ioc_state(), IocState::READY);
        assert!(doorbell.is_used());
        assert_eq!(doorbell.who_init(), WhoInit::HOST_DRIVER);
        assert_eq!(doorbell.fault_code(), None);
        assert!(!Doorbell(0xf7ff_ffff).is_used());
    }

    #[test]
    fn only_a_fault_has_a_fault_code() {
        assert_eq!(Doorbell(0x4000_8111).fault_code(), Some(0x8111));
        assert_eq!(Doorbell(0x2000_8111).fault_code(), None);
        assert_eq!(Doorbell(u32::MAX).fault_code(), None);
        assert!(Doorbell(u32::MAX).is_all_ones());
    }

    #[test]
    fn doorbell_words() {
        assert_eq!(doorbell_function(DoorbellFunction::HANDSHAKE, 3), 0x4203_0000);
        assert_eq!(doorbell_function(DoorbellFunction::MESSAGE_UNIT_RESET, 0), 0x4000_0000);
    }

    #[test]
    fn reply_words() {
        assert_eq!(ReplyWord::decode(u32::MAX), ReplyWord::Empty);
        assert_eq!(ReplyWord::decode(0x8000_0040), ReplyWord::Address(0x80));
        assert_eq!(ReplyWord::decode(0xffff_fffe), ReplyWord::Address(0xffff_fffc));
        let kind = ContextReplyType::LAN;
        let expected = ReplyWord::Context { kind, msg_context: 0x1fff_ffff };
        assert_eq!(ReplyWord::decode(0x5fff_ffff), expected);
    }

    #[test]
    fn request_words_keep_the_hint_bits_clear() {
        assert_eq!(request_fifo_word(0xffff_fff8), Some(0xffff_fff8));
        assert_eq!(request_fifo_word(0x1004), None);
    }
}
