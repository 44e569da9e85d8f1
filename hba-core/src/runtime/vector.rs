//! The driver of one vector.

use alloc::sync::Arc;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll};

use tokio::sync::mpsc;

use super::Inner;
use super::lane::{Note, Pass};
use super::platform::{Clock, Interrupts};
use crate::dma::DataBuffer;
use crate::port::QueuePort;
use crate::queue::{Batch, Vector};
use crate::register::Registers;

/// Takes what the device posts on one vector, each time its interrupt says so, and wakes the tasks that wait for it.
///
/// Ends when the adapter has stopped and every command of the vector came home.
#[must_use = "commands of this vector end when this is polled"]
pub struct VectorDriver<Q: QueuePort, R: Registers + Clone, C: Clock, D: DataBuffer, I> {
    inner: Arc<Inner<Q, R, C, D>>,
    vector: Vector,
    interrupts: I,
    batch: Batch<D>,
    /// The last look did not see everything.
    look: bool,
    notes: mpsc::Sender<Note>,
    /// Closed when the adapter has stopped.
    stopped: mpsc::Receiver<()>,
}

/// Passes before other tasks get their turn.
const PASSES: u32 = 16;
/// Notes that one pass may leave: four messages, one mark, one removal.
const NOTES_OF_A_PASS: usize = 6;

impl<Q: QueuePort, R: Registers + Clone, C: Clock, D: DataBuffer, I: Interrupts>
    VectorDriver<Q, R, C, D, I>
{
    pub(super) fn new(
        inner: Arc<Inner<Q, R, C, D>>,
        vector: Vector,
        interrupts: I,
        notes: mpsc::Sender<Note>,
        stopped: mpsc::Receiver<()>,
    ) -> Self {
        let batch = Batch::new(super::BATCH);
        Self { inner, vector, interrupts, batch, look: false, notes, stopped }
    }

    /// The vector that this drives.
    pub const fn vector(&self) -> Vector {
        self.vector
    }

    /// Passes until the queue is empty. False if there is more, or somebody else was in.
    fn take_all(&mut self) -> bool {
        let lane = &self.inner.lanes[usize::from(self.vector.0)];
        for _ in 0..PASSES {
            // Control takes notes at every turn; a device that floods it is slowed down here.
            if self.notes.capacity() < NOTES_OF_A_PASS * self.inner.lanes.len() {
                return false;
            }
            let notes = &self.notes;
            let pass = lane.pass(&mut self.batch, |note| drop(notes.try_send(note)));
            match pass {
                Pass::Empty => return true,
                Pass::More => {}
                Pass::Busy => return false,
            }
        }
        false
    }
}

/// Nothing in it is pinned.
impl<Q: QueuePort, R: Registers + Clone, C: Clock, D: DataBuffer, I> Unpin
    for VectorDriver<Q, R, C, D, I>
{
}

impl<Q: QueuePort, R: Registers + Clone, C: Clock, D: DataBuffer, I: Interrupts> Future
    for VectorDriver<Q, R, C, D, I>
{
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        let mut look = core::mem::take(&mut this.look);
        loop {
            look |= this.interrupts.poll_interrupt(cx).is_ready();
            if !look {
                break;
            }
            if !this.take_all() {
                // Look again without an interrupt, after the others had their turn.
                this.look = true;
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            look = false;
        }
        match this.stopped.poll_recv(cx) {
            Poll::Ready(_) => Poll::Ready(()),
            Poll::Pending => Poll::Pending,
        }
    }
}
