//! Typed commands to a logical unit.

use scsi_proto::Lba;
use scsi_proto::command::{Command as _, ReadCapacity16};

use alloc::vec;

use tokio::sync::oneshot;

use super::books::BookOrder;
use super::control::Order;
use super::platform::Clock;
use super::{DiscoverError, Execute, ExecuteError, Hba};
use crate::command::{Cookie, Request, Transfer};
use crate::discovery::{Discovered, Discovery, ProbeOutcome};
use crate::dma::{DataBuffer, RegionBuffer};
use crate::host::{Data, OutOfMemory};
use crate::logical_unit::{AccessError, Fua, LogicalUnit};
use crate::port::QueuePort;
use crate::register::Registers;

/// Cookies are the facade's business.
const NONE: Cookie = Cookie(0);

impl<Q: QueuePort, R: Registers + Clone, C: Clock, D: DataBuffer> Hba<Q, R, C, D> {
    /// [`LogicalUnit::read`]; a range that is not on the medium ends as [`ExecuteError::Access`].
    #[inline]
    pub fn read(
        &self,
        unit: &LogicalUnit,
        lba: Lba,
        blocks: u32,
        data: D,
    ) -> Execute<'_, Q, R, C, D> {
        self.typed(unit.read(lba, blocks, data, NONE))
    }

    /// [`LogicalUnit::write`]; a range that is not on the medium ends as [`ExecuteError::Access`].
    #[inline]
    pub fn write(
        &self,
        unit: &LogicalUnit,
        lba: Lba,
        blocks: u32,
        fua: Fua,
        data: D,
    ) -> Execute<'_, Q, R, C, D> {
        self.typed(unit.write(lba, blocks, fua, data, NONE))
    }

    /// [`LogicalUnit::inquiry`].
    pub fn inquiry(&self, unit: &LogicalUnit, length: u16, data: D) -> Execute<'_, Q, R, C, D> {
        self.request(unit.inquiry(length, data, NONE))
    }

    /// [`LogicalUnit::test_unit_ready`].
    pub fn test_unit_ready(&self, unit: &LogicalUnit, data: D) -> Execute<'_, Q, R, C, D> {
        self.request(unit.test_unit_ready(data, NONE))
    }

    /// READ CAPACITY(16), 32 bytes of data.
    pub fn read_capacity(&self, unit: &LogicalUnit, data: D) -> Execute<'_, Q, R, C, D> {
        let cdb = ReadCapacity16 { allocation_length: 32, ..ReadCapacity16::default() }.cdb();
        self.request(Request::new(unit.nexus, cdb, Transfer::from_device(32), data, NONE))
    }

    #[inline]
    fn typed(&self, request: Result<Request<D>, AccessError<D>>) -> Execute<'_, Q, R, C, D> {
        match request {
            Ok(request) => self.request(request),
            Err(AccessError { fault, data }) => {
                Execute::unmade(&self.lane, ExecuteError::Access(fault), data)
            }
        }
    }
}

impl<Q: QueuePort, R: Registers + Clone, C: Clock> Hba<Q, R, C, Data> {
    /// Asks every target what it has, and returns its logical units. `buffer` brings memory for the answers, of the length
    /// asked for in bytes.
    ///
    /// # Errors
    ///
    /// [`DiscoverError`].
    pub async fn discover(
        &self,
        mut buffer: impl FnMut(usize) -> Result<RegionBuffer, OutOfMemory>,
    ) -> Result<Discovered, DiscoverError> {
        let (answer, targets) = oneshot::channel();
        self.tell(Order::Targets(answer)).await?;
        let targets = targets.await.map_err(|_| DiscoverError::Stopped)?;
        let mut discovery = Discovery::new(&targets);
        while !discovery.is_done() {
            let now = self.lane.clock.now();
            let Some(probe) = discovery.poll_request(now) else {
                let (answer, woken) = oneshot::channel();
                self.tell(Order::Sleep(discovery.next_deadline().unwrap_or(now), answer)).await?;
                woken.await.map_err(|_| DiscoverError::Stopped)?;
                continue;
            };
            let data = match probe.allocation_length() {
                0 => None,
                len => Some(buffer(len as usize).map_err(DiscoverError::Memory)?),
            };
            let id = probe.id;
            let (answer, data) = self.request(probe.into_request(data)).await;
            let answer = answer.map_err(DiscoverError::Execute)?;
            let mut bytes = vec![0; answer.transferred as usize];
            if let Some(data) = &data {
                data.read(&mut bytes);
            }
            let outcome =
                ProbeOutcome { outcome: answer.outcome, sense: &answer.sense, data: &bytes };
            discovery.handle_completion(id, outcome, self.lane.clock.now());
        }
        let found = discovery.finish();
        self.tell_books(BookOrder::Discovered(found.units.clone())).await;
        Ok(found)
    }

    async fn tell(&self, order: Order) -> Result<(), DiscoverError> {
        self.inner.orders.send(order).await.map_err(|_| DiscoverError::Stopped)
    }
}
