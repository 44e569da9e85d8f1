//! `hba doctor`: whether a controller's DMA can reach memory, and what to do where not.

mod examine;
mod finding;
mod report;

use hba_core::limits::Limits;

use crate::args::{DoctorArgs, RigArgs};
use crate::fabric::{Fabric, FabricError};
use crate::output::Output;
use crate::session::{Session, SessionError, SimBehaviour};
use crate::{CliError, Exit};

pub use examine::examine;
pub use finding::{Finding, Severity};
use report::Report;

/// Examines the controller and what is known of its way to memory.
pub(crate) fn run(rig: &RigArgs, args: &DoctorArgs, output: &mut Output) -> Result<Exit, CliError> {
    let fabric = fabric(args)?;
    let limits = limits(rig)?;
    let findings = examine(&limits, fabric.as_ref());
    let fails = findings.iter().any(|finding| finding.severity == Severity::Fails);
    let report = Report::new(rig.controller.name(), &limits, fabric.as_ref(), findings);
    if rig.json {
        output.json(&report)?;
    } else {
        output.bytes(report.text().as_bytes())?;
    }
    Ok(if fails { Exit::Mismatch } else { Exit::Pass })
}

fn fabric(args: &DoctorArgs) -> Result<Option<Fabric>, FabricError> {
    match (&args.topology, &args.sysfs) {
        (Some(path), _) => Fabric::from_file(path, args.device).map(Some),
        (None, Some(root)) => Fabric::from_sysfs(root, args.device).map(Some),
        (None, None) => Ok(None),
    }
}

/// The limits of the controller's model. It is brought up for that, in this process or in QEMU.
fn limits(rig: &RigArgs) -> Result<Limits, SessionError> {
    let mut session = Session::open(rig.session(SimBehaviour::default())?)?;
    session.driver().bring_up()?;
    let limits = session.driver().limits();
    session.close()?;
    limits.ok_or(SessionError::Host(hba_core::host::HostError::Gone))
}
