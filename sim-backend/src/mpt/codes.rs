//! Codes that MPI 2.x took over from MPI 1.x: functions, statuses, actions on configuration pages.

/// Function codes, byte 3 of every message.
pub(crate) mod function {
    pub(crate) const SCSI_IO: u8 = 0x00;
    pub(crate) const SCSI_TASK_MGMT: u8 = 0x01;
    pub(crate) const IOC_INIT: u8 = 0x02;
    pub(crate) const IOC_FACTS: u8 = 0x03;
    pub(crate) const CONFIG: u8 = 0x04;
    pub(crate) const PORT_FACTS: u8 = 0x05;
    pub(crate) const PORT_ENABLE: u8 = 0x06;
    pub(crate) const EVENT_NOTIFICATION: u8 = 0x07;
    pub(crate) const EVENT_ACK: u8 = 0x08;
    pub(crate) const SAS_IO_UNIT_CONTROL: u8 = 0x1b;
}

/// Action on a configuration page. Source: measured layouts, `MSG_CONFIG`; what drivers send, `MPI2_CONFIG_REQUEST`.
pub(crate) mod action {
    pub(crate) const HEADER: u8 = 0;
    pub(crate) const READ_CURRENT: u8 = 1;
    pub(crate) const WRITE_CURRENT: u8 = 2;
    pub(crate) const DEFAULT: u8 = 3;
    pub(crate) const WRITE_NVRAM: u8 = 4;
    pub(crate) const READ_DEFAULT: u8 = 5;
    pub(crate) const READ_NVRAM: u8 = 6;
}

/// The status of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IocStatus(pub u16);

impl IocStatus {
    /// Nothing to report.
    pub const SUCCESS: Self = Self(0x0000);
    /// The function is not known, or not by this path.
    pub const INVALID_FUNCTION: Self = Self(0x0001);
    /// Try later.
    pub const BUSY: Self = Self(0x0002);
    /// The scatter list is malformed or too short.
    pub const INVALID_SGL: Self = Self(0x0003);
    /// A resource ran out.
    pub const INSUFFICIENT_RESOURCES: Self = Self(0x0006);
    /// A field of the request is wrong.
    pub const INVALID_FIELD: Self = Self(0x0007);
    /// Not in this state.
    pub const INVALID_STATE: Self = Self(0x0008);
    /// The config action is not known.
    pub const CONFIG_INVALID_ACTION: Self = Self(0x0020);
    /// The config page type is not known.
    pub const CONFIG_INVALID_TYPE: Self = Self(0x0021);
    /// The config page does not exist; also the end of an iteration.
    pub const CONFIG_INVALID_PAGE: Self = Self(0x0022);
    /// The config page cannot be written.
    pub const CONFIG_CANT_COMMIT: Self = Self(0x0025);
    /// Nothing behind the target id or device handle, or it has left.
    pub const SCSI_DEVICE_NOT_THERE: Self = Self(0x0043);
    /// More data than the initiator announced.
    pub const SCSI_DATA_OVERRUN: Self = Self(0x0044);
    /// Less data than the initiator announced.
    pub const SCSI_DATA_UNDERRUN: Self = Self(0x0045);
    /// The data could not be moved.
    pub const SCSI_IO_DATA_ERROR: Self = Self(0x0046);
    /// Ended by task management.
    pub const SCSI_TASK_TERMINATED: Self = Self(0x0048);
    /// Task management did not succeed.
    pub const SCSI_TASK_MGMT_FAILED: Self = Self(0x004a);
    /// Ended by the controller, for example because the device left.
    pub const SCSI_IOC_TERMINATED: Self = Self(0x004b);
    /// Bit 15: the log info field says more.
    pub const LOG_INFO_AVAILABLE: u16 = 0x8000;
}
