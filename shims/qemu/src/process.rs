//! The QEMU process: found, started, watched, and never left behind.

use core::time::Duration;
use std::env;
use std::fs::File;
use std::io::{self, Read, Seek};
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Sender, SyncSender, channel, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Instant;

use rustix::fs::{MemfdFlags, memfd_create};

use crate::error::StartError;
use crate::parent_death::bind_to_parent;

/// A running QEMU; killed and reaped on drop.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    stderr: File,
}

impl Process {
    /// Starts `binary`; the child inherits the descriptors under the numbers that they have here.
    pub(crate) fn spawn(
        binary: &Path,
        arguments: &[String],
        inherited: Vec<OwnedFd>,
    ) -> Result<Self, StartError> {
        let host = |source| StartError::Host { what: "QEMU process", source };
        // A file instead of a pipe: QEMU never waits for a reader, and nobody has to read.
        let stderr =
            memfd_create("hba-qemu-stderr", MemfdFlags::CLOEXEC).map_err(|e| host(e.into()))?;
        let stderr = File::from(stderr);
        let mut command = Command::new(binary);
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null());
        command.stderr(stderr.try_clone().map_err(host)?);
        // Its own process group: Ctrl-C reaches the driver only, which may want to flush before it lets go.
        command.process_group(0);
        bind_to_parent(&mut command, inherited);
        let child = spawn_from_lasting_thread(command).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => StartError::Missing { binary: binary.to_owned() },
            _ => host(error),
        })?;
        Ok(Self { child, stderr })
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Kills QEMU at once and waits until it is gone; does nothing if it has ended.
    pub(crate) fn kill(&mut self) {
        // Both fail only if the child was reaped before.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// How QEMU ended, or `None` if it still runs after `limit`.
    pub(crate) fn wait(&mut self, limit: Duration) -> io::Result<Option<ExitStatus>> {
        let deadline = Instant::now() + limit;
        loop {
            let status = self.child.try_wait()?;
            if status.is_some() || Instant::now() >= deadline {
                return Ok(status);
            }
            thread::sleep(Duration::from_millis(2));
        }
    }

    /// What QEMU printed, in one line.
    pub(crate) fn stderr(&mut self) -> String {
        let mut printed = Vec::new();
        let read = self
            .stderr
            .rewind()
            .and_then(|()| (&self.stderr).take(STDERR_MAX).read_to_end(&mut printed));
        match read {
            Ok(0) => "nothing".to_owned(),
            Ok(_) => one_line(&String::from_utf8_lossy(&printed)),
            Err(error) => format!("unknown, {error}"),
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The program to start: the configured one, then `HBA_QEMU`, then `qemu-system-x86_64` in `PATH`.
pub(crate) fn find_binary(configured: Option<&Path>) -> Result<PathBuf, StartError> {
    let wanted = configured
        .map(Path::to_owned)
        .or_else(|| env::var_os("HBA_QEMU").map(PathBuf::from))
        .unwrap_or_else(|| PathBuf::from(DEFAULT_BINARY));
    if wanted.components().count() > 1 {
        return if wanted.is_file() {
            Ok(wanted)
        } else {
            Err(StartError::Missing { binary: wanted })
        };
    }
    let path = env::var_os("PATH").unwrap_or_default();
    let found =
        env::split_paths(&path).map(|folder| folder.join(&wanted)).find(|file| file.is_file());
    found.ok_or(StartError::Missing { binary: wanted })
}

/// `lines` without QEMU's name in front, joined by semicolons.
fn one_line(lines: &str) -> String {
    let bare = |line: &str| match line.split_once(": ") {
        Some((program, rest)) if program.contains("qemu-system") => rest.trim().to_owned(),
        _ => line.trim().to_owned(),
    };
    let lines: Vec<String> = lines.lines().map(bare).filter(|line| !line.is_empty()).collect();
    lines.join("; ")
}

/// Spawns from a thread that ends with the process, because the parent death signal follows the forking thread.
fn spawn_from_lasting_thread(command: Command) -> io::Result<Child> {
    let (answer, answered) = sync_channel(1);
    {
        let mut spawner = SPAWNER.lock().unwrap_or_else(PoisonError::into_inner);
        let jobs = match spawner.take() {
            Some(jobs) => jobs,
            None => start_spawner()?,
        };
        let sent = jobs.send(Job { command, answer });
        sent.map_err(|_| io::Error::other("the thread that starts processes has ended"))?;
        *spawner = Some(jobs);
    }
    answered.recv().map_err(io::Error::other)?
}

fn start_spawner() -> io::Result<Sender<Job>> {
    let (jobs, queue) = channel::<Job>();
    thread::Builder::new().name("hba-qemu-spawn".to_owned()).spawn(move || {
        for Job { mut command, answer } in queue {
            let spawned = command.spawn();
            // Closes the parent's copies of the inherited descriptors before anybody waits for their other ends.
            drop(command);
            if let Err(unsent) = answer.send(spawned)
                && let Ok(mut child) = unsent.0
            {
                let _ = child.kill();
                let _ = child.wait();
            }
        }
    })?;
    Ok(jobs)
}

struct Job {
    command: Command,
    answer: SyncSender<io::Result<Child>>,
}

/// Never dropped, so the thread never sees the end of its queue.
static SPAWNER: Mutex<Option<Sender<Job>>> = Mutex::new(None);

const DEFAULT_BINARY: &str = "qemu-system-x86_64";

/// Enough for every message that QEMU ends with.
const STDERR_MAX: u64 = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_program_names_the_package() {
        for name in ["no-such-qemu", "/nonexistent/qemu"] {
            let error = find_binary(Some(Path::new(name))).expect_err("not there");
            assert_eq!(
                error.to_string(),
                format!(
                    "{name} not found: install the Debian package qemu-system-x86 or set HBA_QEMU"
                )
            );
        }
    }

    #[test]
    fn messages_become_one_line() {
        let printed =
            "qemu-system-x86_64: warning: slow\nqemu-system-x86_64: -device x: bad\n\n  hint\n";
        assert_eq!(one_line(printed), "warning: slow; -device x: bad; hint");
    }

    #[test]
    fn a_process_is_reaped_on_drop_and_its_words_are_kept() {
        let arguments = ["-c".to_owned(), "echo no such device >&2; exit 3".to_owned()];
        let mut process = Process::spawn(Path::new("/bin/sh"), &arguments, Vec::new()).expect("sh");
        let status = process.wait(Duration::from_secs(30)).expect("wait").expect("ended");
        assert_eq!((status.code(), process.stderr()), (Some(3), "no such device".to_owned()));

        let arguments = ["-c".to_owned(), "exec sleep 1000".to_owned()];
        let process = Process::spawn(Path::new("/bin/sh"), &arguments, Vec::new()).expect("sh");
        let status_file = format!("/proc/{}", process.id());
        assert!(Path::new(&status_file).exists());
        drop(process);
        assert!(!Path::new(&status_file).exists(), "not even a zombie is left");
    }
}
