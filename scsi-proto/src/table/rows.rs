//! The rows of the table: one line for each command.
//!
//! Compared with the recorded facts in `data/cdb-table.csv` by a test.

use super::rule::{Bits, TransferRule};
use super::{CommandInfo, DataDirection, FieldAt, LengthUnit};
use crate::opcode::Opcode;

/// A row is `opcode [/ service action], length, "NAME", direction, [lba at] [length at] => rule;`
/// with a position as first byte + number of bytes, and a length of 0 where none is recorded.
macro_rules! rows {
    ($(
        $opcode:literal $(/ $action:literal)?, $len:literal, $name:literal, $direction:ident,
        $(lba $lba_at:literal + $lba_len:literal)?
        $(bytes $bytes_at:literal + $bytes_len:literal)?
        $(blocks $blocks_at:literal + $blocks_len:literal)?
        $(blocks256 $blocks256_at:literal + $blocks256_len:literal)?
        $(blocks_to_end $to_end_at:literal + $to_end_len:literal)?
        => $rule:ident $(($($arg:expr),+))? $({ bytchk_at: $bytchk_at:literal })?;
    )+) => {
        /// All rows, ascending by operation code and service action.
        pub(super) static ROWS: &[CommandInfo] = &[$(
            CommandInfo {
                opcode: Opcode($opcode),
                service_action: [$(Some($action),)? None][0],
                name: $name,
                cdb_len: $len,
                direction: DataDirection::$direction,
                lba_at: [$(Some(FieldAt::new($lba_at, $lba_len)),)? None][0],
                length_at: [
                    $(Some((LengthUnit::Bytes, FieldAt::new($bytes_at, $bytes_len))),)?
                    $(Some((LengthUnit::Blocks, FieldAt::new($blocks_at, $blocks_len))),)?
                    $(Some((
                        LengthUnit::BlocksZeroIs256,
                        FieldAt::new($blocks256_at, $blocks256_len),
                    )),)?
                    $(Some((
                        LengthUnit::BlocksZeroIsToEnd,
                        FieldAt::new($to_end_at, $to_end_len),
                    )),)?
                    None,
                ][0],
                rule: TransferRule::$rule $(($($arg),+))? $({ bytchk_at: $bytchk_at })?,
            },
        )+];
    };
}

rows! {
    0x00, 6, "TEST UNIT READY", None, => None;
    0x01, 6, "REZERO UNIT", None, => None;
    0x03, 6, "REQUEST SENSE", In, bytes 4+1 => AllocationLength;
    0x04, 6, "FORMAT UNIT", OutOrNone, => UnknownIf(Bits(1, 0x10));
    0x07, 6, "REASSIGN BLOCKS", Out, => Unknown;
    0x08, 6, "READ(6)", In, lba 1+3 blocks256 4+1 => Blocks(Bits::NONE);
    0x0a, 6, "WRITE(6)", Out, lba 1+3 blocks256 4+1 => Blocks(Bits::NONE);
    0x0b, 6, "SEEK(6)", None, lba 1+3 => None;
    0x12, 6, "INQUIRY", In, bytes 3+2 => AllocationLength;
    0x15, 6, "MODE SELECT(6)", Out, bytes 4+1 => Bytes;
    0x16, 6, "RESERVE(6)", None, => None;
    0x17, 6, "RELEASE(6)", None, => None;
    0x1a, 6, "MODE SENSE(6)", In, bytes 4+1 => AllocationLength;
    0x1b, 6, "START STOP UNIT", None, => None;
    0x1c, 6, "RECEIVE DIAGNOSTIC RESULTS", In, bytes 3+2 => AllocationLength;
    0x1d, 6, "SEND DIAGNOSTIC", OutOrNone, bytes 3+2 => Bytes;
    0x1e, 6, "PREVENT ALLOW MEDIUM REMOVAL", None, => None;
    0x25, 10, "READ CAPACITY(10)", In, lba 2+4 => Fixed(8);
    0x28, 10, "READ(10)", In, lba 2+4 blocks 7+2 => Blocks(Bits(1, 0xe0));
    0x2a, 10, "WRITE(10)", Out, lba 2+4 blocks 7+2 => Blocks(Bits(1, 0xe0));
    0x2b, 10, "SEEK(10)", None, lba 2+4 => None;
    0x2e, 10, "WRITE AND VERIFY(10)", Out, lba 2+4 blocks 7+2 => Blocks(Bits(1, 0xe0));
    0x2f, 10, "VERIFY(10)", OutOrNone, lba 2+4 blocks 7+2 => Verify { bytchk_at: 1 };
    0x34, 10, "PRE-FETCH(10)", None, lba 2+4 blocks_to_end 7+2 => None;
    0x35, 10, "SYNCHRONIZE CACHE(10)", None, lba 2+4 blocks_to_end 7+2 => None;
    0x36, 10, "LOCK UNLOCK CACHE(10)", None, lba 2+4 blocks 7+2 => None;
    0x37, 10, "READ DEFECT DATA(10)", In, bytes 7+2 => AllocationLength;
    0x38, 10, "FORMAT WITH PRESET", None, => None;
    0x3b, 10, "WRITE BUFFER(10)", OutOrNone, bytes 6+3 => Bytes;
    0x3c, 10, "READ BUFFER(10)", In, bytes 6+3 => AllocationLength;
    0x3e, 10, "READ LONG(10)", In, lba 2+4 bytes 7+2 => Bytes;
    0x3f, 10, "WRITE LONG(10)", OutOrNone, lba 2+4 bytes 7+2 => BytesUnless(Bits(1, 0x40));
    0x41, 10, "WRITE SAME(10)", Out, lba 2+4 blocks_to_end 7+2 => OneBlockUnless(Bits::NONE, Bits(1, 0xe0));
    0x42, 10, "UNMAP", Out, bytes 7+2 => Bytes;
    0x48 / 0x01, 10, "SANITIZE: OVERWRITE", Out, bytes 7+2 => Bytes;
    0x48 / 0x02, 10, "SANITIZE: BLOCK ERASE", None, bytes 7+2 => None;
    0x48 / 0x03, 10, "SANITIZE: CRYPTOGRAPHIC ERASE", None, bytes 7+2 => None;
    0x48 / 0x1f, 10, "SANITIZE: EXIT FAILURE MODE", None, bytes 7+2 => None;
    0x4c, 10, "LOG SELECT", OutOrNone, bytes 7+2 => Bytes;
    0x4d, 10, "LOG SENSE", In, bytes 7+2 => AllocationLength;
    0x50, 10, "XDWRITE(10)", Out, lba 2+4 blocks 7+2 => Blocks(Bits(1, 0xe0));
    0x51, 10, "XPWRITE(10)", Out, lba 2+4 blocks 7+2 => Blocks(Bits(1, 0x01));
    0x52, 10, "XDREAD(10)", In, lba 2+4 blocks 7+2 => Blocks(Bits(1, 0x01));
    0x53, 10, "XDWRITEREAD(10)", Bidirectional, lba 2+4 blocks 7+2 => Blocks(Bits(1, 0xe1));
    0x55, 10, "MODE SELECT(10)", Out, bytes 7+2 => Bytes;
    0x56, 10, "RESERVE(10)", OutOrNone, bytes 7+2 => Bytes;
    0x57, 10, "RELEASE(10)", OutOrNone, bytes 7+2 => Bytes;
    0x5a, 10, "MODE SENSE(10)", In, bytes 7+2 => AllocationLength;
    0x5e / 0x00, 10, "PERSISTENT RESERVE IN: READ KEYS", In, bytes 7+2 => AllocationLength;
    0x5e / 0x01, 10, "PERSISTENT RESERVE IN: READ RESERVATION", In, bytes 7+2 => AllocationLength;
    0x5e / 0x02, 10, "PERSISTENT RESERVE IN: REPORT CAPABILITIES", In, bytes 7+2 => AllocationLength;
    0x5e / 0x03, 10, "PERSISTENT RESERVE IN: READ FULL STATUS", In, bytes 7+2 => AllocationLength;
    0x5f / 0x00, 10, "PERSISTENT RESERVE OUT: REGISTER", Out, bytes 5+4 => Bytes;
    0x5f / 0x01, 10, "PERSISTENT RESERVE OUT: RESERVE", Out, bytes 5+4 => Bytes;
    0x5f / 0x02, 10, "PERSISTENT RESERVE OUT: RELEASE", Out, bytes 5+4 => Bytes;
    0x5f / 0x03, 10, "PERSISTENT RESERVE OUT: CLEAR", Out, bytes 5+4 => Bytes;
    0x5f / 0x04, 10, "PERSISTENT RESERVE OUT: PREEMPT", Out, bytes 5+4 => Bytes;
    0x5f / 0x05, 10, "PERSISTENT RESERVE OUT: PREEMPT AND ABORT", Out, bytes 5+4 => Bytes;
    0x5f / 0x06, 10, "PERSISTENT RESERVE OUT: REGISTER AND IGNORE EXISTING KEY", Out, bytes 5+4 => Bytes;
    0x5f / 0x07, 10, "PERSISTENT RESERVE OUT: REGISTER AND MOVE", Out, bytes 5+4 => Bytes;
    0x5f / 0x08, 10, "PERSISTENT RESERVE OUT: REPLACE LOST RESERVATION", Out, bytes 5+4 => Bytes;
    0x7f / 0x0003, 32, "XDREAD(32)", In, lba 12+8 blocks 28+4 => Blocks(Bits(10, 0xe1));
    0x7f / 0x0004, 32, "XDWRITE(32)", Out, lba 12+8 blocks 28+4 => Blocks(Bits(10, 0xe1));
    0x7f / 0x0006, 32, "XPWRITE(32)", Out, lba 12+8 blocks 28+4 => Blocks(Bits(10, 0xe1));
    0x7f / 0x0007, 32, "XDWRITEREAD(32)", Bidirectional, lba 12+8 blocks 28+4 => Blocks(Bits(10, 0xe1));
    0x7f / 0x0009, 32, "READ(32)", In, lba 12+8 blocks 28+4 => Blocks(Bits(10, 0xe0));
    0x7f / 0x000a, 32, "VERIFY(32)", OutOrNone, lba 12+8 blocks 28+4 => Verify { bytchk_at: 10 };
    0x7f / 0x000b, 32, "WRITE(32)", Out, lba 12+8 blocks 28+4 => Blocks(Bits(10, 0xe0));
    0x7f / 0x000c, 32, "WRITE AND VERIFY(32)", Out, lba 12+8 blocks 28+4 => Blocks(Bits(10, 0xe0));
    0x7f / 0x000d, 32, "WRITE SAME(32)", OutOrNone, lba 12+8 blocks 28+4 => OneBlockUnless(Bits(10, 0x01), Bits(10, 0xe0));
    0x7f / 0x000e, 32, "ORWRITE(32)", Out, lba 12+8 blocks 28+4 => Blocks(Bits(10, 0xe0));
    0x7f / 0x000f, 32, "WRITE ATOMIC(32)", Out, lba 12+8 blocks 28+4 => Blocks(Bits(10, 0xe0));
    0x7f / 0x0010, 32, "WRITE STREAM(32)", Out, lba 12+8 blocks 28+4 => Blocks(Bits(10, 0xe0));
    0x7f / 0x0011, 32, "WRITE SCATTERED(32)", Out, blocks 28+4 => Blocks(Bits(10, 0xe0));
    0x7f / 0x0012, 32, "GET LBA STATUS(32)", In, lba 12+8 bytes 28+4 => AllocationLength;
    0x7f / 0x1800, 0, "RECEIVE CREDENTIAL", In, => Unknown;
    0x7f / 0x1ff0, 32, "ATA PASS-THROUGH(32)", Any, => Unknown;
    0x83 / 0x00, 16, "EXTENDED COPY(LID1)", Out, bytes 10+4 => Bytes;
    0x83 / 0x01, 16, "EXTENDED COPY(LID4)", Out, bytes 10+4 => Bytes;
    0x83 / 0x10, 16, "POPULATE TOKEN", Out, bytes 10+4 => Bytes;
    0x83 / 0x11, 16, "WRITE USING TOKEN", Out, bytes 10+4 => Bytes;
    0x83 / 0x1c, 16, "COPY OPERATION ABORT", None, => None;
    0x84 / 0x00, 16, "RECEIVE COPY STATUS(LID1)", In, bytes 10+4 => AllocationLength;
    0x84 / 0x01, 16, "RECEIVE COPY DATA(LID1)", In, bytes 10+4 => AllocationLength;
    0x84 / 0x03, 16, "RECEIVE COPY OPERATING PARAMETERS", In, bytes 10+4 => AllocationLength;
    0x84 / 0x04, 16, "RECEIVE COPY FAILURE DETAILS(LID1)", In, bytes 10+4 => AllocationLength;
    0x84 / 0x05, 16, "RECEIVE COPY STATUS(LID4)", In, bytes 10+4 => AllocationLength;
    0x84 / 0x06, 16, "RECEIVE COPY DATA(LID4)", In, bytes 10+4 => AllocationLength;
    0x84 / 0x07, 16, "RECEIVE ROD TOKEN INFORMATION", In, bytes 10+4 => AllocationLength;
    0x84 / 0x08, 16, "REPORT ALL ROD TOKENS", In, bytes 10+4 => AllocationLength;
    0x85, 16, "ATA PASS-THROUGH(16)", Any, => UnknownIf(Bits(2, 0x03));
    0x86, 16, "ACCESS CONTROL IN", In, => Unknown;
    0x87, 16, "ACCESS CONTROL OUT", Out, => Unknown;
    0x88, 16, "READ(16)", In, lba 2+8 blocks 10+4 => Blocks(Bits(1, 0xe0));
    0x89, 16, "COMPARE AND WRITE", Out, lba 2+8 blocks 13+1 => BlocksTwice(Bits(1, 0xe0));
    0x8a, 16, "WRITE(16)", Out, lba 2+8 blocks 10+4 => Blocks(Bits(1, 0xe0));
    0x8b, 16, "ORWRITE(16)", Out, lba 2+8 blocks 10+4 => Blocks(Bits(1, 0xe0));
    0x8c, 16, "READ ATTRIBUTE", In, bytes 10+4 => AllocationLength;
    0x8d, 16, "WRITE ATTRIBUTE", Out, bytes 10+4 => Bytes;
    0x8e, 16, "WRITE AND VERIFY(16)", Out, lba 2+8 blocks 10+4 => Blocks(Bits(1, 0xe0));
    0x8f, 16, "VERIFY(16)", OutOrNone, lba 2+8 blocks 10+4 => Verify { bytchk_at: 1 };
    0x90, 16, "PRE-FETCH(16)", None, lba 2+8 blocks_to_end 10+4 => None;
    0x91, 16, "SYNCHRONIZE CACHE(16)", None, lba 2+8 blocks_to_end 10+4 => None;
    0x92, 16, "LOCK UNLOCK CACHE(16)", None, lba 2+8 blocks 10+4 => None;
    0x93, 16, "WRITE SAME(16)", OutOrNone, lba 2+8 blocks_to_end 10+4 => OneBlockUnless(Bits(1, 0x01), Bits(1, 0xe0));
    0x94 / 0x01, 16, "CLOSE ZONE", None, lba 2+8 => None;
    0x94 / 0x02, 16, "FINISH ZONE", None, lba 2+8 => None;
    0x94 / 0x03, 16, "OPEN ZONE", None, lba 2+8 => None;
    0x94 / 0x04, 16, "RESET WRITE POINTER", None, lba 2+8 => None;
    0x94 / 0x10, 16, "SEQUENTIALIZE ZONE", None, lba 2+8 => None;
    0x95 / 0x00, 16, "REPORT ZONES", In, lba 2+8 bytes 10+4 => AllocationLength;
    0x95 / 0x06, 16, "REPORT REALMS", In, => Unknown;
    0x9a, 16, "WRITE STREAM(16)", Out, lba 2+8 blocks 12+2 => Blocks(Bits(1, 0xe0));
    0x9b, 16, "READ BUFFER(16)", In, bytes 10+4 => AllocationLength;
    0x9c, 16, "WRITE ATOMIC(16)", Out, lba 2+8 blocks 12+2 => Blocks(Bits(1, 0xe0));
    0x9e / 0x0f, 16, "RECEIVE BINDING REPORT", In, => Unknown;
    0x9e / 0x10, 16, "READ CAPACITY(16)", In, lba 2+8 bytes 10+4 => AllocationLength;
    0x9e / 0x11, 16, "READ LONG(16)", In, lba 2+8 bytes 12+2 => Bytes;
    0x9e / 0x12, 16, "GET LBA STATUS(16)", In, lba 2+8 bytes 10+4 => AllocationLength;
    0x9e / 0x13, 16, "REPORT REFERRALS", In, lba 2+8 bytes 10+4 => AllocationLength;
    0x9e / 0x14, 16, "STREAM CONTROL", In, bytes 10+4 => AllocationLength;
    0x9e / 0x15, 16, "BACKGROUND CONTROL", None, => None;
    0x9e / 0x16, 16, "GET STREAM STATUS", In, bytes 10+4 => AllocationLength;
    0x9e / 0x17, 16, "GET PHYSICAL ELEMENT STATUS", In, bytes 10+4 => AllocationLength;
    0x9e / 0x18, 16, "REMOVE ELEMENT AND TRUNCATE", None, => None;
    0x9e / 0x19, 16, "RESTORE ELEMENTS AND REBUILD", None, => None;
    0x9e / 0x1a, 16, "REMOVE ELEMENT AND MODIFY ZONES", None, => Unknown;
    0x9f / 0x0b, 16, "TEST BIND", Out, => Unknown;
    0x9f / 0x0c, 16, "PREPARE BIND REPORT", Out, => Unknown;
    0x9f / 0x0d, 16, "SET AFFILIATION", Out, => Unknown;
    0x9f / 0x0e, 16, "BIND", Out, => Unknown;
    0x9f / 0x0f, 16, "UNBIND", Out, => Unknown;
    0x9f / 0x11, 16, "WRITE LONG(16)", OutOrNone, lba 2+8 bytes 12+2 => BytesUnless(Bits(1, 0x40));
    0x9f / 0x12, 16, "WRITE SCATTERED(16)", Out, blocks 10+4 => Blocks(Bits(2, 0xe0));
    0xa0, 12, "REPORT LUNS", In, bytes 6+4 => AllocationLength;
    0xa1, 12, "ATA PASS-THROUGH(12)", Any, => UnknownIf(Bits(2, 0x03));
    0xa2, 12, "SECURITY PROTOCOL IN", In, bytes 6+4 => AllocationLength512(Bits(4, 0x80));
    0xa3 / 0x05, 12, "REPORT IDENTIFYING INFORMATION", In, bytes 6+4 => AllocationLength;
    0xa3 / 0x0a, 12, "REPORT TARGET PORT GROUPS", In, bytes 6+4 => AllocationLength;
    0xa3 / 0x0b, 12, "REPORT ALIASES", In, bytes 6+4 => AllocationLength;
    0xa3 / 0x0c, 12, "REPORT SUPPORTED OPERATION CODES", In, bytes 6+4 => AllocationLength;
    0xa3 / 0x0d, 12, "REPORT SUPPORTED TASK MANAGEMENT FUNCTIONS", In, bytes 6+4 => AllocationLength;
    0xa3 / 0x0e, 12, "REPORT PRIORITY", In, bytes 6+4 => AllocationLength;
    0xa3 / 0x0f, 12, "REPORT TIMESTAMP", In, bytes 6+4 => AllocationLength;
    0xa3 / 0x10, 12, "MANAGEMENT PROTOCOL IN", In, bytes 6+4 => AllocationLength;
    0xa3 / 0x1d, 12, "REPORT PROVISIONING INITIALIZATION PATTERN", In, bytes 6+4 => AllocationLength;
    0xa4 / 0x06, 12, "SET IDENTIFYING INFORMATION", Out, bytes 6+4 => Bytes;
    0xa4 / 0x0a, 12, "SET TARGET PORT GROUPS", Out, bytes 6+4 => Bytes;
    0xa4 / 0x0b, 12, "CHANGE ALIASES", Out, bytes 6+4 => Bytes;
    0xa4 / 0x0c, 12, "REMOVE I_T NEXUS", Out, bytes 6+4 => Bytes;
    0xa4 / 0x0e, 12, "SET PRIORITY", Out, bytes 6+4 => Bytes;
    0xa4 / 0x0f, 12, "SET TIMESTAMP", Out, bytes 6+4 => Bytes;
    0xa4 / 0x10, 12, "MANAGEMENT PROTOCOL OUT", Out, bytes 6+4 => Bytes;
    0xa8, 12, "READ(12)", In, lba 2+4 blocks 6+4 => Blocks(Bits(1, 0xe0));
    0xaa, 12, "WRITE(12)", Out, lba 2+4 blocks 6+4 => Blocks(Bits(1, 0xe0));
    0xae, 12, "WRITE AND VERIFY(12)", Out, lba 2+4 blocks 6+4 => Blocks(Bits(1, 0xe0));
    0xaf, 12, "VERIFY(12)", OutOrNone, lba 2+4 blocks 6+4 => Verify { bytchk_at: 1 };
    0xb5, 12, "SECURITY PROTOCOL OUT", Out, bytes 6+4 => Bytes512(Bits(4, 0x80));
    0xb7, 12, "READ DEFECT DATA(12)", In, bytes 6+4 => AllocationLength;
}
