//! SAS IO unit control and diagnostic buffers.

use super::codes::IocStatus;
use super::layout::{SasIoUnitControl, SasIoUnitControlReply, view};
use super::messages::default_reply;
use super::violation::Violation;
use super::{Mpi2Controller, Via};

/// Operation. Source: what drivers send, `MPI2_SAS_IOUNIT_CONTROL_REQUEST`.
mod operation {
    pub(super) const CLEAR_ALL_PERSISTENT: u8 = 0x02;
    pub(super) const PHY_LINK_RESET: u8 = 0x06;
    pub(super) const PHY_HARD_RESET: u8 = 0x07;
    pub(super) const PHY_CLEAR_ERROR_LOG: u8 = 0x08;
    pub(super) const SEND_PRIMITIVE: u8 = 0x0a;
    pub(super) const FORCE_FULL_DISCOVERY: u8 = 0x0b;
    pub(super) const REMOVE_DEVICE: u8 = 0x0d;
    pub(super) const SET_IOC_PARAMETER: u8 = 0x0f;
}

impl Mpi2Controller {
    pub(super) fn handle_sas_control(&mut self, message: &[u8], via: Via) {
        let request: SasIoUnitControl = view(message);
        let status = match self.control(&request) {
            Ok(()) => IocStatus::SUCCESS,
            Err(status) => status,
        };
        let reply = SasIoUnitControlReply {
            operation: request.operation,
            msg_length: (size_of::<SasIoUnitControlReply>() / 4) as u8,
            function: request.function,
            dev_handle: request.dev_handle,
            ioc_parameter: request.ioc_parameter,
            msg_flags: request.msg_flags,
            ioc_status: status.0.into(),
            ..SasIoUnitControlReply::default()
        };
        self.reply(via, &reply);
    }

    fn control(&mut self, request: &SasIoUnitControl) -> Result<(), IocStatus> {
        match request.operation {
            operation::CLEAR_ALL_PERSISTENT
            | operation::SEND_PRIMITIVE
            | operation::FORCE_FULL_DISCOVERY
            | operation::SET_IOC_PARAMETER => Ok(()),
            operation::PHY_CLEAR_ERROR_LOG => self.phy(request.phy_num).map(drop),
            operation::PHY_LINK_RESET => {
                let slot = self.phy(request.phy_num)?;
                if let Some(target) = self.topology.target_mut(slot) {
                    target.i_t_nexus_loss();
                }
                Ok(())
            }
            operation::PHY_HARD_RESET => {
                let slot = self.phy(request.phy_num)?;
                self.terminate_slot(slot, IocStatus::SCSI_TASK_TERMINATED, 0);
                if let Some(target) = self.topology.target_mut(slot) {
                    target.target_reset();
                }
                Ok(())
            }
            // The second step of a removal: from here on the handle may be used again.
            operation::REMOVE_DEVICE => {
                let removed = self.devices.release(request.dev_handle.get());
                removed.then_some(()).ok_or(IocStatus::INVALID_FIELD)
            }
            _ => Err(IocStatus::INVALID_FIELD),
        }
    }

    fn phy(&self, phy: u8) -> Result<usize, IocStatus> {
        let known = phy < self.personality.facts.phys;
        known.then_some(phy.into()).ok_or(IocStatus::INVALID_FIELD)
    }

    /// The buffer is remembered and never written. Source of the field: byte 1 is the buffer type.
    pub(super) fn handle_diag_buffer_post(&mut self, message: &[u8], via: Via) {
        self.set_diag_buffer(message, via, true);
    }

    pub(super) fn handle_diag_release(&mut self, message: &[u8], via: Via) {
        self.set_diag_buffer(message, via, false);
    }

    fn set_diag_buffer(&mut self, message: &[u8], via: Via, posted: bool) {
        let kind = message.get(1).copied().unwrap_or(0);
        let status = match self.diag_buffers.get_mut(usize::from(kind)) {
            Some(buffer) if *buffer != posted => {
                *buffer = posted;
                IocStatus::SUCCESS
            }
            _ => IocStatus::INVALID_FIELD,
        };
        if status != IocStatus::SUCCESS {
            let smid = via.smid();
            let field = "the diagnostic buffer type";
            self.note(Violation::Field { smid, field, value: kind.into() });
        }
        // The reply is four bytes longer than the default reply: nothing was transferred.
        let mut reply = [0; 24];
        let (default, _) = reply.split_at_mut(20);
        let mut start = default_reply(message, status);
        start.msg_length = 6;
        default.copy_from_slice(zerocopy::IntoBytes::as_bytes(&start));
        self.reply_bytes(via, &reply);
    }
}
