//! What sense data says about cached writes, whatever command it came with.

use scsi_proto::{AdditionalSense, Sense, SenseKey};

use super::Written;
use super::judgement::{Cause, SenseCause};
use crate::name::Nexus;
use crate::sabotage::{Sabotage, is_planted};

/// What a piece of sense data means for the writes of its logical unit.
///
/// | code | meaning | variant |
/// |---|---|---|
/// | 71h, 73h | a write that was acknowledged has failed | [`Deferred`](Self::Deferred) |
/// | 6/29/01, 6/29/04 | power was gone, or as good as gone: the cache may be | [`PowerLost`](Self::PowerLost) |
/// | 6/29/00 | power on *or* a reset: the cache may be gone unless the reset was ours | [`PowerOnOrReset`](Self::PowerOnOrReset) |
/// | 6/29/02, 03, 07 | bus reset, device reset function, nexus loss: the cache is kept | [`Reset`](Self::Reset) |
/// | 6/29/05, 06 | the bus changed its mode: nothing | - |
/// | 6/2A/01 | another initiator or the device changed mode pages | [`ModeChanged`](Self::ModeChanged) |
/// | xx/0B/06, 07, 08 | the non-volatile cache is one no longer, or will not be for long | [`CacheDegraded`](Self::CacheDegraded) |
///
/// Source: SPC-5 4.4.7 and annex F, SAM-5 5.14.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// See the table.
    Deferred(SenseCause),
    /// See the table.
    PowerLost(AdditionalSense),
    /// See the table.
    PowerOnOrReset,
    /// See the table.
    Reset,
    /// See the table.
    ModeChanged,
    /// See the table.
    CacheDegraded(AdditionalSense),
}

impl Meaning {
    /// What `sense` means for cached writes; `None` where it says nothing about them.
    pub fn of(sense: &Sense) -> Option<Self> {
        let additional = sense.additional;
        if sense.deferred && !is_planted(Sabotage::DeferredIgnored) {
            return Some(Self::Deferred(SenseCause::of(sense)));
        }
        if additional.asc == 0x0b && matches!(additional.ascq, 0x06..=0x08) {
            return Some(Self::CacheDegraded(additional));
        }
        if sense.key != SenseKey::UNIT_ATTENTION {
            return None;
        }
        match (additional.asc, additional.ascq) {
            (0x29, 0x00) => Some(Self::PowerOnOrReset),
            (0x29, 0x01 | 0x04) if !is_planted(Sabotage::PowerLossIgnored) => {
                Some(Self::PowerLost(additional))
            }
            (0x29, 0x02 | 0x03 | 0x07) => Some(Self::Reset),
            (0x2a, 0x01) => Some(Self::ModeChanged),
            _ => None,
        }
    }

    /// The same of raw sense data. Most of it says nothing of the kind, which one look at three bytes finds out.
    pub(crate) fn of_bytes(bytes: &[u8]) -> Option<Self> {
        let (key, asc) = match bytes.first()? & 0x7f {
            0x70 => (bytes.get(2)? & 0x0f, bytes.get(12)),
            0x72 => (bytes.get(1)? & 0x0f, bytes.get(2)),
            0x71 | 0x73 => return Self::of(&Sense::parse(bytes).ok()?),
            _ => return None,
        };
        if key != SenseKey::UNIT_ATTENTION.0 && asc != Some(&0x0b) {
            return None;
        }
        Self::of(&Sense::parse(bytes).ok()?)
    }
}

/// What a queue saw of one logical unit since it was last asked, gathered up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Signs {
    /// How often 29/00 was reported.
    pub(crate) power_on_or_reset: u8,
    /// The first report of lost power.
    pub(crate) power_lost: Option<AdditionalSense>,
    /// Whether a reset that keeps the cache was reported.
    pub(crate) reset: bool,
    /// The first deferred error.
    pub(crate) deferred: Option<SenseCause>,
    /// How the first flush that did not end well ended.
    pub(crate) flush_failed: Option<Cause>,
    /// Whether mode parameters changed, by others or through this queue.
    pub(crate) mode_changed: bool,
    /// The first report of a non-volatile cache that is one no longer.
    pub(crate) degraded: Option<AdditionalSense>,
}

impl Signs {
    pub(crate) fn add(&mut self, meaning: Meaning) {
        match meaning {
            Meaning::Deferred(cause) => _ = self.deferred.get_or_insert(cause),
            Meaning::PowerLost(why) => _ = self.power_lost.get_or_insert(why),
            Meaning::PowerOnOrReset => {
                self.power_on_or_reset = self.power_on_or_reset.saturating_add(1);
            }
            Meaning::Reset => self.reset = true,
            Meaning::ModeChanged => self.mode_changed = true,
            Meaning::CacheDegraded(why) => _ = self.degraded.get_or_insert(why),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// What one queue saw of one logical unit. Bring it to [`Durability::handle_sign`](super::Durability::handle_sign).
#[derive(Debug, PartialEq, Eq)]
#[must_use = "a loss that nobody is told of is a flush that lies"]
pub struct Sign {
    /// The unit; `None` for all those for which the queue has no place.
    pub(crate) nexus: Option<Nexus>,
    pub(crate) signs: Signs,
    /// When the unit had been written to through that queue, once the last of these was seen: what came after is not meant.
    pub(crate) written: Written,
}

impl Sign {
    /// The unit that it is about; `None` for all that are not told apart.
    pub const fn nexus(&self) -> Option<Nexus> {
        self.nexus
    }

    /// When the unit had been written to, through the queue that saw it.
    pub const fn written(&self) -> Written {
        self.written
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;
    use alloc::vec::Vec;

    fn fixed(code: u8, key: u8, asc: u8, ascq: u8) -> Vec<u8> {
        let mut bytes = vec![0; 18];
        (bytes[0], bytes[2], bytes[7], bytes[12], bytes[13]) = (code, key, 10, asc, ascq);
        bytes
    }

    fn descriptor(code: u8, key: u8, asc: u8, ascq: u8) -> Vec<u8> {
        vec![code, key, asc, ascq, 0, 0, 0, 0]
    }

    #[test]
    fn both_formats_mean_the_same() {
        let lost = |ascq| Some(Meaning::PowerLost(AdditionalSense::new(0x29, ascq)));
        let degraded = |ascq| Some(Meaning::CacheDegraded(AdditionalSense::new(0x0b, ascq)));
        let table = [
            (6, 0x29, 0x00, Some(Meaning::PowerOnOrReset)),
            (6, 0x29, 0x01, lost(1)),
            (6, 0x29, 0x02, Some(Meaning::Reset)),
            (6, 0x29, 0x03, Some(Meaning::Reset)),
            (6, 0x29, 0x04, lost(4)),
            (6, 0x29, 0x05, None),
            (6, 0x29, 0x07, Some(Meaning::Reset)),
            (6, 0x2a, 0x01, Some(Meaning::ModeChanged)),
            (6, 0x2a, 0x09, None),
            (6, 0x3f, 0x0e, None),
            (6, 0x0b, 0x06, degraded(6)),
            (1, 0x0b, 0x07, degraded(7)),
            (0, 0x0b, 0x08, degraded(8)),
            (1, 0x0b, 0x01, None),
            (3, 0x29, 0x01, None),
        ];
        for (key, asc, ascq, meaning) in table {
            let case = (key, asc, ascq);
            assert_eq!(Meaning::of_bytes(&fixed(0x70, key, asc, ascq)), meaning, "{case:x?}");
            assert_eq!(Meaning::of_bytes(&descriptor(0x72, key, asc, ascq)), meaning, "{case:x?}");
        }
    }

    #[test]
    fn a_deferred_error_is_one_whatever_its_key() {
        for bytes in [fixed(0x71, 3, 0x0c, 0), descriptor(0x73, 3, 0x0c, 0)] {
            let Some(Meaning::Deferred(cause)) = Meaning::of_bytes(&bytes) else { panic!() };
            assert_eq!((cause.key, cause.additional.asc), (SenseKey::MEDIUM_ERROR, 0x0c));
        }
        for bytes in [&[][..], &[0x70], &[0x70, 0, 6], &[0x71], &[0x73], &[0xff; 18]] {
            assert_eq!(Meaning::of_bytes(bytes), None, "{bytes:x?}");
        }
    }
}
