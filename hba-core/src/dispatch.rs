//! CDB dispatch: what a command means for policy. No byte on the wire depends on anything here.

use scsi_proto::table::{ImpliedTransfer, implied_transfer};
use scsi_proto::{Cdb, Direction, Opcode};

use crate::command::{BlockSize, LengthMismatch, Transfer};
use crate::time::Timeout;

/// What kind of work a command asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
#[non_exhaustive]
pub enum Class {
    /// Reads the medium or compares with it.
    MediumRead,
    /// Writes the medium.
    MediumWrite,
    /// Makes cached writes durable.
    Flush,
    /// Asks what the device is and how large: INQUIRY, READ CAPACITY, REPORT LUNS, TEST UNIT READY, REQUEST SENSE.
    Identity,
    /// Reads or sets parameters: mode pages, log pages.
    Mode,
    /// Reservations.
    Reservation,
    /// Power conditions, diagnostics, firmware, supported operations.
    Management,
    /// Runs over the whole medium: FORMAT UNIT, SANITIZE, REZERO.
    WholeMedium,
    /// Vendor specific or unknown to the table.
    Vendor,
}

impl Class {
    /// Number of classes.
    pub const COUNT: usize = 9;
}

/// What a command does to a volatile write cache once it ends with GOOD.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum CacheEffect {
    /// Nothing.
    None,
    /// May leave data in the cache.
    Dirties,
    /// Leaves its own data durable if FUA was set and the device honours it, else in the cache.
    DirtiesUnlessFua,
    /// Everything in its range is durable afterwards.
    Cleans,
}

/// The dispatch table's row for one command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// What kind of work, hence which time-out.
    pub class: Class,
    /// What it does to a volatile cache.
    pub cache: CacheEffect,
    /// Whether sending it twice is the same as sending it once.
    pub repeatable: bool,
}

const fn row(class: Class, cache: CacheEffect, repeatable: bool) -> Policy {
    Policy { class, cache, repeatable }
}

const READ: Policy = row(Class::MediumRead, CacheEffect::None, true);
const WRITE: Policy = row(Class::MediumWrite, CacheEffect::Dirties, true);
const WRITE_FUA: Policy = row(Class::MediumWrite, CacheEffect::DirtiesUnlessFua, true);
/// Writes whose result depends on what was there: a second one differs from the first.
const MODIFY: Policy = row(Class::MediumWrite, CacheEffect::DirtiesUnlessFua, false);
const FLUSH: Policy = row(Class::Flush, CacheEffect::Cleans, true);
const IDENTITY: Policy = row(Class::Identity, CacheEffect::None, true);
/// Reports a condition and clears it: a second one answers differently.
const SENSE: Policy = row(Class::Identity, CacheEffect::None, false);
const MODE_IN: Policy = row(Class::Mode, CacheEffect::None, true);
const MODE_OUT: Policy = row(Class::Mode, CacheEffect::None, false);
const RESERVE: Policy = row(Class::Reservation, CacheEffect::None, false);
const MANAGE_IN: Policy = row(Class::Management, CacheEffect::None, true);
const MANAGE_OUT: Policy = row(Class::Management, CacheEffect::None, false);
/// Stopping a disk writes its cache back unless NO_FLUSH says otherwise, and tells nobody whether it could.
const WHOLE: Policy = row(Class::WholeMedium, CacheEffect::Dirties, false);
const COPY: Policy = row(Class::MediumWrite, CacheEffect::Dirties, false);
const VENDOR: Policy = row(Class::Vendor, CacheEffect::Dirties, false);

/// One row for each operation code. Where a code carries service actions of different kinds, `policy` looks closer.
const TABLE: [Policy; 256] = {
    let mut table = [VENDOR; 256];
    let rows: &[(Opcode, Policy)] = &[
        (Opcode::TEST_UNIT_READY, SENSE),
        (Opcode::REZERO_UNIT, WHOLE),
        (Opcode::REQUEST_SENSE, SENSE),
        (Opcode::FORMAT_UNIT, WHOLE),
        (Opcode::REASSIGN_BLOCKS, WHOLE),
        (Opcode::READ_6, READ),
        (Opcode::WRITE_6, WRITE),
        (Opcode::SEEK_6, READ),
        (Opcode::INQUIRY, IDENTITY),
        (Opcode::MODE_SELECT_6, MODE_OUT),
        (Opcode::RESERVE_6, RESERVE),
        (Opcode::RELEASE_6, RESERVE),
        (Opcode::MODE_SENSE_6, MODE_IN),
        (Opcode::START_STOP_UNIT, MANAGE_OUT),
        (Opcode::RECEIVE_DIAGNOSTIC_RESULTS, MANAGE_IN),
        (Opcode::SEND_DIAGNOSTIC, MANAGE_OUT),
        (Opcode::PREVENT_ALLOW_MEDIUM_REMOVAL, MANAGE_OUT),
        (Opcode::READ_CAPACITY_10, IDENTITY),
        (Opcode::READ_10, READ),
        (Opcode::WRITE_10, WRITE_FUA),
        (Opcode::SEEK_10, READ),
        (Opcode::WRITE_AND_VERIFY_10, WRITE),
        (Opcode::VERIFY_10, READ),
        (Opcode::PRE_FETCH_10, READ),
        (Opcode::SYNCHRONIZE_CACHE_10, FLUSH),
        (Opcode::LOCK_UNLOCK_CACHE_10, MANAGE_OUT),
        (Opcode::READ_DEFECT_DATA_10, MANAGE_IN),
        (Opcode::FORMAT_WITH_PRESET, WHOLE),
        (Opcode::WRITE_BUFFER_10, MANAGE_OUT),
        (Opcode::READ_BUFFER_10, MANAGE_IN),
        (Opcode::READ_LONG_10, READ),
        (Opcode::WRITE_LONG_10, WRITE),
        (Opcode::WRITE_SAME_10, WRITE),
        (Opcode::UNMAP, WRITE),
        (Opcode::SANITIZE, WHOLE),
        (Opcode::LOG_SELECT, MODE_OUT),
        (Opcode::LOG_SENSE, MODE_IN),
        (Opcode::XDWRITE_10, MODIFY),
        (Opcode::XPWRITE_10, MODIFY),
        (Opcode::XDREAD_10, READ),
        (Opcode::XDWRITEREAD_10, MODIFY),
        (Opcode::MODE_SELECT_10, MODE_OUT),
        (Opcode::RESERVE_10, RESERVE),
        (Opcode::RELEASE_10, RESERVE),
        (Opcode::MODE_SENSE_10, MODE_IN),
        (Opcode::PERSISTENT_RESERVE_IN, row(Class::Reservation, CacheEffect::None, true)),
        (Opcode::PERSISTENT_RESERVE_OUT, RESERVE),
        (Opcode::THIRD_PARTY_COPY_OUT, COPY),
        (Opcode::THIRD_PARTY_COPY_IN, MANAGE_IN),
        (Opcode::ACCESS_CONTROL_IN, MANAGE_IN),
        (Opcode::ACCESS_CONTROL_OUT, MANAGE_OUT),
        (Opcode::READ_16, READ),
        (Opcode::COMPARE_AND_WRITE, MODIFY),
        (Opcode::WRITE_16, WRITE_FUA),
        (Opcode::ORWRITE_16, MODIFY),
        (Opcode::READ_ATTRIBUTE, MODE_IN),
        (Opcode::WRITE_ATTRIBUTE, MODE_OUT),
        (Opcode::WRITE_AND_VERIFY_16, WRITE),
        (Opcode::VERIFY_16, READ),
        (Opcode::PRE_FETCH_16, READ),
        (Opcode::SYNCHRONIZE_CACHE_16, FLUSH),
        (Opcode::LOCK_UNLOCK_CACHE_16, MANAGE_OUT),
        (Opcode::WRITE_SAME_16, WRITE),
        (Opcode::ZBC_OUT, MANAGE_OUT),
        (Opcode::ZBC_IN, MANAGE_IN),
        (Opcode::WRITE_STREAM_16, WRITE_FUA),
        (Opcode::READ_BUFFER_16, MANAGE_IN),
        (Opcode::WRITE_ATOMIC_16, WRITE_FUA),
        (Opcode::SERVICE_ACTION_BIDIRECTIONAL, MANAGE_OUT),
        (Opcode::SERVICE_ACTION_IN_16, IDENTITY),
        (Opcode::SERVICE_ACTION_OUT_16, MANAGE_OUT),
        (Opcode::REPORT_LUNS, IDENTITY),
        (Opcode::SECURITY_PROTOCOL_IN, MANAGE_IN),
        (Opcode::MAINTENANCE_IN, MANAGE_IN),
        (Opcode::MAINTENANCE_OUT, MANAGE_OUT),
        (Opcode::READ_12, READ),
        (Opcode::SERVICE_ACTION_OUT_12, MANAGE_OUT),
        (Opcode::WRITE_12, WRITE_FUA),
        (Opcode::SERVICE_ACTION_IN_12, MANAGE_IN),
        (Opcode::WRITE_AND_VERIFY_12, WRITE),
        (Opcode::VERIFY_12, READ),
        (Opcode::SECURITY_PROTOCOL_OUT, MANAGE_OUT),
        (Opcode::READ_DEFECT_DATA_12, MANAGE_IN),
    ];
    let mut i = 0;
    while i < rows.len() {
        table[rows[i].0.0 as usize] = rows[i].1;
        i += 1;
    }
    table
};

/// Service actions of the variable length CDB (operation code 7Fh). Source: SBC-4 table 24 and T10's list.
const VARIABLE_LENGTH: &[(u16, Policy)] = &[
    (0x0009, READ),
    (0x000a, READ),
    (0x000b, WRITE_FUA),
    (0x000c, WRITE),
    (0x000d, WRITE),
    (0x000e, MODIFY),
    (0x000f, WRITE_FUA),
    (0x0010, WRITE_FUA),
    (0x0011, WRITE_FUA),
    (0x0012, MANAGE_IN),
];

/// The policy for `cdb`.
#[inline]
pub fn policy(cdb: &Cdb) -> Policy {
    let opcode = cdb.opcode();
    match opcode {
        Opcode::VARIABLE_LENGTH => variable_length(cdb),
        // IMMED: status says that the flush began, never that it ended.
        Opcode::SYNCHRONIZE_CACHE_10 | Opcode::SYNCHRONIZE_CACHE_16
            if cdb.padded32()[1] & 0x02 != 0 =>
        {
            Policy { cache: CacheEffect::None, ..FLUSH }
        }
        _ => TABLE[usize::from(opcode.0)],
    }
}

/// The class for `cdb`, which is all that a submit needs.
#[inline]
pub fn class(cdb: &Cdb) -> Class {
    match cdb.opcode() {
        Opcode::VARIABLE_LENGTH => variable_length(cdb).class,
        opcode => CLASSES[usize::from(opcode.0)],
    }
}

/// [`class`] of a CDB of up to 16 bytes: the operation code tells it.
#[inline]
pub(crate) fn short_class(cdb: &Cdb) -> Class {
    CLASSES[usize::from(cdb.opcode().0)]
}

/// The classes of [`TABLE`], one byte each.
static CLASSES: [Class; 256] = {
    let mut classes = [Class::Vendor; 256];
    let mut i = 0;
    while i < classes.len() {
        classes[i] = TABLE[i].class;
        i += 1;
    }
    classes
};

/// Whatever the service action, nothing is known that has 16 bytes or fewer.
#[cold]
fn variable_length(cdb: &Cdb) -> Policy {
    let action = cdb.service_action().filter(|_| cdb.len() > 16);
    let known = VARIABLE_LENGTH.iter().find(|(known, _)| Some(*known) == action);
    known.map_or(VENDOR, |(_, policy)| *policy)
}

/// Time-outs by [`Class`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClassTimeouts([Timeout; Class::COUNT]);

impl ClassTimeouts {
    /// The time-out of `class`.
    #[inline]
    pub const fn of(&self, class: Class) -> Timeout {
        self.0[class as usize]
    }

    /// All of them, in nanoseconds.
    pub(crate) fn nanos(&self) -> [u64; Class::COUNT] {
        self.0.map(Timeout::nanos)
    }

    /// The same with another time-out for `class`; [`Timeout::BY_CLASS`] changes nothing.
    #[must_use]
    pub const fn with(mut self, class: Class, timeout: Timeout) -> Self {
        if timeout.duration().as_millis() != 0 {
            self.0[class as usize] = timeout;
        }
        self
    }
}

impl Default for ClassTimeouts {
    /// 30 s for the medium and for parameters, 60 s for a flush, 10 s for identity and reservations, 2 minutes for
    /// management and vendor commands, 12 hours for what runs over the whole medium.
    fn default() -> Self {
        Self([Timeout::from_secs(30); Class::COUNT])
            .with(Class::Flush, Timeout::from_secs(60))
            .with(Class::Identity, Timeout::from_secs(10))
            .with(Class::Reservation, Timeout::from_secs(10))
            .with(Class::Management, Timeout::from_secs(120))
            .with(Class::Vendor, Timeout::from_secs(120))
            .with(Class::WholeMedium, Timeout::from_secs(12 * 3600))
    }
}

/// Compares `transfer` with what `cdb` implies on a device with blocks of `block_size`.
///
/// `None` where they agree, and where the CDB implies nothing that could be compared: vendor specific and unknown
/// commands. A data-in buffer may be longer than an allocation length, which is an upper bound, but not shorter: the
/// device may send that much.
pub fn length_mismatch(
    cdb: &Cdb,
    transfer: Transfer,
    block_size: BlockSize,
) -> Option<LengthMismatch> {
    let given = if transfer.direction == Direction::None { 0 } else { transfer.length };
    let (implied, agrees) = match implied_transfer(cdb, block_size.0) {
        ImpliedTransfer::None => (0, given == 0),
        ImpliedTransfer::Exactly(bytes) => (bytes, u64::from(given) == bytes),
        ImpliedTransfer::AtMost(bytes) => (bytes, u64::from(given) >= bytes),
        _ => return None,
    };
    (!agrees).then_some(LengthMismatch { implied, given })
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    fn read10(blocks: u8) -> Cdb {
        Cdb::from_array([0x28, 0, 0, 0, 0, 0, 0, 0, blocks, 0])
    }

    fn variable(action: u16) -> Cdb {
        let mut cdb = [0; 32];
        (cdb[0], cdb[7]) = (0x7f, 0x18);
        cdb[8..10].copy_from_slice(&action.to_be_bytes());
        Cdb::from_array(cdb)
    }

    #[test]
    fn b27_length_mismatch_names_both_numbers() {
        let blocks = BlockSize(512);
        let mismatch = |cdb, transfer| length_mismatch(&cdb, transfer, blocks);
        assert_eq!(mismatch(read10(8), Transfer::from_device(4096)), None);
        let short = mismatch(read10(8), Transfer::from_device(4095)).expect("one byte short");
        assert_eq!(short, LengthMismatch { implied: 4096, given: 4095 });
        assert_eq!(
            short.to_string(),
            "the cdb implies a transfer of 4096 bytes, the request states 4095"
        );
        assert!(mismatch(read10(8), Transfer::from_device(4097)).is_some(), "one byte too long");
        assert!(mismatch(read10(8), Transfer::NONE).is_some());
        assert_eq!(mismatch(read10(0), Transfer::NONE), None);
        let test_unit_ready = Cdb::from_array([0; 6]);
        assert_eq!(mismatch(test_unit_ready, Transfer::NONE), None);
        assert!(mismatch(test_unit_ready, Transfer::from_device(1)).is_some());
    }

    #[test]
    fn b27_allocation_lengths_bound_and_vendor_commands_imply_nothing() {
        let inquiry = Cdb::from_array([0x12, 0, 0, 0, 96, 0]);
        let mismatch =
            |length| length_mismatch(&inquiry, Transfer::from_device(length), BlockSize(512));
        assert_eq!((mismatch(96), mismatch(255)), (None, None));
        assert!(mismatch(95).is_some(), "the device may send 96 bytes");
        for cdb in [Cdb::from_array([0xc0; 10]), Cdb::from_array([0xff; 16])] {
            for transfer in [Transfer::NONE, Transfer::from_device(7), Transfer::to_device(7)] {
                assert_eq!(length_mismatch(&cdb, transfer, BlockSize(512)), None);
            }
        }
    }

    #[test]
    fn policy_rows() {
        let rows = [
            (Cdb::from_array([0x00; 6]), Class::Identity, CacheEffect::None, false),
            (Cdb::from_array([0x12; 6]), Class::Identity, CacheEffect::None, true),
            (Cdb::from_array([0x04; 6]), Class::WholeMedium, CacheEffect::Dirties, false),
            (read10(1), Class::MediumRead, CacheEffect::None, true),
            (Cdb::from_array([0x2a; 10]), Class::MediumWrite, CacheEffect::DirtiesUnlessFua, true),
            (Cdb::from_array([0x0a; 6]), Class::MediumWrite, CacheEffect::Dirties, true),
            (Cdb::from_array([0x89; 16]), Class::MediumWrite, CacheEffect::DirtiesUnlessFua, false),
            (Cdb::from_array([0x5f; 10]), Class::Reservation, CacheEffect::None, false),
            (Cdb::from_array([0xc1; 10]), Class::Vendor, CacheEffect::Dirties, false),
            (Cdb::from_array([0x7f]), Class::Vendor, CacheEffect::Dirties, false),
            (variable(0x0009), Class::MediumRead, CacheEffect::None, true),
            (variable(0x000b), Class::MediumWrite, CacheEffect::DirtiesUnlessFua, true),
            (variable(0x000e), Class::MediumWrite, CacheEffect::DirtiesUnlessFua, false),
            (variable(0x1234), Class::Vendor, CacheEffect::Dirties, false),
        ];
        for (cdb, class, cache, repeatable) in rows {
            assert_eq!(policy(&cdb), Policy { class, cache, repeatable }, "{cdb}");
        }
    }

    #[test]
    fn an_immediate_flush_cleans_nothing() {
        let flush = |opcode, byte1| {
            let policy = policy(&Cdb::from_array([opcode, byte1, 0, 0, 0, 0, 0, 0, 0, 0]));
            (policy.class, policy.cache)
        };
        for opcode in [0x35, 0x91] {
            assert_eq!(flush(opcode, 0), (Class::Flush, CacheEffect::Cleans));
            assert_eq!(flush(opcode, 0x02), (Class::Flush, CacheEffect::None));
        }
    }

    #[test]
    fn unknown_commands_are_taken_for_writes() {
        for opcode in 0..=u8::MAX {
            let policy = policy(&Cdb::from_array([opcode, 0, 0, 0, 0, 0]));
            let unknown = policy.class == Class::Vendor;
            assert!(!unknown || (policy.cache == CacheEffect::Dirties && !policy.repeatable));
            assert!(opcode < 0xc0 || unknown, "{opcode:#04x} is vendor specific");
        }
    }

    #[test]
    fn time_outs_follow_the_class() {
        let timeouts = ClassTimeouts::default().with(Class::Flush, Timeout::from_secs(5));
        assert_eq!(timeouts.of(Class::Flush), Timeout::from_secs(5));
        assert_eq!(timeouts.of(Class::WholeMedium), Timeout::from_secs(12 * 3600));
        assert_eq!(Class::COUNT, Class::Vendor as usize + 1);
    }
}
