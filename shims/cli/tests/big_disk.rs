//! A disk of 66 TB: blocks that 32 bits do not name.

mod common;

use std::process::Command;

use common::{Ran, TestFile, available, hba};

/// A multiple of 4 KiB.
const BYTES: u64 = 66_000_000_000_000 / 4096 * 4096;

fn image(name: &str) -> Option<TestFile> {
    if !available("qemu:") {
        return None;
    }
    let file = TestFile::new(name);
    let bytes = BYTES.to_string();
    let made = Command::new("qemu-img")
        .args(["create", "-q", "-f", "qcow2", file.path(), &bytes])
        .output();
    let made = made.expect("qemu-img of the Debian package qemu-utils");
    assert!(made.status.success(), "{made:?}");
    Some(file)
}

fn on(image: &TestFile, arguments: &[&str]) -> Ran {
    let rig = ["--controller", "qemu:mptsas1068", "--disk", image.path()];
    hba(&[arguments, &rig].concat())
}

#[test]
fn its_capacity_is_shown() {
    let Some(image) = image("big-list.qcow2") else { return };
    let rows = on(&image, &["list", "--json"]).json();
    assert_eq!((&rows[0]["capacity"], &rows[0]["blocks"]), (&BYTES.into(), &(BYTES / 512).into()));
    let rows = on(&image, &["list", "--json", "--block-size", "4096"]).json();
    assert_eq!(rows[0]["blocks"], BYTES / 4096);
    let stdout = on(&image, &["list"]).passed();
    assert!(stdout.ends_with("  60.0TiB  512B  cache=on\n"), "{stdout}");
}

#[test]
fn the_beginning_the_middle_and_the_end_hold_what_is_written() {
    let Some(image) = image("big-verify.qcow2") else { return };
    let blocks = BYTES / 512;
    let mib = (1 << 20) / 512;
    for start in [0, (1 << 32) - mib / 2, (1 << 32) - 1, blocks - mib] {
        let start = start.to_string();
        let stdout = on(&image, &["verify", "--start", &start, "--size", "1M"]).passed();
        assert!(stdout.contains("\nPASS 1 disk: all 2048 blocks are there"), "{stdout}");
    }
    let line = on(&image, &["verify", "--start", &(blocks - mib + 1).to_string(), "--size", "1M"]);
    assert!(line.failed(2).contains("pass the end of 0:0:0:0"));
}

/// In memory, so without an image: only what is written takes space.
#[test]
fn simulated_disks_are_as_big() {
    for controller in ["sim:sas1068", "sim:direct"] {
        let rig = ["--controller", controller, "--disks", "1", "--disk-size", "66TB"];
        for start in ["0", "4294967000", "128906247952"] {
            let verify = ["verify", "--start", start, "--size", "1M"];
            let stdout = hba(&[&verify[..], &rig].concat()).passed();
            assert!(stdout.contains("\nPASS 1 disk: "), "{stdout}");
        }
    }
}
