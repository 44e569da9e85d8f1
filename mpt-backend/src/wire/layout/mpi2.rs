//! The layouts of MPI 2.x against measured ones: each field that the driver uses, those of MPI 1.x that it uses again too.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::mem::offset_of;

use super::{Span, field_size};
use crate::wire::config::{ConfigReply, ConfigRequest};
use crate::wire::event::{EventAckRequest, EventNotifyReply};
use crate::wire::mpi2::*;
use crate::wire::scsi_io::ScsiIoReply;

const MEASURED: &str = include_str!("../../../data/mpi2-layouts.csv");

macro_rules! fields {
    ($($structure:literal $Type:ident { $($row:literal $field:ident)* })*) => {
        alloc::vec![$($(($structure, $row, Span {
            offset: offset_of!($Type, $field),
            size: field_size(|s: &$Type| &s.$field),
        }),)*)*]
    };
}

fn ours() -> Vec<(&'static str, &'static str, Span)> {
    let mut fields = fields! {
        "MPI2_IOC_INIT_REQUEST" IocInitRequest2 {
            "WhoInit" who_init "Function" function "MsgFlags" msg_flags "MsgVersion" msg_version
            "HeaderVersion" header_version "ConfigurationFlags" configuration_flags
            "HostPageSize" host_page_size "HostMSIxVectors" host_msix_vectors
            "SystemRequestFrameSize" system_request_frame_size
            "ReplyDescriptorPostQueueDepth" reply_post_queue_depth
            "ReplyFreeQueueDepth" reply_free_queue_depth
            "SenseBufferAddressHigh" sense_buffer_address_high
            "SystemReplyAddressHigh" system_reply_address_high
            "SystemRequestFrameBaseAddress" system_request_frame_base_address
            "ReplyDescriptorPostQueueAddress" reply_post_queue_address
            "ReplyFreeQueueAddress" reply_free_queue_address "TimeStamp" time_stamp
        }
        "MPI2_IOC_INIT_RDPQ_ARRAY_ENTRY" RdpqEntry { "RDPQBaseAddress" base_address }
        "MPI2_IOC_FACTS_REPLY" IocFactsReply2 {
            "MsgVersion" msg_version "MsgLength" msg_length "Function" function
            "IOCStatus" ioc_status "IOCLogInfo" ioc_log_info "MaxChainDepth" max_chain_depth
            "WhoInit" who_init "MaxMSIxVectors" max_msix_vectors "RequestCredit" request_credit
            "ProductID" product_id "IOCCapabilities" ioc_capabilities "FWVersion" fw_version
            "IOCRequestFrameSize" ioc_request_frame_size
            "IOCMaxChainSegmentSize" ioc_max_chain_segment_size "MaxTargets" max_targets
            "HighPriorityCredit" high_priority_credit
            "MaxReplyDescriptorPostQueueDepth" max_reply_post_queue_depth
            "ReplyFrameSize" reply_frame_size "MaxVolumes" max_volumes
            "MaxDevHandle" max_dev_handle "MinDevHandle" min_dev_handle
        }
        "MPI2_EVENT_NOTIFICATION_REQUEST" EventNotifyRequest2 {
            "Function" function "EventMasks" event_masks
            "SASBroadcastPrimitiveMasks" sas_broadcast_primitive_masks
            "SASNotifyPrimitiveMasks" sas_notify_primitive_masks
        }
        "MPI2_EVENT_NOTIFICATION_REPLY" EventNotifyReply {
            "EventDataLength" event_data_length "MsgLength" msg_length "Function" function
            "AckRequired" ack_required "IOCStatus" ioc_status "EventContext" event_context
        }
        "MPI2_EVENT_ACK_REQUEST" EventAckRequest { "Function" function "EventContext" event_context }
        "MPI2_SCSI_TASK_MANAGE_REQUEST" TaskManagementRequest2 {
            "DevHandle" dev_handle "Function" function "TaskType" task_type "LUN" lun
            "TaskMID" task_mid
        }
        "MPI2_SCSI_TASK_MANAGE_REPLY" TaskManagementReply2 {
            "DevHandle" dev_handle "Function" function "ResponseCode" response_code
            "IOCStatus" ioc_status "TerminationCount" termination_count
        }
        "MPI2_SAS_IOUNIT_CONTROL_REQUEST" SasIoUnitControlRequest2 {
            "Operation" operation "Function" function "DevHandle" dev_handle
        }
        "MPI2_EVENT_DATA_SAS_TOPOLOGY_CHANGE_LIST" TopologyChangeList {
            "NumPhys" num_phys "NumEntries" num_entries "StartPhyNum" start_phy_num
            "ExpStatus" exp_status
        }
        "MPI2_EVENT_SAS_TOPO_PHY_ENTRY" TopologyPhyEntry {
            "AttachedDevHandle" attached_dev_handle "LinkRate" link_rate "PhyStatus" phy_status
        }
        "MPI2_CONFIG_PAGE_SAS_DEV_0" SasDevicePage2 {
            "SASAddress" sas_address "DevHandle" dev_handle "DeviceInfo" device_info "Flags" flags
        }
        "MPI2_CONFIG_PAGE_RAID_VOL_0" RaidVolumePage0 {
            "DevHandle" dev_handle "VolumeState" volume_state "VolumeType" volume_type
        }
        "MPI2_CONFIG_PAGE_RD_PDISK_0" RaidPhysDiskPage0 {
            "DevHandle" dev_handle "PhysDiskNum" phys_disk_num
        }
        "MPI2_CONFIG_REQUEST" ConfigRequest {
            "Action" action "Function" function "ExtPageLength" ext_page_length
            "ExtPageType" ext_page_type "Header" header "PageAddress" page_address
        }
        "MPI2_CONFIG_REPLY" ConfigReply {
            "Action" action "Function" function "ExtPageLength" ext_page_length
            "IOCStatus" ioc_status "Header" header
        }
        "MPI2_SCSI_IO_REPLY" ScsiIoReply {
            "SCSIStatus" scsi_status "SCSIState" scsi_state "IOCStatus" ioc_status
            "TransferCount" transfer_count "SenseCount" sense_count
        }
    };
    let word = |row, offset: usize| ("MPI2_SCSI_IO_REQUEST", row, Span { offset, size: 4 });
    // The words that `mpi2::queue` writes, by number.
    fields.extend([
        word("SenseBufferLowAddress", 3 * 4),
        word("DataLength", 7 * 4),
        word("Control", 15 * 4),
    ]);
    fields.push(("MPI2_SCSI_IO_REQUEST", "SGLOffset0", Span { offset: 5 * 4, size: 1 }));
    fields.push(("MPI2_SCSI_IO_REQUEST", "SenseBufferLength", Span { offset: 4 * 4 + 2, size: 1 }));
    fields.push(("MPI2_SCSI_IO_REQUEST", "IoFlags", Span { offset: 9 * 4, size: 2 }));
    fields.push(("MPI2_SCSI_IO_REQUEST", "LUN", Span { offset: 13 * 4, size: 8 }));
    fields.push(("MPI2_SCSI_IO_REQUEST", "CDB", Span { offset: 16 * 4, size: 32 }));
    fields.push(("MPI2_SCSI_IO_REQUEST", "SGL", Span { offset: 24 * 4, size: 16 }));
    let register = |row, offset: u32| {
        ("MPI2_SYSTEM_INTERFACE_REGS", row, Span { offset: offset as usize, size: 4 })
    };
    fields.extend([
        register("ReplyFreeHostIndex", REPLY_FREE_HOST_INDEX),
        register("ReplyPostHostIndex", REPLY_POST_HOST_INDEX),
        register("HCBSize", HCB_SIZE),
        register("RequestDescriptorPostLow", REQUEST_DESCRIPTOR_POST),
        register("AtomicRequestDescriptorPost", ATOMIC_REQUEST_DESCRIPTOR_POST),
        register("Doorbell", crate::wire::registers::DOORBELL),
        register("WriteSequence", crate::wire::registers::WRITE_SEQUENCE),
        register("HostDiagnostic", crate::wire::registers::DIAGNOSTIC),
        register("HostInterruptStatus", crate::wire::registers::INT_STATUS),
        register("HostInterruptMask", crate::wire::registers::INT_MASK),
    ]);
    fields
}

fn measured(structure: &str, row: &str, csv: &str) -> Option<Span> {
    csv.lines().find_map(|line| {
        let mut columns = line.split(',');
        if columns.next() != Some("mpi2") || columns.next() != Some(structure) {
            return None;
        }
        if columns.next() != Some(row) {
            return None;
        }
        let offset = columns.next()?.strip_prefix("0x")?;
        let size = columns.next()?.parse().ok()?;
        Some(Span { offset: usize::from_str_radix(offset, 16).ok()?, size })
    })
}

fn disagreements(csv: &str) -> Vec<String> {
    let differs = |(structure, row, span): (&'static str, &'static str, Span)| {
        let measured = measured(structure, row, csv);
        (measured != Some(span))
            .then(|| format!("{structure}.{row}: ours {span:?}, measured {measured:?}"))
    };
    ours().into_iter().filter_map(differs).collect()
}

#[test]
fn every_field_of_mpi2_agrees_with_the_measured_one() {
    let found = disagreements(MEASURED);
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn a_moved_field_is_found() {
    let row = "mpi2,MPI2_SCSI_TASK_MANAGE_REQUEST,TaskMID,0x030,2,";
    assert_eq!(MEASURED.matches(row).count(), 1);
    let moved = MEASURED.replace(row, "mpi2,MPI2_SCSI_TASK_MANAGE_REQUEST,TaskMID,0x032,2,");
    assert_eq!(disagreements(&moved).len(), 1);
}
