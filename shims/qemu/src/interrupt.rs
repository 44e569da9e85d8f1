//! The controller's interrupt as a host process sees it.

use core::time::Duration;
use std::thread;
use std::time::Instant;

use crate::memory::SharedWord;
use crate::pci::MSI_DATA;
use crate::qtest::SharedQtest;

/// The controller's one interrupt. A handle: clones see the same interrupt, and [`Self::take`] takes it for all.
///
/// MSI is an edge: the device's write to a page of RAM, which stays until it is taken; several writes between two takes
/// are one. INTx is a level: it goes when the device's status register is cleared.
#[derive(Clone, Debug)]
pub struct QemuInterrupt(Source);

#[derive(Clone, Debug)]
enum Source {
    Msi(SharedWord),
    IntX(SharedQtest),
}

impl QemuInterrupt {
    pub(crate) const fn msi(word: SharedWord) -> Self {
        Self(Source::Msi(word))
    }

    pub(crate) const fn intx(qtest: SharedQtest) -> Self {
        Self(Source::IntX(qtest))
    }

    /// Whether the controller interrupts. A pending MSI is taken; a level stays.
    #[must_use = "a message that was taken is not shown again"]
    pub fn take(&self) -> bool {
        match &self.0 {
            Source::Msi(word) => word.take() == MSI_DATA,
            Source::IntX(qtest) => level(qtest),
        }
    }

    /// Whether the controller interrupts; takes nothing.
    #[must_use]
    pub fn is_pending(&self) -> bool {
        match &self.0 {
            Source::Msi(word) => word.load() == MSI_DATA,
            Source::IntX(qtest) => level(qtest),
        }
    }

    /// [`Self::take`] as soon as the controller interrupts; `false` if it does not within `limit`.
    #[must_use = "false means that no interrupt came"]
    pub fn wait(&self, limit: Duration) -> bool {
        let deadline = Instant::now() + limit;
        loop {
            if self.take() {
                return true;
            }
            if Instant::now() >= deadline {
                return false;
            }
            thread::sleep(POLL);
        }
    }
}

/// Any of the I/O APIC inputs that q35 wires to PCI pins; no other device of this machine raises one. No answer means
/// that QEMU is gone, and a machine that is gone raises nothing.
fn level(qtest: &SharedQtest) -> bool {
    qtest.lock().irq_levels().is_ok_and(|levels| levels & PCI_INPUTS != 0)
}

const PCI_INPUTS: u64 = 0xff << 16;

/// Short against the round trip of one register access.
pub(crate) const POLL: Duration = Duration::from_micros(20);
