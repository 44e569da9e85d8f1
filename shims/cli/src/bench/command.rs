//! The command: options in, lines, JSON and a picture out.

use core::time::Duration;
use std::fs::File;
use std::io::Write as _;

use indicatif::{ProgressBar, ProgressStyle};

use super::report::Report;
use super::{BenchError, Plan, Request, Watcher, plot};
use crate::args::{BenchArgs, RigArgs};
use crate::hctl::Hctl;
use crate::output::{Output, stderr_is_terminal};
use crate::session::{Queues, Session, SessionConfig, SessionError, SimBehaviour, tell_trouble};
use crate::trace::{Trace, TraceFile, wall_clock};
use crate::{CliError, Exit};

/// Measures.
pub(crate) fn run(rig: &RigArgs, args: &BenchArgs, output: &mut Output) -> Result<Exit, CliError> {
    permit(rig, args)?;
    // Made before anything is measured, so that the picture is not lost to a wrong path.
    let picture = args.plot.as_ref().map(|path| (path, File::create(path)));
    let picture = picture.map(|(path, file)| match file {
        Ok(file) => Ok((path, file)),
        Err(source) => Err(BenchError::Plot { path: path.clone(), source }),
    });
    let picture = picture.transpose()?;
    let trace = args.trace.as_deref().map(TraceFile::create).transpose()?;
    let config = rig.session(SimBehaviour::default())?;
    let record = args.recorder || args.trace.is_some();
    let depth = u16::try_from(args.depth.get()).unwrap_or(u16::MAX);
    let queues = Some(Queues { vectors: args.vectors, depth });
    let mut session = Session::open(SessionConfig { record, queues, ..config })?;
    let trace = trace.map(|file| file.start(wall_clock()));
    let found = session.attach().inspect_err(|_| tell_trouble(&mut session));
    let found = found?;
    let limits = session.driver().limits().ok_or(BenchError::Gone)?;
    let request = Request {
        mode: args.rw,
        bytes: args.bs.bytes(),
        depth: args.depth.get(),
        vectors: args.vectors,
        duration: args.seconds.0,
    };
    let plan = Plan::new(&request, rig.controller, &limits, &found)?;
    let mut progress = Progress::new(&plan, !rig.json);
    let measured = session.driver().measure(&plan, &mut progress);
    progress.0.finish_and_clear();
    let measured = measured.and_then(|measured| flush(&mut session, &plan).map(|()| measured));
    if measured.is_err() {
        tell_trouble(&mut session);
    }
    let closed = measured.map_err(CliError::from);
    let closed = closed.and_then(|measured| Ok(session.close().map(|()| measured)?));
    trace.map_or(Ok(()), Trace::finish)?;
    let measured = closed?;
    let report = Report::new(rig.controller, &plan, &measured);
    if let Some((path, mut file)) = picture {
        let failed = |source| BenchError::Plot { path: path.clone(), source };
        file.write_all(plot::svg(&report, &measured.tally).as_bytes()).map_err(failed)?;
    }
    if rig.json {
        output.json(&report)?;
    } else {
        output.line(&format!("hba bench on {}", report.subject()))?;
        report.lines().iter().try_for_each(|line| output.line(line))?;
    }
    Ok(Exit::Pass)
}

/// Refuses to overwrite what somebody may need, unless that was said.
fn permit(rig: &RigArgs, args: &BenchArgs) -> Result<(), BenchError> {
    let attached = rig.disk.first().cloned();
    if args.rw.writes() && !args.overwrite && (attached.is_some() || !rig.qemu_arg.is_empty()) {
        return Err(BenchError::Overwrite { mode: args.rw, path: attached });
    }
    Ok(())
}

/// What was written shall be there, as after any other program; the time for it does not count.
fn flush(session: &mut Session, plan: &Plan) -> Result<(), BenchError> {
    let units = plan.units.iter().filter(|_| plan.mode.writes());
    for unit in units {
        let flushed = session.driver().flush(unit).map_err(SessionError::from)?;
        flushed.map_err(|error| BenchError::Flush { hctl: Hctl(unit.nexus), error })?;
    }
    Ok(())
}

/// A bar on standard error if that is a terminal.
struct Progress(ProgressBar);

impl Progress {
    fn new(plan: &Plan, for_people: bool) -> Self {
        let total = u64::try_from((plan.warm_up + plan.duration).as_millis()).unwrap_or(u64::MAX);
        if !for_people || !stderr_is_terminal() {
            return Self(ProgressBar::hidden());
        }
        let style = ProgressStyle::with_template("{msg:10} [{bar:40}] {percent:>3} %")
            .unwrap_or_else(|_| ProgressStyle::default_bar());
        let bar = ProgressBar::new(total).with_style(style).with_message("measuring");
        Self(bar)
    }
}

impl Watcher for Progress {
    fn at(&mut self, elapsed: Duration) {
        let millis = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
        if millis >= self.0.position() + TICK {
            self.0.set_position(millis);
        }
    }
}

/// Milliseconds between two looks of the bar.
const TICK: u64 = 50;
