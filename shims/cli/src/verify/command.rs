//! The command: options in, lines and a progress bar out.

use core::time::Duration;
use std::io;
use std::time::{SystemTime, UNIX_EPOCH};

use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use super::{Monitor, Report, VerifyOptions, verify};
use crate::args::{FaultArg, RigArgs, VerifyArgs};
use crate::controller::ControllerSpec;
use crate::list;
use crate::output::{Output, stderr_is_terminal};
use crate::session::{Queues, Session, SessionConfig, SessionError, SimBehaviour, tell_trouble};
use crate::size::Size;
use crate::trace::{Trace, TraceFile};
use crate::{CliError, Exit};

/// Verifies the disks.
pub(crate) fn run(rig: &RigArgs, args: &VerifyArgs, output: &mut Output) -> Result<Exit, CliError> {
    let seed = args.seed.unwrap_or_else(clock_seed);
    let fault = args.fault.map(FaultArg::fault);
    let options = VerifyOptions {
        size: args.size.map(Size::bytes),
        start: args.start,
        depth: args.depth.get() as usize,
        seed,
        io_size: args.io_size,
    };
    let trace = args.trace.as_deref().map(TraceFile::create).transpose()?;
    let config = rig.session(SimBehaviour { seed: Some(seed), fault })?;
    let queues = queues(config.controller, args.vectors)?;
    let mut session = Session::open(SessionConfig { record: true, queues, ..config })?;
    let trace = trace.map(|file| file.start(session.clock()));
    let found = session.attach().inspect_err(|_| tell_trouble(&mut session));
    let found = found?;
    if !rig.json {
        output.line(&format!("hba verify on {}, seed {seed:#x}", rig.controller))?;
        list::table(&found.units).iter().try_for_each(|row| output.line(row))?;
    }
    let mut progress = Progress::new(output, !rig.json);
    let result = verify(&mut session, &found, &options, &mut progress);
    let finished = progress.finish();
    if result.as_ref().is_err_and(|error| !error.is_usage()) {
        tell_trouble(&mut session);
    }
    let closed = result.and_then(|report| Ok(session.close().map(|()| report)?));
    // Where something failed, a trace of it is wanted most.
    trace.map_or(Ok(()), Trace::finish)?;
    let report = closed?;
    finished?;
    print(rig, seed, &report, output)?;
    Ok(if report.passed { Exit::Pass } else { Exit::Mismatch })
}

/// As many vectors as asked for, where there is a choice.
fn queues(
    controller: ControllerSpec,
    vectors: Option<u16>,
) -> Result<Option<Queues>, SessionError> {
    match (controller, vectors) {
        (_, None) => Ok(None),
        (ControllerSpec::SimSas1068 | ControllerSpec::QemuMptsas1068, Some(2..)) => {
            Err(SessionError::Vectors { controller })
        }
        (_, Some(vectors)) => Ok(Some(Queues { vectors, depth: u16::MAX })),
    }
}

fn print(rig: &RigArgs, seed: u64, report: &Report, output: &mut Output) -> io::Result<()> {
    if rig.json {
        let json = Json { controller: rig.controller.name(), seed, report };
        return output.json(&json);
    }
    report.disks.iter().try_for_each(|disk| output.line(&disk.to_string()))?;
    output.line(&report.to_string())
}

#[derive(Serialize)]
struct Json<'a> {
    controller: &'a str,
    seed: u64,
    #[serde(flatten)]
    report: &'a Report,
}

/// Different from run to run, so that no block of an earlier one passes for a new one.
fn clock_seed() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    u64::from(now.subsec_nanos()) ^ now.as_secs().rotate_left(32)
}

/// Lines on standard output, and a bar on standard error if that is a terminal.
struct Progress<'a> {
    /// `None` where programs read.
    output: Option<&'a mut Output>,
    bar: ProgressBar,
    step: &'static str,
    /// The first that went wrong with the output.
    error: Option<io::Error>,
}

impl<'a> Progress<'a> {
    fn new(output: &'a mut Output, for_people: bool) -> Self {
        let visible = for_people && stderr_is_terminal();
        let bar = if visible { ProgressBar::new(0) } else { ProgressBar::hidden() };
        let style = ProgressStyle::with_template("{msg:8}{bar:40} {percent:>3} %  {bytes_per_sec}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        Self { output: for_people.then_some(output), bar, step: "", error: None }
    }

    fn line(&mut self, text: &str) {
        let Some(output) = &mut self.output else { return };
        let result = self.bar.suspend(|| output.line(text));
        self.error = self.error.take().or_else(|| result.err());
    }

    fn finish(self) -> io::Result<()> {
        self.bar.finish_and_clear();
        self.error.map_or(Ok(()), Err)
    }
}

impl Monitor for Progress<'_> {
    fn begin(&mut self, bytes: u64) {
        self.bar.set_length(bytes);
    }

    fn step(&mut self, name: &'static str) {
        self.step = name;
        self.bar.set_message(name);
    }

    fn advance(&mut self, bytes: u64) {
        self.bar.inc(bytes);
    }

    fn done(&mut self, text: &str) {
        let step = self.step;
        self.line(&format!("{step:<8}{text}"));
    }
}
