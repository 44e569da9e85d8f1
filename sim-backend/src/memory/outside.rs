//! Host memory that is not the simulator's own.

use core::fmt;

use hba_core::dma::BusAddr;

use super::DmaFaultCause;

/// Memory that somebody else lends, such as a virtual machine's, for [`DeviceMemory::outside`](super::DeviceMemory::outside).
///
/// The host changes it at any moment. What the device reads or writes in one call must be ordered before what it reads or
/// writes in the next.
pub trait HostMemory: fmt::Debug + Send + Sync {
    /// The device reads bytes at `bus`.
    ///
    /// # Errors
    ///
    /// Why it does not reach them all; then `into` may be changed.
    fn read(&self, bus: BusAddr, into: &mut [u8]) -> Result<(), DmaFaultCause>;

    /// The device writes bytes at `bus`.
    ///
    /// # Errors
    ///
    /// Why it does not reach them all; then nothing is written.
    fn write(&self, bus: BusAddr, from: &[u8]) -> Result<(), DmaFaultCause>;
}

#[cfg(test)]
mod tests {
    use alloc::sync::Arc;
    use std::sync::Mutex;

    use super::*;
    use crate::memory::DeviceMemory;

    /// 16 bytes at bus address 0x100.
    #[derive(Debug, Default)]
    struct Lent(Mutex<[u8; 16]>);

    fn place(bus: BusAddr, len: usize) -> Result<core::ops::Range<usize>, DmaFaultCause> {
        let at = bus.raw().checked_sub(0x100).ok_or(DmaFaultCause::NoMemory)? as usize;
        if at + len > 16 { Err(DmaFaultCause::NoMemory) } else { Ok(at..at + len) }
    }

    impl HostMemory for Lent {
        fn read(&self, bus: BusAddr, into: &mut [u8]) -> Result<(), DmaFaultCause> {
            let place = place(bus, into.len())?;
            into.copy_from_slice(&self.0.lock().expect("not poisoned")[place]);
            Ok(())
        }

        fn write(&self, bus: BusAddr, from: &[u8]) -> Result<(), DmaFaultCause> {
            let place = place(bus, from.len())?;
            self.0.lock().expect("not poisoned")[place].copy_from_slice(from);
            Ok(())
        }
    }

    #[test]
    fn a_device_reaches_memory_that_somebody_lends_and_its_faults_are_recorded() {
        let lent = Arc::new(Lent::default());
        let device = DeviceMemory::outside(lent.clone());
        device.write_u32(BusAddr::new(0x104), 0x0403_0201).expect("inside");
        assert_eq!(lent.0.lock().expect("not poisoned")[4..8], [1, 2, 3, 4]);
        assert_eq!(device.read_u32(BusAddr::new(0x104)), Ok(0x0403_0201));
        let fault = device.read_u64(BusAddr::new(0x10c)).expect_err("beyond the end");
        assert_eq!(fault.to_string(), "the device read 8 bytes at 0x10c, where nothing is mapped");
        assert_eq!(device.faults().count(), 1);
    }
}
