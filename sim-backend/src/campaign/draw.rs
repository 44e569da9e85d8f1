//! From a seed to a plan: each run is another kind of run.

use core::str::FromStr;

use super::plan::{Entry, Fault, Kind, Operation, Options, Plan, Site};
use super::text::BLOCKS_MAX;
use crate::schedule::SplitMix64;

/// What a campaign is about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Profile {
    /// Everything that the promise covers, each run with its own subset.
    #[default]
    Swarm,
    /// No faults: core and model agree on every completion.
    Calm,
    /// One sick disk beside healthy ones.
    Sick,
    /// Power cuts, flushes and FUA above all.
    Power,
    /// Disks that answer a flush or FUA without doing it: the audit has to name each.
    Liars,
    /// Fast: what a soak of many commands runs.
    Soak,
}

impl Profile {
    /// All of them, with their names.
    pub const ALL: [(&'static str, Self); 6] = [
        ("swarm", Self::Swarm),
        ("calm", Self::Calm),
        ("sick", Self::Sick),
        ("power", Self::Power),
        ("liars", Self::Liars),
        ("soak", Self::Soak),
    ];
}

impl Profile {
    /// The name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        let mut at = 0;
        while Self::ALL[at].1 as u8 != self as u8 {
            at += 1;
        }
        Self::ALL[at].0
    }
}

impl FromStr for Profile {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let found = Self::ALL.iter().find(|(known, _)| *known == name);
        found.map(|(_, profile)| *profile).ok_or_else(|| {
            let names: Vec<_> = Self::ALL.iter().map(|(known, _)| *known).collect();
            format!("the profiles are {}", names.join(", "))
        })
    }
}

/// What the controller of the campaign bears.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capacity {
    /// Most vectors.
    pub vectors: u32,
    /// Faults that its model knows.
    pub faults: &'static [Fault],
}

/// Faults that every controller can have.
pub const COMMON: &[Fault] = &[
    Fault::PowerCut,
    Fault::DiskPowerCut,
    Fault::LoseReply,
    Fault::DuplicateReply,
    Fault::StaleReply,
    Fault::SwallowTask,
    Fault::FailTask,
    Fault::Freeze,
    Fault::ControllerFault,
    Fault::HoldDisk,
    Fault::Busy,
    Fault::TaskSetFull,
    Fault::ShortData,
    Fault::ReadError,
    Fault::WriteError,
    Fault::FlushError,
    Fault::Deferred,
    Fault::Attention,
    Fault::CacheChange,
    Fault::BatteryFailure,
    Fault::MisdirectedWrite,
    Fault::ShornWrite,
    Fault::Abort,
    Fault::UnitReset,
    Fault::Reset,
    Fault::ClockJump,
    Fault::Blind,
    Fault::Swallow,
    Fault::NoFrames,
    Fault::PullDisk,
];

/// Faults of `sim:direct` besides.
pub const DIRECT: &[Fault] = Fault::ALL;

/// Draws the plan of a seed.
#[must_use]
pub fn draw(seed: u64, profile: Profile, capacity: Capacity) -> Plan {
    let mut streams = SplitMix64::new(seed ^ 0x5eed_0000 ^ (profile as u64) << 56);
    // One stream for each part: another draw in one does not shift the others.
    let mut machine = SplitMix64::new(streams.draw());
    let mut work = SplitMix64::new(streams.draw());
    let mut trouble = SplitMix64::new(streams.draw());
    let mut disks = SplitMix64::new(streams.draw());
    let mut options = options(&mut machine, profile, capacity);
    describe_disks(&mut disks, profile, &mut options);
    let operations = operations(&mut work, profile, &options);
    let schedule = schedule(&mut trouble, profile, capacity, &options, operations.len() as u32);
    Plan { seed, options, operations, schedule }
}

fn between(prng: &mut SplitMix64, low: u32, high: u32) -> u32 {
    low + prng.below(u64::from(high - low) + 1) as u32
}

fn one_in(prng: &mut SplitMix64, n: u64) -> bool {
    prng.below(n) == 0
}

fn options(prng: &mut SplitMix64, profile: Profile, capacity: Capacity) -> Options {
    let soak = profile == Profile::Soak;
    let (slow, bursty) = (one_in(prng, 4), one_in(prng, 4));
    let latency_min = if bursty { 0 } else { between(prng, 0, 50) };
    let spread = if slow { 50_000 } else { 200 };
    Options {
        vectors: between(prng, 1, capacity.vectors.clamp(1, 4)),
        depth: between(prng, 1, 24),
        disks: if profile == Profile::Sick { between(prng, 2, 4) } else { between(prng, 1, 3) },
        units: if one_in(prng, 3) { 2 } else { 1 },
        blocks: between(prng, 1, 32),
        write_cache: u32::from(!one_in(prng, 5) || profile == Profile::Liars),
        non_volatile: u32::from(one_in(prng, 10) && profile != Profile::Liars),
        battery: 0,
        sync_progress: 0,
        cache_blocks: between(prng, 1, 64),
        lying_flush: u32::from(profile == Profile::Liars && one_in(prng, 2)),
        lying_fua: u32::from(profile == Profile::Liars && one_in(prng, 2)),
        // A block that is torn breaks a disk's promise.
        cut: between(prng, 0, if profile == Profile::Liars { 4 } else { 3 }),
        latency_min,
        latency_max: latency_min + between(prng, 0, spread),
        reorder: u32::from(!one_in(prng, 4)),
        batch: if soak { 64 } else { [1, 2, 8, 64][prng.below(4) as usize] },
        timeout: between(prng, 500, 3000),
        budget: if soak { 256 } else { [1, 4, 64, 1024][prng.below(4) as usize] },
        resets: 255,
        calm: u32::from(profile == Profile::Calm),
        end: [0, 0, 1, 2, 3][prng.below(5) as usize],
        greet: u32::from(!one_in(prng, 4)),
    }
}

/// What else there is to disks, and how many resets the core puts up with.
fn describe_disks(prng: &mut SplitMix64, profile: Profile, options: &mut Options) {
    let battery = one_in(prng, 2);
    options.battery = u32::from(options.non_volatile != 0 && battery);
    // SYNC_PROG 10b ends commands although nothing goes wrong.
    let most = if profile == Profile::Calm { 1 } else { 2 };
    options.sync_progress = if one_in(prng, 2) { between(prng, 0, most) } else { 0 };
    if one_in(prng, 8) {
        options.resets = between(prng, 1, 3);
    }
}

fn operations(prng: &mut SplitMix64, profile: Profile, options: &Options) -> Vec<Operation> {
    // Each run sees its own mix of commands, with about half of the kinds left out.
    let mut mix: Vec<(Kind, u64)> = Vec::new();
    for kind in Kind::ALL {
        let always = matches!(kind, Kind::Write | Kind::Read);
        let durable = matches!(profile, Profile::Power | Profile::Liars);
        let wanted = always || durable && (kind.is_flush() || *kind == Kind::WriteFua);
        if wanted || one_in(prng, 2) {
            let weight = if always { 8 } else { 1 };
            mix.push((*kind, weight + prng.below(weight * 2)));
        }
    }
    // Who asks for the truth has to acknowledge it now and then, or no flush succeeds any more.
    if mix.iter().any(|(kind, _)| *kind == Kind::FlushTyped) {
        mix.retain(|(kind, _)| *kind != Kind::Acknowledge);
        mix.push((Kind::Acknowledge, 1));
    }
    let total: u64 = mix.iter().map(|(_, weight)| weight).sum();
    let count = if profile == Profile::Soak { 4000 } else { between(prng, 50, 600) };
    let widest = between(prng, 1, BLOCKS_MAX).min(options.blocks);
    let operation = |_| {
        let mut ticket = prng.below(total);
        let drawn = mix.iter().find(|(_, weight)| {
            let hit = ticket < *weight;
            ticket = ticket.saturating_sub(*weight);
            hit
        });
        let kind = drawn.map_or(Kind::Read, |(kind, _)| *kind);
        let blocks = between(prng, 1, widest);
        Operation {
            kind,
            unit: prng.below(options.all_units().into()) as u32,
            lba: prng.below(u64::from(options.blocks - blocks) + 1) as u32,
            blocks,
            vector: prng.below(options.vectors.into()) as u32,
        }
    };
    (0..count).map(operation).collect()
}

fn schedule(
    prng: &mut SplitMix64,
    profile: Profile,
    capacity: Capacity,
    options: &Options,
    operations: u32,
) -> Vec<Entry> {
    if profile == Profile::Calm {
        return Vec::new();
    }
    // A non-volatile cache promises more than a medium that fails can keep.
    let promised = |fault: &Fault| match fault {
        Fault::WriteError | Fault::CacheChange => options.non_volatile == 0,
        Fault::BatteryFailure => options.may_degrade(),
        fault if fault.is_lie() => profile == Profile::Liars,
        _ => true,
    };
    // About half of what could go wrong does not, in any one run.
    let classes: Vec<_> = capacity
        .faults
        .iter()
        .copied()
        .filter(promised)
        .filter(|fault| match profile {
            Profile::Sick => fault.is_of_one_disk(),
            Profile::Power => fault.is_power_cut() || *fault == Fault::BatteryFailure,
            Profile::Liars => fault.is_power_cut() || fault.is_lie(),
            Profile::Soak => fault.is_power_cut() || one_in(prng, 3),
            _ => one_in(prng, 2),
        })
        .collect();
    if classes.is_empty() {
        return Vec::new();
    }
    let count = match profile {
        Profile::Soak => operations / 80,
        Profile::Power | Profile::Liars => between(prng, 1, 6),
        _ => between(prng, 1, 2 + operations / 40),
    };
    let sick = prng.below(options.all_units().into()) as u32;
    let entry = |_| {
        let fault = classes[prng.below(classes.len() as u64) as usize];
        let site = Site::ALL[prng.below(Site::ALL.len() as u64) as usize];
        let nth = match site {
            Site::Flush | Site::Flushed => between(prng, 1, operations / 8 + 1),
            Site::Recovering => between(prng, 1, 8),
            Site::Time => between(prng, 0, operations),
            _ => between(prng, 1, operations),
        };
        let count = match fault {
            Fault::ClockJump => between(prng, 1, 10_000_000),
            fault if fault.lasts() => between(prng, 1, 4000),
            _ => between(prng, 1, 3),
        };
        let unit = match profile {
            Profile::Sick => sick,
            _ => prng.below(options.all_units().into()) as u32,
        };
        Entry { site, nth, fault, unit, count }
    };
    (0..count).map(entry).collect()
}
