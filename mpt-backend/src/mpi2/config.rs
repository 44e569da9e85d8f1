//! What the platform decides, and what the controller says about itself.

use hba_core::dma::{AddressWidth, DmaWindow};
use hba_core::limits::Limits;
use hba_core::port::BringUpError;

use scsi_proto::Cdb;

use super::post::Post;
use super::requests::{CONTROL_REQUESTS, TASK_MANAGEMENT};
use super::sgl::{Chains, ElementKind, FRAME};
use crate::reply::REPLY_FRAME;
use crate::sense::SENSE;
use crate::wire::mpi2::{IocCapabilities2, IocFactsReply2};
use crate::wire::sge::MAX_SIMPLE_LENGTH;

/// What the platform decides about an MPI 2.x controller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mpi2Config {
    /// Addresses that the host maps for the controller; its own width is 64 bits, 63 from MPI 2.5 on.
    pub window: DmaWindow,
    /// Page size of the host in bytes, a power of two.
    pub page_size: u32,
    /// Most scatter elements of one command, 1 to 1,024; each tag owns memory for that many.
    pub elements_max: u16,
    /// Most commands outstanding on each vector; the controller's credits may allow fewer.
    pub queue_depth_max: u16,
    /// Vectors that the host has for the controller, 1 to 16; the controller may have fewer.
    pub vectors: u8,
    /// Whether [`write64`](hba_core::register::Registers::write64) is one store, or else serialised over all threads that
    /// use it, as [`PairedRegisters`](hba_core::sync::PairedRegisters) does. Without that and without atomic descriptors there is
    /// one vector, and its queue and Control must be on one thread.
    pub whole_descriptors: bool,
}

impl Default for Mpi2Config {
    /// 63-bit addresses, 4 KiB pages, 257 elements (1 MiB unaligned), one vector, as many commands as the controller takes.
    fn default() -> Self {
        Self {
            window: DmaWindow::of_width(AddressWidth::new(63).unwrap_or(AddressWidth::BITS_32)),
            page_size: 4096,
            elements_max: 257,
            queue_depth_max: u16::MAX,
            vectors: 1,
            whole_descriptors: false,
        }
    }
}

/// Most vectors that are used.
const VECTORS_MAX: u8 = 16;
/// Most requests outstanding: SMIDs have 16 bits, and what is beyond this only costs memory.
const REQUESTS_MAX: u16 = 30_000;
/// Most reply frames. A controller out of frames waits for one.
const REPLIES_MAX: u16 = 1024;

/// The controller's facts, checked: nothing of what follows can divide by zero or overflow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Facts {
    pub(super) version: u16,
    pub(super) product_id: u16,
    pub(super) firmware: u32,
    credits: u16,
    high_priority: u16,
    post_depth_max: u16,
    chain_depth: u8,
    vectors: u8,
    max_targets: u16,
    pub(super) max_handle: u16,
    pub(super) capabilities: IocCapabilities2,
}

impl Facts {
    /// # Errors
    ///
    /// [`BringUpError::Fact`] for the first number that cannot be worked with.
    pub(super) fn check(reply: &IocFactsReply2) -> Result<Self, BringUpError> {
        let fact = |name, value| Err(BringUpError::Fact { name, value });
        let version = reply.msg_version.get();
        if version >> 8 != 2 {
            return fact("message version", u32::from(version));
        }
        let credits = reply.request_credit.get();
        if credits <= CONTROL_REQUESTS {
            return fact("request credit", u32::from(credits));
        }
        let high_priority = reply.high_priority_credit.get();
        if high_priority == 0 {
            return fact("high-priority credit", 0);
        }
        let post_depth_max = reply.max_reply_post_queue_depth.get() / 16 * 16;
        if post_depth_max < 64 {
            return fact("reply post queue depth", u32::from(post_depth_max));
        }
        let words = reply.ioc_request_frame_size.get();
        if usize::from(words) * 4 < FRAME {
            return fact("request frame size in words", u32::from(words));
        }
        // A shorter frame would have the next reply written over ours.
        let reply_words = reply.reply_frame_size;
        if !(17..=(REPLY_FRAME / 4) as u8).contains(&reply_words) {
            return fact("reply frame size in words", u32::from(reply_words));
        }
        Ok(Self {
            version,
            product_id: reply.product_id.get(),
            firmware: reply.fw_version.get(),
            credits: credits.min(REQUESTS_MAX),
            high_priority,
            post_depth_max,
            chain_depth: reply.max_chain_depth,
            vectors: reply.max_msix_vectors.max(1),
            max_targets: reply.max_targets.get().max(1),
            max_handle: reply.max_dev_handle.get(),
            capabilities: IocCapabilities2(reply.ioc_capabilities.get()),
        })
    }

    pub(super) fn can(&self, capability: IocCapabilities2) -> bool {
        self.capabilities.contains(capability)
    }

    /// Elements of MPI 2.5 are IEEE's in SCSI IO requests.
    const fn has_ieee_elements(&self) -> bool {
        self.version >= 0x0205
    }

    /// Whether indices go to registers for eight queues each: parts of MPI 2.5 with more than eight vectors, used or not.
    pub(super) const fn combines_indices(&self) -> bool {
        self.version >= 0x0205 && self.vectors > 8
    }

    /// Whether memory laid out for `self` serves a controller that now reports `later`.
    pub(super) fn covers(&self, later: &Self) -> bool {
        later.credits >= self.credits
            && later.high_priority >= self.high_priority.min(u16::from(TASK_MANAGEMENT))
            && later.post_depth_max >= self.post_depth_max
            && (later.chain_depth == 0 || later.chain_depth >= self.chain_depth)
            && later.vectors >= self.vectors
            && later.version == self.version
            && later.capabilities.contains(self.capabilities)
    }
}

/// Everything that follows from facts and configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) facts: Facts,
    pub(super) limits: Limits,
    pub(super) chains: Chains,
    pub(super) post: Post,
    /// Reply frames given to the controller.
    pub(super) replies: u16,
    /// Entries of each reply post queue: nothing that can be out at once overflows it.
    pub(super) post_depth: u16,
    /// Task management functions that may be out.
    pub(super) tasks: u8,
}

impl Plan {
    /// # Errors
    ///
    /// [`BringUpError::Fact`] when the elements do not fit the chains that the controller takes.
    pub(super) fn new(config: &Mpi2Config, facts: Facts) -> Self {
        let atomic = facts.can(IocCapabilities2::ATOMIC_REQUEST);
        let parallel = atomic || config.whole_descriptors;
        let indexed = facts.can(IocCapabilities2::MSI_X_INDEX);
        let vectors = if parallel && indexed {
            let useful = (facts.credits - CONTROL_REQUESTS).min(u16::from(VECTORS_MAX)) as u8;
            config.vectors.clamp(1, useful).min(facts.vectors)
        } else {
            1
        };
        let fair = (facts.credits - CONTROL_REQUESTS) / u16::from(vectors);
        // A quarter of the queue is left for replies with a frame.
        let room = facts.post_depth_max / 4 * 3 - CONTROL_REQUESTS;
        let depth = fair.min(config.queue_depth_max).min(room).max(1);
        let requests = depth.saturating_mul(u16::from(vectors)).saturating_add(CONTROL_REQUESTS);
        let left = facts.post_depth_max - depth - CONTROL_REQUESTS - 1;
        // One less than a multiple of 16: the free queue has one slot more.
        let replies = (requests.min(REPLIES_MAX - 16).min(left - 1) / 16 * 16).max(16) - 1 + 16;
        let replies = if replies > left { replies - 16 } else { replies };
        let post_depth =
            (depth + CONTROL_REQUESTS + replies + 1).next_multiple_of(16).min(facts.post_depth_max);
        let kind = match (
            facts.has_ieee_elements(),
            config.window.last() <= DmaWindow::of_width(AddressWidth::BITS_32).last(),
        ) {
            (true, _) => ElementKind::Ieee,
            (false, true) => ElementKind::Bits32,
            (false, false) => ElementKind::Bits64,
        };
        let chains = Chains::new(kind, config.elements_max.clamp(1, 1024), facts.chain_depth);
        let page_size = config.page_size;
        let elements_max = u32::from(chains.elements());
        let limits = Limits {
            // What fits whatever the alignment; a single element takes any buffer that is contiguous.
            transfer_max: elements_max.saturating_sub(1).saturating_mul(page_size).max(page_size),
            elements_max,
            element_max: MAX_SIMPLE_LENGTH & !(page_size - 1),
            boundary: 0,
            window: config.window,
            page_size,
            queue_depth: depth,
            vectors: u16::from(vectors),
            cdb_max: Cdb::LEN_MAX as u8,
            sense_max: SENSE,
            targets_max: facts.max_targets,
        };
        let post = if atomic { Post::Atomic } else { Post::Pair };
        let tasks = facts.high_priority.min(u16::from(TASK_MANAGEMENT)) as u8;
        Self { facts, limits, chains, post, replies, post_depth, tasks }
    }

    pub(super) fn vectors(&self) -> u8 {
        self.limits.vectors as u8
    }

    /// SMIDs of all queues' commands: 1 to this.
    pub(super) fn commands(&self) -> u16 {
        self.limits.queue_depth * self.limits.vectors
    }

    /// Request frames: that of SMID 0, one for each tag, then Control's.
    pub(super) fn frames(&self) -> usize {
        1 + usize::from(self.commands() + CONTROL_REQUESTS)
    }

    /// Entries of the reply free queue.
    pub(super) fn free_depth(&self) -> u16 {
        (self.replies + 1).next_multiple_of(16)
    }

    /// Whether the post queues are regions of their own.
    pub(super) fn queues_apart(&self) -> bool {
        self.facts.can(IocCapabilities2::RDPQ_ARRAY)
    }

    /// Which set of post queues a vector's belongs to, where they are regions of their own: a controller holds bits 63:32 once
    /// for the queues 0 to 7, and so on; later parts, of MPI 2.6, once for 16.
    ///
    /// Source: the change "Handle RDPQ DMA allocation in same 4G region" of Linux's `mpt3sas`, 2020.
    pub(super) const fn queue_set(&self, vector: u8) -> u8 {
        vector / if self.facts.version >= 0x0206 { 16 } else { 8 }
    }

    /// The first SMID of a queue.
    pub(super) fn base(&self, vector: u16) -> u16 {
        1 + vector * self.limits.queue_depth
    }
}
