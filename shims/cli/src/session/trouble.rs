//! What there is to say about a session in which something failed.

use hba_core::control::ControlEvent;

use super::Session;
use crate::output::note;

/// What recovery did, and the last words of every queue: where a command failed, that may be why.
pub(crate) fn tell_trouble(session: &mut Session) {
    for event in session.driver().take_events() {
        match event {
            ControlEvent::Operational
            | ControlEvent::TargetArrived(_)
            | ControlEvent::TargetDeparted(_) => {}
            event => note(&event.to_string()),
        }
    }
    if let Some(recorder) = session.recorder() {
        recorder.lines().iter().for_each(|line| note(line));
    }
}
