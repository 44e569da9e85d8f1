//! The guest's memory, as far as the client has mapped it for the device.

use alloc::collections::BTreeMap;
use core::sync::atomic::{AtomicBool, Ordering, fence};
use std::fs::File;
use std::io;
use std::sync::{PoisonError, RwLock, RwLockReadGuard};

use hba_core::dma::BusAddr;
use sim_backend::memory::{DmaFaultCause, HostMemory};
use vm_memory::{Bytes as _, FileOffset, MmapRegion, VolatileMemory as _};

/// Memory that the client lends with DMA_MAP, by bus address. Empty at first.
#[derive(Debug, Default)]
pub struct GuestMemory {
    mappings: RwLock<BTreeMap<u64, Mapping>>,
    bus_master: AtomicBool,
}

#[derive(Debug)]
struct Mapping {
    len: u64,
    /// `None`: the client has not said how to reach it.
    region: Option<MmapRegion<()>>,
    readable: bool,
    writable: bool,
}

/// The way of an access.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Access {
    Read,
    Write,
}

impl GuestMemory {
    /// Lets the device reach memory, or not: its bus master bit.
    pub(crate) fn set_bus_master(&self, on: bool) {
        self.bus_master.store(on, Ordering::Relaxed);
    }

    /// The client maps `len` bytes at `bus`, which are those of `file` at `offset`.
    pub(crate) fn map(
        &self,
        bus: u64,
        len: u64,
        file: Option<(File, u64)>,
        [readable, writable]: [bool; 2],
    ) -> io::Result<()> {
        let end = bus.checked_add(len).filter(|_| len != 0);
        let (Some(end), Ok(size)) = (end, usize::try_from(len)) else {
            return Err(invalid(format!("cannot map {len} bytes at {bus:#x}")));
        };
        let mut mappings = self.mappings.write().unwrap_or_else(PoisonError::into_inner);
        let overlap = mappings.range(..end).next_back();
        if overlap.is_some_and(|(start, mapping)| start + mapping.len > bus) {
            return Err(invalid(format!("{len} bytes at {bus:#x} are mapped already")));
        }
        let map = |(file, offset)| MmapRegion::from_file(FileOffset::new(file, offset), size);
        file.as_ref().map_or(Ok(()), |(file, offset)| check_file(file, *offset, len))?;
        let region = file.map(map).transpose().map_err(|error| invalid(error.to_string()))?;
        mappings.insert(bus, Mapping { len, region, readable, writable });
        Ok(())
    }

    /// The client takes back everything within `len` bytes at `bus`. No access is under way when this returns.
    pub(crate) fn unmap(&self, bus: u64, len: u64) {
        let mut mappings = self.mappings.write().unwrap_or_else(PoisonError::into_inner);
        let end = bus.saturating_add(len);
        mappings.retain(|start, mapping| *start < bus || start.saturating_add(mapping.len) > end);
    }

    /// The client takes back everything.
    pub(crate) fn clear(&self) {
        self.mappings.write().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Walks over the mapped pieces of `len` bytes at `bus`: region, offset in it, length.
    fn walk(
        mappings: &BTreeMap<u64, Mapping>,
        bus: u64,
        len: usize,
        access: Access,
        mut piece: impl FnMut(&MmapRegion<()>, usize, usize),
    ) -> Result<(), DmaFaultCause> {
        let (mut at, mut left) = (bus, len as u64);
        while left > 0 {
            let found = mappings.range(..=at).next_back();
            let (start, mapping) = found.ok_or(DmaFaultCause::NoMemory)?;
            let offset = at - start;
            let room = mapping.len.checked_sub(offset).filter(|room| *room > 0);
            let allowed = if access == Access::Read { mapping.readable } else { mapping.writable };
            let now = room.ok_or(DmaFaultCause::NoMemory)?.min(left);
            let region = mapping.region.as_ref().ok_or(DmaFaultCause::NoMemory)?;
            if !allowed {
                return Err(DmaFaultCause::WrongDirection);
            }
            piece(region, offset as usize, now as usize);
            at = at.checked_add(now).ok_or(DmaFaultCause::NoMemory)?;
            left -= now;
        }
        Ok(())
    }

    fn reach(&self) -> Result<RwLockReadGuard<'_, BTreeMap<u64, Mapping>>, DmaFaultCause> {
        if !self.bus_master.load(Ordering::Relaxed) {
            return Err(DmaFaultCause::NoMemory);
        }
        Ok(self.mappings.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl HostMemory for GuestMemory {
    fn read(&self, bus: BusAddr, into: &mut [u8]) -> Result<(), DmaFaultCause> {
        let mappings = self.reach()?;
        let (len, mut rest) = (into.len(), into);
        Self::walk(&mappings, bus.raw(), len, Access::Read, |region, offset, len| {
            let (now, later) = core::mem::take(&mut rest).split_at_mut(len);
            // In range: `walk` has checked it against the length of the mapping.
            let _ = region.as_volatile_slice().read_slice(now, offset);
            rest = later;
        })?;
        fence(Ordering::Acquire);
        Ok(())
    }

    fn write(&self, bus: BusAddr, from: &[u8]) -> Result<(), DmaFaultCause> {
        let mappings = self.reach()?;
        Self::walk(&mappings, bus.raw(), from.len(), Access::Write, |_, _, _| {})?;
        fence(Ordering::Release);
        let mut rest = from;
        Self::walk(&mappings, bus.raw(), from.len(), Access::Write, |region, offset, len| {
            let (now, later) = rest.split_at(len);
            let _ = region.as_volatile_slice().write_slice(now, offset);
            rest = later;
        })
    }
}

/// Whether `file` has `len` bytes at `offset`: an access beyond its end would end this process.
fn check_file(file: &File, offset: u64, len: u64) -> io::Result<()> {
    let known = file.metadata()?;
    if known.is_file() && offset.checked_add(len).is_none_or(|end| end > known.len()) {
        let all = known.len();
        return Err(invalid(format!("{len} bytes at {offset:#x} of a file of {all} bytes")));
    }
    Ok(())
}

pub(crate) fn invalid(what: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOTH: [bool; 2] = [true, true];

    fn file(len: u64) -> File {
        let fd = rustix::fs::memfd_create("guest", rustix::fs::MemfdFlags::CLOEXEC);
        let file = File::from(fd.expect("a memory file"));
        file.set_len(len).expect("a length");
        file
    }

    fn guest() -> (GuestMemory, File) {
        let memory = GuestMemory::default();
        memory.set_bus_master(true);
        let file = file(0x4000);
        let part = |offset| Some((file.try_clone().expect("one more descriptor"), offset));
        memory.map(0x1000, 0x1000, part(0x2000), BOTH).expect("free");
        memory.map(0x2000, 0x1000, part(0), BOTH).expect("free");
        (memory, file)
    }

    #[test]
    fn an_access_may_cross_from_one_mapping_to_the_next() {
        use std::os::unix::fs::FileExt as _;
        let (memory, file) = guest();
        memory.write(BusAddr::new(0x1ffe), &[1, 2, 3, 4]).expect("mapped");
        let mut bytes = [0; 2];
        file.read_exact_at(&mut bytes, 0x2ffe).expect("in the file");
        assert_eq!(bytes, [1, 2]);
        file.read_exact_at(&mut bytes, 0).expect("in the file");
        assert_eq!(bytes, [3, 4]);
        let mut back = [0; 4];
        memory.read(BusAddr::new(0x1ffe), &mut back).expect("mapped");
        assert_eq!(back, [1, 2, 3, 4]);
    }

    #[test]
    fn what_is_not_mapped_is_not_reached() {
        let (memory, _file) = guest();
        let fails = |bus| memory.write(BusAddr::new(bus), &[0; 4]).expect_err("not mapped");
        assert_eq!([fails(0x0), fails(0xffe), fails(0x2ffe)], [DmaFaultCause::NoMemory; 3]);
        assert_eq!(fails(u64::MAX), DmaFaultCause::NoMemory, "no wrap around");
        memory.unmap(0x2000, 0x1000);
        assert_eq!(fails(0x2000), DmaFaultCause::NoMemory);
        assert!(memory.write(BusAddr::new(0x1000), &[0; 4]).is_ok());
        memory.set_bus_master(false);
        assert_eq!(fails(0x1000), DmaFaultCause::NoMemory, "not a bus master");
    }

    #[test]
    fn mappings_that_make_no_sense_are_refused() {
        let (memory, _file) = guest();
        let error = memory.map(0x1800, 0x1000, None, BOTH).expect_err("overlaps");
        assert_eq!(error.to_string(), "4096 bytes at 0x1800 are mapped already");
        assert!(memory.map(0x8000, 0, None, BOTH).is_err(), "empty");
        assert!(memory.map(u64::MAX, 2, None, BOTH).is_err(), "wraps around");
        assert!(memory.map(0x8000, 0x1000, Some((file(16), 0)), BOTH).is_err(), "no such bytes");
    }

    #[test]
    fn a_mapping_has_directions_and_may_be_out_of_reach() {
        let (memory, _) = guest();
        memory.map(0x8000, 0x1000, Some((file(0x1000), 0)), [true, false]).expect("free");
        memory.map(0x9000, 0x1000, None, BOTH).expect("free");
        let error = memory.write(BusAddr::new(0x8000), &[0]).expect_err("for reading");
        assert_eq!(error, DmaFaultCause::WrongDirection);
        assert!(memory.read(BusAddr::new(0x8000), &mut [0]).is_ok());
        assert!(memory.read(BusAddr::new(0x9000), &mut [0]).is_err());
    }
}
