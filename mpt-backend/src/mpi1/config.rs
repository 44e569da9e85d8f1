//! What the platform decides, and what the controller says about itself.

use hba_core::dma::{AddressWidth, DmaWindow};
use hba_core::limits::Limits;
use hba_core::port::BringUpError;

use super::context::INDICES;
use super::sgl::{Chains, ElementKind};
use crate::sense::SENSE;
use crate::wire::ioc::{IocCapabilities, IocFactsFlags, IocFactsReply, MsgVersion};
use crate::wire::port::{PortFactsReply, PortType};
use crate::wire::sge::MAX_SIMPLE_LENGTH;

/// What the platform decides about an MPI 1.x controller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mpi1Config {
    /// Addresses that the host maps for the controller; its own width is 64 bits.
    pub window: DmaWindow,
    /// Page size of the host in bytes, a power of two.
    pub page_size: u32,
    /// Most scatter elements of one command, 1 to 1,024; each tag owns memory for that many.
    pub elements_max: u16,
    /// Most commands outstanding; the controller's credits may allow fewer.
    pub queue_depth_max: u16,
}

impl Default for Mpi1Config {
    /// 64-bit addresses, 4 KiB pages, 257 elements (1 MiB unaligned), as many commands as the controller takes.
    fn default() -> Self {
        Self {
            window: DmaWindow::of_width(AddressWidth::BITS_64),
            page_size: 4096,
            elements_max: 257,
            queue_depth_max: u16::MAX,
        }
    }
}

/// Requests that Control keeps for itself out of the controller's credits.
pub(super) const CONTROL_REQUESTS: u16 = 8;
/// Bytes of a request frame that are used: the SCSI IO request and seven 64-bit elements.
pub(super) const FRAME: usize = 128;
/// The shortest frame that holds a SCSI IO request and one 64-bit element, or a task management request.
const REQUEST_FRAME_MIN: usize = 64;

/// The controller's facts, checked: nothing of what follows can divide by zero or overflow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Facts {
    pub(super) version: MsgVersion,
    pub(super) product_id: u16,
    pub(super) firmware: u32,
    pub(super) credits: u16,
    pub(super) reply_depth: u16,
    pub(super) frame_size: usize,
    pub(super) chain_depth: u8,
    pub(super) max_devices: u8,
    pub(super) max_buses: u8,
    pub(super) high_priority: bool,
    pub(super) ports: u8,
}

impl Facts {
    /// # Errors
    ///
    /// [`BringUpError::Fact`] for the first number that cannot be worked with.
    pub(super) fn check(reply: &IocFactsReply) -> Result<Self, BringUpError> {
        let fact = |name, value| BringUpError::Fact { name, value };
        let credits = reply.global_credits.get();
        if credits <= CONTROL_REQUESTS {
            return Err(fact("global credits", u32::from(credits)));
        }
        let reply_depth = reply.reply_queue_depth.get();
        if reply_depth < 4 {
            return Err(fact("reply queue depth", u32::from(reply_depth)));
        }
        let words = reply.request_frame_size.get();
        let frame_size = usize::from(words) * 4;
        if frame_size < REQUEST_FRAME_MIN {
            return Err(fact("request frame size in words", u32::from(words)));
        }
        if reply.flags.contains(IocFactsFlags::FW_DOWNLOAD_BOOT) {
            return Err(fact("flags (firmware must be loaded first)", u32::from(reply.flags.0)));
        }
        let version = reply.version();
        let high_priority = reply.capabilities().contains(IocCapabilities::HIGH_PRI_Q)
            && version >= MsgVersion::MPI_1_5;
        Ok(Self {
            version,
            product_id: reply.product_id.get(),
            firmware: u32::from_be_bytes([
                reply.fw_version.major,
                reply.fw_version.minor,
                reply.fw_version.unit,
                reply.fw_version.dev,
            ]),
            credits: credits.min(INDICES),
            reply_depth: reply_depth.min(INDICES),
            frame_size: frame_size.min(FRAME),
            chain_depth: reply.max_chain_depth,
            max_devices: reply.max_devices,
            max_buses: reply.max_buses,
            high_priority,
            ports: reply.number_of_ports,
        })
    }

    /// Whether memory laid out for `self` serves a controller that now reports `later`.
    pub(super) fn covers(&self, later: &Self) -> bool {
        later.credits >= self.credits
            && later.reply_depth >= self.reply_depth
            && later.frame_size >= self.frame_size
            && later.chain_depth >= self.chain_depth
    }
}

/// What matters of a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Port {
    pub(super) kind: PortType,
    pub(super) max_devices: u16,
    pub(super) initiator_id: u16,
}

impl Port {
    pub(super) fn of(reply: &PortFactsReply) -> Self {
        Self {
            kind: reply.port_type,
            max_devices: reply.max_devices.get(),
            initiator_id: reply.port_scsi_id.get(),
        }
    }
}

/// Everything that follows from facts and configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) facts: Facts,
    pub(super) limits: Limits,
    pub(super) chains: Chains,
    /// Reply frames given to the controller.
    pub(super) replies: u16,
}

impl Plan {
    /// # Errors
    ///
    /// [`BringUpError::Fact`] when the elements do not fit the chains that the controller takes.
    pub(super) fn new(config: &Mpi1Config, facts: Facts) -> Result<Self, BringUpError> {
        let depth = (facts.credits - CONTROL_REQUESTS).min(config.queue_depth_max.max(1));
        let reach = DmaWindow::of_width(AddressWidth::BITS_32).last();
        let kind =
            if config.window.last() <= reach { ElementKind::Bits32 } else { ElementKind::Bits64 };
        let wanted = config.elements_max.clamp(1, 1024);
        let chains = Chains::new(kind, facts.frame_size, wanted, facts.chain_depth);
        let page_size = config.page_size;
        let elements_max = u32::from(chains.elements());
        // What fits whatever the alignment; a single element takes any buffer that is contiguous.
        let transfer_max = elements_max.saturating_sub(1).saturating_mul(page_size).max(page_size);
        let limits = Limits {
            transfer_max,
            elements_max,
            element_max: MAX_SIMPLE_LENGTH & !(page_size - 1),
            boundary: 0,
            window: config.window,
            page_size,
            queue_depth: depth,
            vectors: 1,
            cdb_max: 16,
            sense_max: SENSE,
            targets_max: match facts.max_devices {
                0 => 256,
                devices => u16::from(devices),
            },
        };
        let replies = facts.reply_depth.min(depth + CONTROL_REQUESTS);
        Ok(Self { facts, limits, chains, replies })
    }

    /// Request frames: one for each tag, then Control's.
    pub(super) fn frames(&self) -> u16 {
        self.limits.queue_depth + CONTROL_REQUESTS
    }
}
