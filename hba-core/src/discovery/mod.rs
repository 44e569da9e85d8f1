//! Finding the logical units behind the targets of an adapter.
//!
//! [`Discovery`] performs no I/O: it says which command to send next, takes the answer, and ends with a list of
//! [`LogicalUnit`]s. Targets are asked in parallel, one command at a time for each. Every loop is bounded, so that a
//! device that answers nonsense costs a limited number of commands and nothing else.
//!
//! For each target: INQUIRY and REPORT LUNS at LUN 0; for each logical unit INQUIRY, the VPD pages 80h and 83h where page
//! 00h lists them, and for block devices TEST UNIT READY until ready, READ CAPACITY and the caching page.
//!
//! ```
//! # use hba_core::discovery::{Discovery, ProbeOutcome};
//! # use hba_core::command::{Failure, Outcome, TargetId};
//! # use hba_core::port::TargetInfo;
//! # use hba_core::time::Instant;
//! # let targets = [TargetInfo::device(TargetId::new(0), 0)];
//! # let now = Instant::ZERO;
//! let mut discovery = Discovery::new(&targets);
//! while !discovery.is_done() {
//!     while let Some(probe) = discovery.poll_request(now) {
//!         // Send `probe.into_request(data)`, and hand in how it ended.
//!         let outcome = Outcome::Failed(Failure::DeviceNotPresent);
//!         let outcome = ProbeOutcome { outcome, sense: &[], data: &[] };
//!         discovery.handle_completion(probe.id, outcome, now);
//!     }
//!     // Wait for a completion, at most until `discovery.next_deadline()`.
//! }
//! let found = discovery.finish();
//! assert!(found.units.is_empty());
//! assert_eq!(found.skipped.len(), 1);
//! ```

mod answer;
mod question;
mod scan;

use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use scsi_proto::inquiry::{DeviceType, PeripheralQualifier};
use scsi_proto::{AdditionalSense, Cdb, Lun, SenseKey};

use crate::command::{Cookie, Nexus, Outcome, Request, Transfer};
use crate::logical_unit::LogicalUnit;
use crate::port::TargetInfo;
use crate::time::{Instant, Timeout};
use scan::Scan;

/// Most bytes that a probe asks for.
pub const DATA_MAX: u32 = 4096;

/// How patient discovery is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DiscoveryConfig {
    /// Logical units looked at for each target; at most 511 are.
    pub luns_max: u16,
    /// How long the device has for one command.
    pub timeout: Timeout,
    /// Unit attentions and deferred errors taken in a row before a command is given up.
    pub attentions_max: u8,
    /// Tries while the device says BUSY or the like, and the time between two of them.
    pub busy_tries: u8,
    /// See [`Self::busy_tries`].
    pub busy_delay: Duration,
    /// Tries while the unit becomes ready, and the time between two of them.
    pub ready_tries: u8,
    /// See [`Self::ready_tries`].
    pub ready_delay: Duration,
    /// Times that a command which failed without a status is sent again.
    pub failure_retries: u8,
}

impl Default for DiscoveryConfig {
    /// 256 units, 10 s for a command, 8 unit attentions, BUSY for 2 s, becoming ready for 60 s, one more try.
    fn default() -> Self {
        Self {
            luns_max: 256,
            timeout: Timeout::from_secs(10),
            attentions_max: 8,
            busy_tries: 20,
            busy_delay: Duration::from_millis(100),
            ready_tries: 60,
            ready_delay: Duration::from_secs(1),
            failure_retries: 1,
        }
    }
}

/// Which probe an answer belongs to. Never used twice by one [`Discovery`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProbeId(pub u64);

/// A command that discovery wants sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "discovery waits for its outcome"]
pub struct Probe {
    /// For [`Discovery::handle_completion`].
    pub id: ProbeId,
    /// Where to.
    pub nexus: Nexus,
    /// What.
    pub cdb: Cdb,
    /// How long the device has.
    pub timeout: Timeout,
    allocation_length: u32,
}

impl Probe {
    /// Bytes of data-in that the device may send, at most [`DATA_MAX`]; 0 for none.
    pub const fn allocation_length(&self) -> u32 {
        self.allocation_length
    }

    /// The probe as a request; its cookie is the probe's number. `data` has room for [`Self::allocation_length`] bytes.
    pub fn into_request<D>(self, data: D) -> Request<D> {
        let transfer = match self.allocation_length {
            0 => Transfer::NONE,
            length => Transfer::from_device(length),
        };
        Request::new(self.nexus, self.cdb, transfer, data, Cookie(self.id.0))
            .with_timeout(self.timeout)
    }
}

/// How a probe ended.
#[derive(Clone, Copy, Debug)]
pub struct ProbeOutcome<'a> {
    /// As the completion has it. A probe that no queue accepted is `Failed(Failure::Busy)`: it is tried again later.
    pub outcome: Outcome,
    /// Sense data, empty when there is none.
    pub sense: &'a [u8],
    /// The data that the device did send: as many bytes as the completion's `transferred`.
    pub data: &'a [u8],
}

/// A target or logical unit that is not among the units, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// Where. For a whole target its LUN 0.
    pub nexus: Nexus,
    /// Why.
    pub reason: SkipReason,
}

/// Why something is not among the units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SkipReason {
    /// INQUIRY says that no unit is there.
    NotConnected(PeripheralQualifier, DeviceType),
    /// INQUIRY ended without GOOD.
    Failed(Outcome),
    /// INQUIRY ended with this sense key.
    Check(SenseKey, AdditionalSense),
    /// The answer to INQUIRY is too short to mean anything.
    Malformed,
    /// A well known logical unit: it serves the target, not a medium.
    WellKnown,
    /// The target lists more units than are looked at; this is the first one left out.
    TooMany {
        /// Bytes of the list as the device claims them, less the header, in entries.
        listed: u32,
        /// Units looked at.
        permitted: u16,
    },
}

/// What a discovery found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Discovered {
    /// The units by channel, target and logical unit number.
    pub units: Vec<LogicalUnit>,
    /// What is not among them.
    pub skipped: Vec<Skipped>,
}

/// The logical units of some targets, found one answer at a time.
#[derive(Debug)]
pub struct Discovery {
    config: DiscoveryConfig,
    scans: Vec<Scan>,
    found: Discovered,
    /// Probes made so far.
    probes: u32,
    /// The scan that is asked first: each in turn, so that none starves when the caller can send only a few probes.
    turn: usize,
}

impl Discovery {
    /// A discovery of `targets`, as patient as the default.
    pub fn new(targets: &[TargetInfo]) -> Self {
        Self::with_config(targets, DiscoveryConfig::default())
    }

    /// A discovery of `targets`.
    pub fn with_config(targets: &[TargetInfo], config: DiscoveryConfig) -> Self {
        let luns_max = config.luns_max.min((DATA_MAX / 8 - 1) as u16);
        let config = DiscoveryConfig { luns_max, ..config };
        Self {
            config,
            scans: targets.iter().map(Scan::new).collect(),
            found: Discovered::default(),
            probes: 0,
            turn: 0,
        }
    }

    /// The next command to send, or `None` while every target waits for an answer or for time to pass.
    pub fn poll_request(&mut self, now: Instant) -> Option<Probe> {
        let count = self.scans.len();
        let (later, first) = (self.turn.min(count)..count, 0..self.turn.min(count));
        let due = |at: &usize| self.scans[*at].is_due(now);
        let at = later.chain(first).find(due)?;
        self.turn = at + 1;
        let serial = self.probes;
        self.probes = serial.wrapping_add(1);
        let scan = &mut self.scans[at];
        let (nexus, cdb, allocation_length) = scan.begin_probe(serial);
        let id = ProbeId((at as u64) << 32 | u64::from(serial));
        Some(Probe { id, nexus, cdb, timeout: self.config.timeout, allocation_length })
    }

    /// How the probe `id` ended. An answer to a probe that is not out is ignored.
    pub fn handle_completion(&mut self, id: ProbeId, outcome: ProbeOutcome<'_>, now: Instant) {
        let at = usize::try_from(id.0 >> 32).unwrap_or(usize::MAX);
        let Some(scan) = self.scans.get_mut(at) else { return };
        if scan.end_probe(id.0 as u32) {
            scan.handle(&outcome, now, &self.config, &mut self.found);
        }
    }

    /// When [`Self::poll_request`] has something to give although no answer came; `None` while only answers bring news.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.scans.iter().filter_map(Scan::due_at).min()
    }

    /// Whether every target is done with.
    pub fn is_done(&self) -> bool {
        self.scans.iter().all(Scan::is_done)
    }

    /// What was found so far.
    pub const fn found(&self) -> &Discovered {
        &self.found
    }

    /// What was found. Before [`Self::is_done`] that is not all there is.
    pub fn finish(self) -> Discovered {
        self.found
    }
}

impl Skipped {
    const fn new(target: crate::command::TargetId, lun: Lun, reason: SkipReason) -> Self {
        Self { nexus: Nexus::new(target, lun), reason }
    }
}

impl fmt::Display for Skipped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.nexus, self.reason)
    }
}

impl fmt::Display for SkipReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotConnected(qualifier, device_type) => {
                write!(f, "no unit there ({qualifier}, {device_type})")
            }
            Self::Failed(outcome) => write!(f, "inquiry ended with {outcome}"),
            Self::Check(key, additional) => write!(f, "inquiry ended with {key}, {additional}"),
            Self::Malformed => f.write_str("the inquiry data is too short"),
            Self::WellKnown => f.write_str("a well known logical unit"),
            Self::TooMany { listed, permitted } => {
                write!(f, "the target lists {listed} units, {permitted} are looked at")
            }
        }
    }
}

#[cfg(test)]
mod tests;
