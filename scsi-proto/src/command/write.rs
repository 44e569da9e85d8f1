//! Writes that verify, compare or are all or nothing, and pre-fetching (SBC).

use super::field::{Control, Field};
use super::layout::{Format, command, control_at, put, take};
use super::{Bits, Checked, Command, ParseError};
use crate::cdb::Cdb;
use crate::opcode::Opcode;

command! {
    /// Source: SBC-4 5.
    WriteAndVerify10 = "WRITE AND VERIFY(10)", WRITE_AND_VERIFY_10, 10 {
        /// WRPROTECT: transfer and checking of protection information.
        wrprotect: Bits<3> [1, 5],
        /// DPO: lowest retention priority in the cache.
        dpo: bool [1, 4],
        /// BYTCHK: 00b no comparison, 01b compare with data-out, 11b compare with one block.
        bytchk: Bits<2> [1, 1],
        /// LOGICAL BLOCK ADDRESS.
        lba: u32 [2],
        /// GROUP NUMBER.
        group: Bits<6> [6],
        /// TRANSFER LENGTH in blocks; 0 transfers nothing.
        transfer_length: u16 [7],
    }
}

command! {
    /// Ends with CONDITION MET where all blocks fit in the cache. Source: SBC-4 5.
    PreFetch10 = "PRE-FETCH(10)", PRE_FETCH_10, 10 {
        /// IMMED: status before the operation is complete.
        immed: bool [1, 1],
        /// LOGICAL BLOCK ADDRESS.
        lba: u32 [2],
        /// GROUP NUMBER.
        group: Bits<6> [6],
        /// PREFETCH LENGTH in blocks; 0 means up to the last block.
        prefetch_length: u16 [7],
    }
}

command! {
    /// Data-out is twice the length: what to compare with, then what to write. Source: SBC-4 5.
    CompareAndWrite = "COMPARE AND WRITE", COMPARE_AND_WRITE, 16 {
        /// WRPROTECT: transfer and checking of protection information.
        wrprotect: Bits<3> [1, 5],
        /// DPO: lowest retention priority in the cache.
        dpo: bool [1, 4],
        /// FUA: these blocks are non-volatile before status.
        fua: bool [1, 3],
        /// LOGICAL BLOCK ADDRESS.
        lba: u64 [2],
        /// NUMBER OF LOGICAL BLOCKS: as many to compare and as many to write.
        number_of_blocks: u8 [13],
        /// GROUP NUMBER.
        group: Bits<6> [14],
    }
}

command! {
    /// Source: SBC-4 5.
    OrWrite16 = "ORWRITE(16)", ORWRITE_16, 16 {
        /// ORPROTECT: transfer and checking of protection information.
        orprotect: Bits<3> [1, 5],
        /// DPO: lowest retention priority in the cache.
        dpo: bool [1, 4],
        /// FUA: these blocks are non-volatile before status.
        fua: bool [1, 3],
        /// LOGICAL BLOCK ADDRESS.
        lba: u64 [2],
        /// TRANSFER LENGTH in blocks; 0 transfers nothing.
        transfer_length: u32 [10],
        /// GROUP NUMBER.
        group: Bits<6> [14],
    }
}

command! {
    /// Source: SBC-4 5.
    WriteAndVerify16 = "WRITE AND VERIFY(16)", WRITE_AND_VERIFY_16, 16 {
        /// WRPROTECT: transfer and checking of protection information.
        wrprotect: Bits<3> [1, 5],
        /// DPO: lowest retention priority in the cache.
        dpo: bool [1, 4],
        /// BYTCHK: 00b no comparison, 01b compare with data-out, 11b compare with one block.
        bytchk: Bits<2> [1, 1],
        /// LOGICAL BLOCK ADDRESS.
        lba: u64 [2],
        /// TRANSFER LENGTH in blocks; 0 transfers nothing.
        transfer_length: u32 [10],
        /// GROUP NUMBER.
        group: Bits<6> [14],
    }
}

command! {
    /// Ends with CONDITION MET where all blocks fit in the cache. Source: SBC-4 5.
    PreFetch16 = "PRE-FETCH(16)", PRE_FETCH_16, 16 {
        /// IMMED: status before the operation is complete.
        immed: bool [1, 1],
        /// LOGICAL BLOCK ADDRESS.
        lba: u64 [2],
        /// PREFETCH LENGTH in blocks; 0 means up to the last block.
        prefetch_length: u32 [10],
        /// GROUP NUMBER.
        group: Bits<6> [14],
    }
}

command! {
    /// Source: SBC-4 5.
    WriteStream16 = "WRITE STREAM(16)", WRITE_STREAM_16, 16 {
        /// WRPROTECT: transfer and checking of protection information.
        wrprotect: Bits<3> [1, 5],
        /// DPO: lowest retention priority in the cache.
        dpo: bool [1, 4],
        /// FUA: these blocks are non-volatile before status.
        fua: bool [1, 3],
        /// LOGICAL BLOCK ADDRESS.
        lba: u64 [2],
        /// STR_ID: stream identifier.
        str_id: u16 [10],
        /// TRANSFER LENGTH in blocks; 0 transfers nothing.
        transfer_length: u16 [12],
        /// GROUP NUMBER.
        group: Bits<6> [14],
    }
}

command! {
    /// All blocks are written or none. Source: SBC-4 5.
    WriteAtomic16 = "WRITE ATOMIC(16)", WRITE_ATOMIC_16, 16 {
        /// WRPROTECT: transfer and checking of protection information.
        wrprotect: Bits<3> [1, 5],
        /// DPO: lowest retention priority in the cache.
        dpo: bool [1, 4],
        /// FUA: these blocks are non-volatile before status.
        fua: bool [1, 3],
        /// LOGICAL BLOCK ADDRESS.
        lba: u64 [2],
        /// ATOMIC BOUNDARY in logical blocks; 0 makes the whole write atomic.
        atomic_boundary: u16 [10],
        /// TRANSFER LENGTH in blocks; 0 transfers nothing.
        transfer_length: u16 [12],
        /// GROUP NUMBER.
        group: Bits<6> [14],
    }
}

command! {
    /// Source: SBC-4 5.
    WriteScattered16 = "WRITE SCATTERED(16)", SERVICE_ACTION_OUT_16 / 0x12, 16 {
        /// WRPROTECT: transfer and checking of protection information.
        wrprotect: Bits<3> [2, 5],
        /// DPO: lowest retention priority in the cache.
        dpo: bool [2, 4],
        /// FUA: these blocks are non-volatile before status.
        fua: bool [2, 3],
        /// DLD2: command duration limit descriptor, bit 2.
        dld2: bool [2],
        /// LOGICAL BLOCK DATA OFFSET: where data starts in the buffer, in logical blocks.
        lb_data_offset: u16 [4],
        /// NUMBER OF LBA RANGE DESCRIPTORS.
        num_lba_ranges: u16 [8],
        /// BUFFER TRANSFER LENGTH in logical blocks.
        buffer_transfer_length: u32 [10],
        /// DLD1: command duration limit descriptor, bit 1.
        dld1: bool [14, 7],
        /// DLD0: command duration limit descriptor, bit 0.
        dld0: bool [14, 6],
        /// GROUP NUMBER.
        group: Bits<6> [14],
    }
}

command! {
    /// Source: SBC-4 5.
    WriteAndVerify12 = "WRITE AND VERIFY(12)", WRITE_AND_VERIFY_12, 12 {
        /// WRPROTECT: transfer and checking of protection information.
        wrprotect: Bits<3> [1, 5],
        /// DPO: lowest retention priority in the cache.
        dpo: bool [1, 4],
        /// BYTCHK: 00b no comparison, 01b compare with data-out, 11b compare with one block.
        bytchk: Bits<2> [1, 1],
        /// LOGICAL BLOCK ADDRESS.
        lba: u32 [2],
        /// TRANSFER LENGTH in blocks; 0 transfers nothing.
        transfer_length: u32 [6],
        /// GROUP NUMBER.
        group: Bits<6> [10],
    }
}

command! {
    /// Source: SBC-4 5.
    Verify12 = "VERIFY(12)", VERIFY_12, 12 {
        /// VRPROTECT: checking of protection information.
        vrprotect: Bits<3> [1, 5],
        /// DPO: lowest retention priority in the cache.
        dpo: bool [1, 4],
        /// BYTCHK: 00b no comparison, 01b compare with data-out, 11b compare with one block.
        bytchk: Bits<2> [1, 1],
        /// LOGICAL BLOCK ADDRESS.
        lba: u32 [2],
        /// VERIFICATION LENGTH in blocks.
        verification_length: u32 [6],
        /// GROUP NUMBER.
        group: Bits<6> [10],
    }
}
