//! Variable-length commands with 32 bytes (SBC).

use super::field::{Control, Field};
use super::layout::{Format, command, control_at, put, take};
use super::{Bits, Checked, Command, ParseError};
use crate::cdb::Cdb;
use crate::opcode::Opcode;

command! {
    /// Source: SBC-3 5, obsolete since SBC-3/4.
    XdRead32 = "XDREAD(32)", VARIABLE_LENGTH / 0x0003, 32 {
        /// GROUP NUMBER.
        group: Bits<6> [6],
        /// LOGICAL BLOCK ADDRESS.
        lba: u64 [12],
        /// TRANSFER LENGTH in blocks; 0 transfers nothing.
        transfer_length: u32 [28],
    }
}

command! {
    /// Source: SBC-3 5, obsolete since SBC-3/4.
    XdWrite32 = "XDWRITE(32)", VARIABLE_LENGTH / 0x0004, 32 {
        /// GROUP NUMBER.
        group: Bits<6> [6],
        /// LOGICAL BLOCK ADDRESS.
        lba: u64 [12],
        /// TRANSFER LENGTH in blocks; 0 transfers nothing.
        transfer_length: u32 [28],
    }
}

command! {
    /// Source: SBC-3 5, obsolete since SBC-3/4.
    XpWrite32 = "XPWRITE(32)", VARIABLE_LENGTH / 0x0006, 32 {
        /// GROUP NUMBER.
        group: Bits<6> [6],
        /// LOGICAL BLOCK ADDRESS.
        lba: u64 [12],
        /// TRANSFER LENGTH in blocks; 0 transfers nothing.
        transfer_length: u32 [28],
    }
}

command! {
    /// Source: SBC-3 5, obsolete since SBC-3/4.
    XdWriteRead32 = "XDWRITEREAD(32)", VARIABLE_LENGTH / 0x0007, 32 {
        /// GROUP NUMBER.
        group: Bits<6> [6],
        /// LOGICAL BLOCK ADDRESS.
        lba: u64 [12],
        /// TRANSFER LENGTH in blocks; 0 transfers nothing.
        transfer_length: u32 [28],
    }
}

command! {
    /// Source: SBC-4 5.
    Read32 = "READ(32)", VARIABLE_LENGTH / 0x0009, 32 {
        /// GROUP NUMBER.
        group: Bits<6> [6],
        /// RDPROTECT: transfer and checking of protection information.
        rdprotect: Bits<3> [10, 5],
        /// DPO: lowest retention priority in the cache.
        dpo: bool [10, 4],
        /// FUA: read from the medium or non-volatile cache.
        fua: bool [10, 3],
        /// RARC: rebuild assist recovery control.
        rarc: bool [10, 2],
        /// DLD2: command duration limit descriptor, bit 2.
        dld2: bool [11, 2],
        /// DLD1: command duration limit descriptor, bit 1.
        dld1: bool [11, 1],
        /// DLD0: command duration limit descriptor, bit 0.
        dld0: bool [11],
        /// LOGICAL BLOCK ADDRESS.
        lba: u64 [12],
        /// EXPECTED INITIAL LOGICAL BLOCK REFERENCE TAG.
        exp_ref_tag: u32 [20],
        /// EXPECTED LOGICAL BLOCK APPLICATION TAG.
        exp_app_tag: u16 [24],
        /// LOGICAL BLOCK APPLICATION TAG MASK.
        app_tag_mask: u16 [26],
        /// TRANSFER LENGTH in blocks; 0 transfers nothing.
        transfer_length: u32 [28],
    }
}

command! {
    /// Source: SBC-4 5.
    Verify32 = "VERIFY(32)", VARIABLE_LENGTH / 0x000a, 32 {
        /// GROUP NUMBER.
        group: Bits<6> [6],
        /// VRPROTECT: checking of protection information.
        vrprotect: Bits<3> [10, 5],
        /// DPO: lowest retention priority in the cache.
        dpo: bool [10, 4],
        /// BYTCHK: 00b no comparison, 01b compare with data-out, 11b compare with one block.
        bytchk: Bits<2> [10, 1],
        /// LOGICAL BLOCK ADDRESS.
        lba: u64 [12],
        /// EXPECTED INITIAL LOGICAL BLOCK REFERENCE TAG.
        exp_ref_tag: u32 [20],
        /// EXPECTED LOGICAL BLOCK APPLICATION TAG.
        exp_app_tag: u16 [24],
        /// LOGICAL BLOCK APPLICATION TAG MASK.
        app_tag_mask: u16 [26],
        /// VERIFICATION LENGTH in blocks.
        verification_length: u32 [28],
    }
}

command! {
    /// Source: SBC-4 5.
    Write32 = "WRITE(32)", VARIABLE_LENGTH / 0x000b, 32 {
        /// GROUP NUMBER.
        group: Bits<6> [6],
        /// WRPROTECT: transfer and checking of protection information.
        wrprotect: Bits<3> [10, 5],
        /// DPO: lowest retention priority in the cache.
        dpo: bool [10, 4],
        /// FUA: these blocks are non-volatile before status.
        fua: bool [10, 3],
        /// DLD2: command duration limit descriptor, bit 2.
        dld2: bool [11, 2],
        /// DLD1: command duration limit descriptor, bit 1.
        dld1: bool [11, 1],
        /// DLD0: command duration limit descriptor, bit 0.
        dld0: bool [11],
        /// LOGICAL BLOCK ADDRESS.
        lba: u64 [12],
        /// EXPECTED INITIAL LOGICAL BLOCK REFERENCE TAG.
        exp_ref_tag: u32 [20],
        /// EXPECTED LOGICAL BLOCK APPLICATION TAG.
        exp_app_tag: u16 [24],
        /// LOGICAL BLOCK APPLICATION TAG MASK.
        app_tag_mask: u16 [26],
        /// TRANSFER LENGTH in blocks; 0 transfers nothing.
        transfer_length: u32 [28],
    }
}

command! {
    /// Source: SBC-4 5.
    WriteAndVerify32 = "WRITE AND VERIFY(32)", VARIABLE_LENGTH / 0x000c, 32 {
        /// GROUP NUMBER.
        group: Bits<6> [6],
        /// WRPROTECT: transfer and checking of protection information.
        wrprotect: Bits<3> [10, 5],
        /// DPO: lowest retention priority in the cache.
        dpo: bool [10, 4],
        /// BYTCHK: 00b no comparison, 01b compare with data-out, 11b compare with one block.
        bytchk: Bits<2> [10, 1],
        /// LOGICAL BLOCK ADDRESS.
        lba: u64 [12],
        /// EXPECTED INITIAL LOGICAL BLOCK REFERENCE TAG.
        exp_ref_tag: u32 [20],
        /// EXPECTED LOGICAL BLOCK APPLICATION TAG.
        exp_app_tag: u16 [24],
        /// LOGICAL BLOCK APPLICATION TAG MASK.
        app_tag_mask: u16 [26],
        /// TRANSFER LENGTH in blocks; 0 transfers nothing.
        transfer_length: u32 [28],
    }
}

command! {
    /// Source: SBC-4 5.
    WriteSame32 = "WRITE SAME(32)", VARIABLE_LENGTH / 0x000d, 32 {
        /// GROUP NUMBER.
        group: Bits<6> [6],
        /// WRPROTECT: transfer and checking of protection information.
        wrprotect: Bits<3> [10, 5],
        /// ANCHOR: leave the blocks anchored; only with UNMAP.
        anchor: bool [10, 4],
        /// UNMAP: the device may deallocate instead of writing.
        unmap: bool [10, 3],
        /// NDOB: no data-out buffer; the block is all zeros.
        ndob: bool [10],
        /// LOGICAL BLOCK ADDRESS.
        lba: u64 [12],
        /// EXPECTED INITIAL LOGICAL BLOCK REFERENCE TAG.
        exp_ref_tag: u32 [20],
        /// EXPECTED LOGICAL BLOCK APPLICATION TAG.
        exp_app_tag: u16 [24],
        /// LOGICAL BLOCK APPLICATION TAG MASK.
        app_tag_mask: u16 [26],
        /// NUMBER OF LOGICAL BLOCKS; 0 means up to the last block unless WSNZ is set.
        number_of_blocks: u32 [28],
    }
}

command! {
    /// Source: SBC-4 5.
    OrWrite32 = "ORWRITE(32)", VARIABLE_LENGTH / 0x000e, 32 {
        /// BMOP: operation on the bitmap generation.
        bmop: Bits<3> [2],
        /// PREVIOUS GENERATION PROCESSING.
        prev_gen_processing: Bits<4> [3],
        /// GROUP NUMBER.
        group: Bits<6> [6],
        /// ORPROTECT: transfer and checking of protection information.
        orprotect: Bits<3> [10, 5],
        /// DPO: lowest retention priority in the cache.
        dpo: bool [10, 4],
        /// FUA: these blocks are non-volatile before status.
        fua: bool [10, 3],
        /// LOGICAL BLOCK ADDRESS.
        lba: u64 [12],
        /// EXPECTED ORWGENERATION.
        exp_orw_gen: u32 [20],
        /// NEW ORWGENERATION.
        new_orw_gen: u32 [24],
        /// TRANSFER LENGTH in blocks; 0 transfers nothing.
        transfer_length: u32 [28],
    }
}

command! {
    /// All blocks are written or none. Source: SBC-4 5.
    WriteAtomic32 = "WRITE ATOMIC(32)", VARIABLE_LENGTH / 0x000f, 32 {
        /// ATOMIC BOUNDARY in logical blocks; 0 makes the whole write atomic.
        atomic_boundary: u16 [4],
        /// GROUP NUMBER.
        group: Bits<6> [6],
        /// WRPROTECT: transfer and checking of protection information.
        wrprotect: Bits<3> [10, 5],
        /// DPO: lowest retention priority in the cache.
        dpo: bool [10, 4],
        /// FUA: these blocks are non-volatile before status.
        fua: bool [10, 3],
        /// LOGICAL BLOCK ADDRESS.
        lba: u64 [12],
        /// EXPECTED INITIAL LOGICAL BLOCK REFERENCE TAG.
        exp_ref_tag: u32 [20],
        /// EXPECTED LOGICAL BLOCK APPLICATION TAG.
        exp_app_tag: u16 [24],
        /// LOGICAL BLOCK APPLICATION TAG MASK.
        app_tag_mask: u16 [26],
        /// TRANSFER LENGTH in blocks; 0 transfers nothing.
        transfer_length: u32 [28],
    }
}

command! {
    /// Source: SBC-4 5.
    WriteStream32 = "WRITE STREAM(32)", VARIABLE_LENGTH / 0x0010, 32 {
        /// STR_ID: stream identifier.
        str_id: u16 [4],
        /// GROUP NUMBER.
        group: Bits<6> [6],
        /// WRPROTECT: transfer and checking of protection information.
        wrprotect: Bits<3> [10, 5],
        /// DPO: lowest retention priority in the cache.
        dpo: bool [10, 4],
        /// FUA: these blocks are non-volatile before status.
        fua: bool [10, 3],
        /// LOGICAL BLOCK ADDRESS.
        lba: u64 [12],
        /// EXPECTED INITIAL LOGICAL BLOCK REFERENCE TAG.
        exp_ref_tag: u32 [20],
        /// EXPECTED LOGICAL BLOCK APPLICATION TAG.
        exp_app_tag: u16 [24],
        /// LOGICAL BLOCK APPLICATION TAG MASK.
        app_tag_mask: u16 [26],
        /// TRANSFER LENGTH in blocks; 0 transfers nothing.
        transfer_length: u32 [28],
    }
}

command! {
    /// Source: SBC-4 5.
    WriteScattered32 = "WRITE SCATTERED(32)", VARIABLE_LENGTH / 0x0011, 32 {
        /// GROUP NUMBER.
        group: Bits<6> [6],
        /// WRPROTECT: transfer and checking of protection information.
        wrprotect: Bits<3> [10, 5],
        /// DPO: lowest retention priority in the cache.
        dpo: bool [10, 4],
        /// FUA: these blocks are non-volatile before status.
        fua: bool [10, 3],
        /// LOGICAL BLOCK DATA OFFSET: where data starts in the buffer, in logical blocks.
        lb_data_offset: u16 [12],
        /// NUMBER OF LBA RANGE DESCRIPTORS.
        num_lba_ranges: u16 [16],
        /// BUFFER TRANSFER LENGTH in logical blocks.
        buffer_transfer_length: u32 [28],
    }
}

command! {
    /// Source: SBC-4 5.
    GetLbaStatus32 = "GET LBA STATUS(32)", VARIABLE_LENGTH / 0x0012, 32 {
        /// REPORT TYPE.
        report_type: u8 [10],
        /// STARTING LOGICAL BLOCK ADDRESS.
        starting_lba: u64 [12],
        /// SCAN LENGTH in logical blocks.
        scan_length: u32 [20],
        /// ELEMENT IDENTIFIER.
        element_id: u32 [24],
        /// ALLOCATION LENGTH in bytes.
        allocation_length: u32 [28],
    }
}
