//! States of blocks, streams and physical elements: SERVICE ACTION IN(16) (SBC).

use super::field::{Control, Field};
use super::layout::{Format, command, control_at, put, take};
use super::{Bits, Checked, Command, ParseError};
use crate::cdb::Cdb;
use crate::opcode::Opcode;

command! {
    /// Source: SBC-4 5.
    GetLbaStatus16 = "GET LBA STATUS(16)", SERVICE_ACTION_IN_16 / 0x12, 16 {
        /// STARTING LOGICAL BLOCK ADDRESS.
        starting_lba: u64 [2],
        /// ALLOCATION LENGTH in bytes.
        allocation_length: u32 [10],
        /// REPORT TYPE.
        report_type: u8 [14],
    }
}

command! {
    /// Source: SBC-4 5.
    ReportReferrals = "REPORT REFERRALS", SERVICE_ACTION_IN_16 / 0x13, 16 {
        /// LOGICAL BLOCK ADDRESS.
        lba: u64 [2],
        /// ALLOCATION LENGTH in bytes.
        allocation_length: u32 [10],
        /// ONE_SEG: return the segment of the address only.
        one_seg: bool [14],
    }
}

command! {
    /// Source: SBC-4 5.
    StreamControl = "STREAM CONTROL", SERVICE_ACTION_IN_16 / 0x14, 16 {
        /// STR_CTL: 01b opens a stream, 10b closes one.
        str_ctl: Bits<2> [1, 5],
        /// STR_ID: stream identifier.
        str_id: u16 [4],
        /// ALLOCATION LENGTH in bytes.
        allocation_length: u32 [10],
    }
}

command! {
    /// Source: SBC-4 5.
    BackgroundControl = "BACKGROUND CONTROL", SERVICE_ACTION_IN_16 / 0x15, 16 {
        /// BO_CTL: background operation control.
        bo_ctl: Bits<2> [2, 6],
        /// BO_TIME: time limit in units of 100 ms.
        bo_time: u8 [3],
    }
}

command! {
    /// Source: SBC-4 5.
    GetStreamStatus = "GET STREAM STATUS", SERVICE_ACTION_IN_16 / 0x16, 16 {
        /// STARTING STREAM IDENTIFIER.
        starting_str_id: u16 [4],
        /// ALLOCATION LENGTH in bytes.
        allocation_length: u32 [10],
    }
}

command! {
    /// Source: SBC-4 5.
    GetPhysicalElementStatus = "GET PHYSICAL ELEMENT STATUS", SERVICE_ACTION_IN_16 / 0x17, 16 {
        /// STARTING ELEMENT.
        starting_element: u32 [6],
        /// ALLOCATION LENGTH in bytes.
        allocation_length: u32 [10],
        /// FILTER: all elements, or those with a problem.
        filter: Bits<2> [14, 6],
        /// REPORT TYPE.
        report_type: Bits<4> [14],
    }
}

command! {
    /// Source: SBC-4 5.
    RemoveElementAndTruncate = "REMOVE ELEMENT AND TRUNCATE", SERVICE_ACTION_IN_16 / 0x18, 16 {
        /// REQUESTED CAPACITY in logical blocks; 0 lets the device choose.
        requested_capacity: u64 [2],
        /// ELEMENT IDENTIFIER of the element to remove.
        element_id: u32 [10],
    }
}

command! {
    /// Source: SBC-4 5.
    RestoreElementsAndRebuild = "RESTORE ELEMENTS AND REBUILD", SERVICE_ACTION_IN_16 / 0x19, 16 {}
}
