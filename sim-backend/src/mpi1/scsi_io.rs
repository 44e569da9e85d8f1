//! SCSI IO: from the request frame to the reply.

use hba_core::dma::{BusAddr, Segment};
use scsi_proto::{Cdb, Direction, Lun, Status, TaskAttribute};
use zerocopy::IntoBytes;

use super::codes::IocStatus;
use super::layout::{ScsiIoReply, ScsiIoRequest, view};
use super::sgl::Walk;
use super::{Mpi1Controller, Via};
use crate::counted::{take, take_value};
use crate::mpt::tasks;
use crate::scattered::Scattered;
use crate::target::{Executed, Execution};

/// SCSIState: the sense buffer contains sense data.
const AUTOSENSE_VALID: u8 = 0x01;
/// SCSIState: there was sense data and it could not be delivered.
const AUTOSENSE_FAILED: u8 = 0x02;
/// SCSIState: no status arrived from the device.
const NO_SCSI_STATUS: u8 = 0x04;
/// SCSIState: the command was terminated.
const TERMINATED: u8 = 0x08;

/// IOCLogInfo of SAS: the nexus to the device is lost (originator PL, I/O not yet executed).
const LOG_NEXUS_LOSS: u32 = 0x3117_0000;

/// One accepted SCSI IO.
pub(super) type Accepted = tasks::Accepted<ScsiIoRequest>;

/// A request frame in host memory.
#[derive(Clone, Copy, Debug)]
pub(super) struct Frame {
    pub(super) bus: BusAddr,
    /// Bytes that the controller has fetched or will fetch.
    pub(super) len: u32,
}

impl Mpi1Controller {
    /// Accepts a SCSI IO request or answers it with an error.
    pub(super) fn begin_scsi_io(&mut self, frame: Frame, message: &[u8]) {
        let request: ScsiIoRequest = view(message);
        match self.accept(frame, request) {
            Ok(task) => self.tasks.push(task),
            Err(status) => {
                let reply = self.scsi_reply(&request, status, NO_SCSI_STATUS);
                self.reply(Via::Fifo, &reply);
            }
        }
    }

    fn accept(&mut self, frame: Frame, request: ScsiIoRequest) -> Result<Accepted, IocStatus> {
        if let Some(status) = take_value(&mut self.faults.refuse_commands) {
            return Err(status);
        }
        let slot = self.find_slot(request.bus, request.target_id)?;
        let direction = match request.control.get() >> 24 & 3 {
            1 => Direction::ToDevice,
            2 => Direction::FromDevice,
            _ => Direction::None,
        };
        let task = Accepted {
            id: request.msg_context.get(),
            data_len: request.data_length.get(),
            slot,
            lun: self.lun(request.lun),
            cdb: self.cdb(&request)?,
            direction,
            attribute: attribute(request.control.get()),
            segments: self.segments(frame, &request, direction)?,
            due: self.schedule.due(self.now),
            offered: false,
            request,
        };
        self.check_cdb(&task)?;
        Ok(task)
    }

    /// The slot behind a bus and target id.
    pub(super) fn find_slot(&self, bus: u8, target: u8) -> Result<usize, IocStatus> {
        if bus != 0 {
            return Err(IocStatus::SCSI_INVALID_BUS);
        }
        if u16::from(target) >= self.init.max_devices {
            return Err(IocStatus::SCSI_INVALID_TARGETID);
        }
        let enabled = self.port_enable.is_done() || !self.personality.behaviour.checks_start_up;
        let slot = usize::from(target);
        let found = enabled && self.topology.target(slot).is_some();
        found.then_some(slot).ok_or(IocStatus::SCSI_DEVICE_NOT_THERE)
    }

    pub(super) fn lun(&self, bytes: [u8; 8]) -> Lun {
        if self.personality.behaviour.lun_is_byte_one {
            Lun::from_number(bytes[1].into())
        } else {
            Lun(bytes)
        }
    }

    fn cdb(&self, request: &ScsiIoRequest) -> Result<Cdb, IocStatus> {
        let len = if self.personality.behaviour.checks_cdb {
            // QEMU's SCSI layer goes by the group of the operation code.
            match request.cdb[0] >> 5 {
                0 => 6,
                1 | 2 => 10,
                5 => 12,
                _ => 16,
            }
        } else {
            request.cdb_length.into()
        };
        let bytes = request.cdb.get(..len).ok_or(IocStatus::INVALID_FIELD)?;
        Cdb::new(bytes).map_err(|_| IocStatus::INVALID_FIELD)
    }

    fn segments(
        &self,
        frame: Frame,
        request: &ScsiIoRequest,
        direction: Direction,
    ) -> Result<Vec<Segment>, IocStatus> {
        let behaviour = &self.personality.behaviour;
        let len = request.data_length.get();
        if !behaviour.empty_transfer_needs_element {
            match (direction, len) {
                (_, 0) => return Ok(Vec::new()),
                (Direction::None, _) => return Err(IocStatus::INVALID_FIELD),
                _ => {}
            }
        }
        let walk = Walk {
            memory: &self.memory,
            frame: frame.bus,
            frame_len: frame.len,
            first: size_of::<ScsiIoRequest>() as u32,
            chain_offset: request.chain_offset,
            len,
            direction,
            strict: behaviour.strict_sgl,
            max_chain_depth: self.personality.facts.max_chain_depth,
            ignores_dma_faults: behaviour.ignores_dma_faults,
        };
        walk.segments()
    }

    /// Compares the announced transfer with what the CDB says, where the personality does that.
    fn check_cdb(&self, task: &Accepted) -> Result<(), IocStatus> {
        let target = self.topology.target(task.slot);
        let target = target.filter(|_| self.personality.behaviour.checks_cdb);
        let expected = target.and_then(|target| target.expected_transfer(&task.task()));
        let Some((direction, len)) = expected else { return Ok(()) };
        // A direction of 3 in the control word is compared with nothing.
        let any = task.request.control.get() >> 24 & 3 == 3;
        let fits = len <= task.request.data_length.get() && (any || direction == task.direction);
        if fits { Ok(()) } else { Err(IocStatus::SCSI_DATA_OVERRUN) }
    }

    /// Offers the next task to its target.
    pub(super) fn execute_task(&mut self) -> bool {
        let Some(index) = self.tasks.pick(self.now, &self.topology, &mut self.schedule) else {
            return false;
        };
        let Some(task) = self.tasks.remove(index) else { return false };
        let ignores_faults = self.personality.behaviour.ignores_dma_faults;
        let len = task.segments.iter().fold(0, |sum: u32, s| sum.saturating_add(s.len));
        let cut = self.faults.cut_transfers != 0;
        let mut data =
            Scattered::new(&self.memory, &task.segments, if cut { len / 2 } else { len })
                .ignoring_faults(ignores_faults);
        let Some(target) = self.topology.target_mut(task.slot) else {
            self.terminate(&task, IocStatus::SCSI_DEVICE_NOT_THERE, 0);
            return true;
        };
        match target.execute(self.now, &task.task(), &mut data) {
            Execution::Held => self.tasks.put_back(index, task),
            Execution::Done(executed) => {
                let faulted = data.faulted();
                let _used = len != 0 && take(&mut self.faults.cut_transfers);
                self.complete(&task, &executed, faulted);
            }
        }
        true
    }

    fn complete(&mut self, task: &Accepted, executed: &Executed, faulted: bool) {
        let announced = task.request.data_length.get();
        let ioc_status = match executed.moved {
            _ if faulted => IocStatus::SCSI_IO_DATA_ERROR,
            moved if moved > announced => IocStatus::SCSI_DATA_OVERRUN,
            moved if moved < announced => IocStatus::SCSI_DATA_UNDERRUN,
            _ => IocStatus::SUCCESS,
        };
        let (sense_count, sense_state) = self.write_sense(task, executed);
        let good = executed.status == Status::GOOD;
        let by_doorbell =
            self.personality.behaviour.replies_disturb_handshake && self.handshake.is_request();
        if good && ioc_status == IocStatus::SUCCESS && !by_doorbell {
            self.post_context(task.id);
            return;
        }
        let mut reply = self.scsi_reply(&task.request, ioc_status, sense_state);
        reply.msg_flags = task.request.msg_flags;
        reply.scsi_status = executed.status.0;
        reply.transfer_count.set(executed.moved.min(announced));
        reply.sense_count.set(sense_count);
        if !good && self.personality.behaviour.bad_status_is_underrun {
            reply.ioc_status.set(IocStatus::SCSI_DATA_UNDERRUN.0);
            reply.scsi_state = AUTOSENSE_VALID;
            reply.transfer_count.set(0);
        }
        self.post_frame(reply.as_bytes());
    }

    /// Writes sense data to the host's buffer; returns its length and the SCSIState bits.
    fn write_sense(&self, task: &Accepted, executed: &Executed) -> (u32, u8) {
        let sense = executed.sense.as_bytes();
        let room = usize::from(task.request.sense_buffer_length);
        let fitting = sense.get(..room).unwrap_or(sense);
        if fitting.is_empty() {
            let failed = executed.status == Status::CHECK_CONDITION;
            return (0, if failed { AUTOSENSE_FAILED } else { 0 });
        }
        let low = task.request.sense_buffer_low_addr.get();
        let bus = BusAddr::new(u64::from(self.init.sense_high) << 32 | u64::from(low));
        let written = self.memory.write(bus, fitting);
        match written {
            // QEMU reports what there was, not what fitted.
            _ if self.personality.behaviour.bad_status_is_underrun => {
                (sense.len() as u32, AUTOSENSE_VALID)
            }
            Ok(()) => (fitting.len() as u32, AUTOSENSE_VALID),
            Err(_) => (0, AUTOSENSE_FAILED),
        }
    }

    /// Answers a task that will not be executed (any more).
    pub(super) fn terminate(&mut self, task: &Accepted, status: IocStatus, log_info: u32) {
        let quiet = self.personality.behaviour.bad_status_is_underrun;
        let state = if quiet { NO_SCSI_STATUS } else { NO_SCSI_STATUS | TERMINATED };
        let mut reply = self.scsi_reply(&task.request, status, state);
        reply.msg_flags = task.request.msg_flags;
        if log_info != 0 {
            reply.ioc_status.set(status.0 | IocStatus::LOG_INFO_AVAILABLE);
            reply.ioc_log_info.set(log_info);
        }
        self.post_frame(reply.as_bytes());
    }

    /// Answers all tasks of a target that has left.
    pub(super) fn terminate_slot(&mut self, slot: usize) {
        let (status, log_info) = if self.personality.behaviour.reports_topology {
            (IocStatus::SCSI_IOC_TERMINATED, LOG_NEXUS_LOSS)
        } else {
            (IocStatus::SCSI_TASK_TERMINATED, 0)
        };
        for task in self.tasks.take(|task| task.slot == slot) {
            self.terminate(&task, status, log_info);
        }
    }

    fn scsi_reply(&self, request: &ScsiIoRequest, status: IocStatus, state: u8) -> ScsiIoReply {
        ScsiIoReply {
            target_id: request.target_id,
            bus: request.bus,
            msg_length: (size_of::<ScsiIoReply>() / 4) as u8,
            function: request.function,
            cdb_length: request.cdb_length,
            sense_buffer_length: request.sense_buffer_length,
            msg_context: request.msg_context,
            scsi_state: state,
            ioc_status: status.0.into(),
            ..ScsiIoReply::default()
        }
    }
}

/// Control bits 10:8. Source: measured layouts, `MSG_SCSI_IO_REQUEST`.
const fn attribute(control: u32) -> TaskAttribute {
    match control >> 8 & 7 {
        1 => TaskAttribute::HeadOfQueue,
        2 => TaskAttribute::Ordered,
        4 => TaskAttribute::Aca,
        _ => TaskAttribute::Simple,
    }
}
