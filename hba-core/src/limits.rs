//! What a controller and its host permit, checked as a whole before anybody relies on it.

use alloc::vec::Vec;
use core::fmt;

use crate::dma::{DmaWindow, SegmentLimits};

/// Everything that bounds a request. One source of truth: hosts derive their constraint dictionaries from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Longest data transfer of one command, in bytes.
    pub transfer_max: u32,
    /// Most scatter elements of one command.
    pub elements_max: u32,
    /// Longest scatter element, in bytes.
    pub element_max: u32,
    /// No element crosses a multiple of this many bytes: a power of two, 0 for no such rule.
    pub boundary: u64,
    /// Addresses that the device may be given.
    pub window: DmaWindow,
    /// Page size of the host in bytes: the granularity in which its buffers are scattered.
    pub page_size: u32,
    /// Commands that may be outstanding on one vector.
    pub queue_depth: u16,
    /// Interrupt vectors, each with a queue of its own.
    pub vectors: u16,
    /// Longest CDB in bytes.
    pub cdb_max: u8,
    /// Sense bytes kept for each command.
    pub sense_max: u8,
    /// Number of targets per channel.
    pub targets_max: u16,
}

impl Limits {
    /// Checks every rule and reports all that are broken.
    ///
    /// # Errors
    ///
    /// [`LimitsReport`] with one entry for each inconsistency.
    pub fn validate(&self) -> Result<(), LimitsReport> {
        let findings: Vec<_> = RULES.iter().filter_map(|rule| rule(self)).collect();
        if findings.is_empty() { Ok(()) } else { Err(LimitsReport { findings }) }
    }

    /// The largest transfer that fits for every alignment of a buffer made of scattered pages.
    ///
    /// An unaligned buffer touches one page more than its length says: (elements - 1) pages always fit.
    pub const fn transfer_safe(&self) -> u32 {
        let by_pages = self.elements_max.saturating_sub(1).saturating_mul(self.page_size);
        if by_pages < self.transfer_max { by_pages } else { self.transfer_max }
    }

    /// The part that scatter lists need.
    pub const fn segments(&self) -> SegmentLimits {
        SegmentLimits::new(self.window, self.element_max, self.boundary)
    }
}

type Rule = fn(&Limits) -> Option<Finding>;

const RULES: &[Rule] = &[
    |l| zero(l.transfer_max, "transfer_max"),
    |l| zero(l.elements_max, "elements_max"),
    |l| zero(l.element_max, "element_max"),
    |l| zero(u32::from(l.queue_depth), "queue_depth"),
    |l| zero(u32::from(l.vectors), "vectors"),
    |l| zero(u32::from(l.targets_max), "targets_max"),
    |l| (!l.page_size.is_power_of_two()).then_some(Finding::PageSize { page_size: l.page_size }),
    |l| {
        let broken = l.boundary != 0 && !l.boundary.is_power_of_two();
        broken.then_some(Finding::Boundary { boundary: l.boundary })
    },
    |l| l.window.is_empty().then_some(Finding::EmptyWindow { window: l.window }),
    |l| (!(6..=32).contains(&l.cdb_max)).then_some(Finding::Cdb { cdb_max: l.cdb_max }),
    |l| (!(18..=252).contains(&l.sense_max)).then_some(Finding::Sense { sense_max: l.sense_max }),
    |l| {
        let reach = u64::from(l.elements_max) * u64::from(l.element_max);
        (reach < u64::from(l.transfer_max))
            .then_some(Finding::TransferBeyondElements { transfer_max: l.transfer_max, reach })
    },
    |l| {
        let safe = l.transfer_safe();
        (safe < l.transfer_max && l.page_size.is_power_of_two())
            .then_some(Finding::TransferBeyondPages { transfer_max: l.transfer_max, safe })
    },
];

fn zero(value: u32, field: &'static str) -> Option<Finding> {
    (value == 0).then_some(Finding::Zero { field })
}

/// All that is wrong with a set of limits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LimitsReport {
    findings: Vec<Finding>,
}

impl LimitsReport {
    /// Each inconsistency.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }
}

/// One inconsistency.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Finding {
    /// A field that must be at least 1 is 0.
    Zero {
        /// The field of [`Limits`].
        field: &'static str,
    },
    /// The page size is not a power of two.
    PageSize {
        /// As given.
        page_size: u32,
    },
    /// The boundary is not a power of two.
    Boundary {
        /// As given.
        boundary: u64,
    },
    /// No address is left that device and host both reach.
    EmptyWindow {
        /// As given.
        window: DmaWindow,
    },
    /// CDBs have 6 to 32 bytes.
    Cdb {
        /// As given.
        cdb_max: u8,
    },
    /// Sense data has 18 to 252 bytes.
    Sense {
        /// As given.
        sense_max: u8,
    },
    /// The elements cannot hold the longest transfer even when all are full.
    TransferBeyondElements {
        /// As given.
        transfer_max: u32,
        /// What the elements hold.
        reach: u64,
    },
    /// A page-scattered, unaligned buffer of the longest transfer needs more elements than there are.
    TransferBeyondPages {
        /// As given.
        transfer_max: u32,
        /// The largest transfer that always fits.
        safe: u32,
    },
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Zero { field } => write!(f, "{field} is 0"),
            Self::PageSize { page_size } => {
                write!(f, "the page size of {page_size} bytes is not a power of two")
            }
            Self::Boundary { boundary } => {
                write!(f, "the boundary of {boundary} bytes is not a power of two")
            }
            Self::EmptyWindow { window } => {
                write!(f, "no address is left between {} and {}", window.first(), window.last())
            }
            Self::Cdb { cdb_max } => write!(f, "a cdb limit of {cdb_max} bytes is outside 6 to 32"),
            Self::Sense { sense_max } => {
                write!(f, "a sense limit of {sense_max} bytes is outside 18 to 252")
            }
            Self::TransferBeyondElements { transfer_max, reach } => write!(
                f,
                "a transfer of {transfer_max} bytes exceeds the {reach} bytes that all elements hold"
            ),
            Self::TransferBeyondPages { transfer_max, safe } => write!(
                f,
                "an unaligned transfer of {transfer_max} bytes needs too many elements; {safe} bytes always fit"
            ),
        }
    }
}

impl fmt::Display for LimitsReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, finding) in self.findings.iter().enumerate() {
            write!(f, "{}{finding}", if i == 0 { "" } else { "; " })?;
        }
        Ok(())
    }
}

impl core::error::Error for LimitsReport {}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::dma::{AddressWidth, BusAddr};
    use alloc::string::ToString;

    pub(crate) const GOOD: Limits = Limits {
        transfer_max: 512 * 1024,
        elements_max: 129,
        element_max: 0x00ff_ffff,
        boundary: 0,
        window: DmaWindow::of_width(AddressWidth::BITS_32),
        page_size: 4096,
        queue_depth: 128,
        vectors: 1,
        cdb_max: 16,
        sense_max: 96,
        targets_max: 8,
    };

    #[test]
    fn b13_validate_lists_every_inconsistency_at_once() {
        assert_eq!(GOOD.validate(), Ok(()));
        let broken = Limits {
            queue_depth: 0,
            page_size: 5000,
            boundary: 3,
            cdb_max: 5,
            sense_max: 17,
            element_max: 1024,
            window: GOOD.window.within(BusAddr::new(2), BusAddr::new(1)),
            ..GOOD
        };
        let report = broken.validate().expect_err("seven rules are broken");
        assert_eq!(report.findings().len(), 7, "{report}");
        assert!(report.to_string().starts_with("queue_depth is 0; the page size of 5000"));

        let zeros = Limits {
            transfer_max: 0,
            elements_max: 0,
            element_max: 0,
            queue_depth: 0,
            vectors: 0,
            targets_max: 0,
            ..GOOD
        };
        let report = zeros.validate().expect_err("six fields are 0");
        assert_eq!(report.findings().len(), 6, "{report}");
        let report = Limits { cdb_max: 33, sense_max: 253, ..GOOD }.validate();
        assert_eq!(report.expect_err("both are too long").findings().len(), 2);
    }

    #[test]
    fn b23_an_unaligned_buffer_of_the_longest_transfer_must_fit() {
        assert_eq!(
            GOOD.transfer_safe(),
            512 * 1024,
            "129 elements of 4 KiB carry 512 KiB unaligned"
        );
        let tight = Limits { elements_max: 128, ..GOOD };
        let report = tight.validate().expect_err("one element too few");
        let safe = 127 * 4096;
        assert_eq!(
            report.findings(),
            [Finding::TransferBeyondPages { transfer_max: 512 * 1024, safe }]
        );
        assert_eq!(Limits { transfer_max: safe, ..tight }.validate(), Ok(()));
    }
}
