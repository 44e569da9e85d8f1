//! Reservations, persistent (SPC) and not (SPC-2).

use super::field::{Control, Field};
use super::layout::{Format, command, control_at, put, take};
use super::{Bits, Checked, Command, ParseError};
use crate::cdb::Cdb;
use crate::opcode::Opcode;

command! {
    /// Source: SPC-2 7, obsolete since SPC-3.
    Reserve6 = "RESERVE(6)", RESERVE_6, 6 {}
}

command! {
    /// Source: SPC-2 7, obsolete since SPC-3.
    Release6 = "RELEASE(6)", RELEASE_6, 6 {}
}

command! {
    /// Source: SPC-2 7, obsolete since SPC-3.
    Reserve10 = "RESERVE(10)", RESERVE_10, 10 {
        /// 3RDPTY: on behalf of another device.
        third_party: bool [1, 4],
        /// LONGID: the third-party identifier is in the parameter list.
        longid: bool [1, 1],
        /// THIRD-PARTY DEVICE ID.
        third_party_id: u8 [3],
        /// PARAMETER LIST LENGTH in bytes.
        parameter_list_length: u16 [7],
    }
}

command! {
    /// Source: SPC-2 7, obsolete since SPC-3.
    Release10 = "RELEASE(10)", RELEASE_10, 10 {
        /// 3RDPTY: on behalf of another device.
        third_party: bool [1, 4],
        /// LONGID: the third-party identifier is in the parameter list.
        longid: bool [1, 1],
        /// THIRD-PARTY DEVICE ID.
        third_party_id: u8 [3],
        /// PARAMETER LIST LENGTH in bytes.
        parameter_list_length: u16 [7],
    }
}

command! {
    /// Source: SPC-5 6.
    PersistentReserveInReadKeys =
        "PERSISTENT RESERVE IN: READ KEYS", PERSISTENT_RESERVE_IN / 0x00, 10 {
        /// ALLOCATION LENGTH in bytes.
        allocation_length: u16 [7],
    }
}

command! {
    /// Source: SPC-5 6.
    PersistentReserveInReadReservation =
        "PERSISTENT RESERVE IN: READ RESERVATION", PERSISTENT_RESERVE_IN / 0x01, 10 {
        /// ALLOCATION LENGTH in bytes.
        allocation_length: u16 [7],
    }
}

command! {
    /// Source: SPC-5 6.
    PersistentReserveInReportCapabilities =
        "PERSISTENT RESERVE IN: REPORT CAPABILITIES", PERSISTENT_RESERVE_IN / 0x02, 10 {
        /// ALLOCATION LENGTH in bytes.
        allocation_length: u16 [7],
    }
}

command! {
    /// Source: SPC-5 6.
    PersistentReserveInReadFullStatus =
        "PERSISTENT RESERVE IN: READ FULL STATUS", PERSISTENT_RESERVE_IN / 0x03, 10 {
        /// ALLOCATION LENGTH in bytes.
        allocation_length: u16 [7],
    }
}

command! {
    /// Source: SPC-5 6.
    PersistentReserveOutRegister =
        "PERSISTENT RESERVE OUT: REGISTER", PERSISTENT_RESERVE_OUT / 0x00, 10 {
        /// SCOPE; 0 is the logical unit.
        scope: Bits<4> [2, 4],
        /// TYPE of the reservation.
        reservation_type: Bits<4> [2],
        /// PARAMETER LIST LENGTH in bytes.
        parameter_list_length: u32 [5],
    }
}

command! {
    /// Source: SPC-5 6.
    PersistentReserveOutReserve =
        "PERSISTENT RESERVE OUT: RESERVE", PERSISTENT_RESERVE_OUT / 0x01, 10 {
        /// SCOPE; 0 is the logical unit.
        scope: Bits<4> [2, 4],
        /// TYPE of the reservation.
        reservation_type: Bits<4> [2],
        /// PARAMETER LIST LENGTH in bytes.
        parameter_list_length: u32 [5],
    }
}

command! {
    /// Source: SPC-5 6.
    PersistentReserveOutRelease =
        "PERSISTENT RESERVE OUT: RELEASE", PERSISTENT_RESERVE_OUT / 0x02, 10 {
        /// SCOPE; 0 is the logical unit.
        scope: Bits<4> [2, 4],
        /// TYPE of the reservation.
        reservation_type: Bits<4> [2],
        /// PARAMETER LIST LENGTH in bytes.
        parameter_list_length: u32 [5],
    }
}

command! {
    /// Source: SPC-5 6.
    PersistentReserveOutClear =
        "PERSISTENT RESERVE OUT: CLEAR", PERSISTENT_RESERVE_OUT / 0x03, 10 {
        /// SCOPE; 0 is the logical unit.
        scope: Bits<4> [2, 4],
        /// TYPE of the reservation.
        reservation_type: Bits<4> [2],
        /// PARAMETER LIST LENGTH in bytes.
        parameter_list_length: u32 [5],
    }
}

command! {
    /// Source: SPC-5 6.
    PersistentReserveOutPreempt =
        "PERSISTENT RESERVE OUT: PREEMPT", PERSISTENT_RESERVE_OUT / 0x04, 10 {
        /// SCOPE; 0 is the logical unit.
        scope: Bits<4> [2, 4],
        /// TYPE of the reservation.
        reservation_type: Bits<4> [2],
        /// PARAMETER LIST LENGTH in bytes.
        parameter_list_length: u32 [5],
    }
}

command! {
    /// Source: SPC-5 6.
    PersistentReserveOutPreemptAndAbort =
        "PERSISTENT RESERVE OUT: PREEMPT AND ABORT", PERSISTENT_RESERVE_OUT / 0x05, 10 {
        /// SCOPE; 0 is the logical unit.
        scope: Bits<4> [2, 4],
        /// TYPE of the reservation.
        reservation_type: Bits<4> [2],
        /// PARAMETER LIST LENGTH in bytes.
        parameter_list_length: u32 [5],
    }
}

command! {
    /// Source: SPC-5 6.
    PersistentReserveOutRegisterAndIgnoreExistingKey =
        "PERSISTENT RESERVE OUT: REGISTER AND IGNORE EXISTING KEY", PERSISTENT_RESERVE_OUT / 0x06, 10 {
        /// SCOPE; 0 is the logical unit.
        scope: Bits<4> [2, 4],
        /// TYPE of the reservation.
        reservation_type: Bits<4> [2],
        /// PARAMETER LIST LENGTH in bytes.
        parameter_list_length: u32 [5],
    }
}

command! {
    /// Source: SPC-5 6.
    PersistentReserveOutRegisterAndMove =
        "PERSISTENT RESERVE OUT: REGISTER AND MOVE", PERSISTENT_RESERVE_OUT / 0x07, 10 {
        /// SCOPE; 0 is the logical unit.
        scope: Bits<4> [2, 4],
        /// TYPE of the reservation.
        reservation_type: Bits<4> [2],
        /// PARAMETER LIST LENGTH in bytes.
        parameter_list_length: u32 [5],
    }
}

command! {
    /// Source: SPC-5 6.
    PersistentReserveOutReplaceLostReservation =
        "PERSISTENT RESERVE OUT: REPLACE LOST RESERVATION", PERSISTENT_RESERVE_OUT / 0x08, 10 {
        /// SCOPE; 0 is the logical unit.
        scope: Bits<4> [2, 4],
        /// TYPE of the reservation.
        reservation_type: Bits<4> [2],
        /// PARAMETER LIST LENGTH in bytes.
        parameter_list_length: u32 [5],
    }
}
