//! What goes into a request frame: the header, and the list of elements behind it.

use hba_core::command::Command;
use hba_core::dma::{DmaSync, Elements, RecordMut};
use hba_core::port::Unsendable;
use scsi_proto::{Direction, TaskAttribute};

use super::Mpi2Queue;
use crate::mpi2::sgl::{ElementKind, FRAME, ListMemory, SGL_OFFSET};
use crate::wire::scsi_io::{self, DataDirection, halves};

/// The fourth word of the last IEEE element.
pub(super) const IEEE_LAST: u32 = (crate::wire::mpi2::IEEE_END_OF_LIST as u32) << 24;

/// The words of a SCSI IO request that differ from command to command. Source: `MPI2_SCSI_IO_REQUEST`.
pub(super) struct Header<'a> {
    pub(super) command: &'a Command,
    pub(super) cdb: &'a [u8; 16],
    pub(super) dev_handle: u16,
    pub(super) chain_offset: u8,
}

impl Header<'_> {
    /// Writes each word as soon as it is made, so that few are alive at a time.
    #[inline]
    pub(super) fn write<const N: usize>(&self, frame: &mut RecordMut<'_, N>) {
        let Self { command, cdb, .. } = self;
        let lun = u64::from_le_bytes(*command.nexus.lun.as_bytes());
        frame.put::<0>(u32::from(self.dev_handle) | u32::from(self.chain_offset) << 16);
        frame.put::<7>(command.transfer.length);
        frame.put::<9>(command.cdb.len() as u32);
        frame.put::<13>(lun as u32);
        frame.put::<14>((lun >> 32) as u32);
        let (head, tail) = halves(cdb);
        frame.put_pair::<16>(head);
        frame.put_pair::<18>(tail);
    }
}

const DIRECTIONS: [Direction; 3] = [Direction::None, Direction::ToDevice, Direction::FromDevice];

const ATTRIBUTES: [TaskAttribute; 4] =
    [TaskAttribute::Simple, TaskAttribute::HeadOfQueue, TaskAttribute::Ordered, TaskAttribute::Aca];

#[inline]
pub(super) const fn control_place(direction: Direction, attribute: TaskAttribute) -> usize {
    (direction as usize * 4 + attribute as usize) % 16
}

pub(super) fn controls() -> [u32; 16] {
    let mut words = [0; 16];
    for direction in DIRECTIONS {
        for attribute in ATTRIBUTES {
            words[control_place(direction, attribute)] = control(direction, attribute);
        }
    }
    words
}

/// The control word.
const fn control(direction: Direction, attribute: TaskAttribute) -> u32 {
    let direction = match direction {
        Direction::None => DataDirection::None,
        Direction::ToDevice => DataDirection::Write,
        Direction::FromDevice => DataDirection::Read,
    };
    let attribute = match attribute {
        TaskAttribute::Simple => scsi_io::TaskAttribute::Simple,
        TaskAttribute::HeadOfQueue => scsi_io::TaskAttribute::HeadOfQueue,
        TaskAttribute::Ordered => scsi_io::TaskAttribute::Ordered,
        TaskAttribute::Aca => scsi_io::TaskAttribute::Aca,
    };
    scsi_io::scsi_io_control(direction, attribute)
}

impl<S: DmaSync> Mpi2Queue<S> {
    /// Writes a frame with any list: no data, one element or several, chains.
    pub(super) fn prepare_list(
        &mut self,
        slot: usize,
        command: &Command,
        cdb: &[u8; 16],
        elements: Elements<'_>,
    ) -> Result<(), Unsendable> {
        let direction = command.transfer.wire_direction();
        let flags = self.flags[usize::from(direction == Direction::ToDevice)];
        let chain_offset = if command.transfer.length == 0 {
            self.write_empty_list(slot, flags);
            0
        } else {
            self.write_list(slot, flags, elements)?
        };
        let mut words = self.frames.record_mut::<24>(slot);
        Header { command, cdb, dev_handle: command.nexus.target.id, chain_offset }
            .write(&mut words);
        words.put::<15>(self.controls[control_place(direction, command.attribute)]);
        Ok(())
    }

    /// The same for a CDB of more than 16 bytes. What it leaves in the frame no shorter one shows: that has its length.
    #[cold]
    #[inline(never)]
    pub(super) fn prepare_long(
        &mut self,
        slot: usize,
        command: &Command,
        elements: Elements<'_>,
    ) -> Result<(), Unsendable> {
        let bytes = command.cdb.as_bytes();
        let mut padded = [[0; 16]; 2];
        padded.as_flattened_mut()[..bytes.len()].copy_from_slice(bytes);
        self.prepare_list(slot, command, &padded[0], elements)?;
        let (head, tail) = halves(&padded[1]);
        let direction = command.transfer.wire_direction();
        let control = self.controls[control_place(direction, command.attribute)];
        // Bits 31:26: dwords of the CDB beyond its first 16 bytes.
        let additional = (bytes.len() - 16).div_ceil(4) as u32;
        let mut words = self.frames.record_mut::<24>(slot);
        words.put::<15>(control | additional << 26);
        words.put_pair::<20>(head);
        words.put_pair::<22>(tail);
        Ok(())
    }

    /// Control bits say that there is no data; the list is one empty element.
    fn write_empty_list(&mut self, slot: usize, flags: u32) {
        let at = slot * FRAME + SGL_OFFSET;
        let last = self.layout.last();
        match self.layout.kind() {
            ElementKind::Ieee => self.frames.region_mut().write_words(at, [0, 0, 0, last]),
            _ => self.frames.region_mut().write_words(at, [flags | last, 0, 0]),
        }
    }

    /// Writes a list and returns its chain offset.
    fn write_list(
        &mut self,
        slot: usize,
        flags: u32,
        elements: Elements<'_>,
    ) -> Result<u8, Unsendable> {
        let chain = slot * self.layout.segments();
        let (frames, chains) = (&mut self.frames, &mut self.chains);
        let mut list = ListMemory { frames, frame: slot, chains, chain };
        let chain_offset = list.write(&self.layout, flags, elements)?;
        if chain_offset != 0 {
            self.sync.for_device(self.chains.bus_of(chain), self.layout.bytes());
        }
        Ok(chain_offset)
    }
}
