//! Bring-ups that may fail, and must end.

use core::time::Duration;

use hba_core::control::ControlEvent;
use hba_core::host::{Host, HostError, Platform};
use hba_core::port::ControlPort;

/// How late a waiting host wakes up where something is wrong: minutes of waiting take few polls then.
pub const LATE: Duration = Duration::from_millis(50);

/// Polls that a bring-up may take, whatever the controller does.
const POLLS_MAX: u32 = 100_000;
/// The sum of all deadlines of one bring-up, and some.
pub const TIME_MAX: Duration = Duration::from_secs(700);

/// How a bring-up ended, and after how long.
pub type Ended = (Result<(), HostError>, Duration);

/// Brings up, and proves that it ends.
///
/// # Panics
///
/// If it does not end within [`TIME_MAX`] and a bounded number of polls.
pub fn bring_up<P: ControlPort, L: Platform>(host: &mut Host<P, L>) -> Ended {
    let begun = host.platform().now();
    let mut failed = None;
    for _ in 0..POLLS_MAX {
        if let Err(error) = host.poll(|done| panic!("nothing was submitted: {done:?}")) {
            failed = Some(error);
        }
        let took = host.platform().now().since(begun);
        assert!(took < TIME_MAX, "{took:?}");
        let error = host.take_events().into_iter().find_map(|event| match event {
            ControlEvent::BringUpFailed(error) => Some(HostError::BringUp(error)),
            ControlEvent::Gone => Some(HostError::Gone),
            _ => None,
        });
        if let Some(error) = failed.take().or(error) {
            // The end is the end: the controller is cut off and nothing more happens.
            host.poll(|_| ()).expect("poll");
            host.poll(|_| ()).expect("poll");
            return (Err(error), took);
        }
        if host.adapter().control().is_operational() {
            return (Ok(()), took);
        }
    }
    panic!("no end of the bring-up");
}
