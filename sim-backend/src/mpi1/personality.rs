//! What tells one MPI 1.x controller from another: limits, identity and behaviour.

use core::time::Duration;

/// One kind of controller. Start from [`hardware`](Self::hardware) or [`qemu`](Self::qemu) and change fields.
#[derive(Clone, Debug)]
pub struct Personality {
    /// What IOC facts and port facts report.
    pub facts: Facts,
    /// What the identity pages report.
    pub identity: Identity,
    /// How registers and messages behave.
    pub behaviour: Behaviour,
}

/// The limits of a controller. Source of the fields: `MSG_IOC_FACTS_REPLY`, `MSG_PORT_FACTS_REPLY`.
#[derive(Clone, Debug)]
pub struct Facts {
    /// Chain buffers per request.
    pub max_chain_depth: u8,
    /// Dwords that the controller fetches per step of the request frame's size hint.
    pub block_size: u8,
    /// Depth of the reply post FIFO, and of the reply free FIFO.
    pub reply_queue_depth: u16,
    /// Dwords of a request frame.
    pub request_frame_size: u16,
    /// Requests that may be outstanding.
    pub global_credits: u16,
    /// Ports that port facts knows.
    pub number_of_ports: u8,
    /// Phys, which is also the number of slots for targets.
    pub phys: u8,
    /// Target ids before IOC_INIT says otherwise.
    pub max_devices: u8,
    /// Requests of the high-priority FIFO; 0: there is none.
    pub high_priority_queue_depth: u16,
    /// Protocol flags of port facts.
    pub protocol_flags: u16,
    /// Firmware version: major, minor, unit, dev.
    pub firmware: [u8; 4],
}

/// Strings and numbers of the identity pages.
#[derive(Clone, Debug)]
pub struct Identity {
    /// Manufacturing page 0, at most 16 bytes.
    pub chip_name: &'static str,
    /// Manufacturing page 0, at most 8 bytes.
    pub chip_revision: &'static str,
    /// Manufacturing page 0, at most 16 bytes.
    pub board_name: &'static str,
    /// Manufacturing page 0, at most 16 bytes.
    pub board_assembly: &'static str,
    /// Manufacturing page 0, at most 16 bytes.
    pub board_tracer: &'static str,
    /// IO unit page 0.
    pub unique_value: u64,
    /// The SAS address of the controller.
    pub sas_address: u64,
    /// PCI device and function number: device in bits 7:3.
    pub pci_devfn: u8,
}

/// Behaviour in which hardware and emulators differ.
#[derive(Clone, Debug)]
pub struct Behaviour {
    /// Doorbell words are taken at once instead of at the controller's next chance.
    pub doorbell_is_immediate: bool,
    /// A Doorbell read takes the next half word of a handshake reply, acknowledged or not.
    pub doorbell_read_advances: bool,
    /// A message unit reset leads out of the fault state; hardware needs a diagnostic reset.
    pub message_unit_reset_clears_fault: bool,
    /// Either reset leaves a handshake as it is (QEMU 7.2).
    pub handshake_survives_reset: bool,
    /// The diagnostic register takes writes without its keys and has no reset history.
    pub diagnostic_is_unlocked: bool,
    /// A reply during a handshake ends the handshake or goes through the doorbell.
    pub replies_disturb_handshake: bool,
    /// A reply without a free frame or a free FIFO entry is a fault instead of a wait.
    pub starvation_faults: bool,
    /// More outstanding requests than the credits allow are a fault, wherever the requests are.
    pub enforces_credits: bool,
    /// A function that is not known is a fault instead of a reply with status 0x0001.
    pub unknown_function_faults: bool,
    /// Unmapped host memory reads zeros and swallows writes, instead of an error.
    pub ignores_dma_faults: bool,
    /// Scatter lists are checked against every rule, not only against those that matter to a transfer.
    pub strict_sgl: bool,
    /// A command without data needs a scatter list element all the same.
    pub empty_transfer_needs_element: bool,
    /// Direction and length are compared with the CDB before execution.
    pub checks_cdb: bool,
    /// Any status but GOOD is reported as underrun (0x0045) with valid sense and count 0.
    pub bad_status_is_underrun: bool,
    /// Only byte 1 of a LUN counts.
    pub lun_is_byte_one: bool,
    /// Context replies keep bits 31:29 of the context.
    pub context_is_unmasked: bool,
    /// Aborts of a held command wait until the hold is lifted.
    pub abort_waits_for_backend: bool,
    /// Resets report termination count 0.
    pub reset_counts_nothing: bool,
    /// Task management answers before the commands that it ended.
    pub task_management_answers_first: bool,
    /// SAS device status change events are sent.
    pub reports_topology: bool,
    /// These events ask for an acknowledgement.
    pub events_need_ack: bool,
    /// Targets are reached after port enable only, and a second IOC_INIT is refused.
    pub checks_start_up: bool,
    /// Config replies echo the page version of the request.
    pub config_echoes_version: bool,
    /// All pages of the QEMU model, none of which can be written.
    pub qemu_pages: bool,
    /// The reply interrupt stays until a read finds the FIFO empty.
    pub reply_interrupt_is_sticky: bool,
    /// Every update of a pending interrupt sends a message, not only a new one.
    pub message_per_update: bool,
    /// How long a message unit reset takes.
    pub message_unit_reset_time: Duration,
    /// How long a diagnostic reset takes.
    pub diagnostic_reset_time: Duration,
    /// How long a port enable takes.
    pub port_enable_time: Duration,
}

impl Personality {
    /// A SAS1068 as drivers describe it: patient, strict, reset by its keys.
    ///
    /// Reset times are a thousandth of the real ones, so that a test that lets time pass in small steps ends.
    #[must_use]
    pub const fn hardware() -> Self {
        let facts = Facts {
            max_chain_depth: 34,
            block_size: 16,
            reply_queue_depth: 256,
            request_frame_size: 32,
            global_credits: 480,
            number_of_ports: 1,
            phys: 8,
            max_devices: 112,
            high_priority_queue_depth: 8,
            protocol_flags: 0x08,
            firmware: [1, 33, 0, 0],
        };
        let identity = Identity {
            chip_name: "SAS1068",
            chip_revision: "B0",
            board_name: "SIM3080X",
            board_assembly: "L3-00000-00",
            board_tracer: "SIM0000001",
            unique_value: 0x0001_0000_4d49_5331,
            sas_address: 0x5006_05b0_0000_1068,
            pci_devfn: 0x40,
        };
        let behaviour = Behaviour {
            doorbell_is_immediate: false,
            doorbell_read_advances: false,
            message_unit_reset_clears_fault: false,
            handshake_survives_reset: false,
            diagnostic_is_unlocked: false,
            replies_disturb_handshake: false,
            starvation_faults: false,
            enforces_credits: true,
            unknown_function_faults: false,
            ignores_dma_faults: false,
            strict_sgl: true,
            empty_transfer_needs_element: false,
            checks_cdb: false,
            bad_status_is_underrun: false,
            lun_is_byte_one: false,
            context_is_unmasked: false,
            abort_waits_for_backend: false,
            reset_counts_nothing: false,
            task_management_answers_first: false,
            reports_topology: true,
            events_need_ack: true,
            checks_start_up: true,
            config_echoes_version: false,
            qemu_pages: false,
            reply_interrupt_is_sticky: false,
            message_per_update: false,
            message_unit_reset_time: Duration::from_micros(50),
            diagnostic_reset_time: Duration::from_millis(1),
            port_enable_time: Duration::from_micros(500),
        };
        Self { facts, identity, behaviour }
    }

    /// `mptsas1068` of QEMU 10.0, quirks included. Source: measured; the pages as QEMU's sources describe them.
    #[must_use]
    pub const fn qemu() -> Self {
        let facts = Facts {
            max_chain_depth: 34,
            block_size: 13,
            reply_queue_depth: 128,
            request_frame_size: 128,
            global_credits: 128,
            number_of_ports: 8,
            phys: 8,
            max_devices: 8,
            high_priority_queue_depth: 0,
            protocol_flags: 0x09,
            firmware: [1, 0x32, 0x92, 0],
        };
        let identity = Identity {
            chip_name: "QEMU MPT Fusion",
            chip_revision: "2.5",
            board_name: "QEMU MPT Fusion",
            board_assembly: "QEMU",
            board_tracer: "0000111122223333",
            unique_value: 0x0053_504d_554d_4551,
            sas_address: 0x3525_4000_0000_0000,
            pci_devfn: 0,
        };
        let behaviour = Behaviour {
            doorbell_is_immediate: true,
            doorbell_read_advances: true,
            message_unit_reset_clears_fault: true,
            handshake_survives_reset: false,
            diagnostic_is_unlocked: true,
            replies_disturb_handshake: true,
            starvation_faults: true,
            enforces_credits: false,
            unknown_function_faults: true,
            ignores_dma_faults: true,
            strict_sgl: false,
            empty_transfer_needs_element: true,
            checks_cdb: true,
            bad_status_is_underrun: true,
            lun_is_byte_one: true,
            context_is_unmasked: true,
            abort_waits_for_backend: true,
            reset_counts_nothing: true,
            task_management_answers_first: false,
            reports_topology: false,
            events_need_ack: false,
            checks_start_up: false,
            config_echoes_version: true,
            qemu_pages: true,
            reply_interrupt_is_sticky: true,
            message_per_update: true,
            message_unit_reset_time: Duration::ZERO,
            diagnostic_reset_time: Duration::ZERO,
            port_enable_time: Duration::ZERO,
        };
        Self { facts, identity, behaviour }
    }

    /// As [`qemu`](Self::qemu), version 7.2: resets leave a handshake as it is.
    #[must_use]
    pub const fn qemu_7_2() -> Self {
        let mut personality = Self::qemu();
        personality.behaviour.handshake_survives_reset = true;
        personality
    }

    /// As this personality, with the numbers that QEMU derives from the PCI device number on bus 0.
    #[must_use]
    pub const fn at_pci_device(mut self, device: u8) -> Self {
        let devfn = device << 3;
        self.identity.pci_devfn = devfn;
        self.identity.unique_value |= (devfn as u64) << 56;
        self.identity.sas_address |= (device as u64) << 8;
        self
    }
}
