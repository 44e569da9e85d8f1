//! What MPI 2.0 and 2.5 lay out differently from MPI 1.x: registers, descriptors, and the messages whose fields moved.
//!
//! A message that is not here has the layout of MPI 1.x, with zero where that has the message context: an MPI 2.x request
//! is named by its descriptor.

use super::message::{Function, IocStatusWord, ReplyMsgFlags};
use super::task_mgmt::{ResponseCode, TaskType};
use zerocopy::little_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// Reply free host index: the first slot of the reply free queue that holds no frame for the controller.
pub const REPLY_FREE_HOST_INDEX: u32 = 0x48;
/// Reply post host index: bits 23:0 the first entry not taken yet, bits 31:24 the queue.
pub const REPLY_POST_HOST_INDEX: u32 = 0x6c;
/// Host code buffer size in bytes, with its enable bit.
pub const HCB_SIZE: u32 = 0x74;
/// Request descriptor post, bits 31:0; bits 63:32 follow at 0xc4.
pub const REQUEST_DESCRIPTOR_POST: u32 = 0xc0;
/// Atomic request descriptor post: 32 bits at once, only with [`IocCapabilities2::ATOMIC_REQUEST`].
pub const ATOMIC_REQUEST_DESCRIPTOR_POST: u32 = 0xc8;
/// Combined reply post host indices: one for each eight queues, 16 bytes apart.
pub const COMBINED_REPLY_POST_HOST_INDEX: u32 = 0x30c;

/// Keys that open the host diagnostic register, written to the write sequence register in this order.
pub const WRITE_SEQUENCE_KEYS2: [u32; 7] = [0x00, 0x0f, 0x04, 0x0b, 0x02, 0x07, 0x0d];
/// Restarts the sequence, and closes the register.
pub const WRITE_SEQUENCE_FLUSH: u32 = 0x00;

flags! {
    /// Bits of the host diagnostic register.
    pub struct HostDiagnostic(u32) {
        BOOT_DEVICE_HCDW = 0x0800, "boot from the host code buffer";
        HCB_MODE = 0x0100, "host code buffer mode";
        DRWE = 0x0080, "diagnostic write enabled";
        RESET_HISTORY = 0x0020, "reset history";
        RESET_ADAPTER = 0x0004, "reset adapter";
        HOLD_RESET = 0x0002, "held in reset";
    }
}

flags! {
    /// Bits of the host interrupt mask register. A set bit masks its interrupt.
    pub struct HostInterruptMask(u32) {
        RESET = 0x4000_0000, "reset masked";
        REPLY = 0x0000_0008, "reply masked";
        DOORBELL = 0x0000_0001, "doorbell masked";
    }
}

flags! {
    /// `IOCCapabilities` of the IOC facts reply.
    pub struct IocCapabilities2(u32) {
        COREDUMP = 0x0020_0000, "the core dump state";
        ATOMIC_REQUEST = 0x0008_0000, "atomic request descriptors";
        RDPQ_ARRAY = 0x0004_0000, "reply post queues apart";
        MSI_X_INDEX = 0x0000_8000, "MSI-X index in descriptors";
        EVENT_REPLAY = 0x0000_2000, "event replay";
        INTEGRATED_RAID = 0x0000_1000, "integrated RAID";
    }
}

/// `RequestFlags` of a descriptor: SCSI IO.
pub const DESCRIPTOR_SCSI_IO: u8 = 0x00;
/// `RequestFlags` of a descriptor: task management.
pub const DESCRIPTOR_HIGH_PRIORITY: u8 = 0x06;
/// `RequestFlags` of a descriptor: any other message.
pub const DESCRIPTOR_DEFAULT: u8 = 0x08;

/// A request descriptor: which frame, of which kind, answered on which queue.
#[must_use = "a descriptor has no effect until it is posted"]
#[inline]
pub const fn request_descriptor(kind: u8, queue: u8, smid: u16) -> u32 {
    kind as u32 | (queue as u32) << 8 | (smid as u32) << 16
}

/// `ReplyFlags` of a reply descriptor, bits 3:0: a SCSI IO ended well.
pub const REPLY_SCSI_IO_SUCCESS: u8 = 0x0;
/// `ReplyFlags`: a reply frame is at the address in the second word.
pub const REPLY_ADDRESS: u8 = 0x1;
/// `ReplyFlags`: a fast path SCSI IO ended well (MPI 2.5).
pub const REPLY_FAST_PATH_SUCCESS: u8 = 0x6;
/// `ReplyFlags`: nothing here.
pub const REPLY_UNUSED: u8 = 0xf;

/// `Flags` of an IEEE element: the last of the list (MPI 2.5).
pub const IEEE_END_OF_LIST: u8 = 0x40;
/// `Flags` of an IEEE element: a chain.
pub const IEEE_CHAIN: u8 = 0x80;

macro_rules! wire {
    ($(#[$doc:meta])* pub struct $Name:ident = $size:literal { $($(#[$field_doc:meta])* $field:ident: $Type:ty,)* }) => {
        $(#[$doc])*
        #[derive(
            Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
        )]
        #[repr(C)]
        pub struct $Name { $($(#[$field_doc])* pub $field: $Type,)* }
        const _: () = assert!(size_of::<$Name>() == $size);
    };
}

wire! {
    /// IOC init request (`MPI2_IOC_INIT_REQUEST`). Host-written.
    pub struct IocInitRequest2 = 72 {
        /// 0x00.
        who_init: super::ioc::WhoInit,
        /// 0x01: zero.
        reserved1: [u8; 2],
        /// 0x03.
        function: Function,
        /// 0x04: zero.
        reserved2: [u8; 3],
        /// 0x07: bit 0: the post queue address is that of an array of [`RdpqEntry`].
        msg_flags: u8,
        /// 0x08: zero.
        virtual_function: U32,
        /// 0x0c.
        msg_version: U16,
        /// 0x0e.
        header_version: U16,
        /// 0x10: zero.
        reserved5: U32,
        /// 0x14: bit 1: dump core before a reset (MPI 2.6).
        configuration_flags: U16,
        /// 0x16: the exponent of 2.
        host_page_size: u8,
        /// 0x17: reply post queues.
        host_msix_vectors: u8,
        /// 0x18: zero.
        reserved8: U16,
        /// 0x1a: in 32-bit words.
        system_request_frame_size: U16,
        /// 0x1c: entries of each, a multiple of 16.
        reply_post_queue_depth: U16,
        /// 0x1e: entries, a multiple of 16, more than there are frames.
        reply_free_queue_depth: U16,
        /// 0x20: bits 63:32 of all sense buffers.
        sense_buffer_address_high: U32,
        /// 0x24: bits 63:32 of all reply frames.
        system_reply_address_high: U32,
        /// 0x28: of the frame of SMID 0.
        system_request_frame_base_address: U64,
        /// 0x30.
        reply_post_queue_address: U64,
        /// 0x38.
        reply_free_queue_address: U64,
        /// 0x40: milliseconds.
        time_stamp: U64,
    }
}

wire! {
    /// Where one reply post queue is (`MPI2_IOC_INIT_RDPQ_ARRAY_ENTRY`). Host-written.
    pub struct RdpqEntry = 16 {
        /// 0x00.
        base_address: U64,
        /// 0x08: zero.
        reserved: [U32; 2],
    }
}

wire! {
    /// IOC facts reply (`MPI2_IOC_FACTS_REPLY`). Device-written.
    pub struct IocFactsReply2 = 68 {
        /// 0x00.
        msg_version: U16,
        /// 0x02: in 32-bit words.
        msg_length: u8,
        /// 0x03.
        function: Function,
        /// 0x04.
        header_version: U16,
        /// 0x06.
        ioc_number: u8,
        /// 0x07.
        msg_flags: ReplyMsgFlags,
        /// 0x08.
        virtual_function: U32,
        /// 0x0c.
        ioc_exceptions: U16,
        /// 0x0e.
        ioc_status: U16,
        /// 0x10.
        ioc_log_info: U32,
        /// 0x14: segments; 0: no limit.
        max_chain_depth: u8,
        /// 0x15.
        who_init: super::ioc::WhoInit,
        /// 0x16.
        number_of_ports: u8,
        /// 0x17.
        max_msix_vectors: u8,
        /// 0x18: requests outstanding, those of Control included.
        request_credit: U16,
        /// 0x1a.
        product_id: U16,
        /// 0x1c: decode with [`IocCapabilities2`].
        ioc_capabilities: U32,
        /// 0x20: little-endian: development, unit, minor, major.
        fw_version: U32,
        /// 0x24: in 32-bit words.
        ioc_request_frame_size: U16,
        /// 0x26: in units of 16 bytes (MPI 2.5); 0: 128 bytes.
        ioc_max_chain_segment_size: U16,
        /// 0x28.
        max_initiators: U16,
        /// 0x2a.
        max_targets: U16,
        /// 0x2c.
        max_sas_expanders: U16,
        /// 0x2e.
        max_enclosures: U16,
        /// 0x30.
        protocol_flags: U16,
        /// 0x32: task management functions outstanding.
        high_priority_credit: U16,
        /// 0x34: entries.
        max_reply_post_queue_depth: U16,
        /// 0x36: in 32-bit words.
        reply_frame_size: u8,
        /// 0x37.
        max_volumes: u8,
        /// 0x38.
        max_dev_handle: U16,
        /// 0x3a.
        max_persistent_entries: U16,
        /// 0x3c.
        min_dev_handle: U16,
        /// 0x3e.
        current_host_page_size: u8,
        /// 0x3f: zero.
        reserved4: u8,
        /// 0x40: of accelerated elements.
        sge_modifier: U32,
    }
}

wire! {
    /// Event notification request (`MPI2_EVENT_NOTIFICATION_REQUEST`). Host-written.
    pub struct EventNotifyRequest2 = 44 {
        /// 0x00: zero.
        reserved1: [u8; 3],
        /// 0x03.
        function: Function,
        /// 0x04: zero.
        reserved2: [U32; 4],
        /// 0x14: bit n of the 128 keeps event n back.
        event_masks: [U32; 4],
        /// 0x24.
        sas_broadcast_primitive_masks: U16,
        /// 0x26.
        sas_notify_primitive_masks: U16,
        /// 0x28: zero.
        reserved8: U32,
    }
}

wire! {
    /// Task management request (`MPI2_SCSI_TASK_MANAGE_REQUEST`). Host-written.
    pub struct TaskManagementRequest2 = 52 {
        /// 0x00.
        dev_handle: U16,
        /// 0x02: zero.
        chain_offset: u8,
        /// 0x03.
        function: Function,
        /// 0x04: zero.
        reserved1: u8,
        /// 0x05.
        task_type: TaskType,
        /// 0x06: zero.
        reserved2: u8,
        /// 0x07.
        msg_flags: u8,
        /// 0x08: zero.
        virtual_function: U32,
        /// 0x0c.
        lun: [u8; 8],
        /// 0x14: zero.
        reserved4: [U32; 7],
        /// 0x30: the command to abort or query.
        task_mid: U16,
        /// 0x32: zero.
        reserved5: U16,
    }
}

wire! {
    /// Task management reply (`MPI2_SCSI_TASK_MANAGE_REPLY`). Device-written.
    pub struct TaskManagementReply2 = 28 {
        /// 0x00.
        dev_handle: U16,
        /// 0x02: in 32-bit words.
        msg_length: u8,
        /// 0x03.
        function: Function,
        /// 0x04.
        response_code: ResponseCode,
        /// 0x05.
        task_type: TaskType,
        /// 0x06: zero.
        reserved1: u8,
        /// 0x07.
        msg_flags: ReplyMsgFlags,
        /// 0x08.
        virtual_function: U32,
        /// 0x0c: zero.
        reserved2: U16,
        /// 0x0e.
        ioc_status: U16,
        /// 0x10.
        ioc_log_info: U32,
        /// 0x14: commands that it ended.
        termination_count: U32,
        /// 0x18.
        response_info: U32,
    }
}

impl TaskManagementReply2 {
    /// The decoded `IOCStatus` field.
    #[must_use = "a status that is not looked at hides a failure"]
    pub const fn status(&self) -> IocStatusWord {
        IocStatusWord(self.ioc_status.get())
    }
}

wire! {
    /// SAS IO unit control request (`MPI2_SAS_IOUNIT_CONTROL_REQUEST`). Host-written.
    pub struct SasIoUnitControlRequest2 = 44 {
        /// 0x00: [`Self::REMOVE_DEVICE`].
        operation: u8,
        /// 0x01: zero.
        reserved1: u8,
        /// 0x02: zero.
        chain_offset: u8,
        /// 0x03.
        function: Function,
        /// 0x04.
        dev_handle: U16,
        /// 0x06: zero.
        ioc_parameter: u8,
        /// 0x07: zero.
        msg_flags: u8,
        /// 0x08: zero for this operation.
        rest: [U32; 9],
    }
}

impl SasIoUnitControlRequest2 {
    /// `Operation`: the host has forgotten the device; its handle may be used again.
    pub const REMOVE_DEVICE: u8 = 0x0d;
}

wire! {
    /// SAS topology change list (`MPI2_EVENT_DATA_SAS_TOPOLOGY_CHANGE_LIST`), up to its entries. Device-written.
    pub struct TopologyChangeList = 12 {
        /// 0x00.
        enclosure_handle: U16,
        /// 0x02.
        expander_dev_handle: U16,
        /// 0x04.
        num_phys: u8,
        /// 0x05: zero.
        reserved1: [u8; 3],
        /// 0x08: entries that follow.
        num_entries: u8,
        /// 0x09.
        start_phy_num: u8,
        /// 0x0a.
        exp_status: u8,
        /// 0x0b.
        physical_port: u8,
    }
}

wire! {
    /// An entry of the list (`MPI2_EVENT_SAS_TOPO_PHY_ENTRY`). Device-written.
    pub struct TopologyPhyEntry = 4 {
        /// 0x00.
        attached_dev_handle: U16,
        /// 0x02.
        link_rate: u8,
        /// 0x03: bits 3:0 are the reason.
        phy_status: u8,
    }
}

impl TopologyPhyEntry {
    /// Reason: a target is there.
    pub const TARGET_ADDED: u8 = 1;
    /// Reason: a target does not respond; the controller waits for the host to let go of it.
    pub const TARGET_NOT_RESPONDING: u8 = 2;

    /// Bits 3:0 of the phy status.
    #[must_use = "the reason is only decoded, not kept"]
    pub const fn reason(&self) -> u8 {
        self.phy_status & 0xf
    }
}

wire! {
    /// SAS device page 0 (`MPI2_CONFIG_PAGE_SAS_DEV_0`), as far as it is looked at. Device-written.
    pub struct SasDevicePage2 = 36 {
        /// 0x00.
        header: super::config::ConfigExtendedPageHeader,
        /// 0x08.
        slot: U16,
        /// 0x0a.
        enclosure_handle: U16,
        /// 0x0c.
        sas_address: U64,
        /// 0x14.
        parent_dev_handle: U16,
        /// 0x16.
        phy_num: u8,
        /// 0x17: 0: no errors.
        access_status: u8,
        /// 0x18.
        dev_handle: U16,
        /// 0x1a.
        attached_phy_identifier: u8,
        /// 0x1b.
        zone_group: u8,
        /// 0x1c: decode with [`SasDeviceInfo`](super::sas::SasDeviceInfo).
        device_info: U32,
        /// 0x20: bit 0: the device is there.
        flags: U16,
        /// 0x22.
        physical_port: u8,
        /// 0x23.
        max_port_connections: u8,
    }
}

wire! {
    /// RAID volume page 0 (`MPI2_CONFIG_PAGE_RAID_VOL_0`), as far as it is looked at. Device-written.
    pub struct RaidVolumePage0 = 8 {
        /// 0x00.
        header: super::config::ConfigPageHeader,
        /// 0x04.
        dev_handle: U16,
        /// 0x06: 0 missing, 1 failed, 2 initialising, 3 online, 4 degraded, 5 optimal.
        volume_state: u8,
        /// 0x07.
        volume_type: u8,
    }
}

wire! {
    /// RAID physical disk page 0 (`MPI2_CONFIG_PAGE_RD_PDISK_0`), as far as it is looked at. Device-written.
    pub struct RaidPhysDiskPage0 = 8 {
        /// 0x00.
        header: super::config::ConfigPageHeader,
        /// 0x04.
        dev_handle: U16,
        /// 0x06: zero.
        reserved1: u8,
        /// 0x07.
        phys_disk_num: u8,
    }
}
