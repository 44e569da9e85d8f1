//! What is wrong with a text, and on which line.

use alloc::string::String;
use core::fmt;

use crate::fabric::{ParseRequesterIdError, RequesterId, TopologyError};

/// What is wrong with a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineError {
    /// Which, counted from 1.
    pub line: usize,
    /// What.
    pub kind: LineErrorKind,
}

/// What is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LineErrorKind {
    /// A word that has no meaning there.
    Word {
        /// The word.
        word: String,
    },
    /// The line ends too early.
    Missing {
        /// What was expected.
        wanted: &'static str,
    },
    /// Not the address of a function.
    Address {
        /// As written.
        text: String,
        /// Why not.
        error: ParseRequesterIdError,
    },
    /// Not the number that belongs there.
    Number {
        /// As written.
        text: String,
        /// What belongs there.
        wanted: &'static str,
    },
    /// A line of this kind was there before.
    Twice,
    /// There is no function at this address.
    NoFunction(RequesterId),
    /// The function does not hang together with the others.
    Topology(TopologyError),
}

impl fmt::Display for LineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.kind)
    }
}

impl fmt::Display for LineErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Word { word } => write!(f, "{word} has no meaning here"),
            Self::Missing { wanted } => write!(f, "the line ends where {wanted} should be"),
            Self::Address { text, error } => write!(f, "{text}: {error}"),
            Self::Number { text, wanted } => write!(f, "{text} is not {wanted}"),
            Self::Twice => f.write_str("this was said before"),
            Self::NoFunction(address) => write!(f, "there is no function at {address}"),
            Self::Topology(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for LineError {}
