//! `hba list` on every controller.

mod common;

use common::{TestFile, controllers, hba};
use serde_json::{Value, json};

#[test]
fn rows_are_aligned_and_say_everything() {
    let stdout = hba(&["list", "--disks", "2", "--disk-size", "1G"]).passed();
    let expected = "\
[0:0:0:0]  disk  HBA-SIM  DISK  0001  HBASIM0000  naa.5000c50000000100  1.0GiB  512B  cache=on
[0:0:1:0]  disk  HBA-SIM  DISK  0001  HBASIM0001  naa.5000c50000000200  1.0GiB  512B  cache=on
";
    assert_eq!(stdout, expected);
}

#[test]
fn rows_of_different_disks_are_aligned() {
    let small = TestFile::zeros("list-small", 512);
    let stdout = hba(&["list", "--disk", small.path(), "--disks", "2"]).passed();
    let ends: Vec<_> = stdout
        .lines()
        .map(|line| line.rsplit_once("0100  ").or_else(|| line.rsplit_once("0200  ")))
        .collect();
    let ends: Vec<_> = ends.into_iter().flatten().map(|(_, end)| end).collect();
    assert_eq!(ends, ["   512B  512B  cache=on", "64.0MiB  512B  cache=on"]);
}

/// What must not depend on the controller.
fn essence(row: &Value) -> Value {
    let keys = [
        "address",
        "type",
        "serial",
        "wwn",
        "capacity",
        "blocks",
        "block_size",
        "write_cache",
        "ready",
    ];
    keys.iter().map(|key| ((*key).to_owned(), row[key].clone())).collect()
}

#[test]
fn every_controller_shows_the_same_disks() {
    for controller in controllers() {
        for (disks, block_size) in [(1, 512), (8, 512), (1, 4096), (8, 4096)] {
            let (count, bytes) = (disks.to_string(), block_size.to_string());
            let arguments = ["list", "--json", "--controller", controller, "--disks", &count];
            let arguments =
                [&arguments[..], &["--block-size", &bytes, "--disk-size", "16M"]].concat();
            let rows = hba(&arguments).json();
            let essences: Vec<_> = rows.as_array().expect("an array").iter().map(essence).collect();
            let expected = |disk: u64| {
                json!({
                    "address": format!("0:0:{disk}:0"),
                    "type": "disk",
                    "serial": format!("HBASIM{disk:04}"),
                    "wwn": format!("naa.{:016x}", 0x5000_c500_0000_0000 + (disk + 1) * 0x100),
                    "capacity": 16 << 20,
                    "blocks": (16 << 20) / block_size,
                    "block_size": block_size,
                    "write_cache": true,
                    "ready": true,
                })
            };
            let expected: Vec<_> = (0..disks).map(expected).collect();
            assert_eq!(essences, expected, "{controller}");
        }
    }
}

/// Two volumes and a disk: the four disks that the volumes are made of do not show.
#[test]
fn volumes_are_listed_as_such() {
    for controller in ["sim:sas2008", "sim:sas3008"] {
        let options = ["list", "--controller", controller, "--volumes", "2", "--disks", "3"];
        let stdout = hba(&options).passed();
        let mut rows: Vec<_> =
            stdout.lines().map(|row| row.split_once("  ").expect("columns").1.trim()).collect();
        rows.sort_unstable();
        let expected = [
            "disk    HBA-SIM  DISK            0001  HBASIM0002  naa.5000c50000000300  64.0MiB  512B  cache=on",
            "volume  LSI      Logical Volume  0001  HBASIM0000  naa.5000c50000000100  64.0MiB  512B  cache=on",
            "volume  LSI      Logical Volume  0001  HBASIM0001  naa.5000c50000000200  64.0MiB  512B  cache=on",
        ];
        assert_eq!(rows, expected, "{controller}");
        let rows = hba(&[&options[..], &["--json"]].concat()).json();
        let rows = rows.as_array().expect("an array");
        let kinds = rows.iter().map(|row| (row["serial"].as_str(), row["volume"].as_bool()));
        let expected = [("HBASIM0000", true), ("HBASIM0001", true), ("HBASIM0002", false)];
        let mut kinds: Vec<_> = kinds.collect();
        kinds.sort_unstable();
        assert_eq!(kinds, expected.map(|(serial, volume)| (Some(serial), Some(volume))));
        assert!(rows.iter().all(|row| row["type"] == "disk"));
    }
}

#[test]
fn qemu_arguments_reach_qemu() {
    if !common::available("qemu:") {
        return;
    }
    let drive = "node-name=cd,driver=null-co,size=1048576,read-zeroes=on,read-only=on";
    let device = "scsi-cd,bus=hba.0,scsi-id=5,drive=cd";
    let arguments = ["list", "--controller", "qemu:mptsas1068", "--disks", "1"];
    let qemu = [
        "--qemu-arg=-blockdev",
        "--qemu-arg",
        drive,
        "--qemu-arg",
        "-device",
        "--qemu-arg",
        device,
    ];
    let stdout = hba(&[&arguments[..], &qemu].concat()).passed();
    let rows: Vec<_> =
        stdout.lines().map(|line| line.split_whitespace().take(2).collect::<Vec<_>>()).collect();
    assert_eq!(rows, [["[0:0:0:0]", "disk"], ["[0:0:5:0]", "cd/dvd"]]);
}
