//! The picture: latency percentiles on the left, throughput over time on the right.

use core::fmt::Write as _;

use super::axis::{Axis, Tick};
use super::report::{Report, time};
use super::tally::Tally;

/// One curve and its axes, in a rectangle of the picture.
struct Panel {
    left: f64,
    x: Axis,
    y: Axis,
}

/// The picture as an SVG document.
pub(super) fn svg(report: &Report, tally: &Tally) -> String {
    let mut svg = String::new();
    // Writing to a string does not fail.
    let _ = write!(
        svg,
        r##"<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}" role="img">
<title>hba bench on {subject}</title>
<style>
text {{ font: 13px "Inter", "Helvetica Neue", "DejaVu Sans", Arial, sans-serif; fill: #475569 }}
.title {{ font-size: 21px; font-weight: 600; fill: #0f172a }}
.number {{ font-size: 22px; font-weight: 600; fill: #0f172a }}
.heading {{ font-size: 15px; font-weight: 600; fill: #0f172a }}
.note {{ font-size: 12px; fill: #64748b }}
.grid {{ stroke: #e2e8f0; stroke-width: 1 }}
.axis {{ stroke: #94a3b8; stroke-width: 1 }}
.curve {{ fill: none; stroke-width: 2.5; stroke-linejoin: round; stroke-linecap: round }}
.mean {{ stroke-width: 1.5; stroke-dasharray: 5 5 }}
.halo {{ paint-order: stroke; stroke: #ffffff; stroke-width: 4px; stroke-linejoin: round; fill: #0f172a }}
</style>
<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>
<text class="title" x="{MARGIN}" y="46">hba bench on {subject}</text>
<text class="note" x="{MARGIN}" y="68">{clock}</text>
"##,
        subject = report.subject(),
        clock = report.clock(),
    );
    numbers(&mut svg, report);
    latency(&mut svg, report, tally);
    throughput(&mut svg, report, tally);
    svg.push_str("</svg>\n");
    svg
}

/// The figures that matter, in a row.
fn numbers(svg: &mut String, report: &Report) {
    let latency = &report.latency_ns;
    let figures = [
        (count(report.iops), "IOPS"),
        (format!("{:.0}", report.megabytes_per_second), "MB/s"),
        (time(report.ns_per_command as u64), "for each command"),
        (time(latency.p50), "median latency"),
        (time(latency.p99), "99th percentile"),
        (time(latency.p99_9), "99.9th percentile"),
        (time(latency.max), "longest"),
    ];
    let step = (WIDTH - 2.0 * MARGIN) / figures.len() as f64;
    for (at, (number, what)) in figures.iter().enumerate() {
        let x = MARGIN + step * at as f64;
        let _ = writeln!(svg, r#"<text class="number" x="{x:.1}" y="116">{number}</text>"#);
        let _ = writeln!(svg, r#"<text class="note" x="{x:.1}" y="135">{what}</text>"#);
    }
}

/// Each further nine takes as much room as the one before.
fn latency(svg: &mut String, report: &Report, tally: &Tally) {
    let nines = (tally.commands().max(10) as f64).log10().clamp(1.0, 5.0);
    let curve: Vec<_> = (0..=STEPS)
        .map(|step| nines * f64::from(step) / f64::from(STEPS))
        .map(|nines| (nines, tally.latency.value_at_quantile(1.0 - 10f64.powf(-nines)) as f64))
        .collect();
    let (low, high) = (report.latency_ns.min.max(1) as f64, report.latency_ns.max.max(2) as f64);
    let percent = [
        (core::f64::consts::LOG10_2, "50 %"),
        (1.0, "90 %"),
        (2.0, "99 %"),
        (3.0, "99.9 %"),
        (4.0, "99.99 %"),
        (5.0, "99.999 %"),
    ];
    let percent = percent.into_iter().filter(|(at, _)| *at <= nines);
    let ticks = percent.map(|(at, label)| Tick { at, label: label.to_owned() }).collect();
    let panel = Panel {
        left: LEFT,
        x: Axis::linear(0.0, nines, ticks),
        y: Axis::logarithmic(low, high, round_time),
    };
    panel.frame(svg, "Latency by percentile", "share of commands that were not slower");
    panel.curve(svg, "latency", BLUE, &curve);
    let marks = [
        (0.5, report.latency_ns.p50),
        (0.9, report.latency_ns.p90),
        (0.99, report.latency_ns.p99),
        (0.999, report.latency_ns.p99_9),
    ];
    for (quantile, nanos) in marks {
        let at = -f64::log10(1.0 - quantile);
        if at <= nines {
            panel.mark(svg, (at, nanos as f64), &time(nanos));
        }
    }
}

fn throughput(svg: &mut String, report: &Report, tally: &Tally) {
    let interval = tally.interval.as_secs_f64();
    // The last interval may be shorter than the others.
    let whole = tally.timeline.len().saturating_sub(1).max(1);
    let rate =
        |(at, commands): (usize, &u64)| ((at as f64 + 0.5) * interval, *commands as f64 / interval);
    let curve: Vec<_> = tally.timeline.iter().take(whole).enumerate().map(rate).collect();
    let high = curve.iter().fold(report.iops, |high, (_, rate)| high.max(*rate));
    let end = interval * tally.timeline.len() as f64;
    let panel = Panel {
        left: LEFT + PANEL + GAP,
        x: Axis::nice(0.0, end, |seconds| format!("{} s", round(seconds))).until(end),
        y: Axis::nice(0.0, high * 1.08, count),
    };
    let title = "Commands ended per second";
    panel.frame(svg, title, "seconds since the warm-up ended");
    panel.area(svg, TEAL, &curve);
    panel.curve(svg, "throughput", TEAL, &curve);
    panel.mean(svg, TEAL, report.iops, &format!("mean {}", count(report.iops)));
}

impl Panel {
    fn at(&self, (x, y): (f64, f64)) -> (f64, f64) {
        (self.left + PANEL * self.x.share(x), TOP + DEEP * (1.0 - self.y.share(y)))
    }

    fn frame(&self, svg: &mut String, heading: &str, below: &str) {
        let (left, right, bottom) = (self.left, self.left + PANEL, TOP + DEEP);
        let _ = writeln!(
            svg,
            r#"<text class="heading" x="{left}" y="{:.1}">{heading}</text>"#,
            TOP - 18.0
        );
        for tick in self.y.ticks() {
            let y = TOP + DEEP * (1.0 - self.y.share(tick.at));
            let _ = writeln!(
                svg,
                r#"<line class="grid" x1="{left}" x2="{right}" y1="{y:.1}" y2="{y:.1}"/>"#
            );
            let _ = writeln!(
                svg,
                r#"<text x="{:.1}" y="{:.1}" text-anchor="end">{}</text>"#,
                left - 10.0,
                y + 4.5,
                tick.label
            );
        }
        for tick in self.x.ticks() {
            let x = self.left + PANEL * self.x.share(tick.at);
            let _ = writeln!(
                svg,
                r#"<line class="grid" x1="{x:.1}" x2="{x:.1}" y1="{TOP}" y2="{bottom}"/>"#
            );
            let _ = writeln!(
                svg,
                r#"<text x="{x:.1}" y="{:.1}" text-anchor="middle">{}</text>"#,
                bottom + 21.0,
                tick.label
            );
        }
        let _ = writeln!(
            svg,
            r#"<line class="axis" x1="{left}" x2="{right}" y1="{bottom}" y2="{bottom}"/>"#
        );
        let _ = writeln!(
            svg,
            r#"<text class="note" x="{:.1}" y="{:.1}" text-anchor="middle">{below}</text>"#,
            left + PANEL / 2.0,
            bottom + 45.0
        );
    }

    fn points(&self, curve: &[(f64, f64)]) -> String {
        let mut points = String::new();
        for point in curve {
            let (x, y) = self.at(*point);
            let _ = write!(points, "{}{x:.1},{y:.1}", if points.is_empty() { "" } else { " " });
        }
        points
    }

    fn curve(&self, svg: &mut String, id: &str, colour: &str, curve: &[(f64, f64)]) {
        let points = self.points(curve);
        let _ = writeln!(
            svg,
            r#"<polyline id="{id}" class="curve" stroke="{colour}" points="{points}"/>"#
        );
    }

    fn area(&self, svg: &mut String, colour: &str, curve: &[(f64, f64)]) {
        let (Some(first), Some(last)) = (curve.first(), curve.last()) else { return };
        let ((first, bottom), (last, _)) = (self.at((first.0, 0.0)), self.at((last.0, 0.0)));
        let points = self.points(curve);
        let _ = writeln!(
            svg,
            r#"<polygon fill="{colour}" fill-opacity="0.12" points="{first:.1},{bottom:.1} {points} {last:.1},{bottom:.1}"/>"#
        );
    }

    /// A point with its value: above it, and to the left where the curve may rise at once.
    fn mark(&self, svg: &mut String, point: (f64, f64), label: &str) {
        let (x, y) = self.at(point);
        let first = x < self.left + 60.0;
        let (text, anchor, up) = if first { (x, "middle", 30.0) } else { (x - 9.0, "end", 10.0) };
        if first {
            let _ = writeln!(
                svg,
                r#"<line class="axis" x1="{x:.1}" x2="{x:.1}" y1="{y:.1}" y2="{:.1}"/>"#,
                y - up + 4.0
            );
        }
        let _ = writeln!(
            svg,
            r#"<circle cx="{x:.1}" cy="{y:.1}" r="4.5" fill="{BLUE}" stroke="white" stroke-width="2"/>"#
        );
        let _ = writeln!(
            svg,
            r#"<text class="halo" x="{text:.1}" y="{:.1}" text-anchor="{anchor}">{label}</text>"#,
            y - up
        );
    }

    /// A level, explained at the upper right.
    fn mean(&self, svg: &mut String, colour: &str, value: f64, label: &str) {
        let (right, y) = (self.left + PANEL, self.at((0.0, value)).1);
        let mut line = |x1: f64, x2: f64, y: f64| {
            let _ = writeln!(
                svg,
                r#"<line class="mean" stroke="{colour}" x1="{x1:.1}" x2="{x2:.1}" y1="{y:.1}" y2="{y:.1}"/>"#
            );
        };
        line(self.left, right, y);
        line(right - 130.0, right - 95.0, TOP - 22.5);
        let _ =
            writeln!(svg, r#"<text x="{:.1}" y="{:.1}">{label}</text>"#, right - 87.0, TOP - 18.0);
    }
}

/// A time in nanoseconds, of an axis: no zeros at the end.
fn round_time(nanos: f64) -> String {
    let (unit, name) = match nanos {
        0.0..1e3 => (1.0, "ns"),
        1e3..1e6 => (1e3, "µs"),
        1e6..1e9 => (1e6, "ms"),
        _ => (1e9, "s"),
    };
    format!("{} {name}", round(nanos / unit))
}

/// A number of commands in at most three digits and a suffix.
fn count(value: f64) -> String {
    match value {
        0.0..1e3 => round(value),
        1e3..1e6 => format!("{}k", round(value / 1e3)),
        _ => format!("{}M", round(value / 1e6)),
    }
}

/// Three digits, without zeros at the end.
fn round(value: f64) -> String {
    let decimals = if value < 10.0 {
        2
    } else if value < 100.0 {
        1
    } else {
        0
    };
    let text = format!("{value:.decimals$}");
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}

const WIDTH: f64 = 1200.0;
const HEIGHT: f64 = 560.0;
const MARGIN: f64 = 40.0;
/// The rectangles of the two panels.
const LEFT: f64 = 110.0;
const TOP: f64 = 200.0;
const PANEL: f64 = 455.0;
const DEEP: f64 = 280.0;
const GAP: f64 = 120.0;
/// Points of the latency curve.
const STEPS: u32 = 240;
const BLUE: &str = "#2563eb";
const TEAL: &str = "#0d9488";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_three_digits_at_most() {
        let all = [0.0, 950.0, 1_000.0, 12_345.0, 450_000.0, 1_250_000.0].map(count);
        assert_eq!(all, ["0", "950", "1k", "12.3k", "450k", "1.25M"]);
    }
}
