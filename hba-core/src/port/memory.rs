//! Memory that a backend needs, told before anything is allocated and checked before anything is used.

use alloc::vec::Vec;
use core::fmt;

use crate::dma::{AddressFault, DmaRegion};
use crate::limits::Limits;

/// Regions of DMA memory that a backend needs, told before anything is allocated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemoryPlan {
    /// One entry for each region.
    pub regions: Vec<RegionPlan>,
}

impl MemoryPlan {
    /// Bytes in all.
    pub fn bytes(&self) -> usize {
        self.regions.iter().map(|r| r.len).sum()
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
    /// A region crosses a 4 GiB line, or lies in another 4 GiB than its group.
    UpperHalf {
        /// Which.
        name: &'static str,
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
            Self::UpperHalf { name } => write!(
                f,
                "{name} do not share the upper 32 address bits that the controller holds for them"
            ),
        }
    }
}

impl core::error::Error for MemoryFault {}

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
    use crate::dma::{AddressWidth, BusAddr, DmaWindow};
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

    #[test]
    fn b01_every_region_is_checked_not_only_the_first() {
        let plan = |name| RegionPlan { name, len: 4096, align: 64, upper_half: 0 };
        let names = ["request frames", "reply frames", "sense buffers"];
        let plan = MemoryPlan { regions: names.map(plan).to_vec() };
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
}
