//! Third-party copy (SPC, SBC).

use super::field::{Control, Field};
use super::layout::{Format, command, control_at, put, take};
use super::{Bits, Checked, Command, ParseError};
use crate::cdb::Cdb;
use crate::opcode::Opcode;

command! {
    /// Source: SPC-5 6.
    ExtendedCopyLid1 = "EXTENDED COPY(LID1)", THIRD_PARTY_COPY_OUT / 0x00, 16 {
        /// PARAMETER LIST LENGTH in bytes.
        parameter_list_length: u32 [10],
    }
}

command! {
    /// Source: SPC-5 6.
    ExtendedCopyLid4 = "EXTENDED COPY(LID4)", THIRD_PARTY_COPY_OUT / 0x01, 16 {
        /// PARAMETER LIST LENGTH in bytes.
        parameter_list_length: u32 [10],
    }
}

command! {
    /// Source: SBC-4 5.
    PopulateToken = "POPULATE TOKEN", THIRD_PARTY_COPY_OUT / 0x10, 16 {
        /// LIST IDENTIFIER.
        list_id: u32 [6],
        /// PARAMETER LIST LENGTH in bytes.
        parameter_list_length: u32 [10],
        /// GROUP NUMBER.
        group: Bits<6> [14],
    }
}

command! {
    /// Source: SBC-4 5.
    WriteUsingToken = "WRITE USING TOKEN", THIRD_PARTY_COPY_OUT / 0x11, 16 {
        /// LIST IDENTIFIER.
        list_id: u32 [6],
        /// PARAMETER LIST LENGTH in bytes.
        parameter_list_length: u32 [10],
        /// GROUP NUMBER.
        group: Bits<6> [14],
    }
}

command! {
    /// Source: SPC-5 6.
    CopyOperationAbort = "COPY OPERATION ABORT", THIRD_PARTY_COPY_OUT / 0x1c, 16 {
        /// LIST IDENTIFIER.
        list_id: u32 [2],
    }
}

command! {
    /// Source: SPC-5 6.
    ReceiveCopyStatusLid1 = "RECEIVE COPY STATUS(LID1)", THIRD_PARTY_COPY_IN / 0x00, 16 {
        /// LIST IDENTIFIER.
        list_id: u8 [2],
        /// ALLOCATION LENGTH in bytes.
        allocation_length: u32 [10],
    }
}

command! {
    /// Source: SPC-5 6.
    ReceiveCopyDataLid1 = "RECEIVE COPY DATA(LID1)", THIRD_PARTY_COPY_IN / 0x01, 16 {
        /// LIST IDENTIFIER.
        list_id: u8 [2],
        /// ALLOCATION LENGTH in bytes.
        allocation_length: u32 [10],
    }
}

command! {
    /// Source: SPC-5 6.
    ReceiveCopyOperatingParameters =
        "RECEIVE COPY OPERATING PARAMETERS", THIRD_PARTY_COPY_IN / 0x03, 16 {
        /// LIST IDENTIFIER.
        list_id: u8 [2],
        /// ALLOCATION LENGTH in bytes.
        allocation_length: u32 [10],
    }
}

command! {
    /// Source: SPC-5 6.
    ReceiveCopyFailureDetailsLid1 =
        "RECEIVE COPY FAILURE DETAILS(LID1)", THIRD_PARTY_COPY_IN / 0x04, 16 {
        /// LIST IDENTIFIER.
        list_id: u8 [2],
        /// ALLOCATION LENGTH in bytes.
        allocation_length: u32 [10],
    }
}

command! {
    /// Source: SPC-5 6.
    ReceiveCopyStatusLid4 = "RECEIVE COPY STATUS(LID4)", THIRD_PARTY_COPY_IN / 0x05, 16 {
        /// LIST IDENTIFIER.
        list_id: u32 [2],
        /// ALLOCATION LENGTH in bytes.
        allocation_length: u32 [10],
    }
}

command! {
    /// Source: SPC-5 6.
    ReceiveCopyDataLid4 = "RECEIVE COPY DATA(LID4)", THIRD_PARTY_COPY_IN / 0x06, 16 {
        /// LIST IDENTIFIER.
        list_id: u32 [2],
        /// ALLOCATION LENGTH in bytes.
        allocation_length: u32 [10],
    }
}

command! {
    /// Source: SPC-5 6.
    ReceiveRodTokenInformation = "RECEIVE ROD TOKEN INFORMATION", THIRD_PARTY_COPY_IN / 0x07, 16 {
        /// LIST IDENTIFIER.
        list_id: u32 [2],
        /// ALLOCATION LENGTH in bytes.
        allocation_length: u32 [10],
    }
}

command! {
    /// Source: SPC-5 6.
    ReportAllRodTokens = "REPORT ALL ROD TOKENS", THIRD_PARTY_COPY_IN / 0x08, 16 {
        /// ALLOCATION LENGTH in bytes.
        allocation_length: u32 [10],
    }
}
