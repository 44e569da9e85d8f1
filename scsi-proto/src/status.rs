//! Status codes that end a command.

use crate::macros::open_code;

open_code! {
    /// A SAM status byte. Source: SAM-5 5.3.1.
    ///
    /// Values without a constant are kept as they came. Bits 7:6 and 0 are reserved in SAM-5; a
    /// device that sets them yields an unnamed status, which a caller must not take for `GOOD`.
    pub struct Status(u8) {
        GOOD = 0x00, "GOOD";
        CHECK_CONDITION = 0x02, "CHECK CONDITION";
        CONDITION_MET = 0x04, "CONDITION MET";
        BUSY = 0x08, "BUSY";
        INTERMEDIATE = 0x10, "INTERMEDIATE";
        INTERMEDIATE_CONDITION_MET = 0x14, "INTERMEDIATE-CONDITION MET";
        RESERVATION_CONFLICT = 0x18, "RESERVATION CONFLICT";
        COMMAND_TERMINATED = 0x22, "COMMAND TERMINATED";
        TASK_SET_FULL = 0x28, "TASK SET FULL";
        ACA_ACTIVE = 0x30, "ACA ACTIVE";
        TASK_ABORTED = 0x40, "TASK ABORTED";
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unnamed_status_keeps_its_value() {
        assert_eq!(Status(0x3e).name(), None);
        assert_eq!(Status(0x3e).to_string(), "3Eh");
        assert_eq!(Status(0x02), Status::CHECK_CONDITION);
        assert_eq!(format!("{:?}", Status::BUSY), "Status(08h BUSY)");
    }
}
