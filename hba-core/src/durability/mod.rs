//! What is durable, what may be lost, and what is known of the effect of a command.

mod judgement;

pub use judgement::{Cause, Ended, Judgement, SenseCause};
