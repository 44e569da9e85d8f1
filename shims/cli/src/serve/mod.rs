//! `hba serve`: a simulated controller as a PCI device of a virtual machine.

mod script;

use alloc::sync::Arc;
use std::path::Path;
use std::thread;

use hba_vfio_user::{GuestMemory, Part, ServeError, Server};
use serde::Serialize;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use sim_backend::memory::DeviceMemory;
use sim_backend::mpi2::PciIdentity;

use crate::args::{RigArgs, ServeArgs};
use crate::controller::ControllerSpec;
use crate::output::{Output, note};
use crate::session::{SessionConfig, SessionError, SimBehaviour, model};
use crate::{CliError, Exit};

/// Serves one client and ends when it leaves.
pub(crate) fn run(
    rig: &RigArgs,
    options: &ServeArgs,
    output: &mut Output,
) -> Result<Exit, CliError> {
    if rig.no_64_bit_store {
        return Err(SessionError::NotTheHost { option: "--no-64-bit-store" }.into());
    }
    let config = rig.session(SimBehaviour::default())?;
    let script = options.script.as_deref().map(script::open).transpose()?;
    let server = start(&config, &options.vfio_user)?;
    remove_on_signal(&options.vfio_user)?;
    announce(rig, &config, &options.vfio_user, output)?;
    if let Some(script) = script {
        let (remote, json) = (server.remote(), rig.json);
        thread::spawn(move || script::follow(script, &remote, json));
    }
    server.serve()?;
    Ok(Exit::Pass)
}

fn start(config: &SessionConfig, path: &Path) -> Result<Server, CliError> {
    let memory = Arc::new(GuestMemory::default());
    let device = DeviceMemory::outside(memory.clone());
    let controller = config.controller;
    let part = part(controller).ok_or(SessionError::NotPci { controller })?;
    let model = model(config, device)?;
    Ok(Server::bind(path, &part, model, memory)?)
}

fn part(controller: ControllerSpec) -> Option<Part> {
    match controller {
        ControllerSpec::SimSas1068 => Some(Part::sas1068()),
        ControllerSpec::SimSas2008 => Some(Part::express(&PciIdentity::sas2008())),
        ControllerSpec::SimSas3008 => Some(Part::express(&PciIdentity::sas3008())),
        ControllerSpec::SimDirect | ControllerSpec::QemuMptsas1068 => None,
    }
}

/// Takes the socket away when a signal ends the program.
fn remove_on_signal(path: &Path) -> Result<(), CliError> {
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP])?;
    let path = path.to_owned();
    thread::spawn(move || {
        if let Some(signal) = signals.forever().next() {
            let _ = std::fs::remove_file(path);
            // As a shell counts it.
            std::process::exit(128 + signal);
        }
    });
    Ok(())
}

/// What `--json` says when the socket is there.
#[derive(Debug, Serialize)]
struct Listening<'a> {
    listening: &'a Path,
    controller: &'a str,
    disks: usize,
}

fn announce(
    rig: &RigArgs,
    config: &SessionConfig,
    path: &Path,
    output: &mut Output,
) -> Result<(), CliError> {
    let (controller, disks) = (config.controller.name(), config.disks.sources().len());
    if rig.json {
        let line = serde_json::to_string(&Listening { listening: path, controller, disks });
        output.line(&line.map_err(std::io::Error::from)?)?;
    } else {
        output.line(&format!("{controller} with {disks} disks on {}", path.display()))?;
        note(&format!("for QEMU: {}", qemu_option(path)));
    }
    Ok(())
}

/// What QEMU has to be told. It wants the path as JSON.
fn qemu_option(path: &Path) -> String {
    let path = serde_json::Value::from(path.to_string_lossy());
    let socket = format!(r#"{{"type":"unix","path":{path}}}"#);
    format!(r#"-device '{{"driver":"vfio-user-pci","socket":{socket}}}'"#)
}

impl From<ServeError> for CliError {
    fn from(error: ServeError) -> Self {
        Self::Serve(error)
    }
}
