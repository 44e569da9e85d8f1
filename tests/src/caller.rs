//! Makes requests, for the programs that `tests/instructions` counts.

use core::hint::black_box;

use hba_core::command::{Cookie, Nexus, Request, TargetId, Transfer};
use hba_core::dma::DataBuffer;
use scsi_proto::command::{self, Access, Command, TestUnitReady};
use scsi_proto::{Lba, Lun};

use crate::register_bank::Pages;

/// Makes requests for blocks all over the disks, each for the next of so many targets.
pub struct Caller<const JOINED: bool = true> {
    lba: u32,
    cookie: u64,
    target: u16,
    targets: u16,
    /// Where the data of every request go.
    pub data: Pages<JOINED>,
    length: u32,
}

impl<const JOINED: bool> Caller<JOINED> {
    /// A caller of reads into `data`, whole blocks of it, or of commands without data.
    #[must_use]
    pub fn new(data: Pages<JOINED>, targets: u16) -> Self {
        let length = data.segments().iter().map(|segment| segment.len).sum();
        Self { lba: 1, cookie: 0, target: 0, targets, data, length }
    }

    /// The next request.
    ///
    /// # Panics
    ///
    /// Never: a block address of 29 bits is in range.
    #[inline(never)]
    pub fn request(&mut self) -> Request<Pages<JOINED>> {
        self.lba = self.lba.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        self.cookie += 1;
        self.target = if self.target == self.targets { 1 } else { self.target + 1 };
        let lba = Lba(u64::from(self.lba >> 3));
        let (cdb, transfer) = match self.length {
            0 => (TestUnitReady::default().cdb(), Transfer::NONE),
            length => {
                let cdb = command::read(lba, length / 512, Access::default());
                (cdb.expect("a 32-bit address is in range"), Transfer::from_device(length))
            }
        };
        let nexus = Nexus::new(TargetId::new(self.target), Lun::ZERO);
        black_box(Request::new(nexus, cdb, transfer, self.data, Cookie(self.cookie)))
    }
}
