//! A violation of each oracle that looks at a whole run, and the oracle that speaks.

use hba_core::register::{RegOffset, Registers};

use super::super::plan::Options;
use super::*;
use crate::direct::{DirectConfig, DirectControl, DirectController};

type DirectWorld = World<DirectControl, DirectController>;

const WRITE: Operation = Operation { kind: Kind::Write, unit: 0, lba: 0, blocks: 1, vector: 0 };

fn plan() -> Plan {
    let options = Options { depth: 4, ..Options::default() };
    Plan { seed: 1, options, operations: vec![WRITE; 20], schedule: Vec::new() }
}

/// A machine that is up, with nothing outstanding.
fn world(plan: &Plan) -> DirectWorld {
    let port = |_, plan: &Plan| {
        DirectControl::new(DirectConfig {
            vectors_max: plan.options.vectors as u16,
            depth_max: plan.options.depth as u16,
            ..DirectConfig::default()
        })
    };
    World::new(plan, port).expect("a machine")
}

/// The same after its unit told of its power-on.
fn greeted(plan: &Plan) -> DirectWorld {
    let mut world = world(plan);
    world.insist(Operation { kind: Kind::Ready, ..WRITE }).expect("a sound machine");
    world
}

#[track_caller]
fn fires(verdict: Verdict, oracle: Oracle) {
    assert_eq!(verdict.expect_err("nobody noticed").oracle, oracle);
}

#[test]
fn a_sound_world_passes() {
    let plan = plan();
    world(&plan).live(&plan).expect("nothing is wrong");
}

#[test]
fn o06_tags_add_up() {
    let mut world = greeted(&plan());
    world.judge.tags(&world.adapter).unwrap();
    fires(world.full_by_right(WRITE, Refusal::QueueFull), Oracle::Tags);
    let made = Flight::new(WRITE, WriteId(1));
    let handle = hba_core::adapter::AdapterHandle {
        vector: Vector(0),
        command: hba_core::name::CommandHandle::NEVER_SENT,
    };
    world.judge.submitted(made, handle);
    fires(world.judge.tags(&world.adapter), Oracle::Tags);
}

#[test]
fn o17_after_the_last_fault_a_new_command_works() {
    let mut world = greeted(&plan());
    // Not healed: it goes on for ever.
    let fault = Fault::HoldDisk;
    world.inject(Entry { site: Site::Time, nth: 1, fault, unit: 0, count: u32::MAX }).unwrap();
    fires(world.insist(WRITE), Oracle::BoundedRecovery);
}

#[test]
fn o18_polls_at_one_moment_have_an_end() {
    let mut world = greeted(&plan());
    world.idle = POLLS_MAX - 1;
    assert!(world.submit(WRITE).unwrap());
    // As many as before, and still something to do.
    fires(world.turn(), Oracle::BoundedWork);
}

#[test]
fn o19_buffers_come_home() {
    let plan = plan();
    let mut world = greeted(&plan);
    drop(world.buffers.pop());
    fires(world.finish(&plan, false), Oracle::BoundedMemory);
}

#[test]
fn o24_no_register_is_touched_after_the_end() {
    let mut world = greeted(&plan());
    world.adapter.shutdown();
    while world.adapter.stopped().is_none() {
        world.turn().unwrap();
    }
    world.machine.forbid_access();
    world.silence().unwrap();
    world.registers.read32(RegOffset(0));
    fires(world.silence(), Oracle::Silence);
}

#[test]
fn o28_teardown_ends_with_commands_outstanding() {
    let plan = Plan { options: Options { end: 2, ..plan().options }, ..plan() };
    let mut world = greeted(&plan);
    // One that the core never had: it is the caller's, and never ends.
    let handle = hba_core::adapter::AdapterHandle {
        vector: Vector(0),
        command: hba_core::name::CommandHandle::NEVER_SENT,
    };
    world.be_busy(&plan).unwrap();
    assert_eq!(world.adapter.outstanding(), 4);
    world.judge.submitted(Flight::new(WRITE, WriteId(99)), handle);
    world.adapter.shutdown();
    world.judge.end();
    let ended = (0..200).try_for_each(|_| world.turn());
    fires(ended, Oracle::Tags);
    fires(world.judge.all_ended(), Oracle::ExactlyOnce);
}

#[test]
fn a_liar_excuses_only_what_is_wrong_on_its_own_unit() {
    let options = Options { lying_flush: 1, disks: 2, ..plan().options };
    let plan = Plan { options, ..plan() };
    let mut world = greeted(&plan);
    world.insist(WRITE).unwrap();
    world.insist(Operation { kind: Kind::Flush, ..WRITE }).unwrap();
    assert_eq!([world.lies(0), world.lies(1)], [1, 0]);
    let violation = Violation::new(Oracle::DurableFloor, "it is gone");
    assert!(world.is_named(&plan, &violation.clone().on(0)));
    assert!(!world.is_named(&plan, &violation.clone().on(1)), "that one did nothing");
    assert!(!world.is_named(&plan, &violation), "nobody's");
    assert!(!world.is_named(&plan, &Violation::new(Oracle::Tags, "").on(0)));
}

#[test]
fn o21_a_fault_that_is_over_is_over() {
    let mut world = greeted(&plan());
    let fault = Fault::LoseReply;
    world.inject(Entry { site: Site::Time, nth: 1, fault, unit: 0, count: 1 }).unwrap();
    assert!(world.judge.troubled && !world.is_sound());
    assert!(world.submit(WRITE).unwrap());
    world.settle(Oracle::BoundedRecovery).unwrap();
    world.turn().unwrap();
    assert!(!world.judge.troubled, "the lost reply was made up for");
}

#[test]
fn o26_equal_plans_give_equal_runs() {
    let run = |plan: &Plan| {
        let mut world = world(plan);
        world.live(plan).expect("nothing is wrong");
        let hash = world.judge.trace.value();
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
    let mut world = greeted(&plan);
    // Said to be over, and nobody stopped it.
    fires(world.finish(&plan, true), Oracle::Teardown);
}

#[test]
fn o30_without_work_the_device_is_left_alone() {
    let mut world = greeted(&plan());
    let soon = world.machine.now().since(world.start).as_millis() as u32 + 2000;
    let reset = Entry { site: Site::Time, nth: soon, fault: Fault::Reset, unit: 0, count: 1 };
    world.schedule.push(reset);
    fires(world.quiet(), Oracle::Quiet);
}
