//! Function and status codes of MPI 2.x.

pub use crate::mpt::codes::IocStatus;

/// Function codes, byte 3 of every message.
pub(crate) mod function {
    pub(crate) use crate::mpt::codes::function::*;

    pub(crate) const FW_UPLOAD: u8 = 0x12;
    pub(crate) const DIAG_BUFFER_POST: u8 = 0x1d;
    pub(crate) const DIAG_RELEASE: u8 = 0x1e;
}

/// Those that mean something else in the other generation, or nothing.
impl IocStatus {
    /// No such device handle.
    pub const SCSI_INVALID_DEVHANDLE: Self = Self(0x0042);
}
