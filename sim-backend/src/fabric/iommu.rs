//! An IOMMU: translations found by requester ID, with a direction and a life.

use alloc::collections::{BTreeMap, VecDeque};
use core::ops::RangeInclusive;

use hba_core::dma::MapDirection;
use hba_core::fabric::RequesterId;

use crate::memory::{DmaDirection, DmaFaultCause};

/// Names a translation table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TableId(usize);

/// Tables, and which requester uses which.
///
/// Stricter than hardware in one point: a mapping ends at its last byte, not at the end of the page.
#[derive(Debug)]
pub(super) struct Iommu {
    page: u64,
    window: RangeInclusive<u64>,
    tables: Vec<Table>,
    /// In the order in which they were made known: the place is the stream that a DART would see, from 1 on.
    sources: Vec<(RequesterId, TableId)>,
}

#[derive(Debug)]
struct Table {
    /// Where the search for free addresses goes on. They are used again as late as possible.
    next: u64,
    /// By first byte, not overlapping.
    live: BTreeMap<u64, Entry>,
    /// First byte and length of what was unmapped last.
    retired: VecDeque<(u64, u64)>,
}

#[derive(Debug)]
struct Entry {
    len: u64,
    /// Physical addresses of the pages, in order.
    pages: Vec<u64>,
    direction: MapDirection,
}

/// How many ended mappings a table remembers, to tell use after unmap from use before map.
const RETIRED_KEPT: usize = 1024;

impl Iommu {
    pub(super) const fn new(page: u64, window: RangeInclusive<u64>) -> Self {
        Self { page, window, tables: Vec::new(), sources: Vec::new() }
    }

    pub(super) fn add_table(&mut self) -> TableId {
        let next = *self.window.start();
        self.tables.push(Table { next, live: BTreeMap::new(), retired: VecDeque::new() });
        TableId(self.tables.len() - 1)
    }

    /// Lets requests of `source` use `table`, and no other from now on.
    pub(super) fn attach(&mut self, source: RequesterId, table: TableId) {
        match self.sources.iter_mut().find(|(known, _)| *known == source) {
            Some((_, used)) => *used = table,
            None => self.sources.push((source, table)),
        }
    }

    pub(super) fn sources_of(&self, table: TableId) -> Vec<RequesterId> {
        let of_table = self.sources.iter().filter(|(_, used)| *used == table);
        of_table.map(|(source, _)| *source).collect()
    }

    /// The stream that a DART's root port makes of `source`: 0 for all that it does not know.
    pub(super) fn stream(&self, source: RequesterId) -> u8 {
        let place = self.sources.iter().position(|(known, _)| *known == source);
        place.and_then(|place| u8::try_from(place + 1).ok()).unwrap_or(0)
    }

    /// Maps `len` bytes that begin `offset` bytes into the first of `pages`. `None` when no addresses are left.
    pub(super) fn map(
        &mut self,
        table: TableId,
        pages: Vec<u64>,
        offset: u64,
        len: u64,
        direction: MapDirection,
        align: u64,
    ) -> Option<u64> {
        let (page, window) = (self.page, self.window.clone());
        let table = &mut self.tables[table.0];
        let align = align.max(page);
        let size = (offset + len).next_multiple_of(page);
        let from = |start| table.free_from(start, size, align, &window, page);
        let base = from(table.next).or_else(|| from(*window.start()))?;
        // A page between two mappings stays free: running off the end of one is a fault, not the next one's bytes.
        table.next = base + size + page;
        let first = base + offset;
        table.retired.retain(|(at, was)| first + len <= *at || at + was <= first);
        table.live.insert(first, Entry { len, pages, direction });
        Some(first)
    }

    /// Ends the mapping that begins at `first`.
    pub(super) fn unmap(&mut self, table: TableId, first: u64) {
        let table = &mut self.tables[table.0];
        let Some(entry) = table.live.remove(&first) else { return };
        if table.retired.len() == RETIRED_KEPT {
            table.retired.pop_front();
        }
        table.retired.push_back((first, entry.len));
    }

    /// Where `len` bytes at `at` are, as physical addresses and lengths.
    pub(super) fn translate(
        &self,
        source: RequesterId,
        at: u64,
        len: usize,
        direction: DmaDirection,
    ) -> Result<Vec<(u64, usize)>, DmaFaultCause> {
        let known = self.sources.iter().find(|(known, _)| *known == source);
        let (_, table) = known.ok_or(DmaFaultCause::NoTable)?;
        let table = &self.tables[table.0];
        let (mut at, mut left, mut ways) = (at, len as u64, Vec::new());
        while left > 0 {
            let (physical, reach) = table.look_up(at, self.page, direction)?;
            let now = left.min(reach);
            ways.push((physical, now as usize));
            at = at.checked_add(now).ok_or(DmaFaultCause::NotMapped)?;
            left -= now;
        }
        Ok(ways)
    }
}

impl Table {
    /// The first address from `start` on where `size` bytes and a page behind them are free, within one 4 GiB.
    fn free_from(
        &self,
        start: u64,
        size: u64,
        align: u64,
        window: &RangeInclusive<u64>,
        page: u64,
    ) -> Option<u64> {
        let mut at = start.max(*window.start()).checked_next_multiple_of(align)?;
        loop {
            let last = at.checked_add(size - 1).filter(|last| window.contains(last))?;
            let before = self.live.range(..=last).next_back();
            let blocked =
                before.map(|(first, entry)| first + entry.len).filter(|end| *end + page > at);
            at = match blocked {
                Some(end) => end.checked_next_multiple_of(page)?.checked_add(page)?,
                None if at >> 32 != last >> 32 => last & !0xffff_ffff,
                None => return Some(at),
            }
            .checked_next_multiple_of(align)?;
        }
    }

    /// The physical address behind `at`, and how many bytes from there on are in the same page of the same mapping.
    fn look_up(
        &self,
        at: u64,
        page: u64,
        direction: DmaDirection,
    ) -> Result<(u64, u64), DmaFaultCause> {
        let below = self.live.range(..=at).next_back();
        let Some((first, entry)) = below.filter(|(first, entry)| at - **first < entry.len) else {
            let was = self.retired.iter().any(|(first, len)| at.wrapping_sub(*first) < *len);
            return Err(if was { DmaFaultCause::Unmapped } else { DmaFaultCause::NotMapped });
        };
        let permitted = match direction {
            DmaDirection::DeviceReads => entry.direction.device_reads(),
            DmaDirection::DeviceWrites => entry.direction.device_writes(),
        };
        if !permitted {
            return Err(DmaFaultCause::WrongDirection);
        }
        let base = first - first % page;
        let physical = entry.pages.get(((at - base) / page) as usize);
        let physical = physical.ok_or(DmaFaultCause::NotMapped)?;
        let reach = (page - at % page).min(first + entry.len - at);
        Ok((physical + at % page, reach))
    }
}
