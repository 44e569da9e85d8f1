//! What cannot be started says so in one line, and image files keep what was written.

mod common;

use core::time::Duration;
use std::fs;
use std::path::PathBuf;

use common::{Data, Initiator, Reply, start};
use hba_core::dma::DataBuffer;
use hba_qemu::serde_json::json;
use hba_qemu::{Config, DiskConfig, ImageFormat, Qemu, StartError, Zone, available_for_tests};

fn error_of(config: Config) -> String {
    let error = Qemu::start(config).map(|_| ()).expect_err("cannot start").to_string();
    assert!(!error.contains('\n'), "{error}");
    error
}

#[test]
fn a_missing_program_names_the_package() {
    let config = Config { binary: Some("no-such-qemu".into()), ..Config::default() };
    let error = error_of(config);
    assert!(
        error.ends_with("install the Debian package qemu-system-x86 or set HBA_QEMU"),
        "{error}"
    );
}

#[test]
fn qemu_speaks_for_itself() {
    if !available_for_tests() {
        return;
    }
    let qemu_args = vec!["-device".to_owned(), "no-such-device".to_owned()];
    let error = error_of(Config { qemu_args, ..Config::default() });
    assert!(error.starts_with("QEMU ended with exit status: 1: "), "{error}");
    assert!(error.contains("'no-such-device' is not a valid device model name"), "{error}");
}

#[test]
fn a_deadline_ends_the_wait() {
    if !available_for_tests() {
        return;
    }
    // This QEMU waits for a client of a socket, on a port that nobody knows, before it makes its machine.
    let qemu_args = ["-chardev", "socket,id=never,host=127.0.0.1,port=0,server=on,wait=on"];
    let config = Config {
        qemu_args: qemu_args.map(str::to_owned).to_vec(),
        start_deadline: Duration::from_millis(200),
        ..Config::default()
    };
    let error = Qemu::start(config).map(|_| ()).expect_err("cannot start");
    assert!(matches!(error, StartError::Deadline { .. }), "{error}");
}

#[test]
fn memory_and_images_are_checked_before_qemu_starts() {
    if !available_for_tests() {
        return;
    }
    let error = error_of(Config { ram_below_4g: 3 << 30, ..Config::default() });
    assert!(
        error.ends_with("use whole MiB, 2 MiB to 2 GiB below and at most 1 TiB above"),
        "{error}"
    );
    let disks = vec![DiskConfig::image("/nonexistent/disk.img")];
    let error = error_of(Config { disks, ..Config::default() });
    assert!(error.starts_with("disk image /nonexistent/disk.img: No such file"), "{error}");
}

/// A file that is removed when the test ends.
struct ScratchFile(PathBuf);

impl Drop for ScratchFile {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

#[test]
fn a_qcow2_image_keeps_what_was_written() {
    let name = format!("hba-qemu-test-{}.qcow2", std::process::id());
    let image = ScratchFile(std::env::temp_dir().join(name));
    fs::write(&image.0, []).expect("scratch file");
    let Some(maker) = start(Config::default()) else { return };
    let qmp = maker.qmp();
    let filename = image.0.to_str().expect("UTF-8");
    let file = json!({ "driver": "file", "node-name": "image", "filename": filename });
    qmp.execute("blockdev-add", file).expect("blockdev-add");
    let options = json!({ "driver": "qcow2", "file": "image", "size": 66u64 << 40 });
    qmp.execute("blockdev-create", json!({ "job-id": "make", "options": options }))
        .expect("create");
    while qmp.execute("query-jobs", json!({})).expect("jobs")[0]["status"] != "concluded" {
        std::thread::yield_now();
    }
    maker.quit().expect("quit");
    assert_eq!(ImageFormat::detect(&image.0).expect("readable"), ImageFormat::Qcow2);

    let data = [0x5a; 512];
    for write in [true, false] {
        let config = Config { disks: vec![DiskConfig::image(&image.0)], ..Config::default() };
        let Some(qemu) = start(config) else { return };
        let mut initiator = Initiator::new(&qemu, Zone::Below4G);
        initiator.clear_unit_attention(0);
        let mut buffer = qemu.memory().buffer(512).expect("room");
        let bus = buffer.segments()[0].addr;
        // READ(16) and WRITE(16) of block 2^36.
        let mut cdb = [0x88, 0, 0, 0, 0, 0x10, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0];
        let moved = if write {
            cdb[0] = 0x8a;
            buffer.write(&data);
            Data::Write(bus, 512)
        } else {
            Data::Read(bus, 512)
        };
        assert_eq!(initiator.execute(0, cdb, moved), Reply::Good);
        let mut back = [0; 512];
        buffer.read(&mut back);
        assert_eq!(back, data);
        drop(initiator);
        qemu.quit().expect("quit");
    }
}
