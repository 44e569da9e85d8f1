//! Axes: where a value is, and which values are named.

/// A value with a name.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Tick {
    pub(super) at: f64,
    pub(super) label: String,
}

/// From a value to its share of an axis.
#[derive(Clone, Debug)]
pub(super) struct Axis {
    low: f64,
    high: f64,
    logarithmic: bool,
    ticks: Vec<Tick>,
}

impl Axis {
    /// From `low` to `high`, with these ticks.
    pub(super) fn linear(low: f64, high: f64, ticks: Vec<Tick>) -> Self {
        Self { low, high: high.max(low + f64::MIN_POSITIVE), logarithmic: false, ticks }
    }

    /// From `low` to at least `high`, with about five ticks at round numbers.
    pub(super) fn nice(low: f64, high: f64, label: impl Fn(f64) -> String) -> Self {
        let step = step((high - low).max(f64::MIN_POSITIVE) / 4.5);
        let count = ((high - low) / step).ceil().max(1.0) as u32;
        let tick = |n: u32| low + step * f64::from(n);
        let ticks = (0..=count).map(tick).map(|at| Tick { at, label: label(at) }).collect();
        Self::linear(low, tick(count), ticks)
    }

    /// The same, ending at `high` instead of at a tick.
    pub(super) fn until(mut self, high: f64) -> Self {
        self.high = high;
        self.ticks.retain(|tick| tick.at <= high * (1.0 + 1e-9));
        self
    }

    /// From a round number below `low` to one above `high`, both more than 0; every power of ten the same length.
    pub(super) fn logarithmic(low: f64, high: f64, label: impl Fn(f64) -> String) -> Self {
        let round: Vec<_> = (-1..13)
            .flat_map(|power| [1.0, 2.0, 5.0].map(|digit| digit * 10f64.powi(power)))
            .collect();
        let from = round.iter().rposition(|at| *at <= low).unwrap_or(0);
        let to = round.iter().position(|at| *at >= high).unwrap_or(round.len() - 1);
        let (low, high) = (round[from], round[to.max(from + 1)]);
        // Twos and fives only where there is room for them.
        let few = high / low <= 1e3;
        let named = |at: &&f64| few || at.log10().fract().abs() < 1e-9;
        let ticks = round[from..=to.max(from + 1)].iter().filter(named);
        let ticks = ticks.map(|at| Tick { at: *at, label: label(*at) }).collect();
        Self { low, high, logarithmic: true, ticks }
    }

    /// 0 at the low end, 1 at the high end.
    pub(super) fn share(&self, value: f64) -> f64 {
        let Self { low, high, .. } = *self;
        let share = if self.logarithmic {
            (value / low).log10() / (high / low).log10()
        } else {
            (value - low) / (high - low)
        };
        share.clamp(0.0, 1.0)
    }

    pub(super) fn ticks(&self) -> &[Tick] {
        &self.ticks
    }
}

/// The next of 1, 2 and 5 times a power of ten that is not less.
fn step(least: f64) -> f64 {
    let power = 10f64.powf(least.log10().floor());
    let digit = least / power;
    power
        * if digit <= 1.0 {
            1.0
        } else if digit <= 2.0 {
            2.0
        } else if digit <= 5.0 {
            5.0
        } else {
            10.0
        }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ats(axis: &Axis) -> Vec<f64> {
        axis.ticks().iter().map(|tick| tick.at).collect()
    }

    #[test]
    fn ticks_are_round_and_cover_the_values() {
        let axis = Axis::nice(0.0, 870.0, |at| at.to_string());
        assert_eq!(ats(&axis), [0.0, 200.0, 400.0, 600.0, 800.0, 1000.0]);
        assert!((axis.share(500.0) - 0.5).abs() < 1e-9);
        let axis = axis.until(870.0);
        assert_eq!((ats(&axis).len(), axis.share(870.0)), (5, 1.0));
    }

    #[test]
    fn decades_have_the_same_length() {
        let axis = Axis::logarithmic(900.0, 120_000.0, |at| at.to_string());
        assert_eq!(ats(&axis).first(), Some(&500.0));
        assert_eq!(ats(&axis).last(), Some(&200_000.0));
        let length = |from, to| axis.share(to) - axis.share(from);
        assert!((length(1e3, 1e4) - length(1e4, 1e5)).abs() < 1e-9);
        let wide = Axis::logarithmic(1.0, 1e9, |at| at.to_string());
        assert_eq!(ats(&wide).len(), 10, "powers of ten only");
    }
}
