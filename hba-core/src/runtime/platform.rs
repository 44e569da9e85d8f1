//! What a platform brings for the async facade, beyond what it brings for the polling host.

use core::task::{Context, Poll};

use crate::host;
use crate::queue::Vector;
use crate::register::Registers;
use crate::time::Instant;

/// The interrupt of one vector as a task sees it.
///
/// An `eventfd` behind a reactor satisfies it (read the count away, and register the waker if there was none), and so does
/// a simulator. Interrupts only say that looking is worth while: they may be spurious, merged, or come for another vector.
/// One that is lost costs 100 ms, after which every vector is looked at anyway.
pub trait Interrupts: Send + 'static {
    /// Takes the interrupt if there was one since the last call, or arranges for `cx` to be woken at the next one.
    ///
    /// The device may interrupt between a look that finds nothing and the registration: an implementation registers first
    /// and looks then, or has a reactor that does.
    fn poll_interrupt(&mut self, cx: &mut Context<'_>) -> Poll<()>;
}

/// The platform's clock. Read once for each command and each pass.
pub trait Clock: Send + Sync + 'static {
    /// The time now.
    fn now(&self) -> Instant;
}

impl<F: Fn() -> Instant + Send + Sync + 'static> Clock for F {
    fn now(&self) -> Instant {
        self()
    }
}

/// A [`host::Platform`] whose registers several tasks reach, with interrupts and a timer that can be awaited.
pub trait Platform: host::Platform + Send + 'static {
    /// A handle to the registers. Clones reach the same device, and a clone is cheap: one is made for each doorbell.
    type Registers: Registers + Clone + Send + Sync + 'static;
    /// See [`Clock`].
    type Clock: Clock;
    /// See [`Interrupts`].
    type Interrupts: Interrupts;

    /// A handle to the registers.
    fn shared_registers(&self) -> Self::Registers;

    /// The clock, the same that [`now`](host::Platform::now) reads.
    fn clock(&self) -> Self::Clock;

    /// The interrupt of a vector; asked for once each, after bring-up told how many there are.
    fn interrupts(&mut self, vector: Vector) -> Self::Interrupts;

    /// Ready at `until`, or earlier for any reason; otherwise `cx` is woken by then. The last call counts.
    fn poll_timer(&mut self, cx: &mut Context<'_>, until: Instant) -> Poll<()>;
}
