//! Operation codes.

use crate::macros::open_code;

open_code! {
    /// An operation code: byte 0 of a CDB. Source: SPC-5 4.2.5 and the T10 operation code list.
    ///
    /// The constants cover the commands of [`table`](crate::table). Codes that carry a service
    /// action have the name of the group here and the name of the command in the table.
    #[derive(Default)]
    pub struct Opcode(u8) {
        TEST_UNIT_READY = 0x00, "TEST UNIT READY";
        REZERO_UNIT = 0x01, "REZERO UNIT";
        REQUEST_SENSE = 0x03, "REQUEST SENSE";
        FORMAT_UNIT = 0x04, "FORMAT UNIT";
        REASSIGN_BLOCKS = 0x07, "REASSIGN BLOCKS";
        READ_6 = 0x08, "READ(6)";
        WRITE_6 = 0x0a, "WRITE(6)";
        SEEK_6 = 0x0b, "SEEK(6)";
        INQUIRY = 0x12, "INQUIRY";
        MODE_SELECT_6 = 0x15, "MODE SELECT(6)";
        RESERVE_6 = 0x16, "RESERVE(6)";
        RELEASE_6 = 0x17, "RELEASE(6)";
        MODE_SENSE_6 = 0x1a, "MODE SENSE(6)";
        START_STOP_UNIT = 0x1b, "START STOP UNIT";
        RECEIVE_DIAGNOSTIC_RESULTS = 0x1c, "RECEIVE DIAGNOSTIC RESULTS";
        SEND_DIAGNOSTIC = 0x1d, "SEND DIAGNOSTIC";
        PREVENT_ALLOW_MEDIUM_REMOVAL = 0x1e, "PREVENT ALLOW MEDIUM REMOVAL";
        READ_CAPACITY_10 = 0x25, "READ CAPACITY(10)";
        READ_10 = 0x28, "READ(10)";
        WRITE_10 = 0x2a, "WRITE(10)";
        SEEK_10 = 0x2b, "SEEK(10)";
        WRITE_AND_VERIFY_10 = 0x2e, "WRITE AND VERIFY(10)";
        VERIFY_10 = 0x2f, "VERIFY(10)";
        PRE_FETCH_10 = 0x34, "PRE-FETCH(10)";
        SYNCHRONIZE_CACHE_10 = 0x35, "SYNCHRONIZE CACHE(10)";
        LOCK_UNLOCK_CACHE_10 = 0x36, "LOCK UNLOCK CACHE(10)";
        READ_DEFECT_DATA_10 = 0x37, "READ DEFECT DATA(10)";
        FORMAT_WITH_PRESET = 0x38, "FORMAT WITH PRESET";
        WRITE_BUFFER_10 = 0x3b, "WRITE BUFFER(10)";
        READ_BUFFER_10 = 0x3c, "READ BUFFER(10)";
        READ_LONG_10 = 0x3e, "READ LONG(10)";
        WRITE_LONG_10 = 0x3f, "WRITE LONG(10)";
        WRITE_SAME_10 = 0x41, "WRITE SAME(10)";
        UNMAP = 0x42, "UNMAP";
        SANITIZE = 0x48, "SANITIZE";
        LOG_SELECT = 0x4c, "LOG SELECT";
        LOG_SENSE = 0x4d, "LOG SENSE";
        XDWRITE_10 = 0x50, "XDWRITE(10)";
        XPWRITE_10 = 0x51, "XPWRITE(10)";
        XDREAD_10 = 0x52, "XDREAD(10)";
        XDWRITEREAD_10 = 0x53, "XDWRITEREAD(10)";
        MODE_SELECT_10 = 0x55, "MODE SELECT(10)";
        RESERVE_10 = 0x56, "RESERVE(10)";
        RELEASE_10 = 0x57, "RELEASE(10)";
        MODE_SENSE_10 = 0x5a, "MODE SENSE(10)";
        PERSISTENT_RESERVE_IN = 0x5e, "PERSISTENT RESERVE IN";
        PERSISTENT_RESERVE_OUT = 0x5f, "PERSISTENT RESERVE OUT";
        VARIABLE_LENGTH = 0x7f, "VARIABLE LENGTH";
        THIRD_PARTY_COPY_OUT = 0x83, "THIRD-PARTY COPY OUT";
        THIRD_PARTY_COPY_IN = 0x84, "THIRD-PARTY COPY IN";
        ATA_PASS_THROUGH_16 = 0x85, "ATA PASS-THROUGH(16)";
        ACCESS_CONTROL_IN = 0x86, "ACCESS CONTROL IN";
        ACCESS_CONTROL_OUT = 0x87, "ACCESS CONTROL OUT";
        READ_16 = 0x88, "READ(16)";
        COMPARE_AND_WRITE = 0x89, "COMPARE AND WRITE";
        WRITE_16 = 0x8a, "WRITE(16)";
        ORWRITE_16 = 0x8b, "ORWRITE(16)";
        READ_ATTRIBUTE = 0x8c, "READ ATTRIBUTE";
        WRITE_ATTRIBUTE = 0x8d, "WRITE ATTRIBUTE";
        WRITE_AND_VERIFY_16 = 0x8e, "WRITE AND VERIFY(16)";
        VERIFY_16 = 0x8f, "VERIFY(16)";
        PRE_FETCH_16 = 0x90, "PRE-FETCH(16)";
        SYNCHRONIZE_CACHE_16 = 0x91, "SYNCHRONIZE CACHE(16)";
        LOCK_UNLOCK_CACHE_16 = 0x92, "LOCK UNLOCK CACHE(16)";
        WRITE_SAME_16 = 0x93, "WRITE SAME(16)";
        ZBC_OUT = 0x94, "ZBC OUT";
        ZBC_IN = 0x95, "ZBC IN";
        WRITE_STREAM_16 = 0x9a, "WRITE STREAM(16)";
        READ_BUFFER_16 = 0x9b, "READ BUFFER(16)";
        WRITE_ATOMIC_16 = 0x9c, "WRITE ATOMIC(16)";
        SERVICE_ACTION_BIDIRECTIONAL = 0x9d, "SERVICE ACTION BIDIRECTIONAL";
        SERVICE_ACTION_IN_16 = 0x9e, "SERVICE ACTION IN(16)";
        SERVICE_ACTION_OUT_16 = 0x9f, "SERVICE ACTION OUT(16)";
        REPORT_LUNS = 0xa0, "REPORT LUNS";
        ATA_PASS_THROUGH_12 = 0xa1, "ATA PASS-THROUGH(12)";
        SECURITY_PROTOCOL_IN = 0xa2, "SECURITY PROTOCOL IN";
        MAINTENANCE_IN = 0xa3, "MAINTENANCE IN";
        MAINTENANCE_OUT = 0xa4, "MAINTENANCE OUT";
        READ_12 = 0xa8, "READ(12)";
        SERVICE_ACTION_OUT_12 = 0xa9, "SERVICE ACTION OUT(12)";
        WRITE_12 = 0xaa, "WRITE(12)";
        SERVICE_ACTION_IN_12 = 0xab, "SERVICE ACTION IN(12)";
        WRITE_AND_VERIFY_12 = 0xae, "WRITE AND VERIFY(12)";
        VERIFY_12 = 0xaf, "VERIFY(12)";
        SECURITY_PROTOCOL_OUT = 0xb5, "SECURITY PROTOCOL OUT";
        READ_DEFECT_DATA_12 = 0xb7, "READ DEFECT DATA(12)";
    }
}

/// Where a CDB keeps its service action.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ServiceActionAt {
    /// The operation code has none.
    Nowhere,
    /// Byte 1 bits 4:0.
    Byte1,
    /// Bytes 8 and 9, big endian (variable length CDB).
    Bytes8And9,
}

impl Opcode {
    /// Whether the code lies in the vendor specific groups 6 and 7 (C0h to FFh).
    #[must_use = "the answer is the only result"]
    pub const fn is_vendor_specific(self) -> bool {
        self.0 >= 0xc0
    }

    /// The CDB length that the group code (bits 7:5) implies, or `None` where it does not.
    ///
    /// Source: SPC-5 4.2.5. Groups 3 (variable length, reserved), 6 and 7 (vendor specific)
    /// have no implied length.
    #[must_use = "the length is the only result"]
    pub const fn group_length(self) -> Option<usize> {
        match self.0 >> 5 {
            0 => Some(6),
            1 | 2 => Some(10),
            4 => Some(16),
            5 => Some(12),
            _ => None,
        }
    }

    pub(crate) const fn service_action_at(self) -> ServiceActionAt {
        match self {
            Self::VARIABLE_LENGTH => ServiceActionAt::Bytes8And9,
            Self::SANITIZE
            | Self::PERSISTENT_RESERVE_IN
            | Self::PERSISTENT_RESERVE_OUT
            | Self::THIRD_PARTY_COPY_OUT
            | Self::THIRD_PARTY_COPY_IN
            | Self::ACCESS_CONTROL_IN
            | Self::ACCESS_CONTROL_OUT
            | Self::READ_ATTRIBUTE
            | Self::ZBC_OUT
            | Self::ZBC_IN
            | Self::SERVICE_ACTION_BIDIRECTIONAL
            | Self::SERVICE_ACTION_IN_16
            | Self::SERVICE_ACTION_OUT_16
            | Self::MAINTENANCE_IN
            | Self::MAINTENANCE_OUT
            | Self::SERVICE_ACTION_OUT_12
            | Self::SERVICE_ACTION_IN_12 => ServiceActionAt::Byte1,
            _ => ServiceActionAt::Nowhere,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_groups() {
        assert_eq!(Opcode(0x28), Opcode::READ_10);
        assert_eq!(Opcode::SYNCHRONIZE_CACHE_10.to_string(), "SYNCHRONIZE CACHE(10)");
        assert_eq!(Opcode(0xc5).name(), None);
        assert!(Opcode(0xc5).is_vendor_specific());
        assert_eq!(Opcode::READ_16.group_length(), Some(16));
        assert_eq!(Opcode::READ_12.group_length(), Some(12));
        assert_eq!(Opcode::VARIABLE_LENGTH.group_length(), None);
        assert_eq!(Opcode::INQUIRY.group_length(), Some(6));
        assert_eq!(Opcode::READ_10.group_length(), Some(10));
        assert_eq!(Opcode::MODE_SENSE_10.group_length(), Some(10));
        assert_eq!(Opcode(0xff).group_length(), None);
    }
}
