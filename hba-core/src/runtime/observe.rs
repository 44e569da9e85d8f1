//! What the facade tells the `tracing` crate: a span for each command, spans and events for Control.
//!
//! Spans of commands are named `command` and have `vector`, `opcode`, `nexus`, `bytes` and, at the end, `outcome`. They begin
//! when the future is made, and end with its answer or when it is dropped. Control has `bring-up`, `reset` (with `reason`)
//! and `recovery` (with `nexus` and `rung`), and an event `control` for everything that it tells.
//!
//! Without the feature `tracing` the types here are empty, and so are their functions.

use super::Answer;
use crate::command::Command;
use crate::control::ControlEvent;
use crate::queue::Vector;

pub(super) use observer::{CommandSpan, ControlSpans};

#[cfg(not(feature = "tracing"))]
mod observer {
    use super::{Answer, Command, ControlEvent, Vector};

    pub(in crate::runtime) struct CommandSpan;

    impl CommandSpan {
        #[inline]
        pub(in crate::runtime) const fn begin(_: Vector, _: &Command) -> Self {
            Self
        }

        pub(in crate::runtime) const fn none() -> Self {
            Self
        }

        #[inline]
        pub(in crate::runtime) const fn end(&mut self, _: &Answer) {}
    }

    pub(in crate::runtime) struct ControlSpans;

    impl ControlSpans {
        pub(in crate::runtime) const fn begin() -> Self {
            Self
        }

        pub(in crate::runtime) const fn handle(&mut self, _: &ControlEvent) {}
    }
}

#[cfg(feature = "tracing")]
mod observer {
    use alloc::vec::Vec;

    use tracing::field::{Empty, display};
    use tracing::{Span, info, info_span};

    use super::{Answer, Command, ControlEvent, Vector};
    use crate::command::Nexus;

    pub(in crate::runtime) struct CommandSpan(Span);

    impl CommandSpan {
        #[inline]
        pub(in crate::runtime) fn begin(vector: Vector, command: &Command) -> Self {
            Self(info_span!(
                "command",
                vector = vector.0,
                opcode = command.cdb.opcode().0,
                nexus = %command.nexus,
                bytes = command.transfer.length,
                outcome = Empty
            ))
        }

        pub(in crate::runtime) fn none() -> Self {
            Self(Span::none())
        }

        #[inline]
        pub(in crate::runtime) fn end(&mut self, answer: &Answer) {
            self.0.record("outcome", display(answer.outcome));
            self.0 = Span::none();
        }
    }

    /// A span ends when it is dropped.
    pub(in crate::runtime) struct ControlSpans {
        bring_up: Option<Span>,
        reset: Option<Span>,
        recovering: Vec<(Nexus, Span)>,
    }

    impl ControlSpans {
        pub(in crate::runtime) fn begin() -> Self {
            let bring_up = Some(info_span!("bring-up"));
            Self { bring_up, reset: None, recovering: Vec::new() }
        }

        pub(in crate::runtime) fn handle(&mut self, event: &ControlEvent) {
            info!(name: "control", event = %event);
            match event {
                ControlEvent::Recovering(nexus, rung) => {
                    self.recovering.retain(|(of, _)| of != nexus);
                    let span = info_span!("recovery", nexus = %nexus, rung = %rung);
                    self.recovering.push((*nexus, span));
                }
                ControlEvent::Recovered(nexus, _) => self.recovering.retain(|(of, _)| of != nexus),
                ControlEvent::ResetBegun(reason) => {
                    self.recovering.clear();
                    self.reset = Some(info_span!("reset", reason = %reason));
                }
                ControlEvent::Operational | ControlEvent::GivenUp | ControlEvent::Gone => {
                    self.recovering.clear();
                    (self.bring_up, self.reset) = (None, None);
                }
                _ => {}
            }
        }
    }
}
