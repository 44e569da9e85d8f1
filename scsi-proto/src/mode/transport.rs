//! Transport and power: pages 02h, 18h, 19h and 1Ah. Source: SPC-5 7.5, SPL-4.

use crate::command::Bits;
use crate::record::mode_page;

mode_page! {
    /// The Disconnect-Reconnect mode page (02h). Which fields count depends on the transport.
    /// Source: SPC-5 7.5.
    pub struct DisconnectReconnectPage: 16, DISCONNECT_RECONNECT {
        /// BUFFER FULL RATIO in 1/256.
        buffer_full_ratio: u8 [2],
        /// BUFFER EMPTY RATIO in 1/256.
        buffer_empty_ratio: u8 [3],
        /// BUS INACTIVITY LIMIT, in a unit that the transport defines.
        bus_inactivity_limit: u16 [4],
        /// DISCONNECT TIME LIMIT, in a unit that the transport defines.
        disconnect_time_limit: u16 [6],
        /// CONNECT TIME LIMIT, in a unit that the transport defines.
        connect_time_limit: u16 [8],
        /// MAXIMUM BURST SIZE in units of 512 bytes; 0 means no limit.
        maximum_burst_512: u16 [10],
        /// EMDP: enable modify data pointers.
        emdp: bool [12, 7],
        /// FAIR ARBITRATION.
        fair_arbitration: Bits<3> [12, 4],
        /// DIMM: disconnect immediate.
        dimm: bool [12, 3],
        /// DTDC: data transfer disconnect control.
        dtdc: Bits<3> [12],
        /// FIRST BURST SIZE in units of 512 bytes; 0 means none.
        first_burst_512: u16 [14],
    }
}

mode_page! {
    /// The Protocol Specific Logical Unit mode page (18h) as SAS has it. Source: SPC-5 7.5, SPL-4.
    pub struct ProtocolSpecificUnitPage: 8, PROTOCOL_SPECIFIC_LOGICAL_UNIT {
        /// TRANSPORT LAYER RETRIES are enabled.
        transport_layer_retries: bool [2, 4],
        /// PROTOCOL IDENTIFIER; 6 is SAS.
        protocol: Bits<4> [2],
    }
}

mode_page! {
    /// The Protocol Specific Port mode page (19h) as SAS has it. Source: SPC-5 7.5, SPL-4.
    pub struct ProtocolSpecificPortPage: 16, PROTOCOL_SPECIFIC_PORT {
        /// CONTINUE AWT: the arbitration wait timer goes on.
        continue_awt: bool [2, 6],
        /// BROADCAST ASYNCHRONOUS EVENT is enabled.
        broadcast_asynchronous_event: bool [2, 5],
        /// READY LED MEANING.
        ready_led_meaning: bool [2, 4],
        /// PROTOCOL IDENTIFIER; 6 is SAS.
        protocol: Bits<4> [2],
        /// I_T NEXUS LOSS TIME in milliseconds; FFFFh is forever.
        nexus_loss_time_ms: u16 [4],
        /// INITIATOR RESPONSE TIMEOUT in milliseconds; 0 disables it.
        initiator_response_timeout_ms: u16 [6],
        /// REJECT TO OPEN LIMIT in units of 10 microseconds.
        reject_to_open_limit_10us: u16 [8],
    }
}

mode_page! {
    /// The Power Condition mode page (1Ah). Timers are in units of 100 ms. Source: SPC-5 7.5.
    pub struct PowerConditionPage: 40, POWER_CONDITION {
        /// PM_BG_PRECEDENCE: power management against background functions.
        pm_bg_precedence: Bits<2> [2, 6],
        /// STANDBY_Y: its timer is enabled.
        standby_y: bool [2, 0],
        /// IDLE_C: its timer is enabled.
        idle_c: bool [3, 3],
        /// IDLE_B: its timer is enabled.
        idle_b: bool [3, 2],
        /// IDLE_A: its timer is enabled.
        idle_a: bool [3, 1],
        /// STANDBY_Z: its timer is enabled.
        standby_z: bool [3, 0],
        /// IDLE_A CONDITION TIMER.
        idle_a_timer: u32 [4],
        /// STANDBY_Z CONDITION TIMER.
        standby_z_timer: u32 [8],
        /// IDLE_B CONDITION TIMER.
        idle_b_timer: u32 [12],
        /// IDLE_C CONDITION TIMER.
        idle_c_timer: u32 [16],
        /// STANDBY_Y CONDITION TIMER.
        standby_y_timer: u32 [20],
        /// CCF IDLE: CHECK CONDITION on the way out of an idle condition.
        ccf_idle: Bits<2> [39, 6],
        /// CCF STANDBY: CHECK CONDITION on the way out of a standby condition.
        ccf_standby: Bits<2> [39, 4],
        /// CCF STOPPED: CHECK CONDITION on the way out of the stopped condition.
        ccf_stopped: Bits<2> [39, 2],
    }
}
