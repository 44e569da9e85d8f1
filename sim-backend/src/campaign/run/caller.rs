//! The caller: data memory, names of writes, the requests that are made of operations.

use hba_core::command::{Nexus, Request};
use hba_core::dma::RegionBuffer;
use hba_core::time::{Instant, Timeout};
use scsi_proto::TaskAttribute;

use super::Data;
use crate::campaign::flight::{self, BLOCK, Flight};
use crate::campaign::judge::Judge;
use crate::campaign::ledger::WriteId;
use crate::campaign::oracle::{Oracle, Verdict, Violation, require};
use crate::campaign::plan::{Kind, Operation, Options};
use crate::campaign::text::BLOCKS_MAX;
use crate::campaign::watched::numbered;
use crate::memory::SimMemory;

/// What the caller keeps between its commands.
pub(super) struct Caller {
    /// Buffers that no command has, each poisoned.
    pub(super) home: Vec<RegionBuffer>,
    /// Buffers, wherever they are.
    total: usize,
    /// The next write.
    next_id: u32,
    timeout: Timeout,
}

impl Caller {
    pub(super) fn new(options: &Options, memory: &SimMemory) -> Result<Self, String> {
        let total = (options.vectors * options.depth + options.depth) as usize;
        let len = BLOCKS_MAX as usize * BLOCK + 64;
        let mut home = Vec::with_capacity(total);
        for _ in 0..total {
            let mut buffer = memory.buffer(len).map_err(|error| error.to_string())?;
            flight::poison(&mut buffer, 1);
            home.push(buffer);
        }
        let timeout = Timeout::from_millis(options.timeout);
        Ok(Self { home, total, next_id: 1, timeout })
    }

    /// Whether the memory for an operation is missing.
    pub(super) fn lacks_memory(&self, op: Operation) -> bool {
        flight::transfer(op).length > 0 && self.home.is_empty()
    }

    /// Makes a command of an operation, with memory for its data.
    pub(super) fn command(
        &mut self,
        op: Operation,
        nexus: Nexus,
        now: Instant,
        judge: &mut Judge,
    ) -> Result<(Flight, Request<Data>), Violation> {
        let mut data = self.memory(op, judge)?;
        let id = WriteId(if op.kind.is_write() { self.next_id } else { 0 });
        if let (true, Some(buffer)) = (op.kind.is_write(), &mut data) {
            flight::fill(buffer, op, id);
        }
        let mut made = Flight::new(op, id);
        made.memory = flight::place(&data);
        let transfer = flight::transfer(op);
        let cookie = judge.next_cookie();
        let mut request = Request::new(nexus, flight::cdb(op), transfer, data, cookie);
        if op.kind == Kind::WriteOrdered {
            request.command.attribute = TaskAttribute::Ordered;
        }
        Ok(self.dispatch(made, request, now, judge))
    }

    /// The last that every command gets: a number, the time, the time-out.
    pub(super) fn dispatch(
        &self,
        mut made: Flight,
        request: Request<Data>,
        now: Instant,
        judge: &mut Judge,
    ) -> (Flight, Request<Data>) {
        made.at = now;
        made.number = judge.number();
        let mut request = request.with_timeout(self.timeout);
        request.command.cdb = numbered::give(&request.command.cdb, made.number);
        (made, request)
    }

    /// Memory for the data of an operation, if it has any, in one piece or in two.
    fn memory(&mut self, op: Operation, judge: &Judge) -> Result<Data, Violation> {
        let len = flight::transfer(op).length;
        let Some(mut buffer) = self.home.pop_if(|_| len > 0) else { return Ok(None) };
        judge.idle_memory(&buffer)?;
        flight::poison(&mut buffer, op.blocks.max(1) as usize);
        match op.lba % 2 {
            1 if len >= 1024 => buffer.scatter(&[512, len - 512], 8),
            _ => buffer.scatter(&[len], 0),
        }
        Ok(Some(buffer))
    }

    /// Data memory is the caller's again.
    pub(super) fn take_home(&mut self, data: Data) {
        if let Some(mut buffer) = data {
            flight::poison(&mut buffer, 1);
            self.home.push(buffer);
        }
    }

    /// Whether all memory came home, and nobody touched it since.
    pub(super) fn has_all_memory(&self, judge: &Judge) -> Verdict {
        let home = self.home.len();
        require(home == self.total, Oracle::BoundedMemory, || {
            format!("{home} of {} buffers came home", self.total)
        })?;
        self.home.iter().try_for_each(|buffer| judge.idle_memory(buffer))
    }

    /// The core took a write: the next one has another name.
    pub(super) const fn name_next(&mut self) {
        self.next_id += 1;
    }
}
