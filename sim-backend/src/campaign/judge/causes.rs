//! What goes wrong, as far as the caller knows of it: what excuses a command, and O25: the first cause of a failure is the one
//! that the caller is told.

use core::time::Duration;

use hba_core::command::Failure;
use hba_core::time::Instant;

use crate::campaign::flight::Flight;
use crate::campaign::ledger::Moment;
use crate::campaign::oracle::{Oracle, Verdict, require};
use crate::campaign::plan::{Fault, Options};

/// For how long a function may wait in the controller: longer than it can stand still.
const FUNCTION: Duration = Duration::from_secs(10);

/// What ends commands and delays them.
pub(super) struct Causes {
    /// Nothing goes wrong any more.
    pub(super) healed: bool,
    /// A fault that is not one disk's own struck, or everything was healed, and it may still have an effect.
    pub(super) troubled: bool,
    /// The moment since when it may not: what was submitted before it is not judged by its time.
    calm_since: Moment,
    /// Disks with faults of their own.
    sick: Vec<bool>,
    units_per_disk: u32,
    /// A disk said nothing, so that commands were ended by their deadlines.
    silent: bool,
    /// What a disk reports reaches the caller: nothing but power and disks went wrong yet.
    pub(super) reports_kept: bool,
    /// When a function was last sent that ends commands of each unit.
    functions: Vec<Option<Instant>>,
    timeout: Duration,
    pub(super) recovering: bool,
    /// Resets of the controller that have begun, and those that have ended.
    resets: u32,
    resetting: bool,
    pub(super) epoch: u32,
    pub(super) given_up: bool,
    /// The adapter is shut down or removed.
    ending: bool,
}

impl Causes {
    pub(super) fn new(options: &Options) -> Self {
        Self {
            healed: false,
            troubled: false,
            calm_since: 0,
            sick: vec![false; options.disks as usize],
            units_per_disk: options.units,
            silent: false,
            reports_kept: true,
            functions: vec![None; options.all_units() as usize],
            timeout: Duration::from_millis(options.timeout.into()),
            recovering: false,
            resets: 0,
            resetting: false,
            epoch: 0,
            given_up: false,
            ending: false,
        }
    }

    /// A fault strikes a unit, its disk or everything.
    pub(super) fn injected(&mut self, fault: Fault, unit: u32) {
        let silent = fault == Fault::HoldDisk;
        self.silent |= silent;
        self.reports_kept &= !silent && (fault.is_power_cut() || fault.is_of_one_disk());
        match fault.is_of_one_disk() {
            true => self.sick[(unit / self.units_per_disk) as usize] = true,
            false => self.troubled = true,
        }
    }

    /// Everything was healed: what went wrong before may have an effect for a while.
    pub(super) const fn heal(&mut self, faults: u64) {
        self.healed = true;
        self.troubled |= faults > 0;
    }

    /// Nothing of what went wrong is left.
    pub(super) fn calm_down(&mut self, now: Moment) {
        self.troubled = false;
        self.calm_since = now;
        if self.healed {
            self.sick.fill(false);
            self.silent = false;
        }
    }

    /// The end comes: from now on nothing is in time.
    pub(super) const fn end(&mut self) {
        self.troubled = true;
        self.ending = true;
    }

    /// A function is sent that ends the commands of a unit.
    pub(super) fn function(&mut self, unit: u32, now: Instant) {
        self.functions[unit as usize] = Some(now);
    }

    /// A ladder of recovery is begun.
    pub(super) const fn recovery_begun(&mut self) {
        self.recovering = true;
        self.reports_kept = false;
    }

    /// A reset of the controller is begun.
    pub(super) const fn reset_begun(&mut self) {
        self.reports_kept = false;
        self.troubled = true;
        self.resets += 1;
        self.resetting = true;
    }

    /// The controller works, for the first time or again.
    pub(super) const fn operational(&mut self) {
        self.epoch += 1;
        (self.recovering, self.resetting) = (false, false);
    }

    /// Notes with a submit what came before it. A queue that is about to stop for a reset still takes commands.
    pub(super) fn date(&self, flight: &mut Flight) {
        flight.epoch = self.epoch;
        flight.resets = self.resets - u32::from(self.resetting);
    }

    /// Whether its deadline has passed.
    pub(super) fn is_late(&self, flight: &Flight, now: Instant) -> bool {
        now > flight.at + self.timeout
    }

    /// Whether commands may have been taken from the device: it does not execute them any more.
    pub(super) const fn take_away(&self) -> bool {
        self.troubled || self.silent
    }

    /// Whether what is not one disk's own may have had an effect on a command.
    pub(super) const fn trouble(&self, flight: &Flight) -> bool {
        self.troubled || flight.issued < self.calm_since
    }

    /// Whether nothing excuses that a command takes long.
    pub(super) fn is_well(&self, flight: &Flight) -> bool {
        let disk = flight.op.unit / self.units_per_disk;
        !self.trouble(flight) && !self.sick[disk as usize]
    }

    /// Whether any disk is sick.
    pub(super) fn any_sick(&self) -> bool {
        self.sick.contains(&true)
    }

    /// Whether what the caller is told is what happened, and happened first.
    pub(super) fn explain(&self, flight: &Flight, failure: Failure, now: Instant) -> Verdict {
        let why = match failure {
            Failure::TimedOut if now < flight.at + self.timeout => "its deadline had not passed",
            Failure::Reset if flight.expired => "its deadline had passed before",
            Failure::Reset if flight.resets == self.resets => "the controller was not reset",
            Failure::Aborted if flight.expired && !flight.aborted && !self.ending => {
                "its deadline had passed before"
            }
            Failure::Aborted if !self.abort(flight) => "nobody aborted it",
            Failure::ControllerGone if !self.ending => "the controller is there",
            Failure::ControllerFailed if !self.given_up => "nobody gave the controller up",
            Failure::Overrun
            | Failure::DataError
            | Failure::Protocol
            | Failure::Refused
            | Failure::Busy
            | Failure::BadReply
            | Failure::Offline
            | Failure::DeviceNotPresent
                if !self.trouble(flight) =>
            {
                "nothing was wrong but its disk"
            }
            _ => return Ok(()),
        };
        require(false, Oracle::FirstCause, || {
            format!("{:?} ends as {failure}, and {why}", flight.op)
        })
    }

    /// Whether somebody may have aborted it.
    fn abort(&self, flight: &Flight) -> bool {
        let function = self.functions[flight.op.unit as usize];
        let function = function.is_some_and(|at| at + FUNCTION > flight.at);
        flight.aborted || function || self.ending || self.trouble(flight)
    }
}
