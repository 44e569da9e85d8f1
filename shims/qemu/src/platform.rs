//! QEMU as a platform for `hba-core`'s polling host.

use core::time::Duration;

use hba_core::dma::{DmaRegion, RegionBuffer};
use hba_core::host::{OutOfMemory, Platform};
use hba_core::port::RegionPlan;
use hba_core::register::Registers;
use hba_core::time::Instant;

use crate::{Qemu, QemuInterrupt, QemuMemory, QemuRegisters};

/// A running [`Qemu`] with what `hba-core` asks of a platform: registers, memory, the host's clock, interrupts.
#[derive(Debug)]
pub struct QemuPlatform {
    qemu: Qemu,
    registers: QemuRegisters,
    memory: QemuMemory,
    interrupt: QemuInterrupt,
    origin: std::time::Instant,
}

impl QemuPlatform {
    /// Takes over `qemu`.
    pub fn new(qemu: Qemu) -> Self {
        let (registers, memory, interrupt) = (qemu.registers(), qemu.memory(), qemu.interrupt());
        Self { qemu, registers, memory, interrupt, origin: std::time::Instant::now() }
    }

    /// The QEMU underneath.
    pub const fn qemu(&mut self) -> &mut Qemu {
        &mut self.qemu
    }

    /// Gives QEMU back, for an orderly end.
    pub fn into_qemu(self) -> Qemu {
        self.qemu
    }
}

/// The longest wait in one call.
const WAIT_MAX: Duration = Duration::from_millis(100);

impl Platform for QemuPlatform {
    fn registers(&mut self) -> &mut dyn Registers {
        &mut self.registers
    }

    fn now(&mut self) -> Instant {
        let nanos = self.origin.elapsed().as_nanos();
        Instant::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    fn wait(&mut self, until: Instant) {
        let left = until.since(self.now());
        // Early or late, with or without an interrupt: the host polls in any case.
        let _ = self.interrupt.wait(left.min(WAIT_MAX));
    }

    fn allocate(&mut self, plan: &RegionPlan) -> Result<DmaRegion, OutOfMemory> {
        self.memory.allocate(plan.len, plan.align).map_err(|_| OutOfMemory { len: plan.len })
    }

    fn buffer(&mut self, len: usize) -> Result<RegionBuffer, OutOfMemory> {
        let short = OutOfMemory { len };
        let bytes = u32::try_from(len).map_err(|_| short)?;
        self.memory.buffer(bytes).map_err(|_| short)
    }

    fn isolate(&mut self) {
        self.qemu.kill();
    }
}
