//! Smaller plans that trip the same oracle.

use super::oracle::Oracle;
use super::plan::Plan;

/// Makes `plan` smaller as long as `fails` says that the same oracle fires, with at most `tries` runs.
///
/// First faults go, then operations, each in pieces that halve; then counts become smaller. What does not trip this very
/// oracle is not taken, so that shrinking does not wander to another failure.
pub fn shrink(
    plan: &Plan,
    oracle: Oracle,
    tries: u32,
    mut fails: impl FnMut(&Plan) -> Option<Oracle>,
) -> Plan {
    let mut best = plan.clone();
    let mut left = tries;
    let mut attempt = |candidate: &Plan| {
        if left == 0 {
            return false;
        }
        left -= 1;
        fails(candidate) == Some(oracle)
    };
    loop {
        let before = (best.schedule.len(), best.operations.len());
        drop_pieces(&mut best, |plan| &mut plan.schedule, &mut attempt);
        drop_pieces(&mut best, |plan| &mut plan.operations, &mut attempt);
        lower(&mut best, &mut attempt);
        if (best.schedule.len(), best.operations.len()) == before {
            return best;
        }
    }
}

fn drop_pieces<T: Clone>(
    best: &mut Plan,
    part: impl Fn(&mut Plan) -> &mut Vec<T>,
    attempt: &mut impl FnMut(&Plan) -> bool,
) {
    let mut piece = part(best).len().div_ceil(2);
    while piece > 0 {
        let mut at = 0;
        while at < part(best).len() {
            let mut candidate = best.clone();
            let list = part(&mut candidate);
            let end = (at + piece).min(list.len());
            list.drain(at..end);
            if attempt(&candidate) {
                *best = candidate;
            } else {
                at += piece;
            }
        }
        piece = if piece == 1 { 0 } else { piece.div_ceil(2) };
    }
}

/// Fewer vectors, disks and units, then lower counts.
fn lower(best: &mut Plan, attempt: &mut impl FnMut(&Plan) -> bool) {
    let merges: [fn(&mut Plan); 3] = [
        |plan| {
            plan.options.vectors = 1;
            plan.operations.iter_mut().for_each(|op| op.vector = 0);
        },
        |plan| {
            (plan.options.disks, plan.options.units) = (1, 1);
            plan.operations.iter_mut().for_each(|op| op.unit = 0);
            plan.schedule.iter_mut().for_each(|entry| entry.unit = 0);
        },
        |plan| plan.operations.iter_mut().for_each(|op| op.blocks = 1),
    ];
    for merge in merges {
        let mut candidate = best.clone();
        merge(&mut candidate);
        if candidate != *best && attempt(&candidate) {
            *best = candidate;
        }
    }
    for at in 0..best.schedule.len() {
        for value in [1, best.schedule[at].count / 2] {
            let mut candidate = best.clone();
            candidate.schedule[at].count = value.max(1);
            if candidate != *best && attempt(&candidate) {
                *best = candidate;
                break;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::draw::{Capacity, DIRECT, Profile, draw};
    use super::super::plan::Kind;
    use super::*;

    #[test]
    fn what_does_not_matter_goes() {
        let plan = draw(7, Profile::Swarm, Capacity { vectors: 4, faults: DIRECT });
        assert!(plan.operations.len() > 20 && !plan.schedule.is_empty());
        let fails = |plan: &Plan| {
            let writes = plan.operations.iter().filter(|op| op.kind == Kind::Write).count();
            (writes >= 2 && !plan.schedule.is_empty()).then_some(Oracle::ReadData)
        };
        let small = shrink(&plan, Oracle::ReadData, 10_000, fails);
        assert_eq!((small.operations.len(), small.schedule.len()), (2, 1));
        assert_eq!((small.options.vectors, small.options.disks), (1, 1));
        let other = shrink(&plan, Oracle::Visible, 1000, fails);
        assert_eq!(other, plan, "another oracle does not count");
    }
}
