//! How a command ends other than with GOOD.

use scsi_proto::sense::SenseFormat;
use scsi_proto::{Sense, Status};

use super::condition::Condition;
use super::faults::BlockError;
use crate::target::Executed;

/// How a command ended other than with GOOD.
///
/// Boxed, so that a command that ends well carries no room for sense data around.
#[derive(Debug)]
pub(super) struct Failure(Box<Cause>);

#[derive(Debug)]
enum Cause {
    /// CHECK CONDITION.
    Sense(Sense),
    /// Another status, without sense data.
    Status(Status),
}

impl Failure {
    #[cold]
    pub(super) fn status(status: Status) -> Self {
        Self(Box::new(Cause::Status(status)))
    }

    /// The sense data of a CHECK CONDITION.
    pub(super) fn sense(&self) -> Option<Sense> {
        match *self.0 {
            Cause::Sense(sense) => Some(sense),
            Cause::Status(_) => None,
        }
    }

    #[cold]
    pub(super) fn executed(self, format: SenseFormat) -> Executed {
        match *self.0 {
            Cause::Status(status) => Executed::status(status),
            Cause::Sense(sense) => {
                let mut bytes = [0; Sense::LEN_MAX];
                // The buffer holds the longest sense data there is.
                let len = Sense { format, ..sense }.emit(&mut bytes).unwrap_or_default();
                Executed::check_condition(bytes.get(..len).unwrap_or_default())
            }
        }
    }
}

impl From<Sense> for Failure {
    #[cold]
    fn from(sense: Sense) -> Self {
        Self(Box::new(Cause::Sense(sense)))
    }
}

impl From<Condition> for Failure {
    #[cold]
    fn from(condition: Condition) -> Self {
        condition.sense().into()
    }
}

impl From<BlockError> for Failure {
    #[cold]
    fn from(error: BlockError) -> Self {
        Sense::from(error).into()
    }
}

impl From<BlockError> for Sense {
    #[cold]
    fn from(error: BlockError) -> Self {
        Self { information: Some(error.lba.0), ..error.condition.sense() }
    }
}
