//! Commands of block devices (SBC).

use super::field::{Control, Field};
use super::layout::{Format, command, control_at, put, take};
use super::{Bits, Checked, Command, ParseError};
use crate::cdb::Cdb;
use crate::opcode::Opcode;

command! {
    /// Source: SBC-2 5, obsolete since SBC-3. It has no FUA and 21 bits of address.
    Read6 = "READ(6)", READ_6, 6 {
        /// LOGICAL BLOCK ADDRESS.
        lba: Bits<21> [1],
        /// TRANSFER LENGTH in blocks; 0 means 256.
        transfer_length: u8 [4],
    }
}

command! {
    /// Source: SBC-4 5.
    Read10 = "READ(10)", READ_10, 10 {
        /// RDPROTECT: transfer and checking of protection information.
        rdprotect: Bits<3> [1, 5],
        /// DPO: lowest retention priority in the cache.
        dpo: bool [1, 4],
        /// FUA: read from the medium or non-volatile cache.
        fua: bool [1, 3],
        /// RARC: rebuild assist recovery control.
        rarc: bool [1, 2],
        /// LOGICAL BLOCK ADDRESS.
        lba: u32 [2],
        /// GROUP NUMBER.
        group: Bits<6> [6],
        /// TRANSFER LENGTH in blocks; 0 transfers nothing.
        transfer_length: u16 [7],
    }
}

command! {
    /// Source: SBC-4 5.
    Read12 = "READ(12)", READ_12, 12 {
        /// RDPROTECT: transfer and checking of protection information.
        rdprotect: Bits<3> [1, 5],
        /// DPO: lowest retention priority in the cache.
        dpo: bool [1, 4],
        /// FUA: read from the medium or non-volatile cache.
        fua: bool [1, 3],
        /// RARC: rebuild assist recovery control.
        rarc: bool [1, 2],
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
    Read16 = "READ(16)", READ_16, 16 {
        /// RDPROTECT: transfer and checking of protection information.
        rdprotect: Bits<3> [1, 5],
        /// DPO: lowest retention priority in the cache.
        dpo: bool [1, 4],
        /// FUA: read from the medium or non-volatile cache.
        fua: bool [1, 3],
        /// RARC: rebuild assist recovery control.
        rarc: bool [1, 2],
        /// DLD2: command duration limit descriptor, bit 2.
        dld2: bool [1, 0],
        /// LOGICAL BLOCK ADDRESS.
        lba: u64 [2],
        /// TRANSFER LENGTH in blocks; 0 transfers nothing.
        transfer_length: u32 [10],
        /// DLD1: command duration limit descriptor, bit 1.
        dld1: bool [14, 7],
        /// DLD0: command duration limit descriptor, bit 0.
        dld0: bool [14, 6],
        /// GROUP NUMBER.
        group: Bits<6> [14],
    }
}

command! {
    /// Source: SBC-2 5, obsolete since SBC-3. It has no FUA: durable only after a flush.
    Write6 = "WRITE(6)", WRITE_6, 6 {
        /// LOGICAL BLOCK ADDRESS.
        lba: Bits<21> [1],
        /// TRANSFER LENGTH in blocks; 0 means 256.
        transfer_length: u8 [4],
    }
}

command! {
    /// Source: SBC-4 5.
    Write10 = "WRITE(10)", WRITE_10, 10 {
        /// WRPROTECT: transfer and checking of protection information.
        wrprotect: Bits<3> [1, 5],
        /// DPO: lowest retention priority in the cache.
        dpo: bool [1, 4],
        /// FUA: these blocks are non-volatile before status. It is not a barrier for others.
        fua: bool [1, 3],
        /// LOGICAL BLOCK ADDRESS.
        lba: u32 [2],
        /// GROUP NUMBER.
        group: Bits<6> [6],
        /// TRANSFER LENGTH in blocks; 0 transfers nothing.
        transfer_length: u16 [7],
    }
}

command! {
    /// Source: SBC-4 5.
    Write12 = "WRITE(12)", WRITE_12, 12 {
        /// WRPROTECT: transfer and checking of protection information.
        wrprotect: Bits<3> [1, 5],
        /// DPO: lowest retention priority in the cache.
        dpo: bool [1, 4],
        /// FUA: these blocks are non-volatile before status. It is not a barrier for others.
        fua: bool [1, 3],
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
    Write16 = "WRITE(16)", WRITE_16, 16 {
        /// WRPROTECT: transfer and checking of protection information.
        wrprotect: Bits<3> [1, 5],
        /// DPO: lowest retention priority in the cache.
        dpo: bool [1, 4],
        /// FUA: these blocks are non-volatile before status. It is not a barrier for others.
        fua: bool [1, 3],
        /// DLD2: command duration limit descriptor, bit 2.
        dld2: bool [1, 0],
        /// LOGICAL BLOCK ADDRESS.
        lba: u64 [2],
        /// TRANSFER LENGTH in blocks; 0 transfers nothing.
        transfer_length: u32 [10],
        /// DLD1: command duration limit descriptor, bit 1.
        dld1: bool [14, 7],
        /// DLD0: command duration limit descriptor, bit 0.
        dld0: bool [14, 6],
        /// GROUP NUMBER.
        group: Bits<6> [14],
    }
}

command! {
    /// Returns 8 bytes. Source: SBC-4 5.
    ReadCapacity10 = "READ CAPACITY(10)", READ_CAPACITY_10, 10 {}
}

command! {
    /// Source: SBC-4 5.
    ReadCapacity16 = "READ CAPACITY(16)", SERVICE_ACTION_IN_16 / 0x10, 16 {
        /// ALLOCATION LENGTH in bytes.
        allocation_length: u32 [10],
    }
}

command! {
    /// Source: SBC-4 5. The all-zero form flushes the whole unit at any capacity.
    SynchronizeCache10 = "SYNCHRONIZE CACHE(10)", SYNCHRONIZE_CACHE_10, 10 {
        /// IMMED: status after validation only, so that GOOD proves nothing.
        immed: bool [1, 1],
        /// LOGICAL BLOCK ADDRESS.
        lba: u32 [2],
        /// GROUP NUMBER.
        group: Bits<6> [6],
        /// NUMBER OF LOGICAL BLOCKS; 0 means up to the last block.
        number_of_blocks: u16 [7],
    }
}

command! {
    /// Source: SBC-4 5. Not every device has it; prefer the 10-byte form for a full flush.
    SynchronizeCache16 = "SYNCHRONIZE CACHE(16)", SYNCHRONIZE_CACHE_16, 16 {
        /// IMMED: status after validation only, so that GOOD proves nothing.
        immed: bool [1, 1],
        /// LOGICAL BLOCK ADDRESS.
        lba: u64 [2],
        /// NUMBER OF LOGICAL BLOCKS; 0 means up to the last block.
        number_of_blocks: u32 [10],
        /// GROUP NUMBER.
        group: Bits<6> [14],
    }
}

command! {
    /// Source: SBC-4 5.
    Verify10 = "VERIFY(10)", VERIFY_10, 10 {
        /// VRPROTECT: checking of protection information.
        vrprotect: Bits<3> [1, 5],
        /// DPO: lowest retention priority in the cache.
        dpo: bool [1, 4],
        /// BYTCHK: 00b no data, 01b compare with data-out, 11b compare with one block.
        bytchk: Bits<2> [1, 1],
        /// LOGICAL BLOCK ADDRESS.
        lba: u32 [2],
        /// GROUP NUMBER.
        group: Bits<6> [6],
        /// VERIFICATION LENGTH in blocks.
        verification_length: u16 [7],
    }
}

command! {
    /// Source: SBC-4 5.
    Verify16 = "VERIFY(16)", VERIFY_16, 16 {
        /// VRPROTECT: checking of protection information.
        vrprotect: Bits<3> [1, 5],
        /// DPO: lowest retention priority in the cache.
        dpo: bool [1, 4],
        /// BYTCHK: 00b no data, 01b compare with data-out, 11b compare with one block.
        bytchk: Bits<2> [1, 1],
        /// LOGICAL BLOCK ADDRESS.
        lba: u64 [2],
        /// VERIFICATION LENGTH in blocks.
        verification_length: u32 [10],
        /// GROUP NUMBER.
        group: Bits<6> [14],
    }
}

command! {
    /// The ranges travel as data-out. Source: SBC-4 5.
    Unmap = "UNMAP", UNMAP, 10 {
        /// ANCHOR: leave the blocks anchored instead of deallocated.
        anchor: bool [1, 0],
        /// GROUP NUMBER.
        group: Bits<6> [6],
        /// PARAMETER LIST LENGTH in bytes.
        parameter_list_length: u16 [7],
    }
}

command! {
    /// One block of data-out is written to every addressed block. Source: SBC-4 5.
    WriteSame10 = "WRITE SAME(10)", WRITE_SAME_10, 10 {
        /// WRPROTECT: transfer and checking of protection information.
        wrprotect: Bits<3> [1, 5],
        /// ANCHOR: leave the blocks anchored; only with UNMAP.
        anchor: bool [1, 4],
        /// UNMAP: the device may deallocate instead of writing.
        unmap: bool [1, 3],
        /// LOGICAL BLOCK ADDRESS.
        lba: u32 [2],
        /// GROUP NUMBER.
        group: Bits<6> [6],
        /// NUMBER OF LOGICAL BLOCKS; 0 means up to the last block unless WSNZ is set.
        number_of_blocks: u16 [7],
    }
}

command! {
    /// One block of data-out is written to every addressed block. Source: SBC-4 5.
    WriteSame16 = "WRITE SAME(16)", WRITE_SAME_16, 16 {
        /// WRPROTECT: transfer and checking of protection information.
        wrprotect: Bits<3> [1, 5],
        /// ANCHOR: leave the blocks anchored; only with UNMAP.
        anchor: bool [1, 4],
        /// UNMAP: the device may deallocate instead of writing.
        unmap: bool [1, 3],
        /// NDOB: no data-out buffer; the block is all zeros.
        ndob: bool [1, 0],
        /// LOGICAL BLOCK ADDRESS.
        lba: u64 [2],
        /// NUMBER OF LOGICAL BLOCKS; 0 means up to the last block unless WSNZ is set.
        number_of_blocks: u32 [10],
        /// GROUP NUMBER.
        group: Bits<6> [14],
    }
}
