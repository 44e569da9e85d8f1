//! One enum over all typed commands.

use super::dispatch::{self, Key};
use super::*;
use crate::opcode::ServiceActionAt;

type Parser = fn(&Cdb) -> Result<AnyCommand, ParseError>;

macro_rules! any_command {
    ($($ty:ident)+) => {
        /// Any CDB: typed where the command is known here, else the bytes untouched.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[non_exhaustive]
        pub enum AnyCommand {
            $(
                #[doc = concat!("See [`", stringify!($ty), "`].")]
                $ty(Checked<$ty>),
            )+
            /// An operation code or service action without a type here, vendor codes among them.
            Other(Cdb),
        }

        impl AnyCommand {
            /// Finds which command `cdb` is, and checks that it has the format of that command.
            /// [`Checked::fields`] reads the fields.
            ///
            /// # Errors
            ///
            /// [`ParseError`] for a known command with a wrong length or with reserved bits set.
            pub fn parse(cdb: &Cdb) -> Result<Self, ParseError> {
                BY_OPCODE[usize::from(cdb.opcode().0)](cdb)
            }

            /// The CDB: for a parsed command the very bytes that were parsed.
            #[must_use = "the CDB is the only result"]
            pub fn cdb(&self) -> Cdb {
                match self {
                    $(Self::$ty(checked) => checked.cdb(),)+
                    Self::Other(cdb) => *cdb,
                }
            }

            /// The CDB built anew from the fields: equal to [`cdb`](Self::cdb), as tests show.
            #[doc(hidden)]
            #[must_use = "the CDB is the only result"]
            pub fn rebuilt(&self) -> Cdb {
                match self {
                    $(Self::$ty(checked) => checked.fields().cdb(),)+
                    Self::Other(cdb) => *cdb,
                }
            }

            /// CDB USAGE DATA of every typed command, to answer REPORT SUPPORTED OPERATION CODES.
            pub const USAGE: &'static [Cdb] = &[$($ty::USAGE),+];
        }
        /// The parser of the commands in each slot. Parsers that are functions of their own keep
        /// the cost of one command independent of all others.
        const PARSERS: [Parser; dispatch::SLOTS] = {
            let mut parsers: [Parser; dispatch::SLOTS] = [|cdb| Ok(AnyCommand::Other(*cdb)); _];
            $(
                let mut slots = Key::of::<$ty>().slots();
                while slots.0 < slots.1 {
                    parsers[slots.0] = |cdb| {
                        let format = const { &$ty::FORMAT };
                        format.admit(cdb, |cdb| AnyCommand::$ty(Checked::new(*cdb)))
                    };
                    slots.0 += 1;
                }
            )+
            parsers
        };

        static BY_SLOT: [Parser; dispatch::SLOTS] = PARSERS;

        /// The parser of each operation code, or what looks for the service action first. The
        /// frequent commands take one jump.
        static BY_OPCODE: [Parser; 256] = {
            let mut parsers = [PARSERS[0]; 256];
            let mut opcode = 0;
            while opcode < parsers.len() {
                let code = Opcode(opcode as u8);
                parsers[opcode] = match code.service_action_at() {
                    ServiceActionAt::Nowhere => PARSERS[dispatch::slot(code)],
                    ServiceActionAt::Byte1 => |cdb| BY_SLOT[dispatch::slot_by_byte1(cdb)](cdb),
                    ServiceActionAt::Bytes8And9 => {
                        |cdb| BY_SLOT[dispatch::slot_by_bytes8_and_9(cdb)](cdb)
                    }
                };
                opcode += 1;
            }
            parsers
        };

        $(
            impl From<$ty> for AnyCommand {
                fn from(command: $ty) -> Self {
                    Self::$ty(command.into())
                }
            }
        )+
    };
}

any_command! {
    TestUnitReady RezeroUnit RequestSense FormatUnit ReassignBlocks Read6 Write6 Seek6 Inquiry
    ModeSelect6 Reserve6 Release6 ModeSense6 StartStopUnit ReceiveDiagnosticResults
    SendDiagnostic PreventAllowMediumRemoval ReadCapacity10 Read10 Write10 Seek10
    WriteAndVerify10 Verify10 PreFetch10 SynchronizeCache10 LockUnlockCache10 ReadDefectData10
    FormatWithPreset WriteBuffer10 ReadBuffer10 ReadLong10 WriteLong10 WriteSame10 Unmap
    SanitizeOverwrite SanitizeBlockErase SanitizeCryptographicErase SanitizeExitFailureMode
    LogSelect LogSense XdWrite10 XpWrite10 XdRead10 XdWriteRead10 ModeSelect10 Reserve10
    Release10 ModeSense10 PersistentReserveInReadKeys PersistentReserveInReadReservation
    PersistentReserveInReportCapabilities PersistentReserveInReadFullStatus
    PersistentReserveOutRegister PersistentReserveOutReserve PersistentReserveOutRelease
    PersistentReserveOutClear PersistentReserveOutPreempt PersistentReserveOutPreemptAndAbort
    PersistentReserveOutRegisterAndIgnoreExistingKey PersistentReserveOutRegisterAndMove
    PersistentReserveOutReplaceLostReservation XdRead32 XdWrite32 XpWrite32 XdWriteRead32 Read32
    Verify32 Write32 WriteAndVerify32 WriteSame32 OrWrite32 WriteAtomic32 WriteStream32
    WriteScattered32 GetLbaStatus32 ExtendedCopyLid1 ExtendedCopyLid4 PopulateToken
    WriteUsingToken CopyOperationAbort ReceiveCopyStatusLid1 ReceiveCopyDataLid1
    ReceiveCopyOperatingParameters ReceiveCopyFailureDetailsLid1 ReceiveCopyStatusLid4
    ReceiveCopyDataLid4 ReceiveRodTokenInformation ReportAllRodTokens AtaPassThrough16 Read16
    CompareAndWrite Write16 OrWrite16 ReadAttribute WriteAttribute WriteAndVerify16 Verify16
    PreFetch16 SynchronizeCache16 LockUnlockCache16 WriteSame16 CloseZone FinishZone OpenZone
    ResetWritePointer SequentializeZone ReportZones WriteStream16 ReadBuffer16 WriteAtomic16
    ReadCapacity16 ReadLong16 GetLbaStatus16 ReportReferrals StreamControl BackgroundControl
    GetStreamStatus GetPhysicalElementStatus RemoveElementAndTruncate RestoreElementsAndRebuild
    WriteLong16 WriteScattered16 ReportLuns AtaPassThrough12 SecurityProtocolIn
    ReportIdentifyingInformation ReportTargetPortGroups ReportAliases
    ReportSupportedOperationCodes ReportSupportedTaskManagementFunctions ReportPriority
    ReportTimestamp ManagementProtocolIn ReportProvisioningInitializationPattern
    SetIdentifyingInformation SetTargetPortGroups ChangeAliases RemoveItNexus SetPriority
    SetTimestamp ManagementProtocolOut Read12 Write12 WriteAndVerify12 Verify12
    SecurityProtocolOut ReadDefectData12
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_unknown_and_vendor() {
        let tur = Cdb::from_array([0; 6]);
        assert_eq!(AnyCommand::parse(&tur), Ok(TestUnitReady::default().into()));
        for raw in [[0xc0, 1, 2, 3, 4, 5], [0x02, 0x18, 0, 0, 0, 0], [0x9e, 0x0f, 0, 0, 0, 0]] {
            let cdb = Cdb::from_array(raw);
            assert_eq!(AnyCommand::parse(&cdb), Ok(AnyCommand::Other(cdb)));
        }
    }

    #[test]
    fn damaged_known_command_is_refused() {
        let short = Cdb::from_array([0x28, 0, 0, 0, 0, 0]);
        let expected = ParseError::WrongLength { expected: 10, found: 6 };
        assert_eq!(AnyCommand::parse(&short), Err(expected));
        let fua_nv = Cdb::from_array([0x2a, 0x0a, 0, 0, 0, 1, 0, 0, 1, 0]);
        let expected = ParseError::ReservedBits { byte: 1, bits: 0x02 };
        assert_eq!(AnyCommand::parse(&fua_nv), Err(expected));
        assert_eq!(expected.to_string(), "reserved bits 02h set in cdb byte 1");
    }

    #[test]
    fn another_command_is_refused() {
        let get_lba_status = GetLbaStatus16::default().cdb();
        let refused = |cdb| ReadCapacity16::parse(&cdb).unwrap_err().to_string();
        assert_eq!(refused(Read10::default().cdb()), "operation code is READ(10)");
        assert_eq!(refused(get_lba_status), "service action is 12h");
        assert_eq!(refused(Cdb::from_array([0x9e])), "service action is missing");
        let short = Cdb::from_array([0x9e, 0x10]);
        assert_eq!(refused(short), "cdb has 2 bytes, the command has 16");
    }
}
