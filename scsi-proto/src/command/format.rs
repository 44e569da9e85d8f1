//! Formatting, defects, raw blocks and sanitizing (SBC).

use super::field::{Control, Field};
use super::layout::{Format, command, control_at, put, take};
use super::{Bits, Checked, Command, ParseError};
use crate::cdb::Cdb;
use crate::opcode::Opcode;

command! {
    /// The parameter list, if any, tells its own length. Source: SBC-4 5.
    FormatUnit = "FORMAT UNIT", FORMAT_UNIT, 6 {
        /// FMTPINFO: protection information of the format.
        fmtpinfo: Bits<2> [1, 6],
        /// LONGLIST: the parameter list has a long header.
        longlist: bool [1, 5],
        /// FMTDATA: a parameter list travels as data-out.
        fmtdata: bool [1, 4],
        /// CMPLST: the list is the complete list of defects.
        cmplst: bool [1, 3],
        /// DEFECT LIST FORMAT: how addresses of defects are written.
        defect_list_format: Bits<3> [1],
        /// FFMT: fast format.
        ffmt: Bits<2> [4],
    }
}

command! {
    /// The list of blocks travels as data-out and tells its own length. Source: SBC-4 5.
    ReassignBlocks = "REASSIGN BLOCKS", REASSIGN_BLOCKS, 6 {
        /// LONGLBA: addresses in the list have 8 bytes instead of 4.
        longlba: bool [1, 1],
        /// LONGLIST: the parameter list has a long header.
        longlist: bool [1],
    }
}

command! {
    /// Source: SBC-4 5.
    ReadDefectData10 = "READ DEFECT DATA(10)", READ_DEFECT_DATA_10, 10 {
        /// REQ_PLIST: return the primary list.
        req_plist: bool [2, 4],
        /// REQ_GLIST: return the grown list.
        req_glist: bool [2, 3],
        /// DEFECT LIST FORMAT: how addresses of defects are written.
        defect_list_format: Bits<3> [2],
        /// ALLOCATION LENGTH in bytes.
        allocation_length: u16 [7],
    }
}

command! {
    /// Source: SBC-4 5.
    FormatWithPreset = "FORMAT WITH PRESET", FORMAT_WITH_PRESET, 10 {
        /// IMMED: status before the operation is complete.
        immed: bool [1, 7],
        /// FMTMAXLBA: format to the maximum capacity.
        fmtmaxlba: bool [1, 6],
        /// PRESET IDENTIFIER.
        preset_id: u32 [2],
    }
}

command! {
    /// Source: SBC-3 5, obsolete since SBC-4.
    ReadLong10 = "READ LONG(10)", READ_LONG_10, 10 {
        /// PBLOCK: the physical block that contains the logical block.
        pblock: bool [1, 2],
        /// CORRCT: correct the data by its error correction code.
        corrct: bool [1, 1],
        /// LOGICAL BLOCK ADDRESS.
        lba: u32 [2],
        /// BYTE TRANSFER LENGTH.
        byte_transfer_length: u16 [7],
    }
}

command! {
    /// Source: SBC-4 5.
    WriteLong10 = "WRITE LONG(10)", WRITE_LONG_10, 10 {
        /// COR_DIS: the block reads as an uncorrectable error without correction attempts.
        cor_dis: bool [1, 7],
        /// WR_UNCOR: mark the block as uncorrectable.
        wr_uncor: bool [1, 6],
        /// PBLOCK: the physical block that contains the logical block.
        pblock: bool [1, 5],
        /// LOGICAL BLOCK ADDRESS.
        lba: u32 [2],
        /// BYTE TRANSFER LENGTH.
        byte_transfer_length: u16 [7],
    }
}

command! {
    /// Source: SBC-4 5.
    SanitizeOverwrite = "SANITIZE: OVERWRITE", SANITIZE / 0x01, 10 {
        /// IMMED: status before the operation is complete.
        immed: bool [1, 7],
        /// ZNR: leave write pointers of zones as they are.
        znr: bool [1, 6],
        /// AUSE: allow an unrestricted exit from a failed sanitize.
        ause: bool [1, 5],
        /// PARAMETER LIST LENGTH in bytes.
        parameter_list_length: u16 [7],
    }
}

command! {
    /// Source: SBC-4 5.
    SanitizeBlockErase = "SANITIZE: BLOCK ERASE", SANITIZE / 0x02, 10 {
        /// IMMED: status before the operation is complete.
        immed: bool [1, 7],
        /// ZNR: leave write pointers of zones as they are.
        znr: bool [1, 6],
        /// AUSE: allow an unrestricted exit from a failed sanitize.
        ause: bool [1, 5],
        /// PARAMETER LIST LENGTH in bytes.
        parameter_list_length: u16 [7],
    }
}

command! {
    /// Source: SBC-4 5.
    SanitizeCryptographicErase = "SANITIZE: CRYPTOGRAPHIC ERASE", SANITIZE / 0x03, 10 {
        /// IMMED: status before the operation is complete.
        immed: bool [1, 7],
        /// ZNR: leave write pointers of zones as they are.
        znr: bool [1, 6],
        /// AUSE: allow an unrestricted exit from a failed sanitize.
        ause: bool [1, 5],
        /// PARAMETER LIST LENGTH in bytes.
        parameter_list_length: u16 [7],
    }
}

command! {
    /// Source: SBC-4 5.
    SanitizeExitFailureMode = "SANITIZE: EXIT FAILURE MODE", SANITIZE / 0x1f, 10 {
        /// IMMED: status before the operation is complete.
        immed: bool [1, 7],
        /// ZNR: leave write pointers of zones as they are.
        znr: bool [1, 6],
        /// AUSE: allow an unrestricted exit from a failed sanitize.
        ause: bool [1, 5],
        /// PARAMETER LIST LENGTH in bytes.
        parameter_list_length: u16 [7],
    }
}

command! {
    /// Source: SBC-3 5, obsolete since SBC-4.
    ReadLong16 = "READ LONG(16)", SERVICE_ACTION_IN_16 / 0x11, 16 {
        /// LOGICAL BLOCK ADDRESS.
        lba: u64 [2],
        /// BYTE TRANSFER LENGTH.
        byte_transfer_length: u16 [12],
        /// PBLOCK: the physical block that contains the logical block.
        pblock: bool [14, 1],
        /// CORRCT: correct the data by its error correction code.
        corrct: bool [14],
    }
}

command! {
    /// Source: SBC-4 5.
    WriteLong16 = "WRITE LONG(16)", SERVICE_ACTION_OUT_16 / 0x11, 16 {
        /// COR_DIS: the block reads as an uncorrectable error without correction attempts.
        cor_dis: bool [1, 7],
        /// WR_UNCOR: mark the block as uncorrectable.
        wr_uncor: bool [1, 6],
        /// PBLOCK: the physical block that contains the logical block.
        pblock: bool [1, 5],
        /// LOGICAL BLOCK ADDRESS.
        lba: u64 [2],
        /// BYTE TRANSFER LENGTH.
        byte_transfer_length: u16 [12],
    }
}

command! {
    /// Source: SBC-4 5.
    ReadDefectData12 = "READ DEFECT DATA(12)", READ_DEFECT_DATA_12, 12 {
        /// REQ_PLIST: return the primary list.
        req_plist: bool [1, 4],
        /// REQ_GLIST: return the grown list.
        req_glist: bool [1, 3],
        /// DEFECT LIST FORMAT: how addresses of defects are written.
        defect_list_format: Bits<3> [1],
        /// ADDRESS DESCRIPTOR INDEX: the first descriptor to return.
        addr_desc_index: u32 [2],
        /// ALLOCATION LENGTH in bytes.
        allocation_length: u32 [6],
    }
}
