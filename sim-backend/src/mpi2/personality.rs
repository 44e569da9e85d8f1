//! What tells one MPI 2.x controller from another: limits, identity and behaviour.

use core::time::Duration;

use super::pci::PciIdentity;

/// One kind of controller. Start from [`sas2008`](Self::sas2008) or [`sas3008`](Self::sas3008) and change fields.
#[derive(Clone, Debug)]
pub struct Personality {
    /// What IOC facts and port facts report.
    pub facts: Facts,
    /// What the identity pages report.
    pub identity: Identity,
    /// What PCI configuration space reports.
    pub pci: PciIdentity,
    /// How registers and messages behave.
    pub behaviour: Behaviour,
}

/// The generation of messages that a controller speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum MpiVersion {
    /// MPI 2.0: SAS-2 controllers. SCSI IO has MPI elements, or IEEE elements where its flags say so.
    V2_0,
    /// MPI 2.5: SAS-3 controllers. SCSI IO has IEEE elements only.
    V2_5,
}

impl MpiVersion {
    /// The number in IOC facts and IOC_INIT.
    #[must_use]
    pub const fn number(self) -> u16 {
        match self {
            Self::V2_0 => 0x0200,
            Self::V2_5 => 0x0205,
        }
    }
}

/// Bits of IOCCapabilities. Source: measured layouts, `MPI2_IOC_FACTS_REPLY`, and what drivers print.
pub mod capability {
    /// Task set full is handled.
    pub const TASK_SET_FULL: u32 = 0x0000_0004;
    /// There is a trace buffer.
    pub const DIAG_TRACE: u32 = 0x0000_0008;
    /// There is a snapshot buffer.
    pub const SNAPSHOT: u32 = 0x0000_0010;
    /// Protection information.
    pub const EEDP: u32 = 0x0000_0040;
    /// Transport layer retries.
    pub const TLR: u32 = 0x0000_0800;
    /// Integrated RAID.
    pub const INTEGRATED_RAID: u32 = 0x0000_1000;
    /// Discovery events come again after a message unit reset.
    pub const EVENT_REPLAY: u32 = 0x0000_2000;
    /// A request descriptor chooses the vector of its reply.
    pub const MSI_X_INDEX: u32 = 0x0000_8000;
    /// The host may discover.
    pub const HOST_BASED_DISCOVERY: u32 = 0x0001_0000;
    /// There is a fast path.
    pub const FAST_PATH: u32 = 0x0002_0000;
    /// Reply post queues may lie apart.
    pub const RDPQ_ARRAY: u32 = 0x0004_0000;
    /// Request descriptors of 32 bits.
    pub const ATOMIC_REQUEST: u32 = 0x0008_0000;
    /// The core dump state.
    pub const COREDUMP: u32 = 0x0020_0000;
}

/// The limits of a controller. Source of the fields: `MPI2_IOC_FACTS_REPLY`, `MPI2_PORT_FACTS_REPLY`.
#[derive(Clone, Debug)]
pub struct Facts {
    /// The messages that it speaks.
    pub version: MpiVersion,
    /// Unit and development number of the message headers.
    pub header_version: u16,
    /// Firmware: 22xx h is SAS, target and initiator.
    pub product_id: u16,
    /// Firmware version: major, minor, unit, dev.
    pub firmware: [u8; 4],
    /// Chain segments per request.
    pub max_chain_depth: u8,
    /// Ports that port facts knows.
    pub number_of_ports: u8,
    /// Phys, which is also the number of slots for targets.
    pub phys: u8,
    /// Reply post queues that the controller can have.
    pub max_msix_vectors: u8,
    /// Requests that may be outstanding, those of high priority not counted.
    pub request_credit: u16,
    /// High-priority requests that may be outstanding.
    pub high_priority_credit: u16,
    /// Bits of [`capability`].
    pub capabilities: u32,
    /// Dwords of a request frame.
    pub request_frame_size: u16,
    /// Units of 16 bytes that a chain segment may have (MPI 2.5); 0: as a request frame.
    pub max_chain_segment_size: u16,
    /// Targets that the controller knows at most.
    pub max_targets: u16,
    /// Bit 1 initiator, bit 0 target.
    pub protocol_flags: u16,
    /// Entries of a reply post queue.
    pub max_reply_post_queue_depth: u16,
    /// Dwords of a reply frame.
    pub reply_frame_size: u8,
    /// The largest device handle.
    pub max_dev_handle: u16,
    /// Entries of the persistent mapping.
    pub max_persistent_entries: u16,
    /// Volumes of integrated RAID; each has a slot after those of the phys.
    pub max_volumes: u8,
}

impl Facts {
    /// Whether a capability is there.
    #[must_use]
    pub const fn can(&self, capability: u32) -> bool {
        self.capabilities & capability != 0
    }

    /// Slots for targets: one for each phy, then one for each volume.
    #[must_use]
    pub const fn slots(&self) -> usize {
        self.phys as usize + self.max_volumes as usize
    }

    /// The first device handle that is not one of the controller's own phys.
    #[must_use]
    pub const fn min_dev_handle(&self) -> u16 {
        self.phys as u16 + 1
    }
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
    /// BIOS page 3: major, minor, unit, dev.
    pub bios_version: [u8; 4],
    /// NegotiatedLinkRate of a phy with something behind it: 0Ah is 6 Gbit/s, 0Bh 12 Gbit/s.
    pub link_rate: u8,
}

/// Behaviour that a test may want to change.
#[derive(Clone, Debug)]
pub struct Behaviour {
    /// Topology and device events ask for an acknowledgement.
    pub events_need_ack: bool,
    /// A command without data, however it is marked, needs no scatter list.
    pub empty_transfer_needs_element: bool,
    /// How long a message unit reset takes.
    pub message_unit_reset_time: Duration,
    /// How long a diagnostic reset takes.
    pub diagnostic_reset_time: Duration,
    /// How long a port enable takes.
    pub port_enable_time: Duration,
    /// How long the core dump state lasts before the fault state, where the host has asked for it.
    pub coredump_time: Duration,
    /// How long a device that does not respond may stay away before it is reported; zero: it is reported at once, and
    /// no event says that it is late.
    pub missing_delay: Duration,
}

impl Behaviour {
    /// Times are a thousandth of the real ones, so that a test that lets time pass in small steps ends.
    const fn new() -> Self {
        Self {
            events_need_ack: true,
            empty_transfer_needs_element: false,
            message_unit_reset_time: Duration::from_micros(50),
            diagnostic_reset_time: Duration::from_millis(1),
            port_enable_time: Duration::from_micros(500),
            coredump_time: Duration::from_millis(5),
            missing_delay: Duration::ZERO,
        }
    }
}

impl Personality {
    /// A SAS2008 with IT firmware 20.00.07.00, as an LSI SAS 9211-8i: MPI 2.0, one vector.
    ///
    /// The numbers are those that drivers print for the part; what they do not print is this model's choice.
    #[must_use]
    pub const fn sas2008() -> Self {
        let facts = Facts {
            version: MpiVersion::V2_0,
            header_version: 0x2b00,
            product_id: 0x2213,
            firmware: [20, 0, 7, 0],
            max_chain_depth: 128,
            number_of_ports: 1,
            phys: 8,
            max_msix_vectors: 1,
            request_credit: 3432,
            high_priority_credit: 117,
            capabilities: capability::TASK_SET_FULL
                | capability::DIAG_TRACE
                | capability::SNAPSHOT
                | capability::EEDP
                | capability::TLR
                | capability::EVENT_REPLAY
                | capability::HOST_BASED_DISCOVERY,
            request_frame_size: 32,
            max_chain_segment_size: 0,
            max_targets: 377,
            protocol_flags: 0x0003,
            max_reply_post_queue_depth: 65504,
            reply_frame_size: 32,
            max_dev_handle: 0x01ff,
            max_persistent_entries: 240,
            max_volumes: 0,
        };
        let identity = Identity {
            chip_name: "LSISAS2008",
            chip_revision: "B2",
            board_name: "SAS9211-8i",
            board_assembly: "H3-25250-02B",
            board_tracer: "SIM0000001",
            unique_value: 0x5006_05b0_0000_2008,
            sas_address: 0x5006_05b0_0000_2008,
            bios_version: [7, 39, 2, 0],
            link_rate: 0x0a,
        };
        Self { facts, identity, pci: PciIdentity::sas2008(), behaviour: Behaviour::new() }
    }

    /// A SAS3008 with IT firmware 16.00.12.00, as an LSI SAS 9300-8i: MPI 2.5, 16 of its 96 vectors.
    ///
    /// The numbers are those that drivers print for the part; what they do not print is this model's choice.
    #[must_use]
    pub const fn sas3008() -> Self {
        let facts = Facts {
            version: MpiVersion::V2_5,
            header_version: 0x2f00,
            product_id: 0x2221,
            firmware: [16, 0, 12, 0],
            max_chain_depth: 128,
            number_of_ports: 1,
            phys: 8,
            max_msix_vectors: 16,
            request_credit: 9664,
            high_priority_credit: 92,
            capabilities: capability::TASK_SET_FULL
                | capability::DIAG_TRACE
                | capability::SNAPSHOT
                | capability::EEDP
                | capability::TLR
                | capability::EVENT_REPLAY
                | capability::MSI_X_INDEX
                | capability::HOST_BASED_DISCOVERY
                | capability::FAST_PATH
                | capability::RDPQ_ARRAY,
            request_frame_size: 32,
            max_chain_segment_size: 8,
            max_targets: 1023,
            protocol_flags: 0x0003,
            max_reply_post_queue_depth: 65504,
            reply_frame_size: 32,
            max_dev_handle: 0x0455,
            max_persistent_entries: 256,
            max_volumes: 0,
        };
        let identity = Identity {
            chip_name: "LSISAS3008",
            chip_revision: "C0",
            board_name: "SAS9300-8i",
            board_assembly: "H3-25573-00E",
            board_tracer: "SIM0000001",
            unique_value: 0x5006_05b0_0000_3008,
            sas_address: 0x5006_05b0_0000_3008,
            bios_version: [8, 37, 0, 0],
            link_rate: 0x0b,
        };
        Self { facts, identity, pci: PciIdentity::sas3008(), behaviour: Behaviour::new() }
    }

    /// As this personality, with `count` vectors (at least 1). More than one brings the capability to choose between them,
    /// which the firmware of a real SAS2008 does not have.
    #[must_use]
    pub const fn with_vectors(mut self, count: u8) -> Self {
        self.facts.max_msix_vectors = if count == 0 { 1 } else { count };
        if count > 1 {
            self.facts.capabilities |= capability::MSI_X_INDEX;
        } else {
            self.facts.capabilities &= !capability::MSI_X_INDEX;
        }
        if self.pci.msix_vectors < self.facts.max_msix_vectors as u16 {
            self.pci.msix_vectors = self.facts.max_msix_vectors as u16;
        }
        self
    }

    /// As this personality, with IR firmware: integrated RAID with up to two volumes, and no event replay.
    ///
    /// A target that is attached to one of the two slots after those of the phys is a volume. The disks of phys 0 and 1 are
    /// the members of the first, those of phys 2 and 3 of the second.
    #[must_use]
    pub const fn with_integrated_raid(mut self) -> Self {
        self.facts.max_volumes = 2;
        // The product changes from 2h, target and initiator, to 7h, integrated RAID.
        self.facts.product_id = self.facts.product_id & !0x0f00 | 0x0700;
        self.facts.capabilities |= capability::INTEGRATED_RAID;
        self.facts.capabilities &= !(capability::EVENT_REPLAY | capability::HOST_BASED_DISCOVERY);
        self
    }

    /// As this personality, with the core dump state, which parts of MPI 2.6 have.
    #[must_use]
    pub const fn with_core_dump(mut self) -> Self {
        self.facts.capabilities |= capability::COREDUMP;
        self
    }

    /// As this personality, with request descriptors of 32 bits, which parts of MPI 2.6 offer.
    #[must_use]
    pub const fn with_atomic_requests(mut self) -> Self {
        self.facts.capabilities |= capability::ATOMIC_REQUEST;
        self
    }
}
