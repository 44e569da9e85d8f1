//! What a platform brings to a [`Host`](super::Host).

use core::fmt;

use crate::dma::{DmaRegion, RegionBuffer};
use crate::fabric::HostMapping;
use crate::port::RegionPlan;
use crate::register::Registers;
use crate::time::Instant;

/// What a platform brings.
pub trait Platform {
    /// The controller's registers.
    fn registers(&mut self) -> &mut dyn Registers;

    /// The time now.
    fn now(&mut self) -> Instant;

    /// Waits for an interrupt, at most until `until`; may return early for any reason.
    fn wait(&mut self, until: Instant);

    /// Memory for the adapter itself, from the plan's window. What lies elsewhere is refused before the controller is told.
    ///
    /// # Errors
    ///
    /// [`OutOfMemory`], also where there is none in the window.
    fn allocate(&mut self, plan: &RegionPlan) -> Result<DmaRegion, OutOfMemory>;

    /// Memory for data, `len` bytes.
    ///
    /// # Errors
    ///
    /// [`OutOfMemory`].
    fn buffer(&mut self, len: usize) -> Result<RegionBuffer, OutOfMemory>;

    /// Cuts the controller off from memory: clears its bus master enable bit.
    fn isolate(&mut self);

    /// What the platform knows of the way from the controller to memory. By default nothing, and nothing is checked.
    fn mapping(&self) -> HostMapping {
        HostMapping::unknown()
    }
}

/// The platform has no DMA memory left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutOfMemory {
    /// Bytes asked for.
    pub len: usize,
}

impl fmt::Display for OutOfMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no dma memory left for {} bytes", self.len)
    }
}

impl core::error::Error for OutOfMemory {}
