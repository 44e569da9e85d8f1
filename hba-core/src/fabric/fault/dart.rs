//! Apple's DART. The layouts are those that Linux uses (`drivers/iommu/apple-dart.c`).

use super::record::{Bits, FaultRecord, bit, bits};
use super::{Access, Fault, FaultCause, FaultSource, FaultUnit};
use crate::dma::BusAddr;

/// One generation's layout of the error status register.
pub(super) struct Layout {
    unit: FaultUnit,
    stream: Bits,
    read: Bits,
    write: Bits,
    /// The leaf entry, and the directories above it from below.
    missing: &'static [Bits],
    pub(super) fields: &'static [Bits],
}

const FLAG: Bits = bit("fault", 31);
const NO_TABLE: Bits = bit("no translation table (TTBR)", 0);
const ADDRESS: Bits = bits("address", 95, 32);

pub(super) const T8020: Layout = {
    const STREAM: Bits = bits("stream", 27, 24);
    const READ: Bits = bit("read fault", 4);
    const WRITE: Bits = bit("write fault", 3);
    const NO_PTE: Bits = bit("no leaf entry (PTE)", 2);
    const NO_PMD: Bits = bit("no directory entry (PMD)", 1);
    Layout {
        unit: FaultUnit::DartT8020,
        stream: STREAM,
        read: READ,
        write: WRITE,
        missing: &[NO_PTE, NO_PMD],
        fields: &[FLAG, STREAM, READ, WRITE, NO_PTE, NO_PMD, NO_TABLE, ADDRESS],
    }
};

pub(super) const T8110: Layout = {
    const STREAM: Bits = bits("stream", 27, 20);
    const READ: Bits = bit("read fault", 5);
    const WRITE: Bits = bit("write fault", 4);
    const NO_PTE: Bits = bit("no leaf entry (PTE)", 3);
    const NO_PMD: Bits = bit("no directory entry (PMD)", 2);
    const NO_PGD: Bits = bit("no top directory entry (PGD)", 1);
    Layout {
        unit: FaultUnit::DartT8110,
        stream: STREAM,
        read: READ,
        write: WRITE,
        missing: &[NO_PTE, NO_PMD, NO_PGD],
        fields: &[FLAG, STREAM, READ, WRITE, NO_PTE, NO_PMD, NO_PGD, NO_TABLE, ADDRESS],
    }
};

pub(super) fn decode(record: &FaultRecord, layout: &Layout) -> Option<Fault> {
    if !record.is_set(FLAG) {
        return None;
    }
    let (read, write) = (record.is_set(layout.read), record.is_set(layout.write));
    let missing = layout.missing.iter().find(|level| record.is_set(**level));
    let (cause, reason) = match missing {
        _ if record.is_set(NO_TABLE) => (FaultCause::NoTable, NO_TABLE.name),
        Some(level) => (FaultCause::NotMapped, level.name),
        None if read => (FaultCause::Denied, layout.read.name),
        None if write => (FaultCause::Denied, layout.write.name),
        None => (FaultCause::Other, "no known code"),
    };
    let address = (record.words().len() > 1).then(|| BusAddr::new(record.get(ADDRESS)));
    Some(Fault {
        unit: layout.unit,
        source: FaultSource::Stream(record.get(layout.stream) as u8),
        cause,
        access: match (read, write) {
            (true, false) => Some(Access::Read),
            (false, true) => Some(Access::Write),
            _ => None,
        },
        address,
        reason,
    })
}

/// Whether a word looks like a status: the fault flag and exactly one code, and nothing where no field is.
pub(super) fn plausible(status: u32) -> bool {
    let fits = |code: u32, rest: u32| status & rest == 0 && (status & code).is_power_of_two();
    status >> 31 == 1 && (fits(0x1f, 0x70ff_f000) || fits(0x3f, 0x700f_8000))
}

/// Which generation a status fits that looks like one.
pub(super) fn generation(status: u32) -> FaultUnit {
    // The streams of T8020 end at 15, at bit 24: T8110 would read multiples of 16 and above.
    let small = status >> 24 & 0xf != 0 && status >> 20 & 0xf == 0;
    if small && status & 0x7fe0 == 0 { FaultUnit::DartT8020 } else { FaultUnit::DartT8110 }
}
