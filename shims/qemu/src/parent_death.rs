//! A child that the kernel kills when its parent ends, in whatever way.
#![expect(
    unsafe_code,
    reason = "code between fork and exec must be async-signal-safe, which is promised here"
)]

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::process::Command;

use rustix::io::{Errno, FdFlags, fcntl_setfd};
use rustix::process::{Signal, getpid, getppid, set_parent_process_death_signal};

/// Makes the child inherit `inherited`, under the same numbers, and die with its parent.
///
/// The kernel sends the signal when the *thread* that forked ends: spawn from a thread that lives as long as the
/// process. The descriptors are closed in the parent when `command` is dropped.
pub(crate) fn bind_to_parent(command: &mut Command, inherited: Vec<OwnedFd>) {
    let parent = getpid();
    let before_exec = move || -> io::Result<()> {
        set_parent_process_death_signal(Some(Signal::KILL))?;
        // A parent that ended before the call above sends no signal; the child has another parent by then.
        if getppid() != Some(parent) {
            return Err(Errno::SRCH.into());
        }
        for fd in &inherited {
            fcntl_setfd(fd, FdFlags::empty())?;
        }
        Ok(())
    };
    // SAFETY: the closure only makes system calls (prctl, getppid, fcntl) and builds errors from their numbers: it
    // allocates nothing, takes no lock, and touches only memory that fork copied.
    unsafe { command.pre_exec(before_exec) };
}
