//! A loss: writes that had been acknowledged and may be gone.

use core::fmt;

use scsi_proto::{AdditionalSense, Sense, SenseKey};

use super::Epoch;
use super::judgement::{Cause, SenseCause};
use crate::command::Failure;

/// Writes that had been acknowledged may be lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Loss {
    /// Tells it from an earlier and from a later one.
    pub(super) number: u64,
    /// The first epoch whose writes are concerned: everything before is durable.
    pub since: Epoch,
    /// The last one.
    pub until: Epoch,
    /// What was found out first.
    pub cause: LossCause,
}

impl Loss {
    /// A deferred error with response code 71h: the device's own codes where it named some, else MEDIUM ERROR, WRITE ERROR.
    pub const fn to_sense(&self) -> Sense {
        let codes = match self.cause {
            LossCause::FlushFailed(Cause::Sense(codes) | Cause::Deferred(codes))
            | LossCause::Deferred(codes) => codes,
            _ => SenseCause {
                key: SenseKey::MEDIUM_ERROR,
                additional: AdditionalSense::WRITE_ERROR,
                lba: None,
            },
        };
        let information = match codes.lba {
            Some(lba) => Some(lba.0),
            None => None,
        };
        Sense { deferred: true, information, ..Sense::new(codes.key, codes.additional) }
    }
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { since, until, cause, .. } = self;
        write!(f, "writes of epochs {since} to {until} may be lost: {cause}")
    }
}

/// How it came out that writes may be lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LossCause {
    /// A flush failed, or nobody knows how it ended.
    FlushFailed(Cause),
    /// Power was gone, or the device was reset from within, while writes were cached.
    PowerLost(AdditionalSense),
    /// The device told of a write that it had acknowledged and that failed.
    Deferred(SenseCause),
    /// The unit left, or its controller did, while writes were cached.
    Removed,
    /// The platform says that power was gone while writes were cached.
    PowerEvent,
}

impl LossCause {
    /// The same for those who know commands only.
    pub const fn as_cause(self) -> Cause {
        match self {
            Self::FlushFailed(cause) => cause,
            Self::Deferred(codes) => Cause::Deferred(codes),
            Self::PowerLost(additional) => {
                Cause::Sense(SenseCause { key: SenseKey::UNIT_ATTENTION, additional, lba: None })
            }
            Self::Removed | Self::PowerEvent => Cause::Failure(Failure::DeviceNotPresent),
        }
    }
}

impl fmt::Display for LossCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FlushFailed(cause) => write!(f, "a flush failed: {cause}"),
            Self::PowerLost(why) => write!(f, "power was gone: {why}"),
            Self::Deferred(codes) => write!(f, "a cached write failed: {codes}"),
            Self::Removed => f.write_str("the unit left with writes in its cache"),
            Self::PowerEvent => f.write_str("power was gone, says the platform"),
        }
    }
}
