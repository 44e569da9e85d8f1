//! What the host side is told, and what it makes of the controller's facts.

use core::time::Duration;

use hba_core::dma::{AddressWidth, DmaWindow};
use hba_core::limits::Limits;
use hba_core::port::{BringUpError, MemoryPlan, RegionPlan};
use hba_core::register::Registers;

use super::layout::{DESCRIPTOR_LEN, DETAIL_LEN, ELEMENT_LEN, INLINE_ELEMENTS, REQUEST_LEN};
use super::registers::{CAPACITY, ELEMENTS, SIGNATURE, SIGNATURE_VALUE, TARGETS, TRANSFER};
use super::{DirectQueue, VECTORS_MAX};

/// What the host permits and how long it waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DirectConfig {
    /// Most vectors to use; the controller may have fewer.
    pub vectors_max: u16,
    /// Most commands outstanding on one vector; the controller may permit fewer.
    pub depth_max: u16,
    /// Addresses that the host maps for the controller.
    pub window: DmaWindow,
    /// Page size of the host in bytes.
    pub page_size: u32,
    /// For a reset to end, and for START to be answered.
    pub handshake: Duration,
    /// Between two looks at the state register while the controller is operational.
    pub poll: Duration,
}

impl Default for DirectConfig {
    /// Four vectors of 64 commands, all 64-bit addresses, pages of 4 KiB, 5 s for a handshake, 1 s between looks.
    fn default() -> Self {
        Self {
            vectors_max: 4,
            depth_max: 64,
            window: DmaWindow::of_width(AddressWidth::BITS_64),
            page_size: 4096,
            handshake: Duration::from_secs(5),
            poll: Duration::from_secs(1),
        }
    }
}

/// Most slots of a vector that a controller may report.
const SLOTS_MAX: u32 = 4096;
/// Most scatter elements that a controller may report.
const ELEMENTS_MAX: u32 = 4096;
/// Most target addresses that a controller may report.
const TARGETS_MAX: u32 = 1024;
/// Room in each ring beyond one reply for every slot: messages, and replies that nobody expects.
const RING_SPARE: u32 = 32;

/// Reads the controller's facts and checks each before it counts.
pub(super) fn read_limits(
    config: &DirectConfig,
    registers: &mut dyn Registers,
) -> Result<Limits, BringUpError> {
    let signature = registers.read32(SIGNATURE);
    if signature != SIGNATURE_VALUE {
        return Err(BringUpError::Fact { name: "signature", value: signature });
    }
    let capacity = registers.read32(CAPACITY);
    let slots = fact("slots", capacity & 0xffff, SLOTS_MAX)?;
    let vectors = fact("vectors", capacity >> 16, VECTORS_MAX.into())?;
    let elements = fact("elements", registers.read32(ELEMENTS), ELEMENTS_MAX)?;
    let transfer = fact("transfer length", registers.read32(TRANSFER), u32::MAX - 1)?;
    let targets = fact("targets", registers.read32(TARGETS), TARGETS_MAX)?;
    let limits = Limits {
        transfer_max: transfer,
        elements_max: elements,
        element_max: u32::MAX,
        boundary: 0,
        window: config.window,
        page_size: config.page_size,
        queue_depth: config.depth_max.min(slots as u16),
        vectors: config.vectors_max.min(vectors as u16),
        cdb_max: 32,
        sense_max: super::layout::SENSE_MAX,
        targets_max: targets as u16,
    };
    let limits = Limits { transfer_max: limits.transfer_safe(), ..limits };
    match limits.validate() {
        Ok(()) => Ok(limits),
        Err(_) => Err(BringUpError::Fact { name: "elements", value: elements }),
    }
}

fn fact(name: &'static str, value: u32, max: u32) -> Result<u32, BringUpError> {
    if (1..=max).contains(&value) { Ok(value) } else { Err(BringUpError::Fact { name, value }) }
}

/// Where everything is in the memory of one vector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shape {
    pub(super) depth: u16,
    pub(super) elements_max: u32,
    /// Descriptors in the ring, a power of two.
    pub(super) entries: u32,
}

impl Shape {
    pub(super) fn of(limits: &Limits) -> Self {
        let depth = limits.queue_depth;
        let entries = (u32::from(depth) + RING_SPARE).next_power_of_two();
        Self { depth, elements_max: limits.elements_max, entries }
    }

    /// Bytes of one slot's list.
    pub(super) const fn list_len(&self) -> usize {
        (self.elements_max as usize).saturating_sub(INLINE_ELEMENTS) * ELEMENT_LEN
    }

    /// Where the lists begin, behind the request slots.
    pub(super) const fn lists_at(&self) -> usize {
        self.depth as usize * REQUEST_LEN
    }

    /// Bytes of the region that the controller only reads.
    pub(super) const fn requests_len(&self) -> usize {
        self.lists_at() + self.depth as usize * self.list_len()
    }

    /// Where the detail records begin, behind the ring.
    pub(super) const fn details_at(&self) -> usize {
        self.entries as usize * DESCRIPTOR_LEN
    }

    /// Bytes of the region that the controller only writes.
    pub(super) const fn replies_len(&self) -> usize {
        self.details_at() + self.depth as usize * DETAIL_LEN
    }
}

/// Two regions for each vector: requests, replies.
pub(super) fn memory_plan(limits: &Limits) -> MemoryPlan {
    let shape = Shape::of(limits);
    let page = limits.page_size as usize;
    let region = |name, len: usize, upper_half| RegionPlan {
        name,
        len: len.next_multiple_of(page),
        align: page.min(4096),
        upper_half,
        window: limits.window,
    };
    let regions = (0..limits.vectors as u8).flat_map(|vector| {
        [
            region("request slots", shape.requests_len(), 2 * vector),
            region("replies", shape.replies_len(), 2 * vector + 1),
        ]
    });
    MemoryPlan { regions: regions.collect() }
}

/// Bus addresses that a vector's registers get.
#[derive(Clone, Copy, Debug)]
pub(super) struct VectorMemory {
    pub(super) requests: hba_core::dma::BusAddr,
    pub(super) ring: hba_core::dma::BusAddr,
}

impl VectorMemory {
    pub(super) fn of(queue: &DirectQueue) -> Self {
        Self { requests: queue.requests_bus(), ring: queue.ring_bus() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hba_core::register::RegOffset;

    /// Facts as registers, with one of them replaced.
    struct Reported(RegOffset, u32);

    impl Registers for Reported {
        fn read32(&mut self, offset: RegOffset) -> u32 {
            match offset {
                _ if offset == self.0 => self.1,
                SIGNATURE => SIGNATURE_VALUE,
                CAPACITY => 16 << 16 | 256,
                ELEMENTS => 129,
                TRANSFER => 1 << 20,
                TARGETS => 16,
                other => panic!("no fact at {other}"),
            }
        }

        fn write32(&mut self, offset: RegOffset, _: u32) {
            panic!("{offset} is written");
        }
    }

    fn limits(offset: RegOffset, value: u32) -> Result<Limits, BringUpError> {
        read_limits(&DirectConfig::default(), &mut Reported(offset, value))
    }

    #[test]
    fn host_and_controller_share_the_smaller_numbers() {
        let all = limits(RegOffset(0xfff), 0).unwrap();
        assert_eq!((all.vectors, all.queue_depth), (4, 64));
        assert_eq!(all.transfer_max, 128 * 4096, "what always fits in 129 elements");
        let small = limits(CAPACITY, 2 << 16 | 7).unwrap();
        assert_eq!((small.vectors, small.queue_depth), (2, 7));
    }

    #[test]
    fn facts_out_of_range_are_named() {
        for (offset, values, expected) in [
            (SIGNATURE, &[0, u32::MAX][..], "signature"),
            (CAPACITY, &[1 << 16, 0x1_1001, u32::MAX], "slots"),
            (CAPACITY, &[256, 17 << 16 | 256], "vectors"),
            (ELEMENTS, &[0, 1, 4097, u32::MAX], "elements"),
            (TRANSFER, &[0, u32::MAX], "transfer length"),
            (TARGETS, &[0, 1025, u32::MAX], "targets"),
        ] {
            for value in values {
                let error = limits(offset, *value).unwrap_err();
                let named = matches!(error, BringUpError::Fact { name, .. } if name == expected);
                assert!(named, "{value:#x}: {error}");
            }
        }
    }

    #[test]
    fn nothing_in_a_vector_s_memory_overlaps() {
        let limits = limits(ELEMENTS, 1025).unwrap();
        let shape = Shape::of(&limits);
        assert_eq!((shape.entries, shape.list_len()), (128, 1013 * 16));
        assert_eq!(shape.requests_len(), 64 * (256 + 1013 * 16));
        assert_eq!(shape.replies_len(), 128 * 8 + 64 * 272);
        let plan = memory_plan(&limits);
        assert_eq!(plan.regions.len(), 8);
        assert!(plan.regions.iter().all(|region| region.len.is_multiple_of(4096)));
    }
}
