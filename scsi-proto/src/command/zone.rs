//! Commands of zoned block devices (ZBC).

use super::field::{Control, Field};
use super::layout::{Format, command, control_at, put, take};
use super::{Bits, Checked, Command, ParseError};
use crate::cdb::Cdb;
use crate::opcode::Opcode;

command! {
    /// Source: ZBC-2 5.
    CloseZone = "CLOSE ZONE", ZBC_OUT / 0x01, 16 {
        /// ZONE ID: the first block of the zone.
        zone_id: u64 [2],
        /// ZONE COUNT; 0 and 1 both mean one zone.
        zone_count: u16 [12],
        /// ALL: every zone, whatever the zone identifier.
        all: bool [14],
    }
}

command! {
    /// Source: ZBC-2 5.
    FinishZone = "FINISH ZONE", ZBC_OUT / 0x02, 16 {
        /// ZONE ID: the first block of the zone.
        zone_id: u64 [2],
        /// ZONE COUNT; 0 and 1 both mean one zone.
        zone_count: u16 [12],
        /// ALL: every zone, whatever the zone identifier.
        all: bool [14],
    }
}

command! {
    /// Source: ZBC-2 5.
    OpenZone = "OPEN ZONE", ZBC_OUT / 0x03, 16 {
        /// ZONE ID: the first block of the zone.
        zone_id: u64 [2],
        /// ZONE COUNT; 0 and 1 both mean one zone.
        zone_count: u16 [12],
        /// ALL: every zone, whatever the zone identifier.
        all: bool [14],
    }
}

command! {
    /// Source: ZBC-2 5.
    ResetWritePointer = "RESET WRITE POINTER", ZBC_OUT / 0x04, 16 {
        /// ZONE ID: the first block of the zone.
        zone_id: u64 [2],
        /// ZONE COUNT; 0 and 1 both mean one zone.
        zone_count: u16 [12],
        /// ALL: every zone, whatever the zone identifier.
        all: bool [14],
    }
}

command! {
    /// Source: ZBC-2 5.
    SequentializeZone = "SEQUENTIALIZE ZONE", ZBC_OUT / 0x10, 16 {
        /// ZONE ID: the first block of the zone.
        zone_id: u64 [2],
        /// ZONE COUNT; 0 and 1 both mean one zone.
        zone_count: u16 [12],
        /// ALL: every zone, whatever the zone identifier.
        all: bool [14],
    }
}

command! {
    /// Source: ZBC-2 5.
    ReportZones = "REPORT ZONES", ZBC_IN / 0x00, 16 {
        /// ZONE START LBA: report zones from the one with this block on.
        zone_start_lba: u64 [2],
        /// ALLOCATION LENGTH in bytes.
        allocation_length: u32 [10],
        /// PARTIAL: count only the zones that fit.
        partial: bool [14, 7],
        /// REPORTING OPTIONS: which zones by their condition.
        reporting_options: Bits<6> [14],
    }
}
