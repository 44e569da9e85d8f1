//! The result, for people and for programs.

use core::time::Duration;

use serde::Serialize;

use super::{Measured, Plan};
use crate::controller::ControllerSpec;
use crate::size::human;

/// What was measured.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Report {
    controller: &'static str,
    /// Whether the simulator's own work is in the figures.
    simulated: bool,
    /// Whether the compiler was not asked for speed: the figures are of no use then.
    debug_build: bool,
    /// Which clock the figures are of: always `wall`.
    clock: &'static str,
    mode: String,
    /// Bytes of a command.
    bytes: u32,
    /// Commands outstanding on each vector.
    depth: u16,
    vectors: u16,
    disks: usize,
    warm_up_seconds: f64,
    seconds: f64,
    commands: u64,
    reads: u64,
    writes: u64,
    /// Times that a disk had no room for a command.
    busy: u64,
    bytes_moved: u64,
    pub(super) iops: f64,
    /// In millions of bytes.
    pub(super) megabytes_per_second: f64,
    /// Wall time divided by commands, of all vectors together.
    pub(super) ns_per_command: f64,
    pub(super) latency_ns: Latency,
    timeline: Timeline,
}

/// From submit to the end, in nanoseconds.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Latency {
    pub(super) min: u64,
    pub(super) mean: f64,
    pub(super) p50: u64,
    pub(super) p90: u64,
    pub(super) p99: u64,
    pub(super) p99_9: u64,
    pub(super) max: u64,
}

#[derive(Clone, Debug, Serialize)]
struct Timeline {
    interval_ms: f64,
    /// Commands that ended in each interval; the last may be shorter.
    commands: Vec<u64>,
}

impl Report {
    pub(super) fn new(controller: ControllerSpec, plan: &Plan, measured: &Measured) -> Self {
        let tally = &measured.tally;
        let (commands, seconds) = (tally.commands(), plan.duration.as_secs_f64());
        let bytes_moved = commands * u64::from(plan.bytes);
        let quantile = |q| tally.latency.value_at_quantile(q);
        Self {
            controller: controller.name(),
            simulated: controller.is_simulated(),
            debug_build: cfg!(debug_assertions),
            clock: "wall",
            mode: plan.mode.to_string(),
            bytes: plan.bytes,
            depth: plan.depth,
            vectors: plan.vectors,
            disks: plan.units.len(),
            warm_up_seconds: plan.warm_up.as_secs_f64(),
            seconds,
            commands,
            reads: tally.reads,
            writes: tally.writes,
            busy: tally.busy,
            bytes_moved,
            iops: commands as f64 / seconds,
            megabytes_per_second: bytes_moved as f64 / 1e6 / seconds,
            ns_per_command: seconds * 1e9 / commands as f64,
            latency_ns: Latency {
                min: tally.latency.min(),
                mean: tally.latency.mean(),
                p50: quantile(0.5),
                p90: quantile(0.9),
                p99: quantile(0.99),
                p99_9: quantile(0.999),
                max: tally.latency.max(),
            },
            timeline: Timeline {
                interval_ms: tally.interval.as_secs_f64() * 1e3,
                commands: tally.timeline.clone(),
            },
        }
    }

    /// Controller and commands in a few words.
    pub(super) fn subject(&self) -> String {
        let Self { controller, mode, bytes, depth, vectors, disks, .. } = self;
        let plural = |count: usize| if count == 1 { "" } else { "s" };
        format!(
            "{controller}, {mode}, {}, depth {depth}, {vectors} vector{}, {disks} disk{}",
            human((*bytes).into()),
            plural((*vectors).into()),
            plural(*disks)
        )
    }

    /// Whose time it is.
    pub(super) fn clock(&self) -> String {
        let whose = if self.simulated {
            "the simulated controller and disks work on this machine's processors, and in this time"
        } else {
            "the emulated controller and its disks take their part of it"
        };
        format!("{} s of wall time; {whose}", self.seconds)
    }

    pub(super) fn lines(&self) -> Vec<String> {
        let Self { commands, reads, writes, latency_ns, .. } = self;
        let mut lines = vec![
            format!("measured   {}", self.clock()),
            format!("commands   {commands}: {reads} reads, {writes} writes"),
            format!("rate       {:.0} IOPS, {:.1} MB/s", self.iops, self.megabytes_per_second),
            format!("each       {:.0} ns of wall time", self.ns_per_command),
            format!(
                "latency    p50 {}, p90 {}, p99 {}, p99.9 {}, max {}",
                time(latency_ns.p50),
                time(latency_ns.p90),
                time(latency_ns.p99),
                time(latency_ns.p99_9),
                time(latency_ns.max)
            ),
        ];
        if self.debug_build {
            lines.push("attention  this is a debug build: cargo run --release -- bench".to_owned());
        }
        if self.busy > 0 {
            lines.push(format!("no room    {} times: the command was sent again", self.busy));
        }
        lines
    }
}

/// A time in nanoseconds with three digits and a unit.
pub(super) fn time(nanos: u64) -> String {
    let (value, unit) = match nanos {
        0..1_000 => return format!("{nanos} ns"),
        1_000..1_000_000 => (nanos as f64 / 1e3, "µs"),
        1_000_000..1_000_000_000 => (nanos as f64 / 1e6, "ms"),
        _ => (Duration::from_nanos(nanos).as_secs_f64(), "s"),
    };
    let decimals = if value < 10.0 {
        2
    } else if value < 100.0 {
        1
    } else {
        0
    };
    format!("{value:.decimals$} {unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_three_digits() {
        let all = [999, 1_000, 12_340, 123_456, 7_000_000, 2_500_000_000].map(time);
        assert_eq!(all, ["999 ns", "1.00 µs", "12.3 µs", "123 µs", "7.00 ms", "2.50 s"]);
    }
}
