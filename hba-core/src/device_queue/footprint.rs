//! What a command may change on its unit.

use scsi_proto::TaskAttribute;
use scsi_proto::table::{self, BlockCount};

use crate::command::Command;
use crate::dispatch::{self, CacheEffect, Class};

/// The blocks that a command may change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Footprint {
    /// It changes nothing that another command could change, too.
    None,
    /// Blocks from the first to the last, both included.
    Blocks(u64, u64),
    /// More than can be told from its CDB.
    Everything,
}

impl Footprint {
    pub(super) fn of(command: &Command) -> Self {
        if command.attribute != TaskAttribute::Simple {
            return Self::Everything;
        }
        let policy = dispatch::policy(&command.cdb);
        match policy.cache {
            CacheEffect::Cleans => Self::None,
            CacheEffect::None if policy.repeatable || policy.class == Class::Identity => Self::None,
            CacheEffect::None => Self::Everything,
            CacheEffect::Dirties | CacheEffect::DirtiesUnlessFua => Self::of_write(command),
        }
    }

    fn of_write(command: &Command) -> Self {
        let row = table::lookup(&command.cdb);
        let range = row.and_then(|row| row.lba(&command.cdb).zip(row.blocks(&command.cdb)));
        match range {
            Some((_, BlockCount::Blocks(0))) => Self::None,
            Some((lba, BlockCount::Blocks(blocks))) => {
                Self::Blocks(lba.0, lba.0.saturating_add(blocks - 1))
            }
            Some((lba, BlockCount::ToEnd)) => Self::Blocks(lba.0, u64::MAX),
            None => Self::Everything,
        }
    }

    /// Whether the order of the two matters for what is on the medium afterwards.
    pub(super) const fn overlaps(self, other: Self) -> bool {
        match (self, other) {
            (Self::None, _) | (_, Self::None) => false,
            (Self::Everything, _) | (_, Self::Everything) => true,
            (Self::Blocks(first, last), Self::Blocks(from, to)) => first <= to && from <= last,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::{Nexus, TargetId, Transfer};
    use scsi_proto::{Cdb, Lun};

    fn of<const N: usize>(cdb: [u8; N]) -> Footprint {
        let nexus = Nexus::new(TargetId::new(0), Lun::ZERO);
        let cdb = Cdb::from_array(cdb);
        let attribute = TaskAttribute::Simple;
        Footprint::of(&Command { nexus, cdb, transfer: Transfer::NONE, attribute })
    }

    #[test]
    fn a_write_is_as_large_as_its_range() {
        let write = of([0x2a, 0, 0, 0, 0, 8, 0, 0, 4, 0]);
        assert_eq!(write, Footprint::Blocks(8, 11));
        assert!(write.overlaps(Footprint::Blocks(11, 20)));
        assert!(!write.overlaps(Footprint::Blocks(12, 20)));
        assert!(!write.overlaps(Footprint::Blocks(0, 7)));
        assert_eq!(of([0x0a, 0, 0, 0, 0, 0]), Footprint::Blocks(0, 255));
        assert_eq!(of([0x2a, 0, 0, 0, 0, 8, 0, 0, 0, 0]), Footprint::None);
    }

    #[test]
    fn what_the_cdb_does_not_tell_overlaps_everything() {
        for unknown in [of([0xc1; 10]), of([0x42, 0, 0, 0, 0, 0, 0, 0, 24, 0]), of([0x15; 6])] {
            assert_eq!(unknown, Footprint::Everything);
            assert!(unknown.overlaps(Footprint::Blocks(3, 3)));
            assert!(!unknown.overlaps(Footprint::None));
        }
        for harmless in [of([0x28; 10]), of([0x35; 10]), of([0x12; 6]), of([0x00; 6])] {
            assert_eq!(harmless, Footprint::None);
        }
    }
}
