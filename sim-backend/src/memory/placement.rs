//! Where a host puts the memory of a controller: inside the window that it is asked for, or where no controller wants it.

use hba_core::dma::{BusAddr, DmaRegion, DmaWindow, Segment};
use hba_core::port::RegionPlan;

use super::{Arena, OutOfMemory, SimMemory};

/// Where a host puts the regions of a plan.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Placement {
    /// At the next address of the plan's window.
    #[default]
    Window,
    /// Above 4 GiB, each group that shares an upper half in 4 GiB of its own.
    GroupsApart,
    /// Above 4 GiB, each region in 4 GiB of its own, whatever its group.
    RegionsApart,
    /// With the middle on a 4 GiB line.
    Across,
}

/// The first 4 GiB that regions are put in, each apart from the others: far above 4 GiB, and within 40 bits.
const APART: u64 = 0x12;
/// Where windows that end below [`SimMemory::BASE`] are used: not at address 0, which hides mistakes.
const LOW_BASE: u64 = 0x10_0000;

impl SimMemory {
    /// Memory for a region of a plan. Where the next allocation goes is changed by [`Placement::Window`] only.
    ///
    /// # Errors
    ///
    /// As [`allocate`](Self::allocate); also where the window has no room.
    pub fn place(&self, plan: &RegionPlan, placement: Placement) -> Result<DmaRegion, OutOfMemory> {
        let start = match placement {
            Placement::Window => return self.allocate_in(plan.len, plan.align, &plan.window),
            Placement::GroupsApart => (APART + u64::from(plan.upper_half)) << 32,
            Placement::RegionsApart => self.lock().empty_4g(APART) << 32,
            Placement::Across => {
                let before = (plan.len as u64 / 2).next_multiple_of(plan.align.max(8) as u64);
                ((self.lock().empty_4g(APART) + 1) << 32) - before
            }
        };
        let mut arena = self.lock();
        let next = core::mem::replace(&mut arena.next, start);
        let bus = match placement {
            Placement::Across => Some(start),
            _ => arena.place(plan.len, plan.align as u64),
        };
        let block = bus.map(|bus| (bus, arena.map(bus, plan.len)));
        arena.next = next;
        let (bus, block) = block.ok_or(OutOfMemory { len: plan.len, left: arena.left })?;
        Ok(block?.region(plan.len, BusAddr::new(bus)))
    }

    /// Allocates `len` bytes at a multiple of `align` in `window`: at the next address if that is in it, or else at the first
    /// free one from [`BASE`](Self::BASE), 1 MiB or the window's first address on, whichever of them is in it.
    ///
    /// # Errors
    ///
    /// As [`allocate`](Self::allocate); also where the window has no room.
    pub fn allocate_in(
        &self,
        len: usize,
        align: usize,
        window: &DmaWindow,
    ) -> Result<DmaRegion, OutOfMemory> {
        let inside = |bus| window.contains(Segment::new(BusAddr::new(bus), len as u32));
        if let Some(port) = self.port.as_ref().filter(|port| port.translates()) {
            let region = self.allocate_mapped(port, len, align)?;
            let out = OutOfMemory { len, left: self.lock().left };
            return Some(region).filter(|region| inside(region.bus().raw())).ok_or(out);
        }
        let mut arena = self.lock();
        let next = arena.next;
        let bus = match arena.place(len, align as u64).filter(|bus| inside(*bus)) {
            Some(bus) => bus,
            None => {
                let bases = [Self::BASE.raw(), LOW_BASE, window.first().raw()];
                arena.next = bases.into_iter().find(|base| inside(*base)).unwrap_or(next);
                let bus = arena.place(len, align as u64).filter(|bus| inside(*bus));
                arena.next = next;
                bus.ok_or(OutOfMemory { len, left: arena.left })?
            }
        };
        let block = arena.map(bus, len)?;
        if bus < next {
            arena.next = next;
        }
        Ok(block.region(len, BusAddr::new(bus)))
    }
}

impl Arena {
    /// The first 4 GiB, by their upper half, from `half` on in which nothing is mapped, nor in the next.
    fn empty_4g(&self, half: u64) -> u64 {
        let live = self.mappings.iter().filter(|mapping| mapping.block.strong_count() > 0);
        let ends = live.flat_map(|mapping| [mapping.first, mapping.first + mapping.len]);
        let used = ends.flat_map(|end| [end >> 32, (end >> 32).saturating_sub(1)]);
        let used = used.collect::<Vec<_>>();
        (half..).find(|half| !used.contains(half)).unwrap_or(half)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hba_core::dma::AddressWidth;

    const WIDE: DmaWindow = DmaWindow::of_width(AddressWidth::BITS_64);

    fn plan(upper_half: u8, window: DmaWindow) -> RegionPlan {
        RegionPlan { name: "pool", len: 0x1000, align: 64, upper_half, window }
    }

    #[test]
    fn each_placement_is_what_it_says() {
        let memory = SimMemory::new(1 << 20);
        let place = |group, placement| memory.place(&plan(group, WIDE), placement).unwrap();
        let high = |group, placement| place(group, placement).bus().high();
        let kept = [place(0, Placement::GroupsApart), place(0, Placement::GroupsApart)];
        assert_eq!(kept.each_ref().map(|region| region.bus().high()), [0x12, 0x12]);
        assert_eq!(high(7, Placement::GroupsApart), 0x19);
        let apart = [place(0, Placement::RegionsApart), place(0, Placement::RegionsApart)];
        assert_eq!(apart.each_ref().map(|region| region.bus().high()), [0x13, 0x14]);
        assert_eq!(place(0, Placement::Across).bus(), BusAddr::new(0x15_ffff_f800));
        assert_eq!(place(0, Placement::Window).bus(), SimMemory::BASE, "none of them moves on");
    }

    #[test]
    fn a_window_is_kept_to_or_there_is_no_memory() {
        let memory = SimMemory::at(BusAddr::new(0x3_0000_0000), 1 << 20);
        let low = WIDE.within(BusAddr::new(0), BusAddr::new(0xffff_ffff));
        let in_low = || memory.place(&plan(0, low), Placement::Window).unwrap();
        let (first, second) = (in_low(), in_low());
        assert_eq!(first.bus(), SimMemory::BASE);
        assert_eq!(second.bus(), SimMemory::BASE.offset(0x1000 + SimMemory::GUARD));
        let next = memory.allocate(8, 8).unwrap();
        assert_eq!(next.bus(), BusAddr::new(0x3_0000_0000), "the others go on where they were");
        let tight = WIDE.within(BusAddr::new(0x1000), BusAddr::new(0x17ff));
        assert!(memory.place(&plan(0, tight), Placement::Window).is_err());
    }
}
