//! Messages of MPI 1.x as they lie in memory, little-endian. Source: measured layouts, one structure per message.
//!
//! Written from the measurements and not shared with the driver, so that one misreading is not made twice.

use zerocopy::little_endian::{U16, U32, U64};

pub(crate) use crate::mpt::wire::view;
use crate::mpt::wire::wire;

wire! {
    /// `MSG_REQUEST_HEADER`: what all requests begin with.
    RequestHeader, 12 {
        specific: [u8; 2],
        chain_offset: u8,
        function: u8,
        specific_1: [u8; 3],
        msg_flags: u8,
        msg_context: U32,
    }

    /// `MSG_DEFAULT_REPLY`.
    DefaultReply, 20 {
        specific: [u8; 2],
        msg_length: u8,
        function: u8,
        specific_1: [u8; 3],
        msg_flags: u8,
        msg_context: U32,
        specific_2: [u8; 2],
        ioc_status: U16,
        ioc_log_info: U32,
    }

    /// `MSG_IOC_INIT`.
    IocInit, 44 {
        who_init: u8,
        reserved: u8,
        chain_offset: u8,
        function: u8,
        flags: u8,
        max_devices: u8,
        max_buses: u8,
        msg_flags: u8,
        msg_context: U32,
        reply_frame_size: U16,
        reserved_1: [u8; 2],
        host_mfa_high_addr: U32,
        sense_buffer_high_addr: U32,
        reply_fifo_host_signaling_addr: U32,
        host_page_buffer_sge: [u8; 12],
        msg_version: U16,
        header_version: U16,
    }

    /// `MSG_IOC_INIT_REPLY`.
    IocInitReply, 20 {
        who_init: u8,
        reserved: u8,
        msg_length: u8,
        function: u8,
        flags: u8,
        max_devices: u8,
        max_buses: u8,
        msg_flags: u8,
        msg_context: U32,
        reserved_2: U16,
        ioc_status: U16,
        ioc_log_info: U32,
    }

    /// `MSG_IOC_FACTS_REPLY`.
    IocFactsReply, 80 {
        msg_version: U16,
        msg_length: u8,
        function: u8,
        header_version: U16,
        ioc_number: u8,
        msg_flags: u8,
        msg_context: U32,
        ioc_exceptions: U16,
        ioc_status: U16,
        ioc_log_info: U32,
        max_chain_depth: u8,
        who_init: u8,
        block_size: u8,
        flags: u8,
        reply_queue_depth: U16,
        request_frame_size: U16,
        firmware_version_0101: U16,
        product_id: U16,
        current_host_mfa_high_addr: U32,
        global_credits: U16,
        number_of_ports: u8,
        event_state: u8,
        current_sense_buffer_high_addr: U32,
        cur_reply_frame_size: U16,
        max_devices: u8,
        max_buses: u8,
        fw_image_size: U32,
        ioc_capabilities: U32,
        fw_version_dev: u8,
        fw_version_unit: u8,
        fw_version_minor: u8,
        fw_version_major: u8,
        high_priority_queue_depth: U16,
        reserved_2: U16,
        host_page_buffer_sge: [u8; 12],
        reply_fifo_host_signaling_addr: U32,
    }

    /// `MSG_PORT_FACTS_REPLY`.
    PortFactsReply, 40 {
        reserved: U16,
        msg_length: u8,
        function: u8,
        reserved_1: U16,
        port_number: u8,
        msg_flags: u8,
        msg_context: U32,
        reserved_2: U16,
        ioc_status: U16,
        ioc_log_info: U32,
        reserved_3: u8,
        port_type: u8,
        max_devices: U16,
        port_scsi_id: U16,
        protocol_flags: U16,
        max_posted_cmd_buffers: U16,
        max_persistent_ids: U16,
        max_lan_buckets: U16,
        max_initiators: u8,
        reserved_4: u8,
        reserved_5: U32,
    }

    /// `MSG_EVENT_NOTIFY_REPLY` without its data, which follows at once.
    EventNotifyReply, 28 {
        event_data_length: U16,
        msg_length: u8,
        function: u8,
        reserved_1: [u8; 2],
        ack_required: u8,
        msg_flags: u8,
        msg_context: U32,
        reserved_2: [u8; 2],
        ioc_status: U16,
        ioc_log_info: U32,
        event: U32,
        event_context: U32,
    }

    /// `MSG_EVENT_ACK`.
    EventAck, 20 {
        reserved: [u8; 2],
        chain_offset: u8,
        function: u8,
        reserved_1: [u8; 3],
        msg_flags: u8,
        msg_context: U32,
        event: U32,
        event_context: U32,
    }

    /// `EVENT_DATA_SAS_DEVICE_STATUS_CHANGE`.
    SasDeviceStatusChange, 36 {
        target_id: u8,
        bus: u8,
        reason_code: u8,
        reserved: u8,
        asc: u8,
        ascq: u8,
        dev_handle: U16,
        device_info: U32,
        parent_dev_handle: U16,
        phy_num: u8,
        reserved_1: u8,
        sas_address: U64,
        lun: [u8; 8],
        task_tag: U16,
        reserved_2: U16,
    }

    /// `EVENT_DATA_SAS_PHY_LINK_STATUS`.
    SasPhyLinkStatus, 12 {
        phy_num: u8,
        link_rates: u8,
        dev_handle: U16,
        sas_address: U64,
    }

    /// `MSG_SCSI_IO_REQUEST` up to its scatter list.
    ScsiIoRequest, 48 {
        target_id: u8,
        bus: u8,
        chain_offset: u8,
        function: u8,
        cdb_length: u8,
        sense_buffer_length: u8,
        reserved: u8,
        msg_flags: u8,
        msg_context: U32,
        lun: [u8; 8],
        control: U32,
        cdb: [u8; 16],
        data_length: U32,
        sense_buffer_low_addr: U32,
    }

    /// `MSG_SCSI_IO_REPLY`.
    ScsiIoReply, 36 {
        target_id: u8,
        bus: u8,
        msg_length: u8,
        function: u8,
        cdb_length: u8,
        sense_buffer_length: u8,
        reserved: u8,
        msg_flags: u8,
        msg_context: U32,
        scsi_status: u8,
        scsi_state: u8,
        ioc_status: U16,
        ioc_log_info: U32,
        transfer_count: U32,
        sense_count: U32,
        response_info: U32,
        task_tag: U16,
        reserved_1: U16,
    }

    /// `MSG_SCSI_TASK_MGMT`.
    ScsiTaskMgmt, 52 {
        target_id: u8,
        bus: u8,
        chain_offset: u8,
        function: u8,
        reserved: u8,
        task_type: u8,
        reserved_1: u8,
        msg_flags: u8,
        msg_context: U32,
        lun: [u8; 8],
        reserved_2: [u8; 28],
        task_msg_context: U32,
    }

    /// `MSG_SCSI_TASK_MGMT_REPLY`.
    ScsiTaskMgmtReply, 24 {
        target_id: u8,
        bus: u8,
        msg_length: u8,
        function: u8,
        response_code: u8,
        task_type: u8,
        reserved_1: u8,
        msg_flags: u8,
        msg_context: U32,
        reserved_2: [u8; 2],
        ioc_status: U16,
        ioc_log_info: U32,
        termination_count: U32,
    }

    /// `CONFIG_PAGE_HEADER`.
    PageHeader, 4 {
        page_version: u8,
        page_length: u8,
        page_number: u8,
        page_type: u8,
    }

    /// `MSG_CONFIG` with its one simple element.
    Config, 40 {
        action: u8,
        reserved: u8,
        chain_offset: u8,
        function: u8,
        ext_page_length: U16,
        ext_page_type: u8,
        msg_flags: u8,
        msg_context: U32,
        reserved_2: [u8; 8],
        header: PageHeader,
        page_address: U32,
        sge_flags_length: U32,
        sge_address: U64,
    }

    /// `MSG_CONFIG_REPLY`.
    ConfigReply, 24 {
        action: u8,
        reserved: u8,
        msg_length: u8,
        function: u8,
        ext_page_length: U16,
        ext_page_type: u8,
        msg_flags: u8,
        msg_context: U32,
        reserved_2: [u8; 2],
        ioc_status: U16,
        ioc_log_info: U32,
        header: PageHeader,
    }
}

#[cfg(test)]
mod tests {
    use core::mem::offset_of;

    use super::*;

    #[test]
    fn fields_lie_where_they_were_measured() {
        assert_eq!(offset_of!(IocInit, reply_frame_size), 0x0c);
        assert_eq!(offset_of!(IocInit, sense_buffer_high_addr), 0x14);
        assert_eq!(offset_of!(IocInit, msg_version), 0x28);
        assert_eq!(offset_of!(IocFactsReply, max_chain_depth), 0x14);
        assert_eq!(offset_of!(IocFactsReply, global_credits), 0x24);
        assert_eq!(offset_of!(IocFactsReply, ioc_capabilities), 0x34);
        assert_eq!(offset_of!(IocFactsReply, high_priority_queue_depth), 0x3c);
        assert_eq!(offset_of!(PortFactsReply, port_type), 0x15);
        assert_eq!(offset_of!(PortFactsReply, protocol_flags), 0x1a);
        assert_eq!(offset_of!(EventNotifyReply, ack_required), 0x06);
        assert_eq!(offset_of!(EventNotifyReply, event), 0x14);
        assert_eq!(offset_of!(SasDeviceStatusChange, dev_handle), 0x06);
        assert_eq!(offset_of!(SasDeviceStatusChange, sas_address), 0x10);
        assert_eq!(offset_of!(SasPhyLinkStatus, sas_address), 0x04);
        assert_eq!(offset_of!(ScsiIoRequest, control), 0x14);
        assert_eq!(offset_of!(ScsiIoRequest, data_length), 0x28);
        assert_eq!(offset_of!(ScsiIoReply, ioc_status), 0x0e);
        assert_eq!(offset_of!(ScsiIoReply, transfer_count), 0x14);
        assert_eq!(offset_of!(ScsiTaskMgmt, task_msg_context), 0x30);
        assert_eq!(offset_of!(ScsiTaskMgmtReply, termination_count), 0x14);
        assert_eq!(offset_of!(Config, page_address), 0x18);
        assert_eq!(offset_of!(Config, sge_address), 0x20);
        assert_eq!(offset_of!(ConfigReply, header), 0x14);
    }

    #[test]
    fn a_short_message_reads_as_zeros() {
        let init: IocInit = view(&[4, 0, 0, 2]);
        assert_eq!((init.who_init, init.function, init.msg_version.get()), (4, 2, 0));
    }
}
