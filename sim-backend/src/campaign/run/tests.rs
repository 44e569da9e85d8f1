//! A violation of each oracle that looks at a whole run, and the oracle that speaks.

use hba_core::adapter::AdapterHandle;
use hba_core::command::Refusal;
use hba_core::name::CommandHandle;
use hba_core::queue::Vector;
use hba_core::register::{RegOffset, Registers};

use super::world::POLLS_MAX;
use super::*;
use crate::campaign::flight::Flight;
use crate::campaign::ledger::WriteId;
use crate::campaign::plan::{Entry, Fault, Options, Site};
use crate::direct::{DirectConfig, DirectControl, DirectController};

type DirectRun<'a> = Run<'a, DirectControl, DirectController>;

const WRITE: Operation = Operation { kind: Kind::Write, unit: 0, lba: 0, blocks: 1, vector: 0 };

fn plan() -> Plan {
    let options = Options { depth: 4, ..Options::default() };
    Plan { seed: 1, options, operations: vec![WRITE; 20], schedule: Vec::new() }
}

/// A machine that is up, with nothing outstanding.
fn up(plan: &Plan) -> DirectRun<'_> {
    let port = |_, plan: &Plan| {
        DirectControl::new(DirectConfig {
            vectors_max: plan.options.vectors as u16,
            depth_max: plan.options.depth as u16,
            ..DirectConfig::default()
        })
    };
    Run { world: World::new(plan, port).expect("a machine"), plan }
}

/// The same after its unit told of its power-on.
fn greeted(plan: &Plan) -> DirectRun<'_> {
    let mut run = up(plan);
    run.world.insist(Operation { kind: Kind::Ready, ..WRITE }).expect("a sound machine");
    run
}

/// A command that the core never had.
const NOBODY_S: AdapterHandle =
    AdapterHandle { vector: Vector(0), command: CommandHandle::NEVER_SENT };

#[track_caller]
fn fires(verdict: Verdict, oracle: Oracle) {
    assert_eq!(verdict.expect_err("nobody noticed").oracle, oracle);
}

#[test]
fn a_sound_world_passes() {
    let plan = plan();
    up(&plan).live().expect("nothing is wrong");
}

#[test]
fn o06_tags_add_up() {
    let plan = plan();
    let mut world = greeted(&plan).world;
    world.judge.tags(&world.driver.adapter).unwrap();
    fires(world.full_by_right(WRITE, Refusal::QueueFull), Oracle::Tags);
    let made = Flight::new(WRITE, WriteId(1));
    world.judge.submitted(made, NOBODY_S);
    fires(world.judge.tags(&world.driver.adapter), Oracle::Tags);
}

#[test]
fn o17_after_the_last_fault_a_new_command_works() {
    let plan = plan();
    let mut world = greeted(&plan).world;
    // Not healed: it goes on for ever.
    let fault = Fault::HoldDisk;
    world.inject(Entry { site: Site::Time, nth: 1, fault, unit: 0, count: u32::MAX });
    fires(world.insist(WRITE), Oracle::BoundedRecovery);
}

#[test]
fn o18_polls_at_one_moment_have_an_end() {
    let plan = plan();
    let mut world = greeted(&plan).world;
    world.idle = POLLS_MAX - 1;
    assert!(world.submit(WRITE).unwrap());
    // As many as before, and still something to do.
    fires(world.turn(), Oracle::BoundedWork);
}

#[test]
fn o19_buffers_come_home() {
    let plan = plan();
    let mut run = greeted(&plan);
    drop(run.world.caller.home.pop());
    fires(run.finish(), Oracle::BoundedMemory);
}

#[test]
fn o24_no_register_is_touched_after_the_end() {
    let plan = plan();
    let mut run = greeted(&plan);
    run.world.driver.adapter.shutdown();
    while run.world.driver.adapter.stopped().is_none() {
        run.world.turn().unwrap();
    }
    run.world.rig.machine.forbid_access();
    run.silence().unwrap();
    run.world.driver.registers.read32(RegOffset(0));
    fires(run.silence(), Oracle::Silence);
}

#[test]
fn o28_teardown_ends_with_commands_outstanding() {
    let plan = Plan { options: Options { end: 2, ..plan().options }, ..plan() };
    let mut run = greeted(&plan);
    run.be_busy().unwrap();
    assert_eq!(run.world.driver.adapter.outstanding(), 4);
    run.world.judge.submitted(Flight::new(WRITE, WriteId(99)), NOBODY_S);
    run.world.driver.adapter.shutdown();
    run.world.judge.end();
    let ended = (0..200).try_for_each(|_| run.world.turn());
    fires(ended, Oracle::Tags);
    fires(run.world.judge.all_ended(), Oracle::ExactlyOnce);
}

#[test]
fn a_liar_excuses_only_what_is_wrong_on_its_own_unit() {
    let options = Options { lying_flush: 1, disks: 2, ..plan().options };
    let plan = Plan { options, ..plan() };
    let mut run = greeted(&plan);
    run.world.insist(WRITE).unwrap();
    run.world.insist(Operation { kind: Kind::Flush, ..WRITE }).unwrap();
    assert_eq!([run.world.rig.lies(0), run.world.rig.lies(1)], [1, 0]);
    let violation = Violation::new(Oracle::DurableFloor, "it is gone");
    assert!(run.is_named(&violation.clone().on(0)));
    assert!(!run.is_named(&violation.clone().on(1)), "that one did nothing");
    assert!(!run.is_named(&violation), "nobody's");
    assert!(!run.is_named(&Violation::new(Oracle::Tags, "").on(0)));
}

#[test]
fn o21_a_fault_that_is_over_is_over() {
    let plan = plan();
    let mut world = greeted(&plan).world;
    let fault = Fault::LoseReply;
    world.inject(Entry { site: Site::Time, nth: 1, fault, unit: 0, count: 1 });
    assert!(world.judge.is_troubled() && !world.is_sound());
    assert!(world.submit(WRITE).unwrap());
    world.settle(Oracle::BoundedRecovery).unwrap();
    world.turn().unwrap();
    assert!(!world.judge.is_troubled(), "the lost reply was made up for");
}

#[test]
fn o26_equal_plans_give_equal_runs() {
    let run = |plan: &Plan| {
        let mut run = up(plan);
        run.live().expect("nothing is wrong");
        let hash = run.world.judge.trace.value();
        Outcome { tally: Tally::default(), hash, violation: None }
    };
    let first = run(&plan());
    first.agrees_with(&run(&plan())).unwrap();
    let mut other = plan();
    other.operations.pop();
    fires(first.agrees_with(&run(&other)), Oracle::Determinism);
}

#[test]
fn o28_teardown_ends() {
    let plan = plan();
    let mut run = greeted(&plan);
    // Said to be over, and nobody stopped it.
    fires(run.tear_down(), Oracle::Teardown);
}

#[test]
fn o30_without_work_the_device_is_left_alone() {
    let plan = plan();
    let mut run = greeted(&plan);
    let soon = run.world.rig.now().since(run.world.schedule.start).as_millis() as u32 + 2000;
    let reset = Entry { site: Site::Time, nth: soon, fault: Fault::Reset, unit: 0, count: 1 };
    run.world.schedule.entries.push(reset);
    fires(run.quiet(), Oracle::Quiet);
}
