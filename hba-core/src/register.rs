//! Device registers: a byte offset, a 32-bit little-endian word, and who performs the access.

use core::fmt;

/// Byte offset of a 32-bit register from the start of its BAR.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RegOffset(pub u32);

impl fmt::Display for RegOffset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

/// What a register file reads when the device has left the bus.
pub const ALL_ONES: u32 = 0xffff_ffff;

/// The register file of one controller, as the platform reaches it.
///
/// Implementations perform exactly one bus access per call, in program order, never merged, never repeated: reads have
/// side effects. A write must be ordered after all earlier stores to DMA memory (Linux `writel`, DriverKit
/// `MemoryWrite32`), a read before all later loads from it (`readl`): the word of a reply FIFO says that data arrived.
/// Values are in host byte order; the implementation swaps where the bus is little-endian and the host is not. Reading a
/// device that is gone returns [`ALL_ONES`]; no access may panic or block.
pub trait Registers {
    /// Reads the register at `offset`.
    fn read32(&mut self, offset: RegOffset) -> u32;
    /// Writes `value` to the register at `offset`.
    fn write32(&mut self, offset: RegOffset, value: u32);

    /// Writes `value` to the register pair at `offset`, low word first in address order.
    ///
    /// Controllers that take such a pair as one message must see no other pair in between. A platform with 64-bit stores
    /// to device memory performs one. One without performs two of 32 bits, low then high, which is what the default does;
    /// if more than one thread has a handle of the registers, it serialises these calls:
    /// [`PairedRegisters`](crate::sync::PairedRegisters) does.
    fn write64(&mut self, offset: RegOffset, value: u64) {
        self.write32(offset, value as u32);
        self.write32(RegOffset(offset.0 + 4), (value >> 32) as u32);
    }
}

impl<R: Registers + ?Sized> Registers for &mut R {
    fn read32(&mut self, offset: RegOffset) -> u32 {
        (**self).read32(offset)
    }

    fn write32(&mut self, offset: RegOffset, value: u32) {
        (**self).write32(offset, value);
    }

    fn write64(&mut self, offset: RegOffset, value: u64) {
        (**self).write64(offset, value);
    }
}

/// One register write that the core asks the platform to perform: a doorbell or an acknowledge.
///
/// The core hands words out instead of calling the platform, so that a host can batch them, cross a C ABI with them, or
/// write them after it has dropped its own lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "the device does not see the command until this word is written"]
pub struct RegisterWrite {
    /// Where.
    pub offset: RegOffset,
    /// What.
    pub value: u32,
}

impl RegisterWrite {
    /// Performs the write.
    #[inline]
    pub fn write(self, registers: &mut (impl Registers + ?Sized)) {
        registers.write32(self.offset, self.value);
    }
}

/// A write of one register or of a pair, whichever the controller takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "the device does not see the command until this word is written"]
pub struct WordWrite {
    /// What. One register takes bits 31:0.
    pub value: u64,
    /// Where the low word goes, and in a bit that no offset has, whether it is a pair.
    place: u32,
}

impl WordWrite {
    const PAIR: u32 = 1 << 31;

    /// A write of one register.
    pub const fn one(offset: RegOffset, value: u32) -> Self {
        Self { value: value as u64, place: offset.0 & !Self::PAIR }
    }

    /// A write of the pair whose low word is at `offset`; see [`Registers::write64`].
    pub const fn pair(offset: RegOffset, value: u64) -> Self {
        Self { value, place: offset.0 | Self::PAIR }
    }

    /// The same write of another value.
    #[inline]
    pub const fn with_value(self, value: u64) -> Self {
        Self { value, ..self }
    }

    /// Where the low word goes.
    pub const fn offset(self) -> RegOffset {
        RegOffset(self.place & !Self::PAIR)
    }

    /// Whether bits 63:32 go to the register behind it.
    pub const fn is_pair(self) -> bool {
        self.place & Self::PAIR != 0
    }
}

impl HostWrite for WordWrite {
    fn write_to(self, registers: &mut dyn Registers) {
        if self.is_pair() {
            registers.write64(self.offset(), self.value);
        } else {
            registers.write32(self.offset(), self.value as u32);
        }
    }
}

/// Something that the platform writes to a device's registers: nothing, or one word.
pub trait HostWrite: Copy + fmt::Debug {
    /// Performs it.
    fn write_to(self, registers: &mut dyn Registers);
}

impl HostWrite for RegisterWrite {
    fn write_to(self, registers: &mut dyn Registers) {
        self.write(registers);
    }
}

/// Ports that have nothing to write.
impl HostWrite for () {
    fn write_to(self, _: &mut dyn Registers) {}
}

/// Ports that have something to write now and then.
impl<W: HostWrite> HostWrite for Option<W> {
    fn write_to(self, registers: &mut dyn Registers) {
        if let Some(write) = self {
            write.write_to(registers);
        }
    }
}
