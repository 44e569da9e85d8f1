//! The mode pages whose fields are known.

use scsi_proto::mode::page_code;

use super::layout::{Show, Spec, bit, bits, bytes};

/// What is known of a page.
pub(super) struct PageLayout {
    pub(super) name: Option<&'static str>,
    pub(super) fields: &'static [Spec],
    /// The byte from which on nothing is known.
    pub(super) len: usize,
}

/// The layout of a page, header included.
pub(super) const fn of(page: u8, subpage: u8) -> PageLayout {
    let (name, fields, len): (_, &[Spec], _) = match (page, subpage) {
        (page_code::READ_WRITE_ERROR_RECOVERY, 0) => {
            (Some("Read-Write Error Recovery"), ERROR_RECOVERY, 12)
        }
        (page_code::DISCONNECT_RECONNECT, 0) => {
            (Some("Disconnect-Reconnect"), DISCONNECT_RECONNECT, 16)
        }
        (0x03, 0) => (Some("Format Device"), &[], 0),
        (0x04, 0) => (Some("Rigid Disk Geometry"), RIGID_DISK, 24),
        (0x07, 0) => (Some("Verify Error Recovery"), &[], 0),
        (page_code::CACHING, 0) => (Some("Caching"), CACHING, 20),
        (page_code::CONTROL, 0) => (Some("Control"), CONTROL, 12),
        (page_code::CONTROL, 1) => (Some("Control Extension"), &[], 0),
        (0x18, 0) => (Some("Protocol Specific Logical Unit"), PROTOCOL, 3),
        (page_code::PROTOCOL_SPECIFIC_PORT, 0) => (Some("Protocol Specific Port"), PROTOCOL, 3),
        (page_code::POWER_CONDITION, 0) => (Some("Power Condition"), POWER_CONDITION, 24),
        (page_code::INFORMATIONAL_EXCEPTIONS, 0) => {
            (Some("Informational Exceptions Control"), EXCEPTIONS, 12)
        }
        _ => (None, &[], 0),
    };
    PageLayout { name, fields, len }
}

/// Source: SBC-4 6.5, Read-Write Error Recovery.
const ERROR_RECOVERY: &[Spec] = &[
    bit(2, 7, "AWRE"),
    bit(2, 6, "ARRE"),
    bit(2, 5, "TB"),
    bit(2, 4, "RC"),
    bit(2, 3, "EER"),
    bit(2, 2, "PER"),
    bit(2, 1, "DTE"),
    bit(2, 0, "DCR"),
    bytes(3, 1, "READ RETRY COUNT"),
    bit(7, 7, "LBPERE"),
    bytes(8, 1, "WRITE RETRY COUNT"),
    bytes(10, 2, "RECOVERY TIME LIMIT"),
];

/// Source: SPC-5 7.5, Disconnect-Reconnect.
const DISCONNECT_RECONNECT: &[Spec] = &[
    bytes(2, 1, "BUFFER FULL RATIO"),
    bytes(3, 1, "BUFFER EMPTY RATIO"),
    bytes(4, 2, "BUS INACTIVITY LIMIT"),
    bytes(6, 2, "DISCONNECT TIME LIMIT"),
    bytes(8, 2, "CONNECT TIME LIMIT"),
    bytes(10, 2, "MAXIMUM BURST SIZE"),
    bit(12, 7, "EMDP"),
    bits(12, 6, 4, "FAIR ARBITRATION"),
    bit(12, 3, "DIMM"),
    bits(12, 2, 0, "DTDC"),
    bytes(14, 2, "FIRST BURST SIZE"),
];

/// Source: SBC 7, Rigid Disk Geometry; obsolete since SBC-2.
const RIGID_DISK: &[Spec] = &[
    bytes(2, 3, "NUMBER OF CYLINDERS"),
    bytes(5, 1, "NUMBER OF HEADS"),
    bytes(6, 3, "STARTING CYLINDER-WRITE PRECOMPENSATION"),
    bytes(9, 3, "STARTING CYLINDER-REDUCED WRITE CURRENT"),
    bytes(12, 2, "DEVICE STEP RATE"),
    bytes(14, 3, "LANDING ZONE CYLINDER"),
    bits(17, 1, 0, "RPL"),
    bytes(18, 1, "ROTATIONAL OFFSET"),
    bytes(20, 2, "MEDIUM ROTATION RATE"),
];

/// Source: SBC-4 6.5, Caching.
const CACHING: &[Spec] = &[
    bit(2, 7, "IC"),
    bit(2, 6, "ABPF"),
    bit(2, 5, "CAP"),
    bit(2, 4, "DISC"),
    bit(2, 3, "SIZE"),
    bit(2, 2, "WCE").shown(Show::Meaning(|wce| {
        let meaning = if wce == 1 { "writes need a flush" } else { "no volatile write cache" };
        Some(meaning.to_owned())
    })),
    bit(2, 1, "MF"),
    bit(2, 0, "RCD"),
    bits(3, 7, 4, "DEMAND READ RETENTION PRIORITY"),
    bits(3, 3, 0, "WRITE RETENTION PRIORITY"),
    bytes(4, 2, "DISABLE PRE-FETCH TRANSFER LENGTH"),
    bytes(6, 2, "MINIMUM PRE-FETCH"),
    bytes(8, 2, "MAXIMUM PRE-FETCH"),
    bytes(10, 2, "MAXIMUM PRE-FETCH CEILING"),
    bit(12, 7, "FSW"),
    bit(12, 6, "LBCSS"),
    bit(12, 5, "DRA"),
    bits(12, 2, 1, "SYNC_PROG"),
    bit(12, 0, "NV_DIS"),
    bytes(13, 1, "NUMBER OF CACHE SEGMENTS"),
    bytes(14, 2, "CACHE SEGMENT SIZE"),
];

/// Source: SPC-5 7.5, Control.
const CONTROL: &[Spec] = &[
    bits(2, 7, 5, "TST"),
    bit(2, 4, "TMF_ONLY"),
    bit(2, 3, "DPICZ"),
    bit(2, 2, "D_SENSE").shown(Show::Meaning(|bit| {
        Some(if bit == 1 { "descriptor format" } else { "fixed format" }.to_owned())
    })),
    bit(2, 1, "GLTSD"),
    bit(2, 0, "RLEC"),
    bits(3, 7, 4, "QUEUE ALGORITHM MODIFIER"),
    bit(3, 3, "NUAR"),
    bits(3, 2, 1, "QERR"),
    bit(4, 6, "RAC"),
    bits(4, 5, 4, "UA_INTLCK_CTRL"),
    bit(4, 3, "SWP"),
    bit(5, 7, "ATO"),
    bit(5, 6, "TAS"),
    bit(5, 5, "ATMPE"),
    bit(5, 4, "RWWP"),
    bits(5, 2, 0, "AUTOLOAD MODE"),
    bytes(8, 2, "BUSY TIMEOUT PERIOD"),
    bytes(10, 2, "EXTENDED SELF-TEST COMPLETION TIME"),
];

/// Source: SPC-5 7.5, the pages that a transport protocol defines.
const PROTOCOL: &[Spec] = &[bits(2, 3, 0, "PROTOCOL IDENTIFIER").shown(Show::Hex)];

/// Source: SPC-5 7.5, Power Condition. Timers count 100 ms.
const POWER_CONDITION: &[Spec] = &[
    bits(2, 7, 6, "PM_BG_PRECEDENCE"),
    bit(2, 0, "STANDBY_Y"),
    bit(3, 3, "IDLE_C"),
    bit(3, 2, "IDLE_B"),
    bit(3, 1, "IDLE_A"),
    bit(3, 0, "STANDBY_Z"),
    bytes(4, 4, "IDLE_A CONDITION TIMER"),
    bytes(8, 4, "STANDBY_Z CONDITION TIMER"),
    bytes(12, 4, "IDLE_B CONDITION TIMER"),
    bytes(16, 4, "IDLE_C CONDITION TIMER"),
    bytes(20, 4, "STANDBY_Y CONDITION TIMER"),
];

/// Source: SPC-5 7.5, Informational Exceptions Control.
const EXCEPTIONS: &[Spec] = &[
    bit(2, 7, "PERF"),
    bit(2, 5, "EBF"),
    bit(2, 4, "EWASC"),
    bit(2, 3, "DEXCPT"),
    bit(2, 2, "TEST"),
    bit(2, 1, "EBACKERR"),
    bit(2, 0, "LOGERR"),
    bits(3, 3, 0, "MRIE"),
    bytes(4, 4, "INTERVAL TIMER"),
    bytes(8, 4, "REPORT COUNT"),
];
