//! Intel VT-d fault recording registers (VT-d specification, "Fault Recording Registers" and "Fault conditions").

use super::record::{Bits, FaultRecord, bit, bits};
use super::{Access, Fault, FaultCause, FaultSource, FaultUnit};
use crate::dma::BusAddr;
use crate::fabric::{Domain, RequesterId};

const INFO: Bits = bits("fault information: address bits 63:12", 63, 12);
const SOURCE: Bits = bits("source identifier", 79, 64);
const PASID_PRESENT: Bits = bit("PASID present", 95);
const REASON: Bits = bits("fault reason", 103, 96);
const PASID: Bits = bits("PASID", 123, 104);
const ADDRESS_TYPE: Bits = bits("address type", 125, 124);
const TYPE: Bits = bit("type: read", 126);
const FAULT: Bits = bit("fault", 127);

pub(super) const FIELDS: &[Bits] =
    &[FAULT, TYPE, ADDRESS_TYPE, PASID, REASON, PASID_PRESENT, SOURCE, INFO];

pub(super) fn decode(record: &FaultRecord) -> Option<Fault> {
    if !record.is_set(FAULT) {
        return None;
    }
    let (cause, reason) = meaning(record.get(REASON) as u8);
    let interrupt = cause == FaultCause::Interrupt;
    let access = if record.is_set(TYPE) { Access::Read } else { Access::Write };
    Some(Fault {
        unit: FaultUnit::VtD,
        source: FaultSource::Requester(RequesterId::from_raw(Domain(0), record.get(SOURCE) as u16)),
        cause,
        access: (!interrupt).then_some(access),
        // For interrupts the field has the index of the request instead.
        address: (!interrupt).then(|| BusAddr::new(record.get(INFO) << 12)),
        reason,
    })
}

/// Whether four words look like a record: the fault bit is set, the low bits of the address and the reserved bits are 0, the
/// reason is known.
pub(super) fn plausible(words: &[u32]) -> bool {
    let &[low, _, source, high] = words else { return false };
    let known = meaning(high as u8).0 != FaultCause::Other;
    high >> 31 == 1 && low & 0xfff == 0 && source & 0x0fff_0000 == 0 && known
}

/// Legacy mode has no present bit in its leaf entries: a page that is not mapped is one without permissions.
fn meaning(reason: u8) -> (FaultCause, &'static str) {
    use FaultCause::*;
    match reason {
        0x01 => (NoTable, "the root entry of the bus is not present"),
        0x02 => (NoTable, "the context entry of the requester is not present"),
        0x03 => (BadTable, "the context entry is invalid"),
        0x04 => (AboveWidth, "the address is beyond the guest address width"),
        0x05 => (NoAccess, "the page has no write permission"),
        0x06 => (NoAccess, "the page has no read permission"),
        0x07 => (UnreadableTable, "the pointer to the next page table is invalid"),
        0x08 => (UnreadableTable, "the root table address is invalid"),
        0x09 => (UnreadableTable, "the context table pointer is invalid"),
        0x0a => (BadTable, "reserved bits are set in a root entry"),
        0x0b => (BadTable, "reserved bits are set in a context entry"),
        0x0c => (BadTable, "reserved bits are set in a page table entry"),
        0x0d => (Forbidden, "translation requests are blocked for this requester"),
        0x20..=0x26 => (Interrupt, "interrupt remapping refused the message"),
        0x30..=0x32 => (BadTable, "the translation table mode does not fit the request"),
        0x38 => (UnreadableTable, "the scalable-mode root entry cannot be read"),
        0x39 => (NoTable, "the scalable-mode root entry is not present"),
        0x3a => (BadTable, "reserved bits are set in a scalable-mode root entry"),
        0x40 => (UnreadableTable, "the scalable-mode context entry cannot be read"),
        0x41 => (NoTable, "the scalable-mode context entry is not present"),
        0x42..=0x43 | 0x48 => (BadTable, "the scalable-mode context entry is invalid"),
        0x44..=0x47 => {
            (Forbidden, "the scalable-mode context entry does not allow this kind of request")
        }
        0x50 | 0x58 => (UnreadableTable, "a PASID table entry cannot be read"),
        0x51 | 0x59 => (NoTable, "the PASID table entry is not present"),
        0x52 | 0x5a..=0x5b => (BadTable, "a PASID table entry is invalid"),
        0x5c..=0x5d => (Forbidden, "the PASID table entry does not allow this kind of request"),
        0x70 | 0x73 | 0x78 => (UnreadableTable, "a page table entry cannot be read"),
        0x71 => (NotMapped, "the first-stage page table entry is not present"),
        0x72 | 0x7a => (BadTable, "reserved bits are set in a page table entry"),
        0x74 | 0x83 | 0x84 => (AboveWidth, "the address is beyond the width of the translation"),
        0x75..=0x77 => (Denied, "a first-stage page table entry does not permit the access"),
        0x79 => (NoAccess, "a second-stage page table entry does not permit the access"),
        0x7b => (UnreadableTable, "the pointer to the second-stage table is invalid"),
        0x7c | 0x90 => (BadTable, "a page table entry needs an update that is not possible"),
        0x80 => (AboveWidth, "the address is not canonical"),
        0x81..=0x82 => (Denied, "the request lacks the privilege that the page asks for"),
        0x85 => (NoAccess, "the page has no write permission"),
        0x86 => (NoAccess, "the page has no read permission"),
        0x87 => (Interrupt, "the address is that of interrupt messages"),
        _ => (Other, "a reason that is not known here"),
    }
}
