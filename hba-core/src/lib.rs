//! The portable state machine of a SCSI host bus adapter driver
