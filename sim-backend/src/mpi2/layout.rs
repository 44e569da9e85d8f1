//! Messages of MPI 2.x as they lie in memory, little-endian. Source: measured layouts, one structure per message.
//!
//! Written from the measurements and not shared with the driver, so that one misreading is not made twice.

use zerocopy::little_endian::{U16, U32, U64};

pub(crate) use crate::mpt::wire::view;
use crate::mpt::wire::wire;

wire! {
    /// `MPI2_REQUEST_HEADER`: what all requests begin with.
    RequestHeader, 12 {
        specific: [u8; 2],
        chain_offset: u8,
        function: u8,
        specific_1: [u8; 3],
        msg_flags: u8,
        vp_id: u8,
        vf_id: u8,
        reserved: U16,
    }

    /// `MPI2_DEFAULT_REPLY`.
    DefaultReply, 20 {
        specific: [u8; 2],
        msg_length: u8,
        function: u8,
        specific_1: [u8; 3],
        msg_flags: u8,
        vp_id: u8,
        vf_id: u8,
        reserved: U16,
        specific_2: U16,
        ioc_status: U16,
        ioc_log_info: U32,
    }

    /// `MPI2_IOC_INIT_REQUEST`.
    IocInit, 72 {
        who_init: u8,
        reserved_1: u8,
        chain_offset: u8,
        function: u8,
        reserved_2: U16,
        reserved_3: u8,
        msg_flags: u8,
        vp_id: u8,
        vf_id: u8,
        reserved_4: U16,
        msg_version: U16,
        header_version: U16,
        reserved_5: U32,
        configuration_flags: U16,
        host_page_size: u8,
        host_msix_vectors: u8,
        reserved_8: U16,
        system_request_frame_size: U16,
        reply_post_queue_depth: U16,
        reply_free_queue_depth: U16,
        sense_buffer_high: U32,
        system_reply_high: U32,
        system_request_frame_base: U64,
        reply_post_queue: U64,
        reply_free_queue: U64,
        time_stamp: U64,
    }

    /// `MPI2_IOC_FACTS_REPLY`.
    IocFactsReply, 68 {
        msg_version: U16,
        msg_length: u8,
        function: u8,
        header_version: U16,
        ioc_number: u8,
        msg_flags: u8,
        vp_id: u8,
        vf_id: u8,
        reserved_1: U16,
        ioc_exceptions: U16,
        ioc_status: U16,
        ioc_log_info: U32,
        max_chain_depth: u8,
        who_init: u8,
        number_of_ports: u8,
        max_msix_vectors: u8,
        request_credit: U16,
        product_id: U16,
        ioc_capabilities: U32,
        fw_version_dev: u8,
        fw_version_unit: u8,
        fw_version_minor: u8,
        fw_version_major: u8,
        ioc_request_frame_size: U16,
        ioc_max_chain_segment_size: U16,
        max_initiators: U16,
        max_targets: U16,
        max_sas_expanders: U16,
        max_enclosures: U16,
        protocol_flags: U16,
        high_priority_credit: U16,
        max_reply_post_queue_depth: U16,
        reply_frame_size: u8,
        max_volumes: u8,
        max_dev_handle: U16,
        max_persistent_entries: U16,
        min_dev_handle: U16,
        current_host_page_size: u8,
        reserved_4: u8,
        sge_modifier: [u8; 4],
    }

    /// `MPI2_PORT_FACTS_REPLY`.
    PortFactsReply, 28 {
        reserved_1: U16,
        msg_length: u8,
        function: u8,
        reserved_2: U16,
        port_number: u8,
        msg_flags: u8,
        vp_id: u8,
        vf_id: u8,
        reserved_3: U16,
        reserved_4: U16,
        ioc_status: U16,
        ioc_log_info: U32,
        reserved_5: u8,
        port_type: u8,
        reserved_6: U16,
        max_posted_cmd_buffers: U16,
        reserved_7: U16,
    }

    /// `MPI2_EVENT_NOTIFICATION_REQUEST`.
    EventNotification, 44 {
        reserved_1: U16,
        chain_offset: u8,
        function: u8,
        reserved_2: U16,
        reserved_3: u8,
        msg_flags: u8,
        vp_id: u8,
        vf_id: u8,
        reserved_4: U16,
        reserved_5: [U32; 2],
        event_masks: [U32; 4],
        broadcast_masks: U16,
        notify_masks: U16,
        reserved_8: U32,
    }

    /// `MPI2_EVENT_NOTIFICATION_REPLY` without its data, which follows at once.
    EventNotificationReply, 28 {
        event_data_length: U16,
        msg_length: u8,
        function: u8,
        reserved_1: U16,
        ack_required: u8,
        msg_flags: u8,
        vp_id: u8,
        vf_id: u8,
        reserved_2: U16,
        reserved_3: U16,
        ioc_status: U16,
        ioc_log_info: U32,
        event: U16,
        reserved_4: U16,
        event_context: U32,
    }

    /// `MPI2_EVENT_ACK_REQUEST`.
    EventAck, 20 {
        header: [u8; 12],
        event: U16,
        reserved_5: U16,
        event_context: U32,
    }

    /// `MPI2_SCSI_IO_REQUEST` and `MPI25_SCSI_IO_REQUEST` up to the scatter list; they differ in two fields.
    ScsiIoRequest, 96 {
        dev_handle: U16,
        chain_offset: u8,
        function: u8,
        reserved_1: U16,
        reserved_2: u8,
        msg_flags: u8,
        vp_id: u8,
        vf_id: u8,
        reserved_3: U16,
        sense_buffer_low: U32,
        // MPI 2.0: SGLFlags. MPI 2.5: DMAFlags and a reserved byte.
        sgl_flags: U16,
        sense_buffer_length: u8,
        reserved_4: u8,
        sgl_offset: [u8; 4],
        skip_count: U32,
        data_length: U32,
        bidirectional_data_length: U32,
        io_flags: U16,
        eedp_flags: U16,
        eedp_block_size: U32,
        secondary_reference_tag: U32,
        secondary_application_tag: U16,
        application_tag_mask: U16,
        lun: [u8; 8],
        control: U32,
        cdb: [u8; 32],
    }

    /// `MPI2_SCSI_IO_REPLY`.
    ScsiIoReply, 52 {
        dev_handle: U16,
        msg_length: u8,
        function: u8,
        reserved_1: U16,
        reserved_2: u8,
        msg_flags: u8,
        vp_id: u8,
        vf_id: u8,
        reserved_3: U16,
        scsi_status: u8,
        scsi_state: u8,
        ioc_status: U16,
        ioc_log_info: U32,
        transfer_count: U32,
        sense_count: U32,
        response_info: U32,
        task_tag: U16,
        scsi_status_qualifier: U16,
        bidirectional_transfer_count: U32,
        eedp: [U32; 3],
    }

    /// `MPI2_SCSI_TASK_MANAGE_REQUEST`.
    ScsiTaskMgmt, 52 {
        dev_handle: U16,
        chain_offset: u8,
        function: u8,
        reserved_1: u8,
        task_type: u8,
        reserved_2: u8,
        msg_flags: u8,
        vp_id: u8,
        vf_id: u8,
        reserved_3: U16,
        lun: [u8; 8],
        reserved_4: [u8; 28],
        task_mid: U16,
        reserved_5: U16,
    }

    /// `MPI2_SCSI_TASK_MANAGE_REPLY`.
    ScsiTaskMgmtReply, 28 {
        dev_handle: U16,
        msg_length: u8,
        function: u8,
        response_code: u8,
        task_type: u8,
        reserved_1: u8,
        msg_flags: u8,
        vp_id: u8,
        vf_id: u8,
        reserved_2: U16,
        reserved_3: U16,
        ioc_status: U16,
        ioc_log_info: U32,
        termination_count: U32,
        response_info: U32,
    }

    /// `MPI2_CONFIG_PAGE_HEADER`.
    PageHeader, 4 {
        page_version: u8,
        page_length: u8,
        page_number: u8,
        page_type: u8,
    }

    /// `MPI2_CONFIG_REQUEST`.
    Config, 44 {
        action: u8,
        sgl_flags: u8,
        chain_offset: u8,
        function: u8,
        ext_page_length: U16,
        ext_page_type: u8,
        msg_flags: u8,
        vp_id: u8,
        vf_id: u8,
        reserved_1: U16,
        reserved_2: u8,
        proxy_vf_id: u8,
        reserved_4: U16,
        reserved_3: U32,
        header: PageHeader,
        page_address: U32,
        sge: [u8; 16],
    }

    /// `MPI2_CONFIG_REPLY`.
    ConfigReply, 24 {
        action: u8,
        sgl_flags: u8,
        msg_length: u8,
        function: u8,
        ext_page_length: U16,
        ext_page_type: u8,
        msg_flags: u8,
        vp_id: u8,
        vf_id: u8,
        reserved_1: U16,
        reserved_2: U16,
        ioc_status: U16,
        ioc_log_info: U32,
        header: PageHeader,
    }

    /// `MPI2_SAS_IOUNIT_CONTROL_REQUEST`.
    SasIoUnitControl, 44 {
        operation: u8,
        reserved_1: u8,
        chain_offset: u8,
        function: u8,
        dev_handle: U16,
        ioc_parameter: u8,
        msg_flags: u8,
        vp_id: u8,
        vf_id: u8,
        reserved_3: U16,
        reserved_4: U16,
        phy_num: u8,
        prim_flags: u8,
        primitive: U32,
        lookup_method: u8,
        reserved_5: u8,
        slot_number: U16,
        lookup_address: U64,
        ioc_parameter_value: U32,
        reserved_7: [U32; 2],
    }

    /// `MPI2_SAS_IOUNIT_CONTROL_REPLY`.
    SasIoUnitControlReply, 20 {
        operation: u8,
        reserved_1: u8,
        msg_length: u8,
        function: u8,
        dev_handle: U16,
        ioc_parameter: u8,
        msg_flags: u8,
        vp_id: u8,
        vf_id: u8,
        reserved_3: U16,
        reserved_4: U16,
        ioc_status: U16,
        ioc_log_info: U32,
    }

    /// `MPI25_FW_UPLOAD_REQUEST` with one IEEE element.
    FwUpload, 48 {
        image_type: u8,
        reserved_1: u8,
        chain_offset: u8,
        function: u8,
        reserved_2: U16,
        reserved_3: u8,
        msg_flags: u8,
        vp_id: u8,
        vf_id: u8,
        reserved_4: U16,
        reserved_5: [U32; 3],
        image_offset: U32,
        image_size: U32,
        sge_address: U64,
        sge_length: U32,
        sge_flags: U32,
    }

    /// `MPI2_FW_UPLOAD_REPLY`.
    FwUploadReply, 24 {
        image_type: u8,
        reserved_1: u8,
        msg_length: u8,
        function: u8,
        reserved_2: U16,
        reserved_3: u8,
        msg_flags: u8,
        vp_id: u8,
        vf_id: u8,
        reserved_4: U16,
        reserved_5: U16,
        ioc_status: U16,
        ioc_log_info: U32,
        actual_image_size: U32,
    }

    /// `MPI2_EVENT_DATA_SAS_TOPOLOGY_CHANGE_LIST` with one phy.
    TopologyChange, 16 {
        enclosure_handle: U16,
        expander_dev_handle: U16,
        num_phys: u8,
        reserved_1: u8,
        reserved_2: U16,
        num_entries: u8,
        start_phy_num: u8,
        exp_status: u8,
        physical_port: u8,
        attached_dev_handle: U16,
        link_rate: u8,
        phy_status: u8,
    }

    /// `MPI2_EVENT_DATA_SAS_DISCOVERY`.
    SasDiscovery, 8 {
        flags: u8,
        reason_code: u8,
        physical_port: u8,
        reserved_1: u8,
        discovery_status: U32,
    }

    /// `MPI2_EVENT_DATA_SAS_ENCL_DEV_STATUS_CHANGE`.
    EnclosureChange, 20 {
        enclosure_handle: U16,
        reason_code: u8,
        physical_port: u8,
        enclosure_logical_id: U64,
        num_slots: U16,
        start_slot: U16,
        phy_bits: U32,
    }

    /// `MPI2_EVENT_DATA_SAS_DEVICE_STATUS_CHANGE`.
    SasDeviceStatusChange, 28 {
        task_tag: U16,
        reason_code: u8,
        physical_port: u8,
        asc: u8,
        ascq: u8,
        dev_handle: U16,
        reserved_2: U32,
        sas_address: U64,
        lun: [u8; 8],
    }
}

#[cfg(test)]
mod tests {
    use core::mem::offset_of;

    use super::*;

    #[test]
    fn fields_lie_where_they_were_measured() {
        assert_eq!(offset_of!(IocInit, configuration_flags), 0x14);
        assert_eq!(offset_of!(IocInit, host_msix_vectors), 0x17);
        assert_eq!(offset_of!(IocInit, system_request_frame_size), 0x1a);
        assert_eq!(offset_of!(IocInit, sense_buffer_high), 0x20);
        assert_eq!(offset_of!(IocInit, reply_free_queue), 0x38);
        assert_eq!(offset_of!(IocFactsReply, request_credit), 0x18);
        assert_eq!(offset_of!(IocFactsReply, ioc_capabilities), 0x1c);
        assert_eq!(offset_of!(IocFactsReply, high_priority_credit), 0x32);
        assert_eq!(offset_of!(IocFactsReply, max_dev_handle), 0x38);
        assert_eq!(offset_of!(PortFactsReply, port_type), 0x15);
        assert_eq!(offset_of!(EventNotification, event_masks), 0x14);
        assert_eq!(offset_of!(EventNotificationReply, event), 0x14);
        assert_eq!(offset_of!(ScsiIoRequest, sense_buffer_low), 0x0c);
        assert_eq!(offset_of!(ScsiIoRequest, data_length), 0x1c);
        assert_eq!(offset_of!(ScsiIoRequest, lun), 0x34);
        assert_eq!(offset_of!(ScsiIoRequest, cdb), 0x40);
        assert_eq!(offset_of!(ScsiIoReply, transfer_count), 0x14);
        assert_eq!(offset_of!(ScsiIoReply, task_tag), 0x20);
        assert_eq!(offset_of!(ScsiTaskMgmt, task_mid), 0x30);
        assert_eq!(offset_of!(ScsiTaskMgmtReply, termination_count), 0x14);
        assert_eq!(offset_of!(Config, page_address), 0x18);
        assert_eq!(offset_of!(Config, sge), 0x1c);
        assert_eq!(offset_of!(SasIoUnitControl, phy_num), 0x0e);
        assert_eq!(offset_of!(FwUpload, image_size), 0x1c);
        assert_eq!(offset_of!(FwUpload, sge_length), 0x28);
        assert_eq!(offset_of!(TopologyChange, attached_dev_handle), 0x0c);
        assert_eq!(offset_of!(EnclosureChange, phy_bits), 0x10);
        assert_eq!(offset_of!(SasDeviceStatusChange, sas_address), 0x0c);
    }
}
