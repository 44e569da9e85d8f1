//! Function and status codes of MPI 1.x.

pub use crate::mpt::codes::IocStatus;

pub(crate) use crate::mpt::codes::function;

/// Those that mean something else in the other generation, or nothing.
impl IocStatus {
    /// No such bus.
    pub const SCSI_INVALID_BUS: Self = Self(0x0041);
    /// No such target id.
    pub const SCSI_INVALID_TARGETID: Self = Self(0x0042);
}
