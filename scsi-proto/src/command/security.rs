//! SECURITY PROTOCOL IN and OUT (SPC).

use super::field::{Control, Field};
use super::layout::{Format, command, control_at, put, take};
use super::{Checked, Command, ParseError};
use crate::cdb::Cdb;
use crate::opcode::Opcode;

command! {
    /// Source: SPC-5 6.
    SecurityProtocolIn = "SECURITY PROTOCOL IN", SECURITY_PROTOCOL_IN, 12 {
        /// SECURITY PROTOCOL.
        protocol: u8 [1],
        /// SECURITY PROTOCOL SPECIFIC.
        proto_specific: u16 [2],
        /// INC_512: the length counts units of 512 bytes.
        inc_512: bool [4, 7],
        /// ALLOCATION LENGTH in bytes.
        allocation_length: u32 [6],
    }
}

command! {
    /// Source: SPC-5 6.
    SecurityProtocolOut = "SECURITY PROTOCOL OUT", SECURITY_PROTOCOL_OUT, 12 {
        /// SECURITY PROTOCOL.
        protocol: u8 [1],
        /// SECURITY PROTOCOL SPECIFIC.
        proto_specific: u16 [2],
        /// INC_512: the length counts units of 512 bytes.
        inc_512: bool [4, 7],
        /// PARAMETER LIST LENGTH in bytes.
        parameter_list_length: u32 [6],
    }
}
