//! What goes wrong on a disk, as sense key and additional sense code.

use core::fmt;

use scsi_proto::{AdditionalSense, Sense, SenseKey};

/// A sense key with its additional sense code. Source: SPC-5 4.4.7 and annex F.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Condition {
    /// SENSE KEY.
    pub key: SenseKey,
    /// ADDITIONAL SENSE CODE and its qualifier.
    pub additional: AdditionalSense,
}

macro_rules! conditions {
    ($($key:ident { $($name:ident = $additional:ident;)+ })+) => {
        impl Condition {
            $($(
                #[doc = concat!(stringify!($key), ", ", stringify!($additional), ".")]
                pub const $name: Self =
                    Self { key: SenseKey::$key, additional: AdditionalSense::$additional };
            )+)+
        }
    };
}

conditions! {
    NO_SENSE {
        NO_SENSE = NO_ADDITIONAL_SENSE_INFORMATION;
        FLUSH_IN_PROGRESS = OPERATION_IN_PROGRESS;
    }
    NOT_READY {
        OPERATION_IN_PROGRESS = LOGICAL_UNIT_NOT_READY_OPERATION_IN_PROGRESS;
        INITIALIZING_COMMAND_REQUIRED = LOGICAL_UNIT_NOT_READY_INITIALIZING_COMMAND_REQUIRED;
    }
    MEDIUM_ERROR {
        WRITE_ERROR = WRITE_ERROR;
        UNRECOVERED_READ_ERROR = UNRECOVERED_READ_ERROR;
    }
    HARDWARE_ERROR {
        INTERNAL_TARGET_FAILURE = INTERNAL_TARGET_FAILURE;
    }
    ILLEGAL_REQUEST {
        PARAMETER_LIST_LENGTH_ERROR = PARAMETER_LIST_LENGTH_ERROR;
        INVALID_COMMAND_OPERATION_CODE = INVALID_COMMAND_OPERATION_CODE;
        LBA_OUT_OF_RANGE = LOGICAL_BLOCK_ADDRESS_OUT_OF_RANGE;
        INVALID_FIELD_IN_CDB = INVALID_FIELD_IN_CDB;
        LOGICAL_UNIT_NOT_SUPPORTED = LOGICAL_UNIT_NOT_SUPPORTED;
        INVALID_FIELD_IN_PARAMETER_LIST = INVALID_FIELD_IN_PARAMETER_LIST;
        SAVING_PARAMETERS_NOT_SUPPORTED = SAVING_PARAMETERS_NOT_SUPPORTED;
    }
    UNIT_ATTENTION {
        POWER_ON_OCCURRED = POWER_ON_OCCURRED;
        BUS_DEVICE_RESET_FUNCTION_OCCURRED = BUS_DEVICE_RESET_FUNCTION_OCCURRED;
        I_T_NEXUS_LOSS_OCCURRED = I_T_NEXUS_LOSS_OCCURRED;
        MODE_PARAMETERS_CHANGED = MODE_PARAMETERS_CHANGED;
        CACHE_NOW_VOLATILE = WARNING_NON_VOLATILE_CACHE_NOW_VOLATILE;
        CACHE_POWER_DEGRADED = WARNING_DEGRADED_POWER_TO_NON_VOLATILE_CACHE;
        POWER_LOSS_EXPECTED = WARNING_POWER_LOSS_EXPECTED;
    }
    DATA_PROTECT {
        WRITE_PROTECTED = LOGICAL_UNIT_SOFTWARE_WRITE_PROTECTED;
    }
    ABORTED_COMMAND {
        DATA_PHASE_ERROR = DATA_PHASE_ERROR;
    }
    MISCOMPARE {
        MISCOMPARE = MISCOMPARE_DURING_VERIFY_OPERATION;
    }
}

impl Condition {
    /// Sense data in fixed format with nothing but the codes.
    #[must_use = "the sense data is the only result"]
    pub const fn sense(self) -> Sense {
        Sense::new(self.key, self.additional)
    }
}

/// The three codes in hexadecimal, as in `5/24/00`.
impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let AdditionalSense { asc, ascq } = self.additional;
        write!(f, "{:X}/{asc:02X}/{ascq:02X}", self.key.0)
    }
}
