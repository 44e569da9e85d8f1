//! The interrupt status of Apple's PCI Express root ports; the names are those of Linux
//! (`drivers/pci/controller/pcie-apple.c`).

use super::record::{Bits, FaultRecord, bit, bits};
use super::{Fault, FaultCause, FaultSource, FaultUnit};

const TUNNEL: Bits = bit("tunnel error", 31);
const COMPLETION_TIMEOUT: Bits = bit("completion time-out", 23);
const RID_TO_SID: Bits = bit("requester ID not in the table of streams (RID2SID)", 22);
const COMPLETER_ABORT: Bits = bit("completer abort", 21);
const MSI_DATA: Bits = bit("bad MSI data", 19);
const MSI: Bits = bit("MSI error", 18);
const ABOVE_32: Bits = bit("request address above 32 bits", 17);
const FABRIC_TIMEOUT: Bits = bit("time-out of the on-chip fabric (AF)", 15);
const LINK_DOWN: Bits = bit("link down", 14);
const LINK_UP: Bits = bit("link up", 12);
const LINK_BANDWIDTH: Bits = bit("link bandwidth changed", 11);
const ERRORS: Bits = bits("advanced error reporting", 7, 4);
const INTX: Bits = bits("INTx", 3, 0);

pub(super) const FIELDS: &[Bits] = &[
    TUNNEL,
    bits("no known name", 30, 24),
    COMPLETION_TIMEOUT,
    RID_TO_SID,
    COMPLETER_ABORT,
    bit("no known name", 20),
    MSI_DATA,
    MSI,
    ABOVE_32,
    bit("no known name", 16),
    FABRIC_TIMEOUT,
    LINK_DOWN,
    bit("no known name", 13),
    LINK_UP,
    LINK_BANDWIDTH,
    bits("no known name", 10, 8),
    ERRORS,
    INTX,
];

/// Causes before consequences: a request that is refused also ends in an abort and in an error report.
const CAUSES: &[(Bits, FaultCause)] = &[
    (ABOVE_32, FaultCause::AboveWidth),
    (RID_TO_SID, FaultCause::UnknownRequester),
    (MSI_DATA, FaultCause::Interrupt),
    (MSI, FaultCause::Interrupt),
    (COMPLETER_ABORT, FaultCause::Aborted),
    (COMPLETION_TIMEOUT, FaultCause::TimedOut),
    (FABRIC_TIMEOUT, FaultCause::TimedOut),
    (TUNNEL, FaultCause::Other),
    (ERRORS, FaultCause::Other),
];

pub(super) fn decode(record: &FaultRecord) -> Option<Fault> {
    let (bits, cause) = CAUSES.iter().find(|(bits, _)| record.is_set(*bits))?;
    Some(Fault {
        unit: FaultUnit::AppleRootPort,
        source: FaultSource::Unknown,
        cause: *cause,
        access: None,
        address: None,
        reason: bits.name,
    })
}
