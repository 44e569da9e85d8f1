//! The driver of one vector.

use alloc::sync::Arc;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};

use tokio::sync::mpsc;

use super::Inner;
use super::harvest::{Harvest, Note, Pass};
use super::lane::Lane;
use super::platform::{Clock, Interrupts};
use crate::dma::DataBuffer;
use crate::port::QueuePort;
use crate::queue::Vector;
use crate::register::Registers;
use crate::sync::AtDoor;

/// Takes what the device posts on one vector, each time its interrupt says so, and wakes the tasks that wait for it.
///
/// Ends when the adapter has stopped and every command of the vector came home.
#[must_use = "commands of this vector end when this is polled"]
pub struct VectorDriver<Q: QueuePort, R: Registers + Clone, C: Clock, D: DataBuffer, I> {
    lane: Arc<Lane<Q, R, C, D>>,
    interrupts: I,
    harvest: Harvest<D>,
    /// The last look did not see everything.
    look: bool,
    /// Its place at the door of the queue, if it has one.
    door: AtDoor,
    notes: mpsc::Sender<Note>,
    /// Notes for which there has to be room: two passes of every vector, as each looks after a pass that left some.
    reserve: usize,
    /// There was less after the last pass.
    crowded: bool,
    /// Closed when the adapter has stopped.
    stopped: mpsc::Receiver<()>,
    /// Whom that wakes.
    told: Option<Waker>,
}

/// Passes before other tasks get their turn.
const PASSES: u32 = 16;
/// Notes that one pass may leave: four messages, one mark, one removal, one that there are signs.
const NOTES_OF_A_PASS: usize = 7;

impl<Q: QueuePort, R: Registers + Clone, C: Clock, D: DataBuffer, I: Interrupts>
    VectorDriver<Q, R, C, D, I>
{
    pub(super) fn new(
        inner: &Inner<Q, R, C, D>,
        vector: Vector,
        interrupts: I,
        notes: mpsc::Sender<Note>,
        stopped: mpsc::Receiver<()>,
    ) -> Self {
        let (lane, harvest) = (Arc::clone(inner.lane(vector)), Harvest::new());
        let reserve = 2 * NOTES_OF_A_PASS * inner.lanes.len();
        let (look, crowded, door, told) = (false, false, AtDoor::default(), None);
        Self { lane, interrupts, harvest, look, door, notes, reserve, crowded, stopped, told }
    }

    /// The vector that this drives.
    pub fn vector(&self) -> Vector {
        self.lane.vector
    }

    /// Passes until the queue is empty.
    #[inline(always)]
    fn take_all(&mut self, cx: &Context<'_>) -> Look {
        let Self { lane, harvest, notes, crowded, reserve, .. } = self;
        let mut tell = Teller { notes, crowded, reserve: *reserve };
        match lane.pass(harvest, &mut |note| tell.tell(note)) {
            Some(Pass::Empty) => Look::Done,
            pass => self.take_rest(pass, cx),
        }
    }

    /// There is more than one pass took, or somebody is in.
    #[cold]
    #[inline(never)]
    fn take_rest(&mut self, mut pass: Option<Pass>, cx: &Context<'_>) -> Look {
        for _ in 0..PASSES {
            match pass {
                Some(Pass::Empty | Pass::Stopped) => return Look::Done,
                // Control takes notes at every turn; a device that floods it is slowed down here.
                Some(Pass::More) if self.is_crowded() => return Look::Again,
                _ => pass = self.knock(cx),
            }
            if pass.is_none() {
                return Look::AtDoor;
            }
        }
        Look::Again
    }

    /// Whether Control has so many notes to take that there are to be no more.
    fn is_crowded(&mut self) -> bool {
        self.crowded = self.notes.capacity() < self.reserve;
        self.crowded
    }

    /// Passes as soon as nobody is in the queue.
    #[cold]
    fn knock(&mut self, cx: &Context<'_>) -> Option<Pass> {
        let Self { lane, door, harvest, notes, crowded, reserve, .. } = self;
        let mut tell = Teller { notes, crowded, reserve: *reserve };
        let attempt = || lane.pass_seldom(harvest, &mut |note| tell.tell(note));
        let pass = lane.door.enter_or(door, || cx.waker().clone(), attempt, Waker::wake)?;
        if let Some(next) = lane.door.leave(door) {
            next.wake();
        }
        Some(pass)
    }

    /// Whether the adapter has stopped. Otherwise the task is woken when it does.
    fn has_stopped(&mut self, cx: &mut Context<'_>) -> bool {
        let told = self.told.as_ref().is_some_and(|told| told.will_wake(cx.waker()));
        if told && !self.stopped.is_closed() {
            return false;
        }
        self.told = Some(cx.waker().clone());
        self.stopped.poll_recv(cx).is_ready()
    }
}

/// Leaves notes for Control.
struct Teller<'a> {
    notes: &'a mpsc::Sender<Note>,
    crowded: &'a mut bool,
    reserve: usize,
}

impl Teller<'_> {
    #[cold]
    fn tell(&mut self, note: Note) {
        // There is room, or Control is gone.
        drop(self.notes.try_send(note));
        *self.crowded |= self.notes.capacity() < self.reserve;
    }
}

/// What a look at the queue came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Look {
    /// Everything was taken.
    Done,
    /// There is more, for which the others wait too long.
    Again,
    /// Somebody is in, whose leave wakes this task.
    AtDoor,
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
            let took =
                if this.crowded && this.is_crowded() { Look::Again } else { this.take_all(cx) };
            match took {
                Look::Done => look = false,
                Look::AtDoor => {
                    this.look = true;
                    break;
                }
                Look::Again => {
                    // Look again without an interrupt, after the others had their turn.
                    this.look = true;
                    cx.waker().wake_by_ref();
                    break;
                }
            }
        }
        if this.has_stopped(cx) { Poll::Ready(()) } else { Poll::Pending }
    }
}

/// A place at the door goes on to the next.
impl<Q: QueuePort, R: Registers + Clone, C: Clock, D: DataBuffer, I> Drop
    for VectorDriver<Q, R, C, D, I>
{
    fn drop(&mut self) {
        if let Some(next) = self.lane.door.leave(&mut self.door) {
            next.wake();
        }
    }
}
