//! Removal: nothing is touched any more, everything ends once.

use hba_core::command::{Cookie, Failure, Outcome, Refusal, Request, Transfer};
use hba_core::control::ControlEvent;
use hba_core::port::{BringUp, ControlPort, Polled, PortEvent, Start};
use hba_core::register::{RegOffset, Registers};

use crate::memory::Placement;

use super::recovery::holding;
use super::target::HELD;
use super::{DirectConfig, DirectControl, Facts, Rig, UNIT};

#[test]
fn removal_touches_nothing_and_ends_everything_once() {
    let mut rig = holding(8);
    rig.faults(|faults| faults.removed = true);
    rig.until("gone", |rig| rig.events.contains(&ControlEvent::Gone));
    rig.machine.forbid_access();
    rig.finish();
    rig.assert_all(16, Outcome::Failed(Failure::ControllerGone));
    let request = Request::new(UNIT, HELD, Transfer::NONE, rig.buffer(8), Cookie(0));
    assert_eq!(rig.send(0, request).unwrap_err(), Refusal::Gone);
    rig.adapter.request_reset(rig.machine.now());
    rig.adapter.shutdown();
    for _ in 0..10 {
        rig.poll();
    }
    assert_eq!((rig.ends.len(), rig.machine.stray_accesses()), (16, 0));
    assert!(rig.adapter.stopped().is_some());
    rig.adapter.close().unwrap();
}

#[test]
fn memory_for_a_controller_that_has_left_changes_nothing() {
    let mut rig = Rig::cold(Facts::default(), DirectConfig::default());
    rig.until("facts are known", |rig| rig.adapter.limits().is_some());
    rig.adapter.handle_gone();
    rig.machine.forbid_access();
    let plan = rig.adapter.control().port().memory_plan();
    let memory = rig.machine.memory();
    let regions = plan.regions.iter().map(|r| memory.place(r, Placement::Window).unwrap());
    rig.adapter.provide_memory(regions.collect()).unwrap();
    for _ in 0..10 {
        rig.poll();
    }
    assert_eq!(rig.machine.stray_accesses(), 0);
    assert!(rig.adapter.stopped().is_some());
}

/// Registers of a controller that leaves the bus with the last of so many accesses.
struct Leaving<'a>(&'a mut Rig, u32);

impl Registers for Leaving<'_> {
    fn read32(&mut self, offset: RegOffset) -> u32 {
        self.count();
        self.0.registers.read32(offset)
    }

    fn write32(&mut self, offset: RegOffset, value: u32) {
        self.count();
        self.0.registers.write32(offset, value);
    }
}

impl Leaving<'_> {
    fn count(&mut self) {
        self.1 = self.1.saturating_sub(1);
        let removed = self.1 == 0;
        self.0.faults(|faults| faults.removed = removed);
    }
}

/// Brings the controller up with `left` accesses to its removal: how that ended, and how many are left.
fn bring_up(rig: &mut Rig, port: &mut DirectControl, start: Start, left: u32) -> (BringUp, u32) {
    port.begin(start, rig.machine.now());
    let mut left = left;
    loop {
        let now = rig.machine.now();
        let mut registers = Leaving(rig, left);
        let progress = port.bring_up(now, &mut registers);
        left = registers.1;
        match progress {
            BringUp::Wait(at) | BringUp::Serving(at) => rig.machine.set_now(at),
            BringUp::NeedMemory => {
                let regions = port.memory_plan().regions;
                let memory = rig.machine.memory();
                let regions = regions.iter().map(|r| memory.place(r, Placement::Window).unwrap());
                // Nothing is served here; the memory only has to stay mapped.
                rig.kept.extend(port.provide_memory(regions.collect()).unwrap());
            }
            end => return (end, left),
        }
    }
}

#[test]
fn removal_at_every_access_of_a_bring_up_ends_it() {
    let config = DirectConfig { vectors_max: 1, depth_max: 4, ..DirectConfig::default() };
    let facts = Facts { elements: 16, targets: 2, ..Facts::default() };
    for start in [Start::Attach, Start::Reset, Start::Shutdown] {
        for accesses in 1.. {
            let mut rig = Rig::cold(facts, config);
            let mut port = DirectControl::new(config);
            if start != Start::Attach {
                bring_up(&mut rig, &mut port, Start::Attach, u32::MAX);
            }
            let (end, left) = bring_up(&mut rig, &mut port, start, accesses);
            if left > 0 {
                assert!(end == BringUp::Ready && accesses > 3, "{accesses}: {end:?}");
                break;
            }
            // The last accesses may leave nothing to find out.
            assert!(matches!(end, BringUp::Gone | BringUp::Ready), "{accesses}: {end:?}");
            let departed = |event| matches!(event, PortEvent::TargetDeparted(_));
            assert!(!core::iter::from_fn(|| port.poll_event()).any(departed), "{accesses}");
            assert_eq!(port.poll(rig.machine.now(), &mut rig.registers), Polled::Gone);
        }
    }
}
