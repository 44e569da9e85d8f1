//! Rows of event messages and event data.

use super::{Layout, layout};
use crate::wire::event::{EventAckReply, EventAckRequest, EventNotifyReply, EventNotifyRequest};
use crate::wire::event_data::{
    EventChange, EventScsi, IntegratedRaid, LogEntryAdded, QueueFull, SasDeviceStatusChange,
    SasDiscovery, SasExpanderStatusChange, SasPhyLinkStatus, ScsiDeviceStatusChange,
};
use alloc::vec::Vec;

/// The measured reply ends where its data, of any length, begins.
type NoData = [u8; 0];

pub(super) fn layouts() -> Vec<Layout> {
    [messages(), data()].into_iter().flatten().collect()
}

fn messages() -> Vec<Layout> {
    alloc::vec![
        layout!("MSG_EVENT_NOTIFY" => EventNotifyRequest {
            "Switch" => switch;
            "Reserved" => reserved;
            "ChainOffset" => chain_offset;
            "Function" => function;
            "Reserved1" => reserved1;
            "MsgFlags" => msg_flags;
            "MsgContext" => msg_context;
        }),
        layout!("MSG_EVENT_NOTIFY_REPLY" => EventNotifyReply {
            "EventDataLength" => event_data_length;
            "MsgLength" => msg_length;
            "Function" => function;
            "Reserved1" => reserved1;
            "AckRequired" => ack_required;
            "MsgFlags" => msg_flags;
            "MsgContext" => msg_context;
            "Reserved2" => reserved2;
            "IOCStatus" => ioc_status;
            "IOCLogInfo" => ioc_log_info;
            "Event" => event;
            "EventContext" => event_context;
            tail "Data" => NoData {}
        }),
        layout!("MSG_EVENT_ACK" => EventAckRequest {
            "Reserved" => reserved;
            "ChainOffset" => chain_offset;
            "Function" => function;
            "Reserved1" => reserved1;
            "MsgFlags" => msg_flags;
            "MsgContext" => msg_context;
            "Event" => event;
            "EventContext" => event_context;
        }),
        layout!("MSG_EVENT_ACK_REPLY" => EventAckReply {
            "Reserved" => reserved;
            "MsgLength" => msg_length;
            "Function" => function;
            "Reserved1" => reserved1;
            "MsgFlags" => msg_flags;
            "MsgContext" => msg_context;
            "Reserved2" => reserved2;
            "IOCStatus" => ioc_status;
            "IOCLogInfo" => ioc_log_info;
        }),
    ]
}

fn data() -> Vec<Layout> {
    alloc::vec![
        layout!("EVENT_DATA_EVENT_CHANGE" => EventChange {
            "EventState" => event_state;
            "Reserved" => reserved;
            "Reserved1" => reserved1;
        }),
        layout!("EVENT_DATA_SCSI" => EventScsi {
            "TargetID" => target_id;
            "BusPort" => bus_port;
            "Reserved" => reserved;
        }),
        layout!("EVENT_DATA_SCSI_DEVICE_STATUS_CHANGE" => ScsiDeviceStatusChange {
            "TargetID" => target_id;
            "Bus" => bus;
            "ReasonCode" => reason_code;
            "LUN" => lun;
            "ASC" => asc;
            "ASCQ" => ascq;
            "Reserved" => reserved;
        }),
        layout!("EVENT_DATA_SAS_DEVICE_STATUS_CHANGE" => SasDeviceStatusChange {
            "TargetID" => target_id;
            "Bus" => bus;
            "ReasonCode" => reason_code;
            "Reserved" => reserved;
            "ASC" => asc;
            "ASCQ" => ascq;
            "DevHandle" => dev_handle;
            "DeviceInfo" => device_info;
            "ParentDevHandle" => parent_dev_handle;
            "PhyNum" => phy_num;
            "Reserved1" => reserved1;
            "SASAddress" => sas_address;
            "LUN" => lun;
            "TaskTag" => task_tag;
            "Reserved2" => reserved2;
        }),
        layout!("EVENT_DATA_QUEUE_FULL" => QueueFull {
            "TargetID" => target_id;
            "Bus" => bus;
            "CurrentDepth" => current_depth;
        }),
        layout!("EVENT_DATA_RAID" => IntegratedRaid {
            "VolumeID" => volume_id;
            "VolumeBus" => volume_bus;
            "ReasonCode" => reason_code;
            "PhysDiskNum" => phys_disk_num;
            "ASC" => asc;
            "ASCQ" => ascq;
            "Reserved" => reserved;
            "SettingsStatus" => settings_status;
        }),
        layout!("EVENT_DATA_SAS_PHY_LINK_STATUS" => SasPhyLinkStatus {
            "PhyNum" => phy_num;
            "LinkRates" => link_rates;
            "DevHandle" => dev_handle;
            "SASAddress" => sas_address;
        }),
        layout!("EVENT_DATA_SAS_DISCOVERY" => SasDiscovery {
            "DiscoveryStatus" => discovery_status;
            "Reserved1" => reserved1;
        }),
        layout!("EVENT_DATA_SAS_EXPANDER_STATUS_CHANGE" => SasExpanderStatusChange {
            "ReasonCode" => reason_code;
            "Reserved1" => reserved1;
            "Reserved2" => reserved2;
            "PhysicalPort" => physical_port;
            "Reserved3" => reserved3;
            "EnclosureHandle" => enclosure_handle;
            "SASAddress" => sas_address;
            "DiscoveryStatus" => discovery_status;
            "DevHandle" => dev_handle;
            "ParentDevHandle" => parent_dev_handle;
            "ExpanderChangeCount" => expander_change_count;
            "ExpanderRouteIndexes" => expander_route_indexes;
            "NumPhys" => num_phys;
            "SASLevel" => sas_level;
            "Flags" => flags;
            "Reserved4" => reserved4;
        }),
        layout!("EVENT_DATA_LOG_ENTRY_ADDED" => LogEntryAdded {
            "LogSequence" => log_sequence;
            "Reserved1" => reserved1;
            "Reserved2" => reserved2;
            "LogEntry" => log_entry;
            "LogEntry.TimeStamp" => log_entry.time_stamp;
            "LogEntry.Reserved1" => log_entry.reserved1;
            "LogEntry.LogSequence" => log_entry.log_sequence;
            "LogEntry.LogEntryQualifier" => log_entry.log_entry_qualifier;
            "LogEntry.LogData" => log_entry.log_data;
        }),
    ]
}
