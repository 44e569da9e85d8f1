//! The questions about the medium of a block device: is it ready, how large is it, how is it cached?

use scsi_proto::capacity::{Capacity10, Capacity16};
use scsi_proto::inquiry::Version;
use scsi_proto::mode::{ModeForm, ModeParameters};
use scsi_proto::{Sense, SenseKey};

use super::Scan;
use crate::command::BlockSize;
use crate::discovery::answer::Answer;
use crate::discovery::question::{ALLOCATION_BYTE, MODE_QUESTIONS, Step};
use crate::discovery::{DATA_MAX, Discovered, ProbeOutcome};
use crate::logical_unit::{Readiness, WriteCache};

/// Disks have blocks of 512 or 4096 bytes, of 8 to 128 more for protection, and optical ones of 1024 or 2048; controllers
/// move words of four bytes. Everything near that passes, 0, 1, 3 and 2^31 do not.
const fn is_block_length(bytes: u32) -> bool {
    matches!(bytes, 256..=65_536) && bytes.is_multiple_of(4)
}

impl Scan {
    pub(super) fn on_readiness(
        &mut self,
        answer: Answer,
        outcome: &ProbeOutcome<'_>,
        found: &mut Discovered,
    ) {
        let Some(unit) = &mut self.unit else { return self.next_unit(found) };
        unit.readiness = match Sense::parse(outcome.sense) {
            _ if answer == Answer::Good => Readiness::Ready,
            Ok(sense) if sense.key == SenseKey::NOT_READY => Readiness::NotReady(sense.additional),
            _ => Readiness::Unknown,
        };
        if unit.readiness == Readiness::Ready {
            self.begin(Step::Capacity10, Capacity10::LEN as u32);
        } else {
            self.finish_unit(found);
        }
    }

    /// READ CAPACITY(16) follows for what (10) cannot say: more than 2^32 blocks, protection, provisioning, alignment.
    /// Devices that claim SPC-3 have it, if they are disks of SBC-3; the others say so.
    pub(super) fn on_capacity10(&mut self, good: Option<&[u8]>) {
        let capacity = good.and_then(|data| Capacity10::parse(data).ok());
        let short = capacity.filter(|capacity| !capacity.needs_capacity16());
        self.set_capacity(short.map(Capacity16::from));
        let beyond = capacity.is_some() && short.is_none();
        let modern = self.inquiry.is_some_and(|i| i.protect || i.version >= Version::SPC_3);
        if beyond || modern {
            self.begin(Step::Capacity16, Capacity16::LEN as u32);
        } else {
            self.begin(Step::Mode(0), ALLOCATION_BYTE);
        }
    }

    pub(super) fn on_capacity16(&mut self, good: Option<&[u8]>) {
        if let Some(capacity) = good.and_then(|data| Capacity16::parse(data).ok()) {
            self.set_capacity(Some(capacity));
        }
        self.begin(Step::Mode(0), ALLOCATION_BYTE);
    }

    /// A capacity of 2^64 blocks, or of blocks that no disk has, is none: the unit stays without one, and typed requests to it
    /// are refused.
    fn set_capacity(&mut self, capacity: Option<Capacity16>) {
        let Some(capacity) = capacity else { return };
        let (Some(blocks), Some(unit)) = (capacity.blocks(), &mut self.unit) else { return };
        if is_block_length(capacity.block_length) {
            unit.blocks = blocks;
            unit.block_size = BlockSize(capacity.block_length);
            unit.physical_block_exponent = capacity.lbppbe;
            unit.provisioning = capacity.lbpme;
        }
    }

    pub(super) fn on_mode(&mut self, good: Option<&[u8]>, question: u8, found: &mut Discovered) {
        let form = MODE_QUESTIONS.get(usize::from(question)).map_or(ModeForm::Six, |q| q.0);
        if let (Some(Ok(mode)), Some(unit)) =
            (good.map(|data| ModeParameters::parse_sense(data, form)), &mut self.unit)
        {
            unit.dpofua = mode.header.dpofua();
            unit.write_protected = mode.header.write_protected();
            if let Some(write_cache) = WriteCache::of_mode(&mode) {
                unit.write_cache = write_cache;
                return self.finish_unit(found);
            }
            let claimed = mode.claimed_len as u64;
            if form == ModeForm::Ten && self.grow(claimed, DATA_MAX) {
                return;
            }
        }
        let next = question + 1;
        if usize::from(next) < MODE_QUESTIONS.len() {
            self.begin(Step::Mode(next), ALLOCATION_BYTE);
        } else {
            self.finish_unit(found);
        }
    }
}
