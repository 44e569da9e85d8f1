//! What ails one logical unit of a disk.

use scsi_proto::{Lba, Status};

use crate::campaign::flight::BLOCK;
use crate::campaign::plan::{Entry, Fault};
use crate::disk::{Condition, MediumAccess, Miswrite, Times, UnitControl};

/// Lets a fault strike `count` times; `nth` chooses among its forms. Faults of others do nothing here.
pub(super) fn trouble(unit: &mut UnitControl<'_>, entry: Entry) {
    let Entry { fault, nth, count, .. } = entry;
    let times = Times::Next(count);
    let lba = Lba(u64::from(nth % 8));
    let mut fail = |access, condition| unit.fail_medium(access, lba, 2, condition, times);
    match fault {
        Fault::ReadError => fail(MediumAccess::Read, Condition::UNRECOVERED_READ_ERROR),
        Fault::WriteError => fail(MediumAccess::Write, Condition::WRITE_ERROR),
        Fault::Busy => unit.refuse_commands(Status::BUSY, times),
        Fault::TaskSetFull => unit.refuse_commands(Status::TASK_SET_FULL, times),
        Fault::ShortData => unit.limit_data(BLOCK as u32, times),
        Fault::FlushError => unit.fail_flushes(Condition::WRITE_ERROR, times),
        Fault::Deferred => unit.defer_error(lba, Condition::WRITE_ERROR),
        Fault::Attention => unit.raise_attention(match nth % 3 {
            0 => Condition::MODE_PARAMETERS_CHANGED,
            1 => Condition::BUS_DEVICE_RESET_FUNCTION_OCCURRED,
            _ => Condition::I_T_NEXUS_LOSS_OCCURRED,
        }),
        Fault::CacheChange => unit.change_write_cache(nth % 2 == 0),
        Fault::BatteryFailure => unit.fail_battery(nth % 2 == 0),
        Fault::MisdirectedWrite => {
            unit.miswrite(Miswrite::Misdirected { by: 1 + u64::from(nth % 7) }, times);
        }
        Fault::ShornWrite => unit.miswrite(Miswrite::Shorn, times),
        _ => {}
    }
}
