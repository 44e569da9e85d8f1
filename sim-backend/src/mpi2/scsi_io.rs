//! SCSI IO: from the request frame to the reply.

use hba_core::dma::{BusAddr, Segment};
use scsi_proto::{Cdb, Direction, Lun, Status, TaskAttribute};
use zerocopy::IntoBytes;

use super::codes::IocStatus;
use super::devices::Found;
use super::init::one_half;
use super::layout::{ScsiIoReply, ScsiIoRequest, view};
use super::personality::MpiVersion;
use super::registers::IocState;
use super::requests::Request;
use super::sgl::{Format, Walk};
use super::violation::Violation;
use super::{Mpi2Controller, Route};
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

/// IoFlags: bits 8:0 are the length of the CDB.
const CDB_LENGTH_MASK: u16 = 0x01ff;
/// IoFlags (MPI 2.5): which way the command goes inside the controller; 8000h is reserved.
const IO_PATH_MASK: u16 = 0xc000;
/// IoFlags (MPI 2.5): the fast path.
const IO_PATH_FAST: u16 = 0x4000;
/// MsgFlags: where the sense buffer is; 0 is host memory.
const SENSE_ADDRESS_SPACE: u8 = 0x0c;
/// SGLFlags (MPI 2.0): the type of the list.
const SGL_TYPE_MASK: u16 = 0x0003;
/// SGLFlags (MPI 2.0): IEEE elements of 16 bytes.
const SGL_TYPE_IEEE64: u16 = 0x0002;
/// SGLOffset0, in dwords, of a list that begins right after the message.
const SGL_OFFSET_MIN: u8 = (size_of::<ScsiIoRequest>() / 4) as u8;

/// What is kept of a request until it ends.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kept {
    pub(super) route: Route,
    request: ScsiIoRequest,
    fast_path: bool,
}

/// One accepted SCSI IO; its id is the SMID.
pub(super) type Accepted = tasks::Accepted<Kept>;

/// Why a request was not accepted.
enum Refused {
    /// For no fault of the request.
    Status(IocStatus),
    /// It broke a rule, and is answered with this status.
    Broken(Violation, IocStatus),
}

impl Mpi2Controller {
    /// Accepts a SCSI IO request or answers it with an error.
    pub(super) fn begin_scsi_io(&mut self, request: Request, fast_path: bool) {
        let kept = Kept { route: request.route, request: view(&request.frame), fast_path };
        let status = match self.accept(&kept, &request.frame) {
            Ok(task) => return self.tasks.push(task),
            Err(Refused::Status(status)) => status,
            Err(Refused::Broken(violation, status)) => {
                self.note(violation);
                status
            }
        };
        let reply = scsi_reply(&kept.request, status, NO_SCSI_STATUS);
        self.post_frame(kept.route, reply.as_bytes());
    }

    fn accept(&mut self, kept: &Kept, frame: &[u8]) -> Result<Accepted, Refused> {
        if let Some(status) = take_value(&mut self.faults.refuse_commands) {
            return Err(Refused::Status(status));
        }
        let Kept { route: Route { smid, .. }, request, .. } = kept;
        let broken = |field, value: u64| {
            let violation = Violation::Field { smid: *smid, field, value };
            Refused::Broken(violation, IocStatus::INVALID_FIELD)
        };
        if let Some((field, value)) = self.wrong_field(request) {
            return Err(broken(field, value));
        }
        let slot = self.addressed_slot(request.dev_handle.get(), *smid)?;
        let direction = direction(request).ok_or_else(|| broken("the direction", 3))?;
        let cdb = cdb(request).ok_or_else(|| {
            broken("the CDB length", u64::from(request.io_flags.get() & CDB_LENGTH_MASK))
        })?;
        Ok(Accepted {
            request: *kept,
            id: u32::from(*smid),
            data_len: request.data_length.get(),
            slot,
            lun: Lun(request.lun),
            cdb,
            direction,
            attribute: attribute(request.control.get()),
            segments: self.segments(kept, frame, direction)?,
            due: self.schedule.due(self.now),
            offered: false,
        })
    }

    /// The slot behind a device handle.
    fn addressed_slot(&self, handle: u16, smid: u16) -> Result<usize, Refused> {
        match self.devices.find(handle) {
            Found::Present(slot) if self.port_enable.is_done() => {
                let there = self.topology.target(slot).is_some();
                there.then_some(slot).ok_or(Refused::Status(IocStatus::SCSI_DEVICE_NOT_THERE))
            }
            Found::Present(_) | Found::Left => {
                Err(Refused::Status(IocStatus::SCSI_DEVICE_NOT_THERE))
            }
            Found::Unknown => {
                let field = "the device handle";
                let violation = Violation::Field { smid, field, value: handle.into() };
                Err(Refused::Broken(violation, IocStatus::SCSI_INVALID_DEVHANDLE))
            }
        }
    }

    /// The first field that is reserved and not 0, or asks for what this model does not have.
    fn wrong_field(&self, request: &ScsiIoRequest) -> Option<(&'static str, u64)> {
        let v2_5 = self.personality.facts.version >= MpiVersion::V2_5;
        let path = request.io_flags.get() & IO_PATH_MASK;
        let known_path = path == 0 || path == IO_PATH_FAST && v2_5;
        let known_list = match request.sgl_flags.get() {
            0 => true,
            // In MPI 2.5 the field has another meaning, and 0 is its only value without protection information.
            SGL_TYPE_IEEE64 => !v2_5,
            _ => false,
        };
        let others = request.io_flags.get() & !(IO_PATH_MASK | CDB_LENGTH_MASK);
        let checks = [
            ("a reserved field", u64::from(request.reserved_1.get())),
            ("a reserved field", request.reserved_2.into()),
            ("a reserved field", request.reserved_3.get().into()),
            ("a reserved field", request.reserved_4.into()),
            ("the virtual port", request.vp_id.into()),
            ("the virtual function", request.vf_id.into()),
            (
                "the address space of the sense buffer",
                (request.msg_flags & SENSE_ADDRESS_SPACE).into(),
            ),
            ("the list type", if known_list { 0 } else { request.sgl_flags.get().into() }),
            ("the skip count", request.skip_count.get().into()),
            ("the bidirectional length", request.bidirectional_data_length.get().into()),
            ("protection information", request.eedp_flags.get().into()),
            ("the path of the command", if known_path { 0 } else { path.into() }),
            ("an unknown IO flag", others.into()),
        ];
        checks.into_iter().find(|(_, value)| *value != 0)
    }

    fn segments(
        &self,
        kept: &Kept,
        frame: &[u8],
        direction: Direction,
    ) -> Result<Vec<Segment>, Refused> {
        let Kept { route: Route { smid, .. }, request, .. } = kept;
        let facts = &self.personality.facts;
        let len = request.data_length.get();
        let field = |field, value: u32| {
            let violation = Violation::Field { smid: *smid, field, value: value.into() };
            Refused::Broken(violation, IocStatus::INVALID_FIELD)
        };
        match direction {
            _ if len == 0 => return Ok(Vec::new()),
            Direction::None => return Err(field("the data length without a direction", len)),
            _ => {}
        }
        let format = match (facts.version, request.sgl_flags.get() & SGL_TYPE_MASK) {
            (MpiVersion::V2_5, _) => Format::Ieee { ends: true },
            (MpiVersion::V2_0, SGL_TYPE_IEEE64) => Format::Ieee { ends: false },
            (MpiVersion::V2_0, _) => Format::Mpi,
        };
        let [first, ..] = request.sgl_offset;
        let aligned = format == Format::Mpi || first.is_multiple_of(4);
        if first < SGL_OFFSET_MIN || !aligned {
            return Err(field("the offset of the list", first.into()));
        }
        let frame_len = u32::from(facts.request_frame_size) * 4;
        let walk = Walk {
            memory: &self.memory,
            format,
            frame,
            first: usize::from(first) * 4,
            chain_offset: request.chain_offset,
            len,
            direction,
            max_chain_depth: facts.max_chain_depth,
            max_chain_len: match facts.max_chain_segment_size {
                0 => frame_len,
                units => u32::from(units) * 16,
            },
        };
        walk.segments().map_err(|problem| {
            let violation = Violation::ScatterList { smid: *smid, problem };
            Refused::Broken(violation, IocStatus::INVALID_SGL)
        })
    }

    /// Offers the next task to its target.
    pub(super) fn execute_task(&mut self) -> bool {
        if self.state != IocState::Operational {
            return false;
        }
        let Some(index) = self.tasks.pick(self.now, &self.topology, &mut self.schedule) else {
            return false;
        };
        let Some(task) = self.tasks.remove(index) else { return false };
        let len = task.segments.iter().fold(0, |sum: u32, s| sum.saturating_add(s.len));
        let cut = self.faults.cut_transfers != 0;
        let mut data =
            Scattered::new(&self.memory, &task.segments, if cut { len / 2 } else { len });
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
        let Kept { route, request, fast_path } = &task.request;
        let announced = request.data_length.get();
        let ioc_status = match executed.moved {
            _ if faulted => IocStatus::SCSI_IO_DATA_ERROR,
            moved if moved > announced => IocStatus::SCSI_DATA_OVERRUN,
            moved if moved < announced => IocStatus::SCSI_DATA_UNDERRUN,
            _ => IocStatus::SUCCESS,
        };
        if executed.status == Status::GOOD && ioc_status == IocStatus::SUCCESS {
            return self.post_success(*route, *fast_path);
        }
        let (sense_count, sense_state) = match self.write_sense(request, executed) {
            Ok(written) => written,
            Err(violation) => return self.fault(violation),
        };
        let mut reply = scsi_reply(request, ioc_status, sense_state);
        reply.scsi_status = executed.status.0;
        reply.transfer_count.set(executed.moved.min(announced));
        reply.sense_count.set(sense_count);
        reply.task_tag.set(route.smid);
        self.post_frame(*route, reply.as_bytes());
    }

    /// Writes sense data to the host's buffer; returns its length and the SCSIState bits.
    fn write_sense(
        &self,
        request: &ScsiIoRequest,
        executed: &Executed,
    ) -> Result<(u32, u8), Violation> {
        let sense = executed.sense.as_bytes();
        let room = usize::from(request.sense_buffer_length);
        let fitting = sense.get(..room).unwrap_or(sense);
        if fitting.is_empty() {
            let failed = executed.status == Status::CHECK_CONDITION;
            return Ok((0, if failed { AUTOSENSE_FAILED } else { 0 }));
        }
        let high = self.init.as_ref().map_or(0, |init| init.sense_high);
        let low = request.sense_buffer_low.get();
        let at = BusAddr::new(u64::from(high) << 32 | u64::from(low));
        one_half("a sense buffer", at, room as u64)?;
        match self.memory.write(at, fitting) {
            Ok(()) => Ok((fitting.len() as u32, AUTOSENSE_VALID)),
            Err(_) => Ok((0, AUTOSENSE_FAILED)),
        }
    }

    /// Answers a task that will not be executed (any more).
    pub(super) fn terminate(&mut self, task: &Accepted, status: IocStatus, log_info: u32) {
        let Kept { route, request, .. } = &task.request;
        let mut reply = scsi_reply(request, status, NO_SCSI_STATUS | TERMINATED);
        reply.task_tag.set(route.smid);
        if log_info != 0 {
            reply.ioc_status.set(status.0 | IocStatus::LOG_INFO_AVAILABLE);
            reply.ioc_log_info.set(log_info);
        }
        self.post_frame(*route, reply.as_bytes());
    }

    /// Answers all tasks of a target that has left or was reset.
    pub(super) fn terminate_slot(&mut self, slot: usize, status: IocStatus, log_info: u32) {
        for task in self.tasks.take(|task| task.slot == slot) {
            self.terminate(&task, status, log_info);
        }
    }
}

fn scsi_reply(request: &ScsiIoRequest, status: IocStatus, state: u8) -> ScsiIoReply {
    ScsiIoReply {
        dev_handle: request.dev_handle,
        msg_length: (size_of::<ScsiIoReply>() / 4) as u8,
        function: request.function,
        msg_flags: request.msg_flags,
        scsi_state: state,
        ioc_status: status.0.into(),
        ..ScsiIoReply::default()
    }
}

/// Control bits 25:24; both directions at once are not for this model's targets.
const fn direction(request: &ScsiIoRequest) -> Option<Direction> {
    match request.control.get() >> 24 & 3 {
        0 => Some(Direction::None),
        1 => Some(Direction::ToDevice),
        2 => Some(Direction::FromDevice),
        _ => None,
    }
}

/// The CDB; what is beyond 16 bytes is announced in Control too, in bits 31:26 and in dwords.
fn cdb(request: &ScsiIoRequest) -> Option<Cdb> {
    let len = usize::from(request.io_flags.get() & CDB_LENGTH_MASK);
    let additional = request.control.get() >> 26;
    let bytes = request.cdb.get(..len)?;
    let announced = len.saturating_sub(16).div_ceil(4) as u32 == additional;
    announced.then(|| Cdb::new(bytes).ok()).flatten()
}

/// Control bits 10:8. Source: measured layouts, `MPI2_SCSI_IO_REQUEST`.
const fn attribute(control: u32) -> TaskAttribute {
    match control >> 8 & 7 {
        1 => TaskAttribute::HeadOfQueue,
        2 => TaskAttribute::Ordered,
        4 => TaskAttribute::Aca,
        _ => TaskAttribute::Simple,
    }
}
