//! One run: caller, core, device and disks in virtual time, judged after every event.
//!
//! [`World`] drives the core. Its parts are what each of them owns: the core with its registers ([`Driver`](driver::Driver)),
//! all that is below it ([`Rig`](rig::Rig)), the caller's memory ([`Caller`](caller::Caller)), the faults that are to come
//! ([`Schedule`](schedule::Schedule)) and where the core knows each disk ([`Addresses`](addresses::Addresses)). [`Run`] is the
//! order of events in that world, from the first operation to the audit.

mod addresses;
mod caller;
mod driver;
mod rig;
mod schedule;
mod world;

use core::time::Duration;

use hba_core::dma::RegionBuffer;
use hba_core::port::ControlPort;
use hba_core::time::Instant;

use super::judge::Judge;
use super::oracle::{Oracle, Verdict, Violation, require};
use super::plan::{Kind, Operation, Plan};
use super::tally::{Sometimes, Tally};
use super::text::BLOCKS_MAX;
use super::trouble::Troubled;
use crate::machine::SimRegisters;
use world::World;

type Data = Option<RegionBuffer>;

/// How long everything may take once nothing goes wrong any more: the ladder of recovery with its resets, twice.
const RECOVERY: Duration = Duration::from_secs(400);

/// How a run ended.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// What it did.
    pub tally: Tally,
    /// The trace hash.
    pub hash: u64,
    /// The first oracle that spoke.
    pub violation: Option<Violation>,
}

impl Outcome {
    /// Compares two runs of one plan.
    ///
    /// # Errors
    ///
    /// [`Oracle::Determinism`] where they differ.
    pub fn agrees_with(&self, again: &Self) -> Verdict {
        let (first, second) = (self.hash, again.hash);
        require(first == second, Oracle::Determinism, || {
            format!("hash {first:016x}, then {second:016x}")
        })
    }
}

/// Runs a plan. `port` makes the backend for the machine's registers.
///
/// # Errors
///
/// Text, where the machine cannot be brought up at all.
pub fn run<P: ControlPort, C: Troubled>(
    plan: &Plan,
    port: impl FnOnce(SimRegisters<C>, &Plan) -> P,
) -> Result<Outcome, String> {
    let mut run = Run { world: World::new(plan, port)?, plan };
    let violation = run.live().err().filter(|violation| !run.is_named(violation));
    let Judge { trace, tally, .. } = run.world.judge;
    let hash = trace.value();
    let virtual_time = run.world.rig.now().since(Instant::ZERO);
    Ok(Outcome { tally: Tally { runs: 1, hash, virtual_time, ..tally }, hash, violation })
}

/// The phases of a run: operations under faults, everything healed and examined, the end, the audit.
struct Run<'a, P: ControlPort, C> {
    world: World<P, C>,
    plan: &'a Plan,
}

impl<P: ControlPort, C: Troubled> Run<'_, P, C> {
    fn live(&mut self) -> Verdict {
        if self.plan.options.greet != 0 {
            self.greet()?;
        }
        self.work()?;
        if !self.has_stopped() {
            self.world.heal()?;
            self.world.settle(Oracle::BoundedRecovery)?;
        }
        if !self.has_stopped() {
            self.examine()?;
        }
        self.finish()
    }

    fn has_stopped(&self) -> bool {
        self.world.driver.has_stopped()
    }

    /// Every unit tells of its power-on before the first operation, and no fault strikes meanwhile.
    fn greet(&mut self) -> Verdict {
        let entries = self.world.schedule.set_aside();
        self.everywhere(Kind::Ready)?;
        self.world.schedule.begin(entries, self.world.rig.now());
        Ok(())
    }

    /// The operations of the plan, each as soon as it is accepted, while faults strike.
    fn work(&mut self) -> Verdict {
        let world = &mut self.world;
        world.begin();
        let mut operations = self.plan.operations.iter().peekable();
        let mut fresh = true;
        while let Some(&&op) = operations.peek() {
            fresh = world.attempt(op, fresh)?;
            if fresh {
                operations.next();
            }
            if operations.peek().is_none_or(|next| world.driver.is_full(next.vector)) {
                world.turn()?;
            }
            if world.driver.has_stopped() {
                break;
            }
        }
        Ok(())
    }

    /// After the faults: everything is read, flushed, and read again after a power cut.
    fn examine(&mut self) -> Verdict {
        for _ in 0..2 {
            self.read_all()?;
            self.everywhere(Kind::Flush)?;
            self.world.rig.cut_power(None, 10, &mut self.world.judge);
            self.settle_power()?;
        }
        self.read_all()
    }

    fn settle_power(&mut self) -> Verdict {
        let until = self.world.rig.now() + Duration::from_millis(50);
        while self.world.rig.now() < until || self.world.rig.is_ailing() {
            self.world.turn()?;
        }
        self.world.settle(Oracle::BoundedRecovery)
    }

    fn read_all(&mut self) -> Verdict {
        let options = self.plan.options;
        for unit in 0..options.all_units() {
            for lba in (0..options.blocks).step_by(BLOCKS_MAX as usize) {
                let blocks = BLOCKS_MAX.min(options.blocks - lba);
                self.world.insist(Operation { kind: Kind::Read, unit, lba, blocks, vector: 0 })?;
            }
        }
        Ok(())
    }

    fn everywhere(&mut self, kind: Kind) -> Verdict {
        (0..self.plan.options.all_units()).try_for_each(|unit| {
            self.world.insist(Operation { kind, unit, lba: 0, blocks: 1, vector: 0 })
        })
    }

    /// Ends the adapter in one of several ways unless it has ended already, and looks at what is left.
    fn finish(&mut self) -> Verdict {
        if !self.has_stopped() {
            self.begin_end()?;
        }
        self.tear_down()?;
        self.silence()?;
        self.world.caller.has_all_memory(&self.world.judge)?;
        self.audit()
    }

    /// Shutdown or removal, with commands outstanding or without.
    fn begin_end(&mut self) -> Verdict {
        self.quiet()?;
        if self.plan.options.end > 1 {
            self.be_busy()?;
        }
        self.world.judge.end();
        match self.plan.options.end % 2 {
            0 => self.world.driver.adapter.shutdown(),
            _ => {
                self.world.rig.machine.with_controller(Troubled::remove);
                self.world.driver.adapter.handle_gone();
            }
        }
        Ok(())
    }

    /// The adapter stops, and everything that was accepted has ended.
    fn tear_down(&mut self) -> Verdict {
        let world = &mut self.world;
        let begun = world.rig.now();
        while !world.driver.has_stopped() || world.is_waiting() {
            world.turn()?;
            require(world.rig.now().since(begun) < RECOVERY, Oracle::Teardown, || {
                "the adapter does not stop".into()
            })?;
        }
        world.judge.all_ended()?;
        world.rig.machine.forbid_access();
        Ok(())
    }

    /// As many commands as go in, none of which has ended yet.
    fn be_busy(&mut self) -> Verdict {
        let (world, options) = (&mut self.world, &self.plan.options);
        let most = (options.vectors * options.depth) as usize;
        for op in self.plan.operations.iter().take(most) {
            if world.driver.is_full(op.vector) || !world.submit(*op)? {
                break;
            }
        }
        if world.driver.adapter.outstanding() > 0 {
            world.judge.tally.saw(Sometimes::BusyEnd);
        }
        Ok(())
    }

    /// After the end no register is touched.
    fn silence(&mut self) -> Verdict {
        for _ in 0..4 {
            self.world.turn()?;
        }
        let strays = self.world.rig.machine.stray_accesses();
        require(strays == 0, Oracle::Silence, || format!("{strays} register accesses at the end"))
    }

    /// With no work, nothing is written and nobody wakes up all the time.
    fn quiet(&mut self) -> Verdict {
        let world = &mut self.world;
        for _ in 0..4 {
            world.turn()?;
        }
        let (before, begun) = (world.rig.machine.register_count(), world.rig.now());
        let mut polls = 0;
        while world.rig.now().since(begun) < Duration::from_secs(5) {
            world.turn()?;
            polls += 1;
        }
        let writes = world.rig.machine.register_count().writes - before.writes;
        require(writes == 0 && polls <= 200, Oracle::Quiet, || {
            format!("{writes} register writes and {polls} polls in 5 s without work")
        })
    }

    /// Whether the audit names a disk that is behind the violation: it broke its promise, not the driver.
    fn is_named(&mut self, violation: &Violation) -> bool {
        let of_disks = [
            Oracle::DurableFloor,
            Oracle::NoRevert,
            Oracle::FuaDurable,
            Oracle::ReadData,
            Oracle::Visible,
        ];
        let unit = violation.unit.filter(|_| !self.plan.is_honest());
        unit.is_some_and(|unit| {
            of_disks.contains(&violation.oracle) && self.world.rig.lies(unit) > 0
        }) && self.audit().is_ok()
    }

    /// Names the disks that broke their promise.
    fn audit(&mut self) -> Verdict {
        let World { rig, judge, .. } = &mut self.world;
        let units = 0..self.plan.options.all_units();
        judge.tally.liars += units.filter(|unit| rig.lies(*unit) > 0).count() as u64;
        require(!self.plan.is_honest() || judge.tally.liars == 0, Oracle::FuaDurable, || {
            "an honest disk is named by the audit".into()
        })
    }
}

#[cfg(test)]
mod tests;
