//! Diagnostics, logs, buffers and attributes (SPC).

use super::field::{Control, Field};
use super::layout::{Format, command, control_at, put, take};
use super::{Bits, Checked, Command, ParseError};
use crate::cdb::Cdb;
use crate::opcode::Opcode;

command! {
    /// Source: SPC-5 6.
    ReceiveDiagnosticResults = "RECEIVE DIAGNOSTIC RESULTS", RECEIVE_DIAGNOSTIC_RESULTS, 6 {
        /// PCV: PAGE CODE is valid.
        pcv: bool [1],
        /// PAGE CODE.
        page_code: u8 [2],
        /// ALLOCATION LENGTH in bytes.
        allocation_length: u16 [3],
    }
}

command! {
    /// Source: SPC-5 6.
    SendDiagnostic = "SEND DIAGNOSTIC", SEND_DIAGNOSTIC, 6 {
        /// SELF-TEST CODE.
        self_test_code: Bits<3> [1, 5],
        /// PF: the parameters are a diagnostic page.
        pf: bool [1, 4],
        /// SELFTEST: run the default self-test.
        selftest: bool [1, 2],
        /// DEVOFFL: the self-test may affect all logical units.
        devoffl: bool [1, 1],
        /// UNITOFFL: the self-test may affect the logical unit.
        unitoffl: bool [1],
        /// PARAMETER LIST LENGTH in bytes.
        parameter_list_length: u16 [3],
    }
}

command! {
    /// Source: SPC-5 6.
    WriteBuffer10 = "WRITE BUFFER(10)", WRITE_BUFFER_10, 10 {
        /// MODE SPECIFIC.
        mode_specific: Bits<3> [1, 5],
        /// MODE: what the buffer is and what is done to it.
        mode: Bits<5> [1],
        /// BUFFER ID.
        buffer_id: u8 [2],
        /// BUFFER OFFSET in bytes.
        buffer_offset: Bits<24> [3],
        /// PARAMETER LIST LENGTH in bytes.
        parameter_list_length: Bits<24> [6],
    }
}

command! {
    /// Source: SPC-5 6.
    ReadBuffer10 = "READ BUFFER(10)", READ_BUFFER_10, 10 {
        /// MODE SPECIFIC.
        mode_specific: Bits<3> [1, 5],
        /// MODE: what the buffer is and what is done to it.
        mode: Bits<5> [1],
        /// BUFFER ID.
        buffer_id: u8 [2],
        /// BUFFER OFFSET in bytes.
        buffer_offset: Bits<24> [3],
        /// ALLOCATION LENGTH in bytes.
        allocation_length: Bits<24> [6],
    }
}

command! {
    /// Source: SPC-5 6.
    LogSelect = "LOG SELECT", LOG_SELECT, 10 {
        /// PCR: reset the parameters.
        pcr: bool [1, 1],
        /// SP: save parameters.
        sp: bool [1],
        /// PC: which values to change (threshold, cumulative and their defaults).
        pc: Bits<2> [2, 6],
        /// PAGE CODE.
        page_code: Bits<6> [2],
        /// SUBPAGE CODE.
        subpage_code: u8 [3],
        /// PARAMETER LIST LENGTH in bytes.
        parameter_list_length: u16 [7],
    }
}

command! {
    /// Source: SPC-5 6.
    ReadAttribute = "READ ATTRIBUTE", READ_ATTRIBUTE, 16 {
        /// SERVICE ACTION: values, lists of attributes, volumes or partitions.
        service_action: Bits<5> [1],
        /// ELEMENT ADDRESS.
        element: u16 [2],
        /// LOGICAL VOLUME NUMBER.
        lv_number: u8 [5],
        /// PARTITION NUMBER.
        partition: u8 [7],
        /// FIRST ATTRIBUTE IDENTIFIER: where to start.
        first_attr: u16 [8],
        /// ALLOCATION LENGTH in bytes.
        allocation_length: u32 [10],
        /// CACHE: cached values will do.
        cache: bool [14],
    }
}

command! {
    /// Source: SPC-5 6.
    WriteAttribute = "WRITE ATTRIBUTE", WRITE_ATTRIBUTE, 16 {
        /// WTC: write through the cache of attributes.
        wtc: bool [1],
        /// LOGICAL VOLUME NUMBER.
        lv_number: u8 [5],
        /// PARTITION NUMBER.
        partition: u8 [7],
        /// PARAMETER LIST LENGTH in bytes.
        parameter_list_length: u32 [10],
    }
}

command! {
    /// Source: SPC-5 6.
    ReadBuffer16 = "READ BUFFER(16)", READ_BUFFER_16, 16 {
        /// MODE SPECIFIC.
        mode_specific: Bits<3> [1, 5],
        /// MODE: what the buffer is and what is done to it.
        mode: Bits<5> [1],
        /// BUFFER OFFSET in bytes.
        buffer_offset: u64 [2],
        /// ALLOCATION LENGTH in bytes.
        allocation_length: u32 [10],
        /// BUFFER ID.
        buffer_id: u8 [14],
    }
}
