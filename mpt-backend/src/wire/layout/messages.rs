//! Rows of messages and scatter-gather elements.

use super::{Layout, layout};
use crate::wire::ioc::{IocFactsReply, IocFactsRequest, IocInitReply, IocInitRequest};
use crate::wire::message::{DefaultReply, RequestHeader};
use crate::wire::port::{PortEnableReply, PortEnableRequest, PortFactsReply, PortFactsRequest};
use crate::wire::scsi_io::{ScsiIoReply, ScsiIoRequest};
use crate::wire::sge::{SgeChain32, SgeChain64, SgeSimple32, SgeSimple64};
use crate::wire::task_mgmt::{ScsiTaskMgmtReply, ScsiTaskMgmtRequest};
use alloc::vec::Vec;

pub(super) fn layouts() -> Vec<Layout> {
    [heads(), elements(), ioc(), port(), scsi()].into_iter().flatten().collect()
}

fn heads() -> Vec<Layout> {
    alloc::vec![
        layout!("MSG_REQUEST_HEADER" => RequestHeader {
            "Reserved" => reserved;
            "ChainOffset" => chain_offset;
            "Function" => function;
            "Reserved1" => reserved1;
            "MsgFlags" => msg_flags;
            "MsgContext" => msg_context;
        }),
        layout!("MSG_DEFAULT_REPLY" => DefaultReply {
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

fn elements() -> Vec<Layout> {
    alloc::vec![
        layout!("SGE_SIMPLE32" => SgeSimple32 {
            "FlagsLength" => flags_length;
            "Address" => address;
        }),
        layout!("SGE_SIMPLE64" => SgeSimple64 {
            "FlagsLength" => flags_length;
            "Address" => address;
        }),
        layout!("SGE_SIMPLE_UNION" => SgeSimple64 {
            "FlagsLength" => flags_length;
            "u.Address64" => address;
            alias "u" in "u.Address64": "the union around the address";
            alias "u.Address32" in "u.Address64": "the low half of the address";
        }),
        layout!("SGE_CHAIN32" => SgeChain32 {
            "Length" => length;
            "NextChainOffset" => next_chain_offset;
            "Flags" => flags;
            "Address" => address;
        }),
        layout!("SGE_CHAIN64" => SgeChain64 {
            "Length" => length;
            "NextChainOffset" => next_chain_offset;
            "Flags" => flags;
            "Address" => address;
        }),
    ]
}

fn ioc() -> Vec<Layout> {
    alloc::vec![
        layout!("MSG_IOC_FACTS" => IocFactsRequest {
            "Reserved" => reserved;
            "ChainOffset" => chain_offset;
            "Function" => function;
            "Reserved1" => reserved1;
            "MsgFlags" => msg_flags;
            "MsgContext" => msg_context;
        }),
        layout!("MSG_IOC_FACTS_REPLY" => IocFactsReply {
            "MsgVersion" => msg_version;
            "MsgLength" => msg_length;
            "Function" => function;
            "HeaderVersion" => header_version;
            "IOCNumber" => ioc_number;
            "MsgFlags" => msg_flags;
            "MsgContext" => msg_context;
            "IOCExceptions" => ioc_exceptions;
            "IOCStatus" => ioc_status;
            "IOCLogInfo" => ioc_log_info;
            "MaxChainDepth" => max_chain_depth;
            "WhoInit" => who_init;
            "BlockSize" => block_size;
            "Flags" => flags;
            "ReplyQueueDepth" => reply_queue_depth;
            "RequestFrameSize" => request_frame_size;
            "Reserved_0101_FWVersion" => reserved_0101_fw_version;
            "ProductID" => product_id;
            "CurrentHostMfaHighAddr" => current_host_mfa_high_addr;
            "GlobalCredits" => global_credits;
            "NumberOfPorts" => number_of_ports;
            "EventState" => event_state;
            "CurrentSenseBufferHighAddr" => current_sense_buffer_high_addr;
            "CurReplyFrameSize" => cur_reply_frame_size;
            "MaxDevices" => max_devices;
            "MaxBuses" => max_buses;
            "FWImageSize" => fw_image_size;
            "IOCCapabilities" => ioc_capabilities;
            "FWVersion" => fw_version;
            "FWVersion.Struct.Dev" => fw_version.dev;
            "FWVersion.Struct.Unit" => fw_version.unit;
            "FWVersion.Struct.Minor" => fw_version.minor;
            "FWVersion.Struct.Major" => fw_version.major;
            "HighPriorityQueueDepth" => high_priority_queue_depth;
            "Reserved2" => reserved2;
            "HostPageBufferSGE" => host_page_buffer_sge;
            "HostPageBufferSGE.FlagsLength" => host_page_buffer_sge.flags_length;
            "HostPageBufferSGE.u.Address64" => host_page_buffer_sge.address;
            "ReplyFifoHostSignalingAddr" => reply_fifo_host_signaling_addr;
            alias "FWVersion.Struct" in "FWVersion": "the arm of the union that the layout has";
            alias "FWVersion.Word" in "FWVersion": "the same number in one piece";
            alias "HostPageBufferSGE.u" in "HostPageBufferSGE.u.Address64": "the union around the address";
            alias "HostPageBufferSGE.u.Address32" in "HostPageBufferSGE.u.Address64": "the low half of the address";
        }),
        layout!("MSG_IOC_INIT" => IocInitRequest {
            "WhoInit" => who_init;
            "Reserved" => reserved;
            "ChainOffset" => chain_offset;
            "Function" => function;
            "Flags" => flags;
            "MaxDevices" => max_devices;
            "MaxBuses" => max_buses;
            "MsgFlags" => msg_flags;
            "MsgContext" => msg_context;
            "ReplyFrameSize" => reply_frame_size;
            "Reserved1" => reserved1;
            "HostMfaHighAddr" => host_mfa_high_addr;
            "SenseBufferHighAddr" => sense_buffer_high_addr;
            "ReplyFifoHostSignalingAddr" => reply_fifo_host_signaling_addr;
            "HostPageBufferSGE" => host_page_buffer_sge;
            "HostPageBufferSGE.FlagsLength" => host_page_buffer_sge.flags_length;
            "HostPageBufferSGE.u.Address64" => host_page_buffer_sge.address;
            "MsgVersion" => msg_version;
            "HeaderVersion" => header_version;
            alias "HostPageBufferSGE.u" in "HostPageBufferSGE.u.Address64": "the union around the address";
            alias "HostPageBufferSGE.u.Address32" in "HostPageBufferSGE.u.Address64": "the low half of the address";
        }),
        layout!("MSG_IOC_INIT_REPLY" => IocInitReply {
            "WhoInit" => who_init;
            "Reserved" => reserved;
            "MsgLength" => msg_length;
            "Function" => function;
            "Flags" => flags;
            "MaxDevices" => max_devices;
            "MaxBuses" => max_buses;
            "MsgFlags" => msg_flags;
            "MsgContext" => msg_context;
            "Reserved2" => reserved2;
            "IOCStatus" => ioc_status;
            "IOCLogInfo" => ioc_log_info;
        }),
    ]
}

fn port() -> Vec<Layout> {
    alloc::vec![
        layout!("MSG_PORT_FACTS" => PortFactsRequest {
            "Reserved" => reserved;
            "ChainOffset" => chain_offset;
            "Function" => function;
            "Reserved1" => reserved1;
            "PortNumber" => port_number;
            "MsgFlags" => msg_flags;
            "MsgContext" => msg_context;
        }),
        layout!("MSG_PORT_FACTS_REPLY" => PortFactsReply {
            "Reserved" => reserved;
            "MsgLength" => msg_length;
            "Function" => function;
            "Reserved1" => reserved1;
            "PortNumber" => port_number;
            "MsgFlags" => msg_flags;
            "MsgContext" => msg_context;
            "Reserved2" => reserved2;
            "IOCStatus" => ioc_status;
            "IOCLogInfo" => ioc_log_info;
            "Reserved3" => reserved3;
            "PortType" => port_type;
            "MaxDevices" => max_devices;
            "PortSCSIID" => port_scsi_id;
            "ProtocolFlags" => protocol_flags;
            "MaxPostedCmdBuffers" => max_posted_cmd_buffers;
            "MaxPersistentIDs" => max_persistent_ids;
            "MaxLanBuckets" => max_lan_buckets;
            "MaxInitiators" => max_initiators;
            "Reserved4" => reserved4;
            "Reserved5" => reserved5;
        }),
        layout!("MSG_PORT_ENABLE" => PortEnableRequest {
            "Reserved" => reserved;
            "ChainOffset" => chain_offset;
            "Function" => function;
            "Reserved1" => reserved1;
            "PortNumber" => port_number;
            "MsgFlags" => msg_flags;
            "MsgContext" => msg_context;
        }),
        layout!("MSG_PORT_ENABLE_REPLY" => PortEnableReply {
            "Reserved" => reserved;
            "MsgLength" => msg_length;
            "Function" => function;
            "Reserved1" => reserved1;
            "PortNumber" => port_number;
            "MsgFlags" => msg_flags;
            "MsgContext" => msg_context;
            "Reserved2" => reserved2;
            "IOCStatus" => ioc_status;
            "IOCLogInfo" => ioc_log_info;
        }),
    ]
}

fn scsi() -> Vec<Layout> {
    alloc::vec![
        layout!("MSG_SCSI_IO_REQUEST" => ScsiIoRequest {
            "TargetID" => target_id;
            "Bus" => bus;
            "ChainOffset" => chain_offset;
            "Function" => function;
            "CDBLength" => cdb_length;
            "SenseBufferLength" => sense_buffer_length;
            "Reserved" => reserved;
            "MsgFlags" => msg_flags;
            "MsgContext" => msg_context;
            "LUN" => lun;
            "Control" => control;
            "CDB" => cdb;
            "DataLength" => data_length;
            "SenseBufferLowAddr" => sense_buffer_low_addr;
            tail "SGL" => SgeSimple64 {}
            tail "SGL.u.Simple" => SgeSimple64 {
                "SGL.u.Simple.FlagsLength" => flags_length;
                "SGL.u.Simple.u.Address64" => address;
            }
            tail "SGL.u.Chain" => SgeChain64 {
                "SGL.u.Chain.Length" => length;
                "SGL.u.Chain.NextChainOffset" => next_chain_offset;
                "SGL.u.Chain.Flags" => flags;
                "SGL.u.Chain.u.Address64" => address;
            }
            alias "SGL.u" in "SGL": "the union around the arms";
            alias "SGL.u.Simple.u" in "SGL.u.Simple.u.Address64": "the union around the address";
            alias "SGL.u.Simple.u.Address32" in "SGL.u.Simple.u.Address64": "the low half of the address";
            alias "SGL.u.Chain.u" in "SGL.u.Chain.u.Address64": "the union around the address";
            alias "SGL.u.Chain.u.Address32" in "SGL.u.Chain.u.Address64": "the low half of the address";
        }),
        layout!("MSG_SCSI_IO_RAID_PT_REQUEST" => ScsiIoRequest {
            "PhysDiskNum" => target_id;
            "Reserved1" => bus;
            "ChainOffset" => chain_offset;
            "Function" => function;
            "CDBLength" => cdb_length;
            "SenseBufferLength" => sense_buffer_length;
            "Reserved2" => reserved;
            "MsgFlags" => msg_flags;
            "MsgContext" => msg_context;
            "LUN" => lun;
            "Control" => control;
            "CDB" => cdb;
            "DataLength" => data_length;
            "SenseBufferLowAddr" => sense_buffer_low_addr;
            tail "SGL" => SgeSimple64 {}
            tail "SGL.u.Simple" => SgeSimple64 {
                "SGL.u.Simple.FlagsLength" => flags_length;
                "SGL.u.Simple.u.Address64" => address;
            }
            tail "SGL.u.Chain" => SgeChain64 {
                "SGL.u.Chain.Length" => length;
                "SGL.u.Chain.NextChainOffset" => next_chain_offset;
                "SGL.u.Chain.Flags" => flags;
                "SGL.u.Chain.u.Address64" => address;
            }
            alias "SGL.u" in "SGL": "the union around the arms";
            alias "SGL.u.Simple.u" in "SGL.u.Simple.u.Address64": "the union around the address";
            alias "SGL.u.Simple.u.Address32" in "SGL.u.Simple.u.Address64": "the low half of the address";
            alias "SGL.u.Chain.u" in "SGL.u.Chain.u.Address64": "the union around the address";
            alias "SGL.u.Chain.u.Address32" in "SGL.u.Chain.u.Address64": "the low half of the address";
        }),
        layout!("MSG_SCSI_IO_REPLY" => ScsiIoReply {
            "TargetID" => target_id;
            "Bus" => bus;
            "MsgLength" => msg_length;
            "Function" => function;
            "CDBLength" => cdb_length;
            "SenseBufferLength" => sense_buffer_length;
            "Reserved" => reserved;
            "MsgFlags" => msg_flags;
            "MsgContext" => msg_context;
            "SCSIStatus" => scsi_status;
            "SCSIState" => scsi_state;
            "IOCStatus" => ioc_status;
            "IOCLogInfo" => ioc_log_info;
            "TransferCount" => transfer_count;
            "SenseCount" => sense_count;
            "ResponseInfo" => response_info;
            "TaskTag" => task_tag;
            "Reserved1" => reserved1;
        }),
        layout!("MSG_SCSI_TASK_MGMT" => ScsiTaskMgmtRequest {
            "TargetID" => target_id;
            "Bus" => bus;
            "ChainOffset" => chain_offset;
            "Function" => function;
            "Reserved" => reserved;
            "TaskType" => task_type;
            "Reserved1" => reserved1;
            "MsgFlags" => msg_flags;
            "MsgContext" => msg_context;
            "LUN" => lun;
            "Reserved2" => reserved2;
            "TaskMsgContext" => task_msg_context;
        }),
        layout!("MSG_SCSI_TASK_MGMT_REPLY" => ScsiTaskMgmtReply {
            "TargetID" => target_id;
            "Bus" => bus;
            "MsgLength" => msg_length;
            "Function" => function;
            "ResponseCode" => response_code;
            "TaskType" => task_type;
            "Reserved1" => reserved1;
            "MsgFlags" => msg_flags;
            "MsgContext" => msg_context;
            "Reserved2" => reserved2;
            "IOCStatus" => ioc_status;
            "IOCLogInfo" => ioc_log_info;
            "TerminationCount" => termination_count;
        }),
    ]
}
