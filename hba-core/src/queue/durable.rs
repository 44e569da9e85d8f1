//! What the books of the adapter ask of a queue; see [`durability`](crate::durability).

use super::IoQueue;
use crate::dma::DataBuffer;
#[cfg(feature = "tokio")]
use crate::durability::WrittenTable;
use crate::durability::{Epoch, Sign, Written};
use crate::name::Nexus;
use crate::port::QueuePort;

impl<P: QueuePort, D: DataBuffer> IoQueue<P, D> {
    /// An epoch begins: writes from here on belong to it, and so do those that have not ended yet.
    ///
    /// Looks at each slot once.
    pub fn begin_epoch(&mut self, epoch: Epoch) {
        self.record.begin_epoch(epoch);
        for slot in self.slots.iter_outstanding() {
            self.record.carry_over(slot.nexus, slot.notes.kind());
        }
    }

    /// In which epochs a unit was last written to through this queue.
    pub fn written(&self, nexus: Nexus) -> Written {
        self.record.written(nexus)
    }

    /// The units that were written to, or of which something was seen, through this queue.
    pub fn written_units(&self) -> impl Iterator<Item = Nexus> {
        self.record.units()
    }

    /// Copies when every unit was last written to through this queue.
    #[cfg(feature = "tokio")]
    pub(crate) fn copy_written(&self, table: &mut WrittenTable) {
        self.record.copy_written(table);
    }

    /// Whether [`Self::poll_sign`] has something.
    pub const fn has_signs(&self) -> bool {
        self.record.has_signs()
    }

    /// What was seen of a unit that matters for its cached writes, since this was last asked.
    ///
    /// Everything that a pass saw is here when it returns: take it before a flush is
    /// [concluded](crate::durability::Durability::conclude).
    pub fn poll_sign(&mut self) -> Option<Sign> {
        self.record.take_sign()
    }
}
