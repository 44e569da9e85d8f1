//! Whole runs on `sim:direct`.

use super::*;
use crate::direct::{DirectConfig, DirectControl, DirectController};

const CAPACITY: Capacity = Capacity { vectors: 4, faults: DIRECT };

fn direct(plan: &Plan) -> Result<Outcome, String> {
    run::<_, DirectController>(plan, |_, plan| {
        let config = DirectConfig {
            vectors_max: plan.options.vectors as u16,
            depth_max: plan.options.depth as u16,
            ..DirectConfig::default()
        };
        DirectControl::new(config)
    })
}

fn passes(plan: &Plan) -> Outcome {
    let outcome = direct(plan).expect("a machine");
    if let Some(violation) = &outcome.violation {
        let replay = Replay { plan: plan.clone(), expect: Some(violation.oracle) };
        panic!("{violation}\n{replay}");
    }
    outcome
}

#[test]
fn every_profile_passes_and_runs_again_the_same() {
    for (name, profile) in Profile::ALL {
        let mut all = Tally::default();
        for seed in 0..12 {
            let plan = draw(seed, profile, CAPACITY);
            if profile == Profile::Liars {
                continue;
            }
            let outcome = passes(&plan);
            assert_eq!(outcome.hash, passes(&plan).hash, "{name} {seed}");
            all.add(&outcome.tally);
        }
        assert!(all.commands > 500 || profile == Profile::Liars, "{name}: {all:?}");
    }
}
