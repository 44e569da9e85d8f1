//! All that is below the core: machine, disks, reply path. What can go wrong in it, and what ends by itself.

mod ailment;

use alloc::sync::Arc;
use core::time::Duration;
use std::sync::{Mutex, MutexGuard, PoisonError};

use hba_core::time::Instant;

use crate::campaign::injector::Injections;
use crate::campaign::judge::Judge;
use crate::campaign::oracle::Verdict;
use crate::campaign::plan::{Entry, Fault, Options, Plan};
use crate::campaign::trouble::Troubled;
use crate::campaign::watched::{Seen, Watched};
use crate::disk::{DiskConfig, SimDisk};
use crate::machine::SimMachine;
use crate::memory::SimMemory;
use crate::target::{SasAddress, Target};

/// The longest sleep: a lost interrupt costs no more.
const SLEEP: Duration = Duration::from_millis(100);

/// The machine of a run.
pub(super) struct Rig<C> {
    pub(super) machine: SimMachine<C>,
    /// What goes wrong between the device and the core.
    pub(super) injections: Injections,
    disks: Vec<Arc<Mutex<Watched>>>,
    /// Disks that were pulled out.
    pulled: Vec<bool>,
    ailing: Vec<Ailing>,
    units_per_disk: u32,
    budget: u32,
}

/// A fault that ends by itself.
struct Ailing {
    until: Instant,
    fault: Fault,
    disk: u32,
}

impl<C: Troubled> Rig<C> {
    pub(super) fn new(plan: &Plan) -> Result<Self, String> {
        let options = &plan.options;
        let memory = SimMemory::new(64 << 20);
        let controller = C::assemble(options, plan.seed, memory.device());
        let mut rig = Self {
            machine: SimMachine::new(controller, memory),
            injections: Injections::default(),
            disks: Vec::new(),
            pulled: vec![false; options.disks as usize],
            ailing: Vec::new(),
            units_per_disk: options.units,
            budget: options.budget,
        };
        (0..options.disks).try_for_each(|index| rig.add_disk(index, options, plan.seed))?;
        Ok(rig)
    }

    fn add_disk(&mut self, index: u32, options: &Options, seed: u64) -> Result<(), String> {
        let config = disk_config(index, options, seed);
        let disk = SimDisk::new(&config).map_err(|error| error.to_string())?;
        let disk = Arc::new(Mutex::new(Watched::new(disk)));
        self.machine
            .attach(index as usize, disk.clone())
            .map_err(|error| format!("disk {index}: {error}"))?;
        self.disks.push(disk);
        Ok(())
    }

    pub(super) fn now(&self) -> Instant {
        self.machine.now()
    }

    /// Lets the controller work; says how much it did.
    pub(super) fn work(&self) -> u32 {
        self.machine.run(self.budget).done
    }

    /// Moves the clock to the next thing that happens, here or among `events`, and lets the controller work.
    pub(super) fn sleep(&self, events: impl IntoIterator<Item = Instant>) {
        let now = self.now();
        let events = events.into_iter().chain(self.machine.next_due());
        let events = events.chain(self.ailing.iter().map(|ailing| ailing.until));
        let until = events.filter(|at| *at > now).min().unwrap_or(now + SLEEP);
        self.machine.set_now(until.min(now + SLEEP));
        self.work();
    }

    /// The names of the disks.
    pub(super) fn names(&self) -> impl Iterator<Item = SasAddress> {
        self.disks.iter().map(|disk| locked(disk).disk.sas_address())
    }

    /// Shows what each unit executed since the last time; units are counted over all disks.
    pub(super) fn show_executed(&self, mut show: impl FnMut(u32, &Seen) -> Verdict) -> Verdict {
        for (first, disk) in (0..).step_by(self.units_per_disk as usize).zip(&self.disks) {
            let mut watched = locked(disk);
            watched.log.drain(..).try_for_each(|seen| show(first + u32::from(seen.lun), &seen))?;
        }
        Ok(())
    }

    /// How often a unit did not keep its promise.
    pub(super) fn lies(&self, unit: u32) -> u64 {
        let (disk, unit) = (unit / self.units_per_disk, unit % self.units_per_disk);
        let mut watched = locked(&self.disks[disk as usize]);
        watched.disk.unit(unit as usize).map_or(0, |unit| unit.lies().total())
    }

    /// Whether something lasts that ends by itself.
    pub(super) const fn is_ailing(&self) -> bool {
        !self.ailing.is_empty()
    }

    /// Whether nothing of what went wrong is left here.
    pub(super) fn is_sound(&self) -> bool {
        !self.is_ailing()
            && self.injections.are_spent()
            && self.machine.with_controller(|controller| controller.is_sound())
    }

    /// A fault of disks, controller or reply path strikes `unit` or its disk.
    pub(super) fn strike(&mut self, entry: Entry, unit: u32, judge: &mut Judge) {
        let Entry { fault, count, .. } = entry;
        let disk = unit / self.units_per_disk;
        match fault {
            Fault::PowerCut => self.cut_power(None, count, judge),
            Fault::DiskPowerCut => self.cut_power(Some(disk), count, judge),
            Fault::PullDisk => self.pull(disk, count, judge),
            Fault::HoldDisk => {
                self.machine.hold(disk as usize, true);
                self.later(fault, disk, count);
            }
            Fault::Freeze => {
                self.machine.with_controller(|c| c.trouble(fault, count));
                self.later(fault, disk, count);
            }
            Fault::Blind => self.injections.blind(count),
            Fault::Swallow => self.injections.swallow(count),
            Fault::NoFrames => self.injections.no_frames(count),
            _ => {
                self.machine.with_controller(|c| c.trouble(fault, count));
                let mut watched = locked(&self.disks[disk as usize]);
                if let Some(mut unit) = watched.disk.unit((unit % self.units_per_disk) as usize) {
                    ailment::trouble(&mut unit, entry);
                }
            }
        }
    }

    /// Cuts the power of one disk or of all, for a time.
    pub(super) fn cut_power(&mut self, disk: Option<u32>, millis: u32, judge: &mut Judge) {
        let (fault, disks) = match disk {
            Some(disk) => (Fault::DiskPowerCut, disk..disk + 1),
            None => (Fault::PowerCut, 0..self.disks.len() as u32),
        };
        let mut cached = 0;
        for disk in disks {
            cached += self.cached_blocks(disk);
            self.machine.set_target_power(disk as usize, false);
            (0..self.units_per_disk).for_each(|u| judge.power_cut(disk * self.units_per_disk + u));
        }
        judge.cut_met(cached);
        self.later(fault, disk.unwrap_or(0), millis);
    }

    /// Blocks in the caches of a disk's units.
    fn cached_blocks(&self, disk: u32) -> u64 {
        let mut watched = locked(&self.disks[disk as usize]);
        let units = 0..watched.disk.units();
        let cached = units.filter_map(|u| watched.disk.unit(u).map(|unit| unit.cached_blocks()));
        cached.map(u64::from).sum()
    }

    /// A disk is pulled out: its commands end as the controller has it, and its cache is lost.
    fn pull(&mut self, disk: u32, millis: u32, judge: &mut Judge) {
        if core::mem::replace(&mut self.pulled[disk as usize], true) {
            return;
        }
        self.cut_power(Some(disk), millis, judge);
        drop(self.machine.detach(disk as usize));
        self.later(Fault::PullDisk, disk, millis);
    }

    /// And is put back.
    fn plug(&mut self, slot: usize) {
        if core::mem::take(&mut self.pulled[slot]) {
            locked(&self.disks[slot]).disk.power_on();
            // The slot is its own.
            let _ = self.machine.attach(slot, self.disks[slot].clone());
        }
    }

    fn later(&mut self, fault: Fault, disk: u32, millis: u32) {
        let until = self.now() + Duration::from_millis(millis.max(1).into());
        self.ailing.push(Ailing { until, fault, disk });
    }

    /// Ends what has lasted long enough.
    pub(super) fn recover(&mut self) {
        let now = self.now();
        while let Some(at) = self.ailing.iter().position(|ailing| ailing.until <= now) {
            let Ailing { fault, disk, .. } = self.ailing.swap_remove(at);
            self.end(fault, disk as usize);
        }
    }

    fn end(&mut self, fault: Fault, slot: usize) {
        match fault {
            Fault::PowerCut => {
                (0..self.disks.len()).for_each(|slot| self.machine.set_target_power(slot, true));
            }
            Fault::DiskPowerCut => self.machine.set_target_power(slot, true),
            Fault::PullDisk => self.plug(slot),
            Fault::HoldDisk => self.machine.hold(slot, false),
            _ => self.machine.with_controller(Troubled::heal),
        }
    }

    /// Everything is well from now on.
    pub(super) fn heal(&mut self, judge: &mut Judge) {
        self.injections.heal();
        self.machine.with_controller(Troubled::heal);
        for slot in 0..self.disks.len() {
            self.machine.hold(slot, false);
            self.heal_units(slot, judge);
            self.machine.set_target_power(slot, true);
            self.plug(slot);
        }
        self.ailing.clear();
    }

    /// What a unit has not told yet of lost data it does not tell any more.
    fn heal_units(&self, slot: usize, judge: &mut Judge) {
        let mut watched = locked(&self.disks[slot]);
        for (number, index) in (slot as u32 * self.units_per_disk..).zip(0..watched.disk.units()) {
            let Some(mut unit) = watched.disk.unit(index) else { continue };
            if unit.has_deferred_error() {
                judge.lost(number);
            }
            unit.clear_faults();
        }
    }
}

fn disk_config(index: u32, options: &Options, seed: u64) -> DiskConfig {
    DiskConfig {
        logical_units: options.units as u16,
        write_cache: options.write_cache != 0,
        non_volatile_cache: options.non_volatile != 0,
        battery: options.battery != 0,
        sync_progress: options.sync_progress.min(2) as u8,
        cache_blocks: options.cache_blocks,
        lying_flush: options.lying_flush != 0,
        lying_fua: options.lying_fua != 0,
        power_cut: options.power_cut(),
        seed: seed ^ u64::from(index) << 40,
        ..DiskConfig::nth(index, options.blocks.into())
    }
}

fn locked(disk: &Mutex<Watched>) -> MutexGuard<'_, Watched> {
    disk.lock().unwrap_or_else(PoisonError::into_inner)
}
