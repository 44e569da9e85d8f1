//! However the driver ends, QEMU ends too, and no file is left.
//!
//! The endings that kill the process run in a second copy of this test program: `driver_process` below, told by a
//! variable to start QEMU, print its process id and wait to be killed.

mod common;

use core::time::Duration;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Instant;

use common::start;
use hba_core::register::{ALL_ONES, Registers};
use hba_qemu::{Config, DiskConfig, available_for_tests};

/// Says how the second copy ends; unset in an ordinary test run.
const ENDING: &str = "HBA_QEMU_TEST_ENDING";

fn config() -> Config {
    Config { disks: vec![DiskConfig::memory(1 << 20)], ..Config::default() }
}

#[test]
fn drop_ends_qemu() {
    let Some(qemu) = start(config()) else { return };
    let pid = qemu.pid();
    assert!(runs(pid));
    drop(qemu);
    assert!(!runs(pid));
}

#[test]
fn quit_ends_qemu() {
    let Some(qemu) = start(config()) else { return };
    let pid = qemu.pid();
    qemu.quit().expect("an orderly end");
    assert!(!runs(pid));
}

#[test]
fn a_panic_in_a_thread_ends_qemu() {
    let Some(qemu) = start(config()) else { return };
    let pid = qemu.pid();
    let thread = thread::spawn(move || {
        let _qemu = qemu;
        panic!("on purpose");
    });
    assert!(thread.join().is_err());
    assert!(!runs(pid));
}

/// The parent death signal follows the thread that forks: QEMU must not end with the thread that called `start`.
#[test]
fn qemu_survives_the_thread_that_started_it() {
    let Some(qemu) = thread::spawn(|| start(config())).join().expect("started") else { return };
    let mut registers = qemu.registers();
    for _ in 0..1000 {
        assert_ne!(registers.read32(common::DOORBELL), ALL_ONES);
    }
}

#[test]
fn a_failed_start_leaves_nothing() {
    if !available_for_tests() {
        return;
    }
    Driver::start_as("failed-start").ends_by(None);
}

#[test]
fn killing_the_driver_ends_qemu() {
    if !available_for_tests() {
        return;
    }
    for signal in ["-KILL", "-TERM", "-INT"] {
        Driver::start_as("wait").ends_by(Some(signal));
    }
}

#[test]
fn an_exit_without_drop_ends_qemu() {
    if available_for_tests() {
        Driver::start_as("exit").ends_by(None);
    }
}

/// The second copy of this program; passes at once in an ordinary test run.
#[test]
fn driver_process() {
    let Ok(ending) = std::env::var(ENDING) else { return };
    if ending == "failed-start" {
        // A target that the controller does not have: QEMU ends after it has built most of the machine.
        let mut config = config();
        config.disks[0].scsi_id = Some(200);
        assert!(hba_qemu::Qemu::start(config).is_err());
        std::process::exit(children());
    }
    let qemu = start(config()).expect("the first copy checked that QEMU is there");
    println!("QEMU {}", qemu.pid());
    if ending == "exit" {
        std::process::exit(0);
    }
    loop {
        thread::park();
    }
}

/// The second copy, with a folder for temporary files of its own.
struct Driver {
    child: Child,
    qemu: Option<u32>,
    folder: PathBuf,
}

impl Driver {
    fn start_as(ending: &str) -> Self {
        let name = format!("hba-qemu-leftovers-{}-{ending}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        fs::create_dir_all(&folder).expect("scratch folder");
        let program = std::env::current_exe().expect("this program");
        // A test that runs in the background of a shell was told to ignore the interrupt, and would tell the copy so.
        let mut child = Command::new("env")
            .arg("--default-signal=INT")
            .arg(program)
            .args(["driver_process", "--exact", "--nocapture", "--test-threads=1"])
            .env(ENDING, ending)
            .env("TMPDIR", &folder)
            .current_dir(&folder)
            .stdout(Stdio::piped())
            .spawn()
            .expect("second copy");
        let lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        let said = |line: String| line.split_once("QEMU ")?.1.parse().ok();
        let qemu = lines.map_while(Result::ok).find_map(said);
        Self { child, qemu, folder }
    }

    /// Ends the driver by a signal, or lets it end; QEMU must be gone soon after, and no file be left.
    fn ends_by(mut self, signal: Option<&str>) {
        if let Some(signal) = signal {
            let sent = Command::new("kill").args([signal, &self.child.id().to_string()]).status();
            assert!(sent.expect("kill").success());
        }
        let status = self.child.wait().expect("ended");
        assert_eq!(status.success(), signal.is_none(), "{status}");
        if let Some(pid) = self.qemu {
            let deadline = Instant::now() + Duration::from_secs(30);
            while runs(pid) {
                assert!(Instant::now() < deadline, "QEMU {pid} was left behind");
                thread::sleep(Duration::from_millis(5));
            }
        }
        let left: Vec<_> = fs::read_dir(&self.folder).expect("folder").collect();
        assert!(left.is_empty(), "{left:?}");
        fs::remove_dir(&self.folder).expect("empty");
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// How many processes have this one as their parent, zombies included.
fn children() -> i32 {
    let own = std::process::id().to_string();
    let processes = fs::read_dir("/proc").expect("/proc").flatten();
    let stats = processes.filter_map(|entry| fs::read_to_string(entry.path().join("stat")).ok());
    let parent = |stat: &String| stat.rsplit_once(") ")?.1.split(' ').nth(1).map(str::to_owned);
    stats.filter_map(|stat| parent(&stat)).filter(|parent| *parent == own).count() as i32
}

/// Whether the process exists; a zombie that its new parent has not reaped does not count.
fn runs(pid: u32) -> bool {
    let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) else { return false };
    let state = stat.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next());
    !matches!(state, Some('Z' | 'X') | None)
}
