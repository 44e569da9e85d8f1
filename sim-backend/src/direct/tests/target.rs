//! A small end device whose every behaviour a test can order.

use alloc::collections::BTreeMap;

use hba_core::time::Instant;
use scsi_proto::{Cdb, Lun, Opcode, Status};

use crate::target::{DataPhase, Executed, Execution, SasAddress, Target, Task};

pub(super) const BLOCK: usize = 512;
/// Blocks of the unit; addresses beyond them are refused.
pub(super) const BLOCKS: u32 = 0x1_0000;
/// ILLEGAL REQUEST, LOGICAL BLOCK ADDRESS OUT OF RANGE, in fixed format.
pub(super) const OUT_OF_RANGE: [u8; 18] =
    [0x70, 0, 5, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0x21, 0, 0, 0, 0, 0];
/// Standard INQUIRY data are this long, whatever was asked for.
pub(super) const INQUIRY_LEN: usize = 36;
/// Never answered while [`TestTarget::holds`] is set.
pub(super) const HELD: Cdb = Cdb::from_array([0xc0, 0, 0, 0, 0, 0]);
pub(super) const TEST_UNIT_READY: Cdb = Cdb::from_array([0; 6]);

#[derive(Debug, Default)]
pub(super) struct TestTarget {
    blocks: BTreeMap<u32, [u8; BLOCK]>,
    pub(super) holds: bool,
    /// Status of the next commands instead of executing them.
    pub(super) statuses: Vec<Status>,
    pub(super) executed: u64,
    pub(super) unit_resets: u32,
    pub(super) target_resets: u32,
}

impl TestTarget {
    pub(super) const NAME: SasAddress = SasAddress(0x5000_c500_1234_5678);

    /// What was written to a block, or what was there from the beginning.
    pub(super) fn block(&self, lba: u32) -> [u8; BLOCK] {
        let initial = || core::array::from_fn(|i| (lba as usize * 31 + i) as u8);
        self.blocks.get(&lba).copied().unwrap_or_else(initial)
    }

    fn read(&self, lba: u32, count: u32, data: &mut dyn DataPhase) -> Executed {
        for (lba, at) in (lba..lba + count).zip((0..).step_by(BLOCK)) {
            let _ = data.send(at, &self.block(lba));
        }
        Executed::good(count * BLOCK as u32)
    }

    fn write(&mut self, lba: u32, count: u32, data: &mut dyn DataPhase) -> Executed {
        for (lba, at) in (lba..lba + count).zip((0..).step_by(BLOCK)) {
            let mut block = [0; BLOCK];
            let _ = data.receive(at, &mut block);
            self.blocks.insert(lba, block);
        }
        Executed::good(count * BLOCK as u32)
    }
}

impl Target for TestTarget {
    fn sas_address(&self) -> SasAddress {
        Self::NAME
    }

    fn execute(&mut self, _now: Instant, task: &Task<'_>, data: &mut dyn DataPhase) -> Execution {
        if *task.cdb == HELD && self.holds {
            return Execution::Held;
        }
        self.executed += 1;
        if let Some(status) = self.statuses.pop() {
            return Execution::Done(Executed::status(status));
        }
        let cdb = task.cdb.padded32();
        let lba = u32::from_be_bytes([cdb[2], cdb[3], cdb[4], cdb[5]]);
        let count = u32::from(u16::from_be_bytes([cdb[7], cdb[8]]));
        let fits = lba.checked_add(count).is_some_and(|end| end <= BLOCKS);
        Execution::Done(match task.cdb.opcode() {
            Opcode::READ_10 | Opcode::WRITE_10 if !fits => Executed::check_condition(&OUT_OF_RANGE),
            Opcode::READ_10 => self.read(lba, count, data),
            Opcode::WRITE_10 => self.write(lba, count, data),
            Opcode::INQUIRY => {
                let _ = data.send(0, &[0x5a; INQUIRY_LEN]);
                Executed::good(INQUIRY_LEN as u32)
            }
            _ => Executed::good(0),
        })
    }

    fn logical_unit_reset(&mut self, _lun: Lun) {
        self.unit_resets += 1;
    }

    fn target_reset(&mut self) {
        self.target_resets += 1;
    }

    fn i_t_nexus_loss(&mut self) {}

    fn power_cut(&mut self) {}

    fn power_on(&mut self) {}

    fn has_lun(&self, lun: Lun) -> bool {
        lun.number().is_some_and(|number| number < 2)
    }
}

/// READ(10) or WRITE(10).
pub(super) const fn block_command(opcode: Opcode, lba: u32, count: u16) -> Cdb {
    let [l0, l1, l2, l3] = lba.to_be_bytes();
    let [c0, c1] = count.to_be_bytes();
    Cdb::from_array([opcode.0, 0, l0, l1, l2, l3, 0, c0, c1, 0])
}

/// INQUIRY with an allocation length of 255 bytes.
pub(super) const INQUIRY: Cdb = Cdb::from_array([0x12, 0, 0, 0, 0xff, 0]);
