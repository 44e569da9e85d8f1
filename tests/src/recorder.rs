//! A target that records what reaches it and answers as told.

use alloc::sync::Arc;
use std::sync::{Mutex, MutexGuard, PoisonError};

use hba_core::time::Instant;
use scsi_proto::{Direction, Lun};
use sim_backend::target::{DataPhase, Executed, Execution, SasAddress, Target, Task};

/// One command as it arrived over the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrived {
    /// The bytes of the CDB, as many as the frame says.
    pub cdb: Vec<u8>,
    /// The logical unit.
    pub lun: Lun,
    /// The direction in the frame.
    pub direction: Direction,
    /// The length in the frame.
    pub length: u32,
    /// Data-out as it was read.
    pub data: Vec<u8>,
}

/// How the next commands are answered.
#[derive(Clone, Copy, Debug)]
pub struct Answers {
    /// GOOD with this many bytes fewer than announced.
    pub short_by: u32,
    /// The byte that data-in consists of.
    pub fill: u8,
}

#[derive(Debug)]
struct State {
    arrived: Vec<Arrived>,
    answers: Answers,
}

/// The target; clones share what they record.
#[derive(Clone, Debug)]
pub struct Recorder(Arc<Mutex<State>>);

impl Default for Recorder {
    fn default() -> Self {
        let answers = Answers { short_by: 0, fill: 0x5a };
        Self(Arc::new(Mutex::new(State { arrived: Vec::new(), answers })))
    }
}

impl Recorder {
    /// Everything that arrived since the last call.
    pub fn take(&self) -> Vec<Arrived> {
        core::mem::take(&mut self.lock().arrived)
    }

    /// Sets how the next commands are answered.
    pub fn answer(&self, answers: Answers) {
        self.lock().answers = answers;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Target for Recorder {
    fn sas_address(&self) -> SasAddress {
        SasAddress(0x5000_c500_dead_0001)
    }

    fn execute(&mut self, _: Instant, task: &Task<'_>, data: &mut dyn DataPhase) -> Execution {
        let mut state = self.lock();
        let moved = task.data_len.saturating_sub(state.answers.short_by);
        let mut bytes = vec![state.answers.fill; moved as usize];
        let phase = match task.direction {
            Direction::FromDevice => data.send(0, &bytes),
            Direction::ToDevice => data.receive(0, &mut bytes),
            Direction::None => Ok(()),
        };
        let data = if task.direction == Direction::ToDevice { bytes } else { Vec::new() };
        state.arrived.push(Arrived {
            cdb: task.cdb.as_bytes().to_vec(),
            lun: task.lun,
            direction: task.direction,
            length: task.data_len,
            data,
        });
        phase.expect("the buffer is mapped");
        Execution::Done(Executed::good(moved))
    }

    fn logical_unit_reset(&mut self, _: Lun) {}

    fn target_reset(&mut self) {}

    fn i_t_nexus_loss(&mut self) {}

    fn power_cut(&mut self) {}

    fn power_on(&mut self) {}
}
