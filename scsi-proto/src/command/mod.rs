//! Typed commands: one structure per CDB, built and parsed from one table row each.
//!
//! A value of a command type always encodes to a well-formed CDB: every field has a type that fits
//! its width. [`Command::parse`] is strict in return: it accepts exactly the CDBs that
//! [`Command::cdb`] can produce, so that building what was parsed gives back the same bytes.
//! Bits that the standard reserves or has made obsolete (FUA_NV, SYNC_NV, PMI, LBDATA, PBDATA,
//! CMDDT) have no field and are refused when set.
//!
//! Code that only needs to know what a CDB does, and must not refuse any, uses
//! [`table`](crate::table) instead.

mod any;
mod ata;
mod block;
mod build;
mod checked;
mod copy;
mod diagnostic;
mod dispatch;
mod element;
pub(crate) mod field;
mod format;
pub(crate) mod layout;
mod maintenance;
mod obsolete;
mod primary;
mod reservation;
mod security;
mod variable;
mod write;
mod zone;

use core::fmt;

use crate::cdb::Cdb;
use crate::opcode::Opcode;

pub use any::AnyCommand;
pub use ata::{AtaLba24, AtaLba48, AtaPassThrough12, AtaPassThrough16};
pub use block::{
    Read6, Read10, Read12, Read16, ReadCapacity10, ReadCapacity16, SynchronizeCache10,
    SynchronizeCache16, Unmap, Verify10, Verify16, Write6, Write10, Write12, Write16, WriteSame10,
    WriteSame16,
};
pub use build::{Access, RangeError, flush_all, read, write};
pub use checked::Checked;
pub use copy::{
    CopyOperationAbort, ExtendedCopyLid1, ExtendedCopyLid4, PopulateToken, ReceiveCopyDataLid1,
    ReceiveCopyDataLid4, ReceiveCopyFailureDetailsLid1, ReceiveCopyOperatingParameters,
    ReceiveCopyStatusLid1, ReceiveCopyStatusLid4, ReceiveRodTokenInformation, ReportAllRodTokens,
    WriteUsingToken,
};
pub use diagnostic::{
    LogSelect, ReadAttribute, ReadBuffer10, ReadBuffer16, ReceiveDiagnosticResults, SendDiagnostic,
    WriteAttribute, WriteBuffer10,
};
pub use element::{
    BackgroundControl, GetLbaStatus16, GetPhysicalElementStatus, GetStreamStatus,
    RemoveElementAndTruncate, ReportReferrals, RestoreElementsAndRebuild, StreamControl,
};
pub use field::{Bits, Control, PageControl};
pub use format::{
    FormatUnit, FormatWithPreset, ReadDefectData10, ReadDefectData12, ReadLong10, ReadLong16,
    ReassignBlocks, SanitizeBlockErase, SanitizeCryptographicErase, SanitizeExitFailureMode,
    SanitizeOverwrite, WriteLong10, WriteLong16,
};
pub use maintenance::{
    ChangeAliases, ManagementProtocolIn, ManagementProtocolOut, RemoveItNexus, ReportAliases,
    ReportIdentifyingInformation, ReportPriority, ReportProvisioningInitializationPattern,
    ReportSupportedTaskManagementFunctions, ReportTargetPortGroups, ReportTimestamp,
    SetIdentifyingInformation, SetPriority, SetTargetPortGroups, SetTimestamp,
};
pub use obsolete::{
    LockUnlockCache10, LockUnlockCache16, RezeroUnit, Seek6, Seek10, XdRead10, XdWrite10,
    XdWriteRead10, XpWrite10,
};
pub use primary::{
    Inquiry, LogSense, ModeSelect6, ModeSelect10, ModeSense6, ModeSense10,
    PreventAllowMediumRemoval, ReportLuns, ReportSupportedOperationCodes, RequestSense,
    StartStopUnit, TestUnitReady,
};
pub use reservation::{
    PersistentReserveInReadFullStatus, PersistentReserveInReadKeys,
    PersistentReserveInReadReservation, PersistentReserveInReportCapabilities,
    PersistentReserveOutClear, PersistentReserveOutPreempt, PersistentReserveOutPreemptAndAbort,
    PersistentReserveOutRegister, PersistentReserveOutRegisterAndIgnoreExistingKey,
    PersistentReserveOutRegisterAndMove, PersistentReserveOutRelease,
    PersistentReserveOutReplaceLostReservation, PersistentReserveOutReserve, Release6, Release10,
    Reserve6, Reserve10,
};
pub use security::{SecurityProtocolIn, SecurityProtocolOut};
pub use variable::{
    GetLbaStatus32, OrWrite32, Read32, Verify32, Write32, WriteAndVerify32, WriteAtomic32,
    WriteSame32, WriteScattered32, WriteStream32, XdRead32, XdWrite32, XdWriteRead32, XpWrite32,
};
pub use write::{
    CompareAndWrite, OrWrite16, PreFetch10, PreFetch16, Verify12, WriteAndVerify10,
    WriteAndVerify12, WriteAndVerify16, WriteAtomic16, WriteScattered16, WriteStream16,
};
pub use zone::{
    CloseZone, FinishZone, OpenZone, ReportZones, ResetWritePointer, SequentializeZone,
};

/// A command that encodes to one CDB format.
pub trait Command: Copy + Sized {
    /// The name in the T10 standards, such as `READ(10)`.
    const NAME: &'static str;

    /// Byte 0 of the CDB.
    const OPCODE: Opcode;

    /// The service action, for operation codes that have them.
    const SERVICE_ACTION: Option<u16>;

    /// CDB USAGE DATA as REPORT SUPPORTED OPERATION CODES returns it for a device that
    /// implements every field: the operation code and service action as values, ones for the
    /// other fields, zeros for reserved and obsolete bits. Its length is the CDB length.
    /// Source: SPC-5 6.
    const USAGE: Cdb;

    /// The CDB.
    #[must_use = "the CDB is the only result"]
    fn cdb(&self) -> Cdb;

    /// Finds `cdb` to have the format of this command, and reads no field.
    ///
    /// # Errors
    ///
    /// [`ParseError`] for every CDB that no value of this type encodes to.
    fn check(cdb: &Cdb) -> Result<Checked<Self>, ParseError>;

    /// The fields of a CDB that has the format of this command.
    #[must_use = "the fields are the only result"]
    fn fields(checked: &Checked<Self>) -> Self;

    /// Checks `cdb` and reads its fields.
    ///
    /// # Errors
    ///
    /// [`ParseError`] for every CDB that no value of this type encodes to.
    fn parse(cdb: &Cdb) -> Result<Self, ParseError>;
}

/// Why a CDB is not the command that it was taken for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ParseError {
    /// The operation code is another one.
    WrongOpcode {
        /// The operation code found.
        found: Opcode,
    },
    /// The service action is another one.
    WrongServiceAction {
        /// The service action found, `None` where the CDB is too short for one.
        found: Option<u16>,
    },
    /// The length is not that of the command.
    WrongLength {
        /// The length of the command, in bytes.
        expected: usize,
        /// The length of the CDB, in bytes.
        found: usize,
    },
    /// A reserved or obsolete bit is set, or a fixed field has another value.
    ///
    /// A device server reports this as 5/24/00 INVALID FIELD IN CDB with `byte` as field pointer.
    ReservedBits {
        /// The first offending byte of the CDB.
        byte: u8,
        /// The offending bits of that byte.
        bits: u8,
    },
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WrongOpcode { found } => write!(f, "operation code is {found}"),
            Self::WrongServiceAction { found: Some(found) } => {
                write!(f, "service action is {found:02X}h")
            }
            Self::WrongServiceAction { found: None } => f.write_str("service action is missing"),
            Self::WrongLength { expected, found } => {
                write!(f, "cdb has {found} bytes, the command has {expected}")
            }
            Self::ReservedBits { byte, bits } => {
                write!(f, "reserved bits {bits:02X}h set in cdb byte {byte}")
            }
        }
    }
}

impl core::error::Error for ParseError {}
