//! Event log entries of AMD IOMMUs (AMD I/O Virtualization Technology specification, "Event Logging").

use super::record::{Bits, FaultRecord, bit, bits};
use super::{Access, Fault, FaultCause, FaultSource, FaultUnit};
use crate::dma::BusAddr;
use crate::fabric::{Domain, RequesterId};

const DEVICE: Bits = bits("device ID", 15, 0);
const PASID_HIGH: Bits = bits("PASID bits 19:16", 19, 16);
const DOMAIN: Bits = bits("domain ID, or PASID bits 15:0", 47, 32);
const GUEST: Bits = bit("GN: guest translation", 48);
const INTERRUPT: Bits = bit("I: interrupt request", 51);
const PRESENT: Bits = bit("PR: the page is present", 52);
const WRITE: Bits = bit("RW: write", 53);
const PERMISSION: Bits = bit("PE: permission missing", 54);
const RESERVED: Bits = bit("RZ: reserved bit set", 55);
const TRANSLATION: Bits = bit("TR: translation request", 56);
const CODE: Bits = bits("event code", 63, 60);
const ADDRESS: Bits = bits("address", 127, 64);

pub(super) const FIELDS: &[Bits] = &[
    CODE,
    DEVICE,
    DOMAIN,
    PASID_HIGH,
    GUEST,
    INTERRUPT,
    PRESENT,
    WRITE,
    PERMISSION,
    RESERVED,
    TRANSLATION,
    ADDRESS,
];

/// The codes that name a device and an address.
const ILLEGAL_DEV_TABLE_ENTRY: u64 = 0x1;
const IO_PAGE_FAULT: u64 = 0x2;
const PAGE_TAB_HARDWARE_ERROR: u64 = 0x4;
const INVALID_DEVICE_REQUEST: u64 = 0x8;
/// The codes about commands, whose entries name no device.
const ILLEGAL_COMMAND: u64 = 0x5;
const COMMAND_HARDWARE_ERROR: u64 = 0x6;

pub(super) fn decode(record: &FaultRecord) -> Option<Fault> {
    let code = record.get(CODE);
    if code == 0 {
        return None;
    }
    let (cause, reason) = meaning(record, code);
    let of_device = !matches!(code, ILLEGAL_COMMAND | COMMAND_HARDWARE_ERROR);
    let requester = RequesterId::from_raw(Domain(0), record.get(DEVICE) as u16);
    let transfers = matches!(
        code,
        ILLEGAL_DEV_TABLE_ENTRY | IO_PAGE_FAULT | PAGE_TAB_HARDWARE_ERROR | INVALID_DEVICE_REQUEST
    );
    // RW has a meaning only where a page was found for a transfer.
    let tells = code == IO_PAGE_FAULT && record.is_set(PRESENT) && !record.is_set(TRANSLATION);
    let access = if record.is_set(WRITE) { Access::Write } else { Access::Read };
    Some(Fault {
        unit: FaultUnit::AmdVi,
        source: if of_device { FaultSource::Requester(requester) } else { FaultSource::Unknown },
        cause,
        access: (tells && cause != FaultCause::Interrupt).then_some(access),
        address: transfers.then(|| BusAddr::new(record.get(ADDRESS))),
        reason,
    })
}

/// Whether four words look like an entry: a known event code, and nothing in the reserved bits of the first word.
pub(super) fn plausible(words: &[u32]) -> bool {
    let &[first, second, ..] = words else { return false };
    matches!(second >> 28, 1..=9 | 0xd | 0xe) && first & 0xfff0_0000 == 0
}

fn meaning(record: &FaultRecord, code: u64) -> (FaultCause, &'static str) {
    use FaultCause::*;
    match code {
        ILLEGAL_DEV_TABLE_ENTRY => (BadTable, "ILLEGAL_DEV_TABLE_ENTRY"),
        IO_PAGE_FAULT => (page_fault(record), "IO_PAGE_FAULT"),
        0x3 => (UnreadableTable, "DEV_TAB_HARDWARE_ERROR"),
        PAGE_TAB_HARDWARE_ERROR => (UnreadableTable, "PAGE_TAB_HARDWARE_ERROR"),
        ILLEGAL_COMMAND => (Other, "ILLEGAL_COMMAND_ERROR"),
        COMMAND_HARDWARE_ERROR => (Other, "COMMAND_HARDWARE_ERROR"),
        0x7 => (TimedOut, "IOTLB_INV_TIMEOUT"),
        INVALID_DEVICE_REQUEST => (Forbidden, "INVALID_DEVICE_REQUEST"),
        0x9 => (Forbidden, "INVALID_PPR_REQUEST"),
        0xd => (Denied, "RMP_PAGE_FAULT"),
        0xe => (UnreadableTable, "RMP_HARDWARE_ERROR"),
        _ => (Other, "an event code that is not known here"),
    }
}

fn page_fault(record: &FaultRecord) -> FaultCause {
    if record.is_set(INTERRUPT) {
        FaultCause::Interrupt
    } else if record.is_set(RESERVED) {
        FaultCause::BadTable
    } else if record.is_set(PRESENT) {
        FaultCause::Denied
    } else {
        FaultCause::NotMapped
    }
}
