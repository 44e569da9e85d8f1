//! A disk as the world watches it: what it executed, before the host hears of it.

use hba_core::time::Instant;
use scsi_proto::{Lun, Opcode, Status};

use crate::disk::SimDisk;
use crate::target::{DataPhase, DmaFault, Executed, Execution, SasAddress, Target, Task};

/// A disk that keeps a log of what it executed.
#[derive(Debug)]
pub struct Watched {
    /// The disk.
    pub disk: SimDisk,
    /// What it executed since the log was last taken.
    pub log: Vec<Seen>,
}

/// One executed command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The logical unit of the disk.
    pub lun: u16,
    /// What.
    pub opcode: Opcode,
    /// The number that the caller gave it, in CONTROL; 0: none.
    pub number: u8,
    /// How it ended.
    pub status: Status,
    /// Bytes that it moved.
    pub moved: u32,
    /// The first eight bytes of its data-out, where there were any.
    pub stamp: u64,
    /// It reported that cached data could not be written: a medium or hardware error, or a deferred error.
    pub loss: bool,
}

impl Watched {
    /// Watches `disk`.
    #[must_use]
    pub const fn new(disk: SimDisk) -> Self {
        Self { disk, log: Vec::new() }
    }
}

impl Target for Watched {
    fn sas_address(&self) -> SasAddress {
        self.disk.sas_address()
    }

    fn execute(&mut self, now: Instant, task: &Task<'_>, data: &mut dyn DataPhase) -> Execution {
        let mut sniff = Sniff { data, stamp: 0 };
        let (cdb, number) = numbered::take(task.cdb);
        let execution = self.disk.execute(now, &Task { cdb: &cdb, ..*task }, &mut sniff);
        let stamp = sniff.stamp;
        if let Execution::Done(executed) = &execution {
            self.log.push(Seen {
                lun: task.lun.number().and_then(|lun| u16::try_from(lun).ok()).unwrap_or(0),
                opcode: task.cdb.opcode(),
                number,
                status: executed.status,
                moved: executed.moved,
                stamp,
                loss: tells_of_loss(executed),
            });
        }
        execution
    }

    fn logical_unit_reset(&mut self, lun: Lun) {
        self.disk.logical_unit_reset(lun);
    }

    fn target_reset(&mut self) {
        self.disk.target_reset();
    }

    fn i_t_nexus_loss(&mut self) {
        self.disk.i_t_nexus_loss();
    }

    fn power_cut(&mut self) {
        Target::power_cut(&mut self.disk);
    }

    fn power_on(&mut self) {
        self.disk.power_on();
    }

    fn has_lun(&self, lun: Lun) -> bool {
        self.disk.has_lun(lun)
    }
}

/// A number in the CONTROL byte, which is the last of a CDB and which no device of a campaign looks at: so the log of a disk
/// says which of the caller's commands it executed.
pub(super) mod numbered {
    use scsi_proto::Cdb;

    /// The same CDB with a number.
    pub(in super::super) fn give(cdb: &Cdb, number: u8) -> Cdb {
        let mut bytes = *cdb.padded32();
        let len = cdb.len();
        bytes[len - 1] = number;
        Cdb::new(&bytes[..len]).unwrap_or(*cdb)
    }

    /// The CDB without its number, and the number.
    pub(super) fn take(cdb: &Cdb) -> (Cdb, u8) {
        (give(cdb, 0), cdb.as_bytes().last().copied().unwrap_or(0))
    }
}

/// MEDIUM ERROR (3), HARDWARE ERROR (4), or a deferred error (71h, 73h). Read from the bytes, not with a parser that the
/// driver uses too. Source: SPC-5 4.4.2 and 4.4.3.
fn tells_of_loss(executed: &Executed) -> bool {
    if executed.status != Status::CHECK_CONDITION {
        return false;
    }
    let &[code, byte1, byte2, ..] = executed.sense.as_bytes() else { return false };
    match code & 0x7f {
        0x70 => matches!(byte2 & 0x0f, 3 | 4),
        0x72 => matches!(byte1 & 0x0f, 3 | 4),
        0x71 | 0x73 => true,
        _ => false,
    }
}

/// Lets a data phase pass and remembers how the data-out began.
struct Sniff<'a> {
    data: &'a mut dyn DataPhase,
    stamp: u64,
}

impl DataPhase for Sniff<'_> {
    fn len(&self) -> u32 {
        self.data.len()
    }

    fn send(&mut self, offset: u32, bytes: &[u8]) -> Result<(), DmaFault> {
        self.data.send(offset, bytes)
    }

    fn receive(&mut self, offset: u32, into: &mut [u8]) -> Result<(), DmaFault> {
        self.data.receive(offset, into)?;
        if offset == 0
            && let Some(first) = into.first_chunk()
        {
            self.stamp = u64::from_le_bytes(*first);
        }
        Ok(())
    }
}
