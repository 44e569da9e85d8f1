//! Typed flushes, and what is known of the writes of a unit; see [`durability`](crate::durability).

use alloc::vec;

use tokio::sync::oneshot;

use super::books::{BookOrder, FlushTicket, Verdict};
use super::control::Order;
use super::letter::{Parcel, Urgency};
use super::platform::Clock;
use super::{Execute, ExecuteError, Hba};
use crate::command::{Cookie, Refusal, Request};
use crate::dma::{DataBuffer, RegionBuffer};
use crate::durability::{
    CacheMode, CacheProbe, FlushConfig, FlushError, FlushStep, Flushed, Loss, UnitDurability,
};
use crate::host::Data;
use crate::logical_unit::LogicalUnit;
use crate::name::Nexus;
use crate::port::QueuePort;
use crate::register::Registers;
use crate::time::Instant;
use scsi_proto::Sense;

/// What a flush ends with when Control has ended or was dropped.
const STOPPED: FlushError = FlushError::NotSent(Refusal::Stopped);
/// Unit attentions in a row that a question survives.
const ATTENTIONS_MAX: u32 = 8;

impl<Q: QueuePort, R: Registers + Clone, C: Clock, D: DataBuffer> Hba<Q, R, C, D> {
    /// Makes every write of a unit durable whose future had ended, on whichever vector, before this is first polled. `data`
    /// is memory for a command without data.
    ///
    /// A busy unit is asked again as [`FlushConfig::default`] has it. Dropping the future leaves the unit to the next flush.
    ///
    /// # Errors
    ///
    /// [`FlushError`]; of a loss every time until it is [acknowledged](Self::acknowledge_loss).
    pub async fn flush(&self, unit: &LogicalUnit, data: D) -> (Result<Flushed, FlushError>, D) {
        self.flush_as(unit, data, FlushConfig::default(), Urgency::Ordinary).await
    }

    /// The same with patience of the caller's.
    ///
    /// # Errors
    ///
    /// As [`Self::flush`].
    pub async fn flush_with(
        &self,
        unit: &LogicalUnit,
        data: D,
        config: FlushConfig,
    ) -> (Result<Flushed, FlushError>, D) {
        self.flush_as(unit, data, config, Urgency::Ordinary).await
    }

    pub(super) async fn flush_as(
        &self,
        unit: &LogicalUnit,
        mut data: D,
        config: FlushConfig,
        urgency: Urgency,
    ) -> (Verdict, D) {
        let begun = self.ask(|answer| BookOrder::Flush(unit.nexus, config, answer)).await;
        let mut ticket = match begun {
            Some(Ok(ticket)) => ticket,
            Some(Err(_)) => return (Err(FlushError::Busy), data),
            None => return (Err(STOPPED), data),
        };
        loop {
            let request = unit.flush(data, Cookie(0));
            let (step, home) = self.try_flush(&mut ticket, request, urgency).await;
            data = home;
            match step {
                FlushStep::Again(at) if self.sleep(at).await => {}
                FlushStep::Again(_) => return (Err(STOPPED), data),
                FlushStep::Settle => return (ticket.settle().await.unwrap_or(Err(STOPPED)), data),
            }
        }
    }

    async fn try_flush(
        &self,
        ticket: &mut FlushTicket,
        request: Request<D>,
        urgency: Urgency,
    ) -> (FlushStep, D) {
        let Request { command, data, timeout, check, .. } = request;
        let parcel = Parcel::new(command, data, timeout, check);
        let (answer, data) = Execute::new(&self.lane, urgency, parcel).await;
        let now = self.lane.clock.now();
        let step = match answer {
            Ok(answer) => ticket.handle_end(&answer.ended(), now),
            Err(ExecuteError::Refused(refusal)) => ticket.handle_refusal(refusal, now),
            Err(_) => ticket.handle_refusal(Refusal::Stopped, now),
        };
        (step, data)
    }

    /// How durable the writes of a unit are; `None` if the adapter has stopped.
    pub async fn durability(&self, nexus: Nexus) -> Option<UnitDurability> {
        self.ask(|answer| BookOrder::Durability(nexus, answer)).await
    }

    /// The caller knows of this loss and has done about it what there is to do, such as writing again whatever had ended
    /// before it was told: flushes may succeed again.
    ///
    /// # Errors
    ///
    /// The loss that is pending, where it is not this one: more was lost since. `Some` of this one if the adapter has
    /// stopped.
    pub async fn acknowledge_loss(&self, nexus: Nexus, loss: Loss) -> Result<(), Option<Loss>> {
        let answer = self.ask(|answer| BookOrder::Acknowledge(nexus, loss, answer)).await;
        answer.unwrap_or(Err(Some(loss)))
    }

    /// For callers that cannot acknowledge: a pending loss as a deferred error, once. Having been told counts as
    /// acknowledged. `None` if nothing is pending, or the adapter has stopped.
    pub async fn report_loss(&self, nexus: Nexus) -> Option<Sense> {
        self.ask(|answer| BookOrder::Report(nexus, answer)).await?
    }

    /// The platform says that the targets were without power: what they had not flushed may be lost. Writes that begin after
    /// this has ended are none of that.
    pub async fn handle_power_event(&self) {
        // If Control is gone nothing is flushed any more.
        let _ = self.ask(BookOrder::PowerEvent).await;
    }

    /// Puts a question to the books. `None` if Control has ended or was dropped.
    async fn ask<T>(&self, order: impl FnOnce(oneshot::Sender<T>) -> BookOrder) -> Option<T> {
        let (answer, answered) = oneshot::channel();
        self.tell_books(order(answer)).await;
        answered.await.ok()
    }

    pub(super) async fn tell_books(&self, order: BookOrder) {
        // If Control is gone there are no books to be kept.
        let _ = self.inner.orders.send(Order::Books(order)).await;
    }

    /// Whether Control is there to wake from sleep.
    async fn sleep(&self, until: Instant) -> bool {
        if until <= self.lane.clock.now() {
            return true;
        }
        let (answer, woken) = oneshot::channel();
        self.inner.orders.send(Order::Sleep(until, answer)).await.is_ok() && woken.await.is_ok()
    }
}

impl<Q: QueuePort, R: Registers + Clone, C: Clock> Hba<Q, R, C, Data> {
    /// Asks a unit for WCE and DPOFUA, which makes what is known of its cache fresh; see [`CacheMode`]. `memory` holds
    /// [`CacheProbe::LENGTH`] bytes. A device that does not say leaves its mode stale.
    ///
    /// # Errors
    ///
    /// [`ExecuteError`].
    pub async fn refresh_cache_mode(
        &self,
        nexus: Nexus,
        memory: RegionBuffer,
    ) -> Result<CacheMode, ExecuteError> {
        let stopped = ExecuteError::Refused(Refusal::Stopped);
        let mut memory = Some(memory);
        let mut tries = 0;
        loop {
            let changes = self.ask(|answer| BookOrder::ModeChanges(nexus, answer)).await;
            let request = CacheProbe::request(nexus, memory, Cookie(0));
            let (answer, home) = self.request(request).await;
            let (answer, changes) = (answer?, changes.ok_or(stopped)?);
            let mut bytes = vec![0; answer.transferred as usize];
            if let Some(data) = &home {
                data.read(&mut bytes);
            }
            let probe = CacheProbe::read(&answer.judge(&CacheProbe::cdb()), &bytes);
            (memory, tries) = (home, tries + 1);
            if probe != CacheProbe::Again || tries == ATTENTIONS_MAX {
                let unit = self.ask(|answer| BookOrder::Mode(nexus, changes, probe, answer)).await;
                return Ok(unit.ok_or(stopped)?.mode);
            }
        }
    }
}
