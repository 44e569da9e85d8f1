//! Commands of all device types (SPC), and those of removable and stoppable media.

use super::field::{Control, Field};
use super::layout::{Format, command, control_at, put, take};
use super::{Bits, Checked, Command, PageControl, ParseError};
use crate::cdb::Cdb;
use crate::opcode::Opcode;

command! {
    /// Source: SPC-5 6.
    TestUnitReady = "TEST UNIT READY", TEST_UNIT_READY, 6 {}
}

command! {
    /// Source: SPC-5 6.
    RequestSense = "REQUEST SENSE", REQUEST_SENSE, 6 {
        /// DESC: return descriptor format.
        desc: bool [1, 0],
        /// ALLOCATION LENGTH in bytes.
        allocation_length: u8 [4],
    }
}

command! {
    /// Source: SPC-5 6.
    Inquiry = "INQUIRY", INQUIRY, 6 {
        /// EVPD: return the vital product data page `page_code`.
        evpd: bool [1, 0],
        /// PAGE CODE; shall be 0 when `evpd` is clear.
        page_code: u8 [2],
        /// ALLOCATION LENGTH in bytes.
        allocation_length: u16 [3],
    }
}

command! {
    /// Source: SPC-5 6.
    ModeSelect6 = "MODE SELECT(6)", MODE_SELECT_6, 6 {
        /// PF: the parameters are mode pages.
        pf: bool [1, 4],
        /// RTD: revert to defaults.
        rtd: bool [1, 1],
        /// SP: save pages.
        sp: bool [1, 0],
        /// PARAMETER LIST LENGTH in bytes.
        parameter_list_length: u8 [4],
    }
}

command! {
    /// Source: SPC-5 6.
    ModeSelect10 = "MODE SELECT(10)", MODE_SELECT_10, 10 {
        /// PF: the parameters are mode pages.
        pf: bool [1, 4],
        /// RTD: revert to defaults.
        rtd: bool [1, 1],
        /// SP: save pages.
        sp: bool [1, 0],
        /// PARAMETER LIST LENGTH in bytes.
        parameter_list_length: u16 [7],
    }
}

command! {
    /// Source: SPC-5 6.
    ModeSense6 = "MODE SENSE(6)", MODE_SENSE_6, 6 {
        /// DBD: return no block descriptors.
        dbd: bool [1, 3],
        /// PC: which values to return.
        pc: PageControl [2, 6],
        /// PAGE CODE; 3Fh means all pages.
        page_code: Bits<6> [2],
        /// SUBPAGE CODE.
        subpage_code: u8 [3],
        /// ALLOCATION LENGTH in bytes.
        allocation_length: u8 [4],
    }
}

command! {
    /// Source: SPC-5 6.
    ModeSense10 = "MODE SENSE(10)", MODE_SENSE_10, 10 {
        /// LLBAA: long LBA block descriptors are accepted.
        llbaa: bool [1, 4],
        /// DBD: return no block descriptors.
        dbd: bool [1, 3],
        /// PC: which values to return.
        pc: PageControl [2, 6],
        /// PAGE CODE; 3Fh means all pages.
        page_code: Bits<6> [2],
        /// SUBPAGE CODE.
        subpage_code: u8 [3],
        /// ALLOCATION LENGTH in bytes.
        allocation_length: u16 [7],
    }
}

command! {
    /// Source: SBC-4 5.
    StartStopUnit = "START STOP UNIT", START_STOP_UNIT, 6 {
        /// IMMED: status before the operation is complete.
        immed: bool [1, 0],
        /// POWER CONDITION MODIFIER.
        power_condition_modifier: Bits<4> [3],
        /// POWER CONDITION; 0 lets START and LOEJ decide.
        power_condition: Bits<4> [4, 4],
        /// NO_FLUSH: do not write the cache back first. Loses dirty data.
        no_flush: bool [4, 2],
        /// LOEJ: load or eject the medium.
        loej: bool [4, 1],
        /// START: make ready; clear to stop.
        start: bool [4, 0],
    }
}

command! {
    /// Source: SPC-4 6, SBC-4 5.
    PreventAllowMediumRemoval = "PREVENT ALLOW MEDIUM REMOVAL", PREVENT_ALLOW_MEDIUM_REMOVAL, 6 {
        /// PREVENT: 00b allows removal, 01b prevents it.
        prevent: Bits<2> [4],
    }
}

command! {
    /// Source: SPC-5 6.
    LogSense = "LOG SENSE", LOG_SENSE, 10 {
        /// SP: save parameters.
        sp: bool [1, 0],
        /// PC: which values to return (threshold, cumulative and their defaults).
        pc: Bits<2> [2, 6],
        /// PAGE CODE.
        page_code: Bits<6> [2],
        /// SUBPAGE CODE.
        subpage_code: u8 [3],
        /// PARAMETER POINTER: the first parameter code to return.
        parameter_pointer: u16 [5],
        /// ALLOCATION LENGTH in bytes.
        allocation_length: u16 [7],
    }
}

command! {
    /// Source: SPC-5 6.
    ReportLuns = "REPORT LUNS", REPORT_LUNS, 12 {
        /// SELECT REPORT: 00h addressable units, 01h well-known units, 02h both.
        select_report: u8 [2],
        /// ALLOCATION LENGTH in bytes; at least 16.
        allocation_length: u32 [6],
    }
}

command! {
    /// Source: SPC-5 6.
    ReportSupportedOperationCodes =
        "REPORT SUPPORTED OPERATION CODES", MAINTENANCE_IN / 0x0c, 12 {
        /// RCTD: return command timeouts descriptors.
        rctd: bool [2, 7],
        /// REPORTING OPTIONS: 0 all, 1 one opcode, 2 opcode and service action, 3 either.
        reporting_options: Bits<3> [2],
        /// REQUESTED OPERATION CODE.
        requested_operation_code: Opcode [3],
        /// REQUESTED SERVICE ACTION.
        requested_service_action: u16 [4],
        /// ALLOCATION LENGTH in bytes.
        allocation_length: u32 [6],
    }
}
