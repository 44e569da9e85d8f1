//! Configuration pages: what the reply to a request says, and which SAS devices are targets.

use hba_core::port::BringUpError;
use zerocopy::FromBytes;

use crate::wire::config::ConfigReply;
use crate::wire::message::{Function, IocStatus, IocStatusWord};
use crate::wire::sas::{SasDeviceInfo, SasDeviceType};

/// What a page is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// Its header, which says how long it is.
    Header,
    Page,
}

/// A reply; `None` where the controller has no pages of the type, or no further one.
///
/// # Errors
///
/// [`BringUpError`] when the reply is malformed or its status is another, with the name of the `step`.
pub(crate) fn parse(
    step: &'static str,
    bytes: &[u8],
    asked: Asked,
) -> Result<Option<ConfigReply>, BringUpError> {
    let malformed = BringUpError::BadReply { step };
    let (reply, _) = ConfigReply::read_from_prefix(bytes).map_err(|_| malformed)?;
    if reply.function != Function::CONFIG {
        return Err(malformed);
    }
    match (asked, IocStatusWord(reply.ioc_status.get()).status()) {
        (_, IocStatus::SUCCESS) => Ok(Some(reply)),
        (Asked::Header, IocStatus::CONFIG_INVALID_TYPE) | (_, IocStatus::CONFIG_INVALID_PAGE) => {
            Ok(None)
        }
        (_, status) => Err(BringUpError::Status { step, status: u32::from(status.0) }),
    }
}

/// Whether a device is an end device with an SSP, STP or SATA target.
pub(crate) fn is_target(info: SasDeviceInfo) -> bool {
    let target = SasDeviceInfo::SSP_TARGET | SasDeviceInfo::STP_TARGET | SasDeviceInfo::SATA_DEVICE;
    info.device_type() == SasDeviceType::END_DEVICE && info.0 & target.0 != 0
}

#[cfg(test)]
mod tests {
    use zerocopy::{FromZeros, IntoBytes};

    use super::*;

    fn parsed(function: Function, status: IocStatus, asked: Asked) -> Result<bool, BringUpError> {
        let ioc_status = status.0.into();
        let reply = ConfigReply { function, ioc_status, ..FromZeros::new_zeroed() };
        parse("a step", reply.as_bytes(), asked).map(|reply| reply.is_some())
    }

    #[test]
    fn a_page_is_there_or_not_and_all_else_is_an_error() {
        let config = |status, asked| parsed(Function::CONFIG, status, asked);
        let (no_type, no_page) = (IocStatus::CONFIG_INVALID_TYPE, IocStatus::CONFIG_INVALID_PAGE);
        assert_eq!(config(IocStatus::SUCCESS, Asked::Header), Ok(true));
        assert_eq!(config(no_type, Asked::Header), Ok(false));
        assert_eq!(config(no_page, Asked::Header), Ok(false));
        assert_eq!(config(no_page, Asked::Page), Ok(false));
        let status = u32::from(no_type.0);
        let refused = Err(BringUpError::Status { step: "a step", status });
        assert_eq!(config(no_type, Asked::Page), refused, "its header was there");
        let malformed = Err(BringUpError::BadReply { step: "a step" });
        assert_eq!(parsed(Function::EVENT_ACK, IocStatus::SUCCESS, Asked::Page), malformed);
        assert!(parse("a step", &[0; 8], Asked::Page).is_err());
    }
}
