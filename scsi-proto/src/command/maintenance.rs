//! MAINTENANCE IN and OUT (SPC, SBC).

use super::field::{Control, Field};
use super::layout::{Format, command, control_at, put, take};
use super::{Bits, Checked, Command, ParseError};
use crate::cdb::Cdb;
use crate::opcode::Opcode;

command! {
    /// Source: SPC-5 6.
    ReportIdentifyingInformation = "REPORT IDENTIFYING INFORMATION", MAINTENANCE_IN / 0x05, 12 {
        /// ALLOCATION LENGTH in bytes.
        allocation_length: u32 [6],
        /// IDENTIFYING INFORMATION TYPE.
        info_type: Bits<7> [10, 1],
    }
}

command! {
    /// Source: SPC-5 6.
    ReportTargetPortGroups = "REPORT TARGET PORT GROUPS", MAINTENANCE_IN / 0x0a, 12 {
        /// PARAMETER DATA FORMAT: 000b length only, 001b extended header.
        param_fmt: Bits<3> [1, 5],
        /// ALLOCATION LENGTH in bytes.
        allocation_length: u32 [6],
    }
}

command! {
    /// Source: SPC-5 6.
    ReportAliases = "REPORT ALIASES", MAINTENANCE_IN / 0x0b, 12 {
        /// ALLOCATION LENGTH in bytes.
        allocation_length: u32 [6],
    }
}

command! {
    /// Source: SPC-5 6.
    ReportSupportedTaskManagementFunctions =
        "REPORT SUPPORTED TASK MANAGEMENT FUNCTIONS", MAINTENANCE_IN / 0x0d, 12 {
        /// REPD: return the extended parameter data.
        repd: bool [2, 7],
        /// ALLOCATION LENGTH in bytes.
        allocation_length: u32 [6],
    }
}

command! {
    /// Source: SPC-5 6.
    ReportPriority = "REPORT PRIORITY", MAINTENANCE_IN / 0x0e, 12 {
        /// PRIORITY REPORTED.
        priority_reported: Bits<2> [2, 6],
        /// ALLOCATION LENGTH in bytes.
        allocation_length: u32 [6],
    }
}

command! {
    /// Source: SPC-5 6.
    ReportTimestamp = "REPORT TIMESTAMP", MAINTENANCE_IN / 0x0f, 12 {
        /// ALLOCATION LENGTH in bytes.
        allocation_length: u32 [6],
    }
}

command! {
    /// Source: SPC-5 6.
    ManagementProtocolIn = "MANAGEMENT PROTOCOL IN", MAINTENANCE_IN / 0x10, 12 {
        /// MANAGEMENT PROTOCOL.
        protocol: u8 [2],
        /// MANAGEMENT PROTOCOL SPECIFIC.
        proto_specific: u16 [3],
        /// ALLOCATION LENGTH in bytes.
        allocation_length: u32 [6],
    }
}

command! {
    /// Source: SBC-4 5.
    ReportProvisioningInitializationPattern =
        "REPORT PROVISIONING INITIALIZATION PATTERN", MAINTENANCE_IN / 0x1d, 12 {
        /// ALLOCATION LENGTH in bytes.
        allocation_length: u32 [6],
    }
}

command! {
    /// Source: SPC-5 6.
    SetIdentifyingInformation = "SET IDENTIFYING INFORMATION", MAINTENANCE_OUT / 0x06, 12 {
        /// PARAMETER LIST LENGTH in bytes.
        parameter_list_length: u32 [6],
        /// IDENTIFYING INFORMATION TYPE.
        info_type: Bits<7> [10, 1],
    }
}

command! {
    /// Source: SPC-5 6.
    SetTargetPortGroups = "SET TARGET PORT GROUPS", MAINTENANCE_OUT / 0x0a, 12 {
        /// PARAMETER LIST LENGTH in bytes.
        parameter_list_length: u32 [6],
    }
}

command! {
    /// Source: SPC-5 6.
    ChangeAliases = "CHANGE ALIASES", MAINTENANCE_OUT / 0x0b, 12 {
        /// PARAMETER LIST LENGTH in bytes.
        parameter_list_length: u32 [6],
    }
}

command! {
    /// Source: SPC-5 6.
    RemoveItNexus = "REMOVE I_T NEXUS", MAINTENANCE_OUT / 0x0c, 12 {
        /// PARAMETER LIST LENGTH in bytes.
        parameter_list_length: u32 [6],
    }
}

command! {
    /// Source: SPC-5 6.
    SetPriority = "SET PRIORITY", MAINTENANCE_OUT / 0x0e, 12 {
        /// I_T_L NEXUS TO SET.
        i_t_l_nexus_to_set: Bits<2> [2, 6],
        /// PARAMETER LIST LENGTH in bytes.
        parameter_list_length: u32 [6],
    }
}

command! {
    /// Source: SPC-5 6.
    SetTimestamp = "SET TIMESTAMP", MAINTENANCE_OUT / 0x0f, 12 {
        /// PARAMETER LIST LENGTH in bytes.
        parameter_list_length: u32 [6],
    }
}

command! {
    /// Source: SPC-5 6.
    ManagementProtocolOut = "MANAGEMENT PROTOCOL OUT", MAINTENANCE_OUT / 0x10, 12 {
        /// MANAGEMENT PROTOCOL.
        protocol: u8 [2],
        /// MANAGEMENT PROTOCOL SPECIFIC.
        proto_specific: u16 [3],
        /// PARAMETER LIST LENGTH in bytes.
        parameter_list_length: u32 [6],
    }
}
