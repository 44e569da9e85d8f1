//! A fault as the registers of an IOMMU or a root port would show it.

use hba_core::fabric::{FaultRecord, FaultUnit};

use crate::memory::{DmaDirection, DmaFault, DmaFaultCause};

/// The words that `unit` records of `fault`, which came as DART stream `stream`; `None` where it would not notice.
///
/// Written from the register layouts, not from `decode_fault`, which reads them.
pub(super) fn words(fault: &DmaFault, unit: FaultUnit, stream: u8) -> Option<FaultRecord> {
    let address = fault.address.raw();
    match unit {
        FaultUnit::DartT8020 => {
            let code = dart(fault, 1 << 2, [1 << 4, 1 << 3])?;
            Some(FaultRecord::dart(unit, 1 << 31 | u32::from(stream & 0xf) << 24 | code, address))
        }
        FaultUnit::DartT8110 => {
            let code = dart(fault, 1 << 3, [1 << 5, 1 << 4])?;
            Some(FaultRecord::dart(unit, 1 << 31 | u32::from(stream) << 20 | code, address))
        }
        FaultUnit::VtD => vtd(fault),
        FaultUnit::AppleRootPort => root_port(fault),
        _ => None,
    }
}

/// One bit says why: no table, no leaf entry, or an entry that forbids a read or a write.
const fn dart(fault: &DmaFault, no_leaf: u32, forbids: [u32; 2]) -> Option<u32> {
    let [read, write] = forbids;
    match (fault.cause, fault.direction) {
        (DmaFaultCause::NoTable, _) => Some(1),
        (DmaFaultCause::NotMapped | DmaFaultCause::Unmapped, _) => Some(no_leaf),
        (DmaFaultCause::WrongDirection, DmaDirection::DeviceReads) => Some(read),
        (DmaFaultCause::WrongDirection, DmaDirection::DeviceWrites) => Some(write),
        _ => None,
    }
}

/// Legacy mode: a page that is not mapped is one without permissions.
fn vtd(fault: &DmaFault) -> Option<FaultRecord> {
    let reads = fault.direction == DmaDirection::DeviceReads;
    let reason = match fault.cause {
        DmaFaultCause::NoTable => 0x02,
        DmaFaultCause::AboveWidth { .. } => 0x04,
        DmaFaultCause::NoMemory => return None,
        _ if reads => 0x06,
        _ => 0x05,
    };
    let page = fault.address.raw() & !0xfff;
    let source = u32::from(fault.requester?.raw());
    let high = 1 << 31 | u32::from(reads) << 30 | reason;
    FaultRecord::new(FaultUnit::VtD, &[page as u32, (page >> 32) as u32, source, high]).ok()
}

/// With the completer abort that ends the request.
fn root_port(fault: &DmaFault) -> Option<FaultRecord> {
    const COMPLETER_ABORT: u32 = 1 << 21;
    let cause = match fault.cause {
        DmaFaultCause::AboveWidth { .. } => 1 << 17,
        DmaFaultCause::NoTable => 1 << 22,
        _ => return None,
    };
    FaultRecord::new(FaultUnit::AppleRootPort, &[cause | COMPLETER_ABORT]).ok()
}
