//! Something that does not fit.

use serde::Serialize;

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// It would fail.
    Fails,
    /// It may, or is worth to know.
    Note,
}

/// Something that does not fit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// What it is.
    pub problem: String,
    /// What to do about it.
    pub advice: String,
}

impl Finding {
    pub(super) fn fails(problem: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { severity: Severity::Fails, problem: problem.into(), advice: advice.into() }
    }

    pub(super) fn note(problem: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { severity: Severity::Note, problem: problem.into(), advice: advice.into() }
    }
}
