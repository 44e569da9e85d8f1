//! QEMU as a platform for `hba-core`'s async facade.

use alloc::sync::{Arc, Weak};
use core::task::{Context, Poll, Waker};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::{thread, time};

use hba_core::dma::{DmaRegion, RegionBuffer};
use hba_core::host::{self, OutOfMemory};
use hba_core::port::RegionPlan;
use hba_core::queue::Vector;
use hba_core::register::Registers;
use hba_core::runtime::{Clock, Interrupts, Platform};
use hba_core::time::Instant;

use crate::interrupt::POLL;
use crate::{Qemu, QemuInterrupt, QemuMemory, QemuRegisters, QuitError};

/// A running [`Qemu`] with what `hba-core`'s async facade asks of a platform, and interrupts and a timer that tasks can
/// await.
///
/// An MSI of QEMU's is a word in memory, which no reactor can wait for. A thread looks at it every 20 µs, wakes who waits,
/// and keeps the timer; it ends with the platform.
#[derive(Debug)]
pub struct AsyncQemuPlatform {
    qemu: QemuHandle,
    registers: QemuRegisters,
    memory: QemuMemory,
    clock: QemuClock,
    watch: Arc<Watch>,
}

/// The QEMU under an [`AsyncQemuPlatform`], for an orderly end. When platform and handles are dropped, it is killed.
#[derive(Clone, Debug)]
pub struct QemuHandle(Arc<Mutex<Option<Qemu>>>);

/// The controller's one interrupt, for the driver of its vector.
#[derive(Debug)]
pub struct AsyncQemuInterrupt(Arc<Watch>);

/// The host's clock, from the start of the platform on.
#[derive(Clone, Copy, Debug)]
pub struct QemuClock(time::Instant);

/// What the thread and the tasks share.
#[derive(Debug, Default)]
struct Watch(Mutex<Watched>);

#[derive(Debug, Default)]
struct Watched {
    raised: bool,
    /// Who waits for the interrupt.
    interrupt: Option<Waker>,
    /// When to wake whom.
    timer: Option<(Instant, Waker)>,
}

impl AsyncQemuPlatform {
    /// Takes over `qemu`.
    pub fn new(qemu: Qemu) -> Self {
        let clock = QemuClock(time::Instant::now());
        let watch = Arc::<Watch>::default();
        let (weak, interrupt) = (Arc::downgrade(&watch), qemu.interrupt());
        thread::spawn(move || keep_watch(&weak, &interrupt, clock));
        let (registers, memory) = (qemu.registers(), qemu.memory());
        Self { qemu: QemuHandle(Arc::new(Mutex::new(Some(qemu)))), registers, memory, clock, watch }
    }

    /// The QEMU underneath.
    pub fn handle(&self) -> QemuHandle {
        self.qemu.clone()
    }

    /// Allocates data memory of a length in bytes, for tasks that have not the platform itself.
    pub fn buffers(&self) -> impl Fn(usize) -> Result<RegionBuffer, OutOfMemory> + Clone + use<> {
        let memory = self.memory.clone();
        move |len| buffer(&memory, len)
    }
}

impl QemuHandle {
    /// [`Qemu::quit`], once; after that nothing.
    ///
    /// # Errors
    ///
    /// [`QuitError`].
    pub fn quit(&self) -> Result<(), QuitError> {
        self.lock().take().map_or(Ok(()), Qemu::quit)
    }

    fn lock(&self) -> MutexGuard<'_, Option<Qemu>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Watch {
    fn lock(&self) -> MutexGuard<'_, Watched> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn look(&self, raised: bool, now: Instant) {
        let mut watched = self.lock();
        watched.raised |= raised;
        let interrupt = if watched.raised { watched.interrupt.take() } else { None };
        let timer = watched.timer.take_if(|(until, _)| *until <= now);
        drop(watched);
        interrupt.into_iter().chain(timer.map(|(_, waker)| waker)).for_each(Waker::wake);
    }
}

/// Looks at the interrupt and the timer as long as the platform is there.
fn keep_watch(watch: &Weak<Watch>, interrupt: &QemuInterrupt, clock: QemuClock) {
    while let Some(watch) = watch.upgrade() {
        watch.look(interrupt.take(), clock.now());
        drop(watch);
        thread::sleep(POLL);
    }
}

fn buffer(memory: &QemuMemory, len: usize) -> Result<RegionBuffer, OutOfMemory> {
    let short = OutOfMemory { len };
    let bytes = u32::try_from(len).map_err(|_| short)?;
    memory.buffer(bytes).map_err(|_| short)
}

impl Clock for QemuClock {
    fn now(&self) -> Instant {
        let nanos = self.0.elapsed().as_nanos();
        Instant::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}

impl Interrupts for AsyncQemuInterrupt {
    fn poll_interrupt(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut watched = self.0.lock();
        if core::mem::take(&mut watched.raised) {
            return Poll::Ready(());
        }
        match &mut watched.interrupt {
            Some(waker) => waker.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        }
        Poll::Pending
    }
}

impl Platform for AsyncQemuPlatform {
    type Registers = QemuRegisters;
    type Clock = QemuClock;
    type Interrupts = AsyncQemuInterrupt;

    fn shared_registers(&self) -> QemuRegisters {
        self.registers.clone()
    }

    fn clock(&self) -> QemuClock {
        self.clock
    }

    fn interrupts(&mut self, _: Vector) -> AsyncQemuInterrupt {
        AsyncQemuInterrupt(Arc::clone(&self.watch))
    }

    fn poll_timer(&mut self, cx: &mut Context<'_>, until: Instant) -> Poll<()> {
        if self.clock.now() >= until {
            return Poll::Ready(());
        }
        self.watch.lock().timer = Some((until, cx.waker().clone()));
        Poll::Pending
    }
}

impl host::Platform for AsyncQemuPlatform {
    fn registers(&mut self) -> &mut dyn Registers {
        &mut self.registers
    }

    fn now(&mut self) -> Instant {
        self.clock.now()
    }

    fn wait(&mut self, until: Instant) {
        thread::sleep(until.since(self.clock.now()).min(POLL));
    }

    fn allocate(&mut self, plan: &RegionPlan) -> Result<DmaRegion, OutOfMemory> {
        self.memory.allocate(plan.len, plan.align).map_err(|_| OutOfMemory { len: plan.len })
    }

    fn buffer(&mut self, len: usize) -> Result<RegionBuffer, OutOfMemory> {
        buffer(&self.memory, len)
    }

    fn isolate(&mut self) {
        if let Some(qemu) = &mut *self.qemu.lock() {
            qemu.kill();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::task::Wake;
    use core::sync::atomic::{AtomicU32, Ordering};

    #[derive(Default)]
    struct Count(AtomicU32);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    #[test]
    fn an_interrupt_before_the_wait_is_not_lost_and_one_after_wakes() {
        let (watch, count) = (Arc::<Watch>::default(), Arc::<Count>::default());
        let waker = Waker::from(Arc::clone(&count));
        let mut cx = Context::from_waker(&waker);
        let mut interrupt = AsyncQemuInterrupt(Arc::clone(&watch));
        watch.look(true, Instant::ZERO);
        assert!(interrupt.poll_interrupt(&mut cx).is_ready());
        assert!(interrupt.poll_interrupt(&mut cx).is_pending());
        watch.look(false, Instant::ZERO);
        assert_eq!(count.0.load(Ordering::SeqCst), 0);
        watch.look(true, Instant::ZERO);
        assert_eq!(count.0.load(Ordering::SeqCst), 1);
        assert!(interrupt.poll_interrupt(&mut cx).is_ready());
    }

    #[test]
    fn the_timer_wakes_once_and_not_early() {
        let (watch, count) = (Watch::default(), Arc::<Count>::default());
        watch.lock().timer = Some((Instant::from_millis(2), Waker::from(Arc::clone(&count))));
        for (now, woken) in [(1, 0), (2, 1), (3, 1)] {
            watch.look(false, Instant::from_millis(now));
            assert_eq!(count.0.load(Ordering::SeqCst), woken);
        }
    }
}
