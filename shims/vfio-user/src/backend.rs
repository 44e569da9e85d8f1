//! What the client asks of the device, message by message.

use alloc::sync::Arc;
use std::fs::File;
use std::io;

use hba_core::register::RegOffset;
use vfio_bindings::bindings::vfio::{
    VFIO_PCI_BAR0_REGION_INDEX, VFIO_PCI_BAR1_REGION_INDEX, VFIO_PCI_BAR5_REGION_INDEX,
    VFIO_PCI_CONFIG_REGION_INDEX, VFIO_PCI_NUM_REGIONS, VFIO_REGION_INFO_FLAG_READ,
    VFIO_REGION_INFO_FLAG_WRITE, vfio_region_info,
};
use vfio_user::{DmaMapFlags, DmaUnmapFlags, ServerBackend, ServerRegion};

use crate::config_space::{ConfigSpace, Effect};
use crate::memory::{GuestMemory, invalid};
use crate::part::Part;
use crate::worker::{Function, Shared};

/// The device as the protocol's library calls it.
pub(crate) struct Backend {
    part: Part,
    shared: Arc<Shared>,
    memory: Arc<GuestMemory>,
    /// The MSI-X table. The client keeps its own; this one reads back what was written.
    table: Vec<u8>,
}

/// Bytes of an entry of the MSI-X table.
const ENTRY_LEN: usize = 16;

/// What is at an offset of a region.
enum Place {
    Config,
    Registers,
    /// The MSI-X table, at this offset.
    Table(usize),
    /// Memory of the chip that drivers do not use: reads zeros.
    Nothing,
}

impl Backend {
    pub(crate) fn new(part: &Part, shared: Arc<Shared>, memory: Arc<GuestMemory>) -> Self {
        let table = vec![0; usize::from(part.msix().0) * ENTRY_LEN];
        Self { part: part.clone(), shared, memory, table }
    }

    /// The regions as the client is told of them.
    pub(crate) fn regions(part: &Part) -> Vec<ServerRegion> {
        let region = |index: u32| {
            let size = region_len(part, index);
            let flags = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE;
            let region_info = vfio_region_info {
                argsz: size_of::<vfio_region_info>() as u32,
                flags: if size == 0 { 0 } else { flags },
                index,
                size,
                ..vfio_region_info::default()
            };
            ServerRegion { region_info, sparse_areas: Vec::new(), mmap_fd: None }
        };
        (0..VFIO_PCI_NUM_REGIONS).map(region).collect()
    }

    fn place(&self, region: u32, offset: u64, len: usize) -> io::Result<Place> {
        let end = offset.checked_add(len as u64);
        if len == 0 || end.is_none_or(|end| end > region_len(&self.part, region)) {
            return Err(invalid(format!("{len} bytes at {offset:#x} of region {region}")));
        }
        let (vectors, table, _) = self.part.msix();
        let table_offset = offset.checked_sub(table.into());
        Ok(match region {
            VFIO_PCI_CONFIG_REGION_INDEX => Place::Config,
            VFIO_PCI_BAR0_REGION_INDEX => Place::Registers,
            VFIO_PCI_BAR1_REGION_INDEX => match table_offset {
                Some(at) if at as usize + len <= self.table.len() => Place::Table(at as usize),
                Some(_) if vectors != 0 => Place::Nothing,
                _ => Place::Registers,
            },
            _ => Place::Nothing,
        })
    }

    fn write_config(&self, function: &mut Function, offset: usize, data: &[u8]) {
        if function.config.write(offset, data) == Effect::Reset {
            self.reset_function(function);
        }
        self.memory.set_bus_master(function.config.is_master());
        function.deliver();
    }

    /// The state after power-on. The disks notice nothing.
    fn reset_function(&self, function: &mut Function) {
        function.model.power_cut();
        function.model.power_on();
        function.config = ConfigSpace::new(&self.part);
        function.interrupts.reset();
        self.memory.set_bus_master(false);
    }
}

fn region_len(part: &Part, index: u32) -> u64 {
    match index {
        VFIO_PCI_BAR0_REGION_INDEX..=VFIO_PCI_BAR5_REGION_INDEX => {
            part.bar_len(index as usize).into()
        }
        VFIO_PCI_CONFIG_REGION_INDEX => part.config_len() as u64,
        _ => 0,
    }
}

/// Reads registers; an access that is no whole register takes its bytes out of one.
fn read_registers(function: &mut Function, offset: u64, data: &mut [u8]) {
    // What the register says depends on what the model has come to.
    function.work();
    let skip = (offset % 4) as usize;
    let mut at = (offset - skip as u64) as u32;
    let mut bytes = Vec::with_capacity(skip + data.len() + 3);
    while bytes.len() < skip + data.len() {
        bytes.extend(function.model.read(RegOffset(at)).to_le_bytes());
        at += 4;
    }
    data.copy_from_slice(&bytes[skip..skip + data.len()]);
    function.deliver();
}

/// Writes registers. A write that is no whole register has no effect: no driver does that.
fn write_registers(function: &mut Function, offset: u64, data: &[u8]) {
    let at = RegOffset(offset as u32);
    if !offset.is_multiple_of(4) {
        return;
    }
    if let Ok(bytes) = <[u8; 8]>::try_from(data) {
        function.model.write64(at, u64::from_le_bytes(bytes));
    } else if let Ok(bytes) = <[u8; 4]>::try_from(data) {
        function.model.write(at, u32::from_le_bytes(bytes));
    }
    function.take_word();
}

impl ServerBackend for Backend {
    fn region_read(&mut self, region: u32, offset: u64, data: &mut [u8]) -> io::Result<()> {
        let place = self.place(region, offset, data.len())?;
        let mut function = self.shared.lock();
        match place {
            Place::Config => {
                let intx = function.model.interrupt_level();
                function.config.read(offset as usize, data, intx);
            }
            Place::Registers => read_registers(&mut function, offset, data),
            Place::Table(at) => data.copy_from_slice(&self.table[at..at + data.len()]),
            Place::Nothing => data.fill(0),
        }
        Ok(())
    }

    fn region_write(&mut self, region: u32, offset: u64, data: &[u8]) -> io::Result<()> {
        match self.place(region, offset, data.len())? {
            Place::Config => {
                self.write_config(&mut self.shared.lock(), offset as usize, data);
            }
            Place::Registers => {
                let mut function = self.shared.lock();
                write_registers(&mut function, offset, data);
                self.shared.kick(function);
            }
            Place::Table(at) => self.table[at..at + data.len()].copy_from_slice(data),
            Place::Nothing => {}
        }
        Ok(())
    }

    fn dma_map(
        &mut self,
        flags: DmaMapFlags,
        offset: u64,
        address: u64,
        size: u64,
        fd: Option<File>,
    ) -> io::Result<()> {
        let directions = [DmaMapFlags::READ, DmaMapFlags::WRITE].map(|flag| flags.contains(flag));
        self.memory.map(address, size, fd.map(|file| (file, offset)), directions)
    }

    fn dma_unmap(&mut self, flags: DmaUnmapFlags, address: u64, size: u64) -> io::Result<()> {
        if flags.contains(DmaUnmapFlags::GET_DIRTY_PAGE_INFO) {
            return Err(invalid("dirty pages are not tracked".to_owned()));
        }
        if flags.contains(DmaUnmapFlags::UNMAP_ALL) {
            self.memory.clear();
        } else {
            self.memory.unmap(address, size);
        }
        Ok(())
    }

    fn reset(&mut self) -> io::Result<()> {
        self.reset_function(&mut self.shared.lock());
        Ok(())
    }

    fn set_irqs(
        &mut self,
        index: u32,
        flags: u32,
        start: u32,
        count: u32,
        fds: Vec<File>,
    ) -> io::Result<()> {
        let mut function = self.shared.lock();
        function.interrupts.set(index, flags, start, count, fds)?;
        function.deliver();
        Ok(())
    }
}
