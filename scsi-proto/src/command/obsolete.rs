//! Commands of older standards: seeks, cache locks and exclusive-or writes (SCSI-2, SBC).

use super::field::{Control, Field};
use super::layout::{Format, command, control_at, put, take};
use super::{Bits, Checked, Command, ParseError};
use crate::cdb::Cdb;
use crate::opcode::Opcode;

command! {
    /// Source: SCSI-2 9.2, obsolete since SBC.
    RezeroUnit = "REZERO UNIT", REZERO_UNIT, 6 {}
}

command! {
    /// Source: SCSI-2 9.2, obsolete since SBC.
    Seek6 = "SEEK(6)", SEEK_6, 6 {
        /// LOGICAL BLOCK ADDRESS.
        lba: Bits<21> [1],
    }
}

command! {
    /// Source: SCSI-2 9.2, obsolete since SBC.
    Seek10 = "SEEK(10)", SEEK_10, 10 {
        /// LOGICAL BLOCK ADDRESS.
        lba: u32 [2],
    }
}

command! {
    /// Source: SBC 5, obsolete since SBC-2.
    LockUnlockCache10 = "LOCK UNLOCK CACHE(10)", LOCK_UNLOCK_CACHE_10, 10 {
        /// LOCK: keep the blocks in the cache; clear to release them.
        lock: bool [1, 1],
        /// LOGICAL BLOCK ADDRESS.
        lba: u32 [2],
        /// NUMBER OF LOGICAL BLOCKS; 0 means up to the last block.
        number_of_blocks: u16 [7],
    }
}

command! {
    /// Source: SBC-2 5, obsolete since SBC-3/4.
    XdWrite10 = "XDWRITE(10)", XDWRITE_10, 10 {
        /// WRPROTECT: transfer and checking of protection information.
        wrprotect: Bits<3> [1, 5],
        /// DPO: lowest retention priority in the cache.
        dpo: bool [1, 4],
        /// FUA: these blocks are non-volatile before status.
        fua: bool [1, 3],
        /// DISABLE WRITE: calculate only.
        disable_write: bool [1, 2],
        /// LOGICAL BLOCK ADDRESS.
        lba: u32 [2],
        /// GROUP NUMBER.
        group: Bits<6> [6],
        /// TRANSFER LENGTH in blocks; 0 transfers nothing.
        transfer_length: u16 [7],
    }
}

command! {
    /// Source: SBC-3 5, obsolete since SBC-3/4.
    XpWrite10 = "XPWRITE(10)", XPWRITE_10, 10 {
        /// DPO: lowest retention priority in the cache.
        dpo: bool [1, 4],
        /// FUA: these blocks are non-volatile before status.
        fua: bool [1, 3],
        /// XORPINFO: protection information takes part in the exclusive or.
        xorpinfo: bool [1],
        /// LOGICAL BLOCK ADDRESS.
        lba: u32 [2],
        /// GROUP NUMBER.
        group: Bits<6> [6],
        /// TRANSFER LENGTH in blocks; 0 transfers nothing.
        transfer_length: u16 [7],
    }
}

command! {
    /// Source: SBC-2 5, obsolete since SBC-3/4.
    XdRead10 = "XDREAD(10)", XDREAD_10, 10 {
        /// XORPINFO: protection information takes part in the exclusive or.
        xorpinfo: bool [1],
        /// LOGICAL BLOCK ADDRESS.
        lba: u32 [2],
        /// GROUP NUMBER.
        group: Bits<6> [6],
        /// TRANSFER LENGTH in blocks; 0 transfers nothing.
        transfer_length: u16 [7],
    }
}

command! {
    /// Source: SBC-3 5, obsolete since SBC-3/4.
    XdWriteRead10 = "XDWRITEREAD(10)", XDWRITEREAD_10, 10 {
        /// WRPROTECT: transfer and checking of protection information.
        wrprotect: Bits<3> [1, 5],
        /// DPO: lowest retention priority in the cache.
        dpo: bool [1, 4],
        /// FUA: read from the medium or non-volatile cache.
        fua: bool [1, 3],
        /// DISABLE WRITE: calculate only.
        disable_write: bool [1, 2],
        /// XORPINFO: protection information takes part in the exclusive or.
        xorpinfo: bool [1],
        /// LOGICAL BLOCK ADDRESS.
        lba: u32 [2],
        /// GROUP NUMBER.
        group: Bits<6> [6],
        /// TRANSFER LENGTH in blocks; 0 transfers nothing.
        transfer_length: u16 [7],
    }
}

command! {
    /// Source: SBC-2 5, obsolete since SBC-3.
    LockUnlockCache16 = "LOCK UNLOCK CACHE(16)", LOCK_UNLOCK_CACHE_16, 16 {
        /// LOCK: keep the blocks in the cache; clear to release them.
        lock: bool [1, 1],
        /// LOGICAL BLOCK ADDRESS.
        lba: u64 [2],
        /// NUMBER OF LOGICAL BLOCKS; 0 means up to the last block.
        number_of_blocks: u32 [10],
    }
}
