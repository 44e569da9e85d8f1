//! Memory that a backend needs, told before anything is allocated and checked before anything is used.

use alloc::vec::Vec;
use core::fmt;

use crate::dma::{AddressFault, BusAddr, DmaRegion, DmaWindow};
use crate::limits::Limits;

/// Regions of DMA memory that a backend needs, told before anything is allocated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemoryPlan {
    /// One entry for each region.
    pub regions: Vec<RegionPlan>,
}

/// The last address with an upper half of 0.
const LAST_LOW: BusAddr = BusAddr::new(u32::MAX as u64);

impl MemoryPlan {
    /// Bytes in all.
    pub fn bytes(&self) -> usize {
        self.regions.iter().map(|r| r.len).sum()
    }

    /// The same with every region below 4 GiB, where all upper halves are 0. `None` where that is the same, or where a region's
    /// window has no address there.
    #[must_use]
    pub fn below_4_gib(mut self) -> Option<Self> {
        let was_low = self.regions.iter().all(|region| region.window.last() <= LAST_LOW);
        for region in &mut self.regions {
            region.window = region.window.within(BusAddr::new(0), LAST_LOW);
        }
        let has_room = self.regions.iter().all(|region| !region.window.is_empty());
        (has_room && !was_low).then_some(self)
    }
}

/// One region of a [`MemoryPlan`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RegionPlan {
    /// What it is for.
    pub name: &'static str,
    /// Bytes, a multiple of the page size.
    pub len: usize,
    /// Alignment of the bus address in bytes.
    pub align: usize,
    /// Regions with the same number must share bits 63:32 of all their addresses; each lies within 4 GiB itself.
    pub upper_half: u8,
    /// The addresses that it may be allocated from: those of [`Limits::window`], or fewer where memory is asked for again.
    pub window: DmaWindow,
}

/// A region that does not fit the plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MemoryFault {
    /// There are not as many regions as the plan has.
    Count {
        /// Regions given.
        given: usize,
        /// Regions planned.
        planned: usize,
    },
    /// A region is too short.
    Short {
        /// Which.
        name: &'static str,
        /// Bytes given.
        given: usize,
        /// Bytes planned.
        planned: usize,
    },
    /// A region lies where the device or the host does not reach, or is misaligned.
    Address(AddressFault),
    /// A region crosses a 4 GiB line, or lies in another 4 GiB than its group, and asking below 4 GiB cannot help.
    UpperHalf {
        /// Which.
        name: &'static str,
    },
    /// Asked for once more from below 4 GiB, the host gave memory that is not.
    NotBelow {
        /// Which region was in the wrong 4 GiB at first.
        first: &'static str,
        /// Which is not below 4 GiB now.
        name: &'static str,
        /// Where it is.
        addr: BusAddr,
        /// Its length in bytes.
        len: u64,
    },
    /// Asked for once more from below 4 GiB, the host had none left.
    NoneBelow {
        /// Which region was in the wrong 4 GiB at first.
        first: &'static str,
        /// Bytes of the region that there is no memory for.
        len: usize,
    },
}

impl fmt::Display for MemoryFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count { given, planned } => {
                write!(f, "{given} memory regions were given where {planned} are planned")
            }
            Self::Short { name, given, planned } => {
                write!(f, "{name} got {given} bytes of memory where {planned} are planned")
            }
            Self::Address(fault) => fault.fmt(f),
            Self::UpperHalf { name } => write_apart(f, name),
            Self::NotBelow { first, name, addr, len } => {
                write_apart(f, first)?;
                write!(f, "; asked for below 4 GiB, the host put {name} of {len} bytes at {addr}")
            }
            Self::NoneBelow { first, len } => {
                write_apart(f, first)?;
                write!(f, "; asked for below 4 GiB, the host has no dma memory for {len} bytes")
            }
        }
    }
}

impl core::error::Error for MemoryFault {}

fn write_apart(f: &mut fmt::Formatter<'_>, name: &str) -> fmt::Result {
    write!(f, "{name} do not share the upper 32 address bits that the controller holds for them")
}

/// Checks `regions` against `plan` and the device's `limits`: one place for every backend.
///
/// # Errors
///
/// The first [`MemoryFault`] found.
pub fn check_memory(
    plan: &MemoryPlan,
    regions: &[DmaRegion],
    limits: &Limits,
) -> Result<(), MemoryFault> {
    if plan.regions.len() != regions.len() {
        let (given, planned) = (regions.len(), plan.regions.len());
        return Err(MemoryFault::Count { given, planned });
    }
    let mut halves: [Option<u32>; 256] = [None; 256];
    for (plan, region) in plan.regions.iter().zip(regions) {
        if region.len() < plan.len {
            let (given, planned) = (region.len(), plan.len);
            return Err(MemoryFault::Short { name: plan.name, given, planned });
        }
        let (addr, len) = (region.bus(), plan.len as u64);
        let fault = limits.window.check(plan.name, addr, len, plan.align as u64);
        fault.map_err(MemoryFault::Address)?;
        let fault = plan.window.check(plan.name, addr, len, plan.align as u64);
        fault.map_err(MemoryFault::Address)?;
        let last = addr.offset(len.saturating_sub(1));
        let half = halves[usize::from(plan.upper_half)].get_or_insert_with(|| addr.high());
        if *half != addr.high() || addr.high() != last.high() {
            return Err(MemoryFault::UpperHalf { name: plan.name });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dma::AddressWidth;
    use alloc::string::ToString;
    use alloc::vec;

    const LIMITS: Limits = Limits {
        transfer_max: 4096,
        elements_max: 2,
        element_max: 4096,
        boundary: 0,
        window: DmaWindow::of_width(AddressWidth::BITS_32),
        page_size: 4096,
        queue_depth: 1,
        vectors: 1,
        cdb_max: 16,
        sense_max: 96,
        targets_max: 1,
    };

    fn plan(name: &'static str, window: DmaWindow) -> RegionPlan {
        RegionPlan { name, len: 4096, align: 64, upper_half: 0, window }
    }

    #[test]
    fn b01_every_region_is_checked_not_only_the_first() {
        let names = ["request frames", "reply frames", "sense buffers"];
        let plan = MemoryPlan { regions: names.map(|name| plan(name, LIMITS.window)).to_vec() };
        let region = |bus| DmaRegion::detached(4096, BusAddr::new(bus));
        let good = || vec![region(0x1_0000), region(0x2_0000), region(0x3_0000)];
        assert_eq!(check_memory(&plan, &good(), &LIMITS), Ok(()));
        for (at, name) in names.into_iter().enumerate() {
            for bus in [0x1_0000_0000, 0xffff_f040, 0x4_0020] {
                let mut regions = good();
                regions[at] = region(bus);
                let fault = check_memory(&plan, &regions, &LIMITS).expect_err("out of reach");
                assert!(fault.to_string().starts_with(name), "{fault}");
            }
        }
    }

    #[test]
    fn a_plan_below_4_gib_is_another_or_none() {
        let wide = DmaWindow::of_width(AddressWidth::BITS_64);
        let within = |first, last| wide.within(BusAddr::new(first), BusAddr::new(last));
        let low = |window| {
            let regions = ["request frames", "reply frames"].map(|name| plan(name, window));
            MemoryPlan { regions: regions.to_vec() }.below_4_gib()
        };
        let again = low(wide).expect("there is room below");
        assert!(again.regions.iter().all(|region| region.window == within(0, 0xffff_ffff)));
        assert_eq!(again.below_4_gib(), None, "not a third time");
        assert_eq!(low(LIMITS.window), None, "a device of 32 bits");
        assert_eq!(low(within(0x1_0000_0000, 0x9_0000_0000)), None, "the host maps nothing there");
        let upper = low(within(0x8000_0000, 0x9_0000_0000)).expect("the upper half of it");
        assert_eq!(upper.regions[0].window, within(0x8000_0000, 0xffff_ffff));
    }

    #[test]
    fn a_region_outside_its_own_window_is_refused() {
        let wide = DmaWindow::of_width(AddressWidth::BITS_64);
        let limits = Limits { window: wide, ..LIMITS };
        let plan = MemoryPlan { regions: vec![plan("request frames", LIMITS.window)] };
        let check = |at| {
            let region = DmaRegion::detached(4096, BusAddr::new(at));
            check_memory(&plan, &[region], &limits)
        };
        assert_eq!(check(0xffff_f000), Ok(()));
        assert!(matches!(check(0x1_0000_0000), Err(MemoryFault::Address(_))));
    }
}
