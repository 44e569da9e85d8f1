//! `hba verify`: it passes where it must, and fails where it must.

mod common;

use std::process::Stdio;

use common::{Ran, TestFile, command, controllers, hba};
use serde_json::Value;

fn verify(controller: &str, more: &[&str]) -> Ran {
    let arguments = ["verify", "--controller", controller, "--size", "1M", "--seed", "7"];
    hba(&[&arguments[..], more].concat())
}

#[test]
fn every_controller_passes_with_every_shape_of_disk() {
    for controller in controllers() {
        for shape in [
            &["--disks", "1"][..],
            &["--disks", "8"],
            &["--disks", "1", "--block-size", "4096"],
            &["--disks", "8", "--block-size", "4096", "--depth", "3"],
        ] {
            let stdout = verify(controller, shape).passed();
            let last = stdout.lines().last().expect("a last line");
            assert!(last.starts_with("PASS "), "{controller} {shape:?}: {stdout}");
        }
    }
}

#[test]
fn every_controller_passes_with_every_size_of_transfer() {
    for controller in controllers() {
        for shape in [
            &["--io-size", "512", "--depth", "1"][..],
            &["--io-size", "512-1M", "--depth", "500"],
            &["--io-size", "1M", "--start", "12345"],
            &["--io-size", "700-5000", "--start", "1"],
        ] {
            let stdout = verify(controller, shape).passed();
            assert!(stdout.contains("\nPASS "), "{controller} {shape:?}: {stdout}");
        }
    }
}

#[test]
fn a_power_cut_loses_some_of_what_was_not_flushed() {
    for controller in ["sim:sas1068", "sim:direct"] {
        let report = verify(controller, &["--json"]).json();
        assert_eq!(
            (&report["passed"], &report["interruption"]),
            (&true.into(), &"power-cut".into())
        );
        assert!(report["lost"].as_u64() > Some(0), "{report}");
        for disk in report["disks"].as_array().expect("disks") {
            assert_eq!(disk["there"], 1024, "the first half was flushed");
            let kinds = ["survived", "lost", "in_flight"].map(|kind| disk[kind].as_u64());
            assert_eq!(kinds.into_iter().flatten().sum::<u64>(), 1024, "{disk}");
            assert!(kinds.iter().all(|count| *count > Some(0)), "{disk}");
        }
    }
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let runs = [7, 7, 8].map(|seed: u32| {
        let seed = seed.to_string();
        hba(&["verify", "--size", "1M", "--seed", &seed]).passed()
    });
    assert_eq!(runs[0], runs[1]);
    // The first line names the seed, and the disks draw what they lose from it: look at the commands, too.
    let writes = |run: usize| runs[run].lines().find(|line| line.starts_with("write "));
    assert_ne!(writes(0), writes(2));
}

#[test]
fn without_a_power_switch_it_says_so_and_nothing_is_lost() {
    if !common::available("qemu:") {
        return;
    }
    let trace = TestFile::new("verify-trace");
    let qemu =
        ["-trace", "mptsas_reset", "-D", trace.path()].map(|argument| ["--qemu-arg", argument]);
    let stdout = verify("qemu:mptsas1068", &qemu.concat()).passed();
    let log = String::from_utf8(trace.content()).expect("UTF-8");
    let resets = log.matches("mptsas_reset").count();
    assert_eq!(resets, 3, "by power-on, by the first bring-up, and instead of the power cut");
    assert!(stdout.contains("no power switch here: the controller was reset instead"), "{stdout}");
    assert!(stdout.ends_with("PASS 2 disks: all 4096 blocks are there; the power was not cut\n"));
}

#[test]
fn a_lying_flush_is_found() {
    for controller in ["sim:sas1068", "sim:direct"] {
        let ran = verify(controller, &["--fault", "lying-flush"]);
        assert_eq!((ran.code, ran.stderr.as_str()), (Some(1), ""), "{ran:?}");
        let last = ran.stdout.lines().last().expect("a last line");
        assert!(last.starts_with("FAIL first bad LBA "), "{last}");
        assert!(last.contains(" of [0:0:0:0]: expected generation 1, found zeros; "), "{last}");
    }
}

#[test]
fn a_torn_block_is_found() {
    for controller in ["sim:sas1068", "sim:direct"] {
        let ran = verify(controller, &["--fault", "torn", "--json"]);
        assert_eq!((ran.code, ran.stderr.as_str()), (Some(1), ""), "{ran:?}");
        let report: Value = serde_json::from_str(&ran.stdout).expect("JSON");
        assert_eq!((&report["passed"], &report["bad"]), (&false.into(), &2.into()), "{report}");
        let (bad, lba) = (&report["first_bad"], &report["first_bad"]["lba"]);
        assert_eq!(bad["expected"], "generation 1 or 2, whole");
        let found =
            format!("generation 2 of block {lba} of disk 0 up to byte 256, then something else");
        assert_eq!(bad["found"], found.as_str());
    }
}

#[test]
fn faults_need_a_simulation() {
    if !common::available("qemu:") {
        return;
    }
    let line = verify("qemu:mptsas1068", &["--fault", "torn"]).failed(2);
    assert!(line.contains("--fault needs a sim: controller"), "{line}");
}

/// The second run overwrites what the first one left, and both have to be right about it.
#[test]
fn an_image_keeps_the_blocks() {
    let image = TestFile::zeros("verify-image", 4 << 20);
    for controller in controllers() {
        verify(controller, &["--disk", image.path(), "--start", "100"]).passed();
        let content = image.content();
        assert_eq!(content[100 * 512..][..4], *b"HBAv", "{controller}");
        assert!(content[..100 * 512].iter().all(|byte| *byte == 0), "{controller}");
    }
}

#[test]
fn a_device_error_is_told_in_words() {
    if !common::available("qemu:") {
        return;
    }
    let image = TestFile::zeros("verify-eio", 4 << 20);
    let node = format!(
        r#"{{"node-name":"bad","driver":"blkdebug","image":{{"driver":"file","filename":"{}"}},"inject-error":[{{"event":"none","iotype":"flush","errno":5}}]}}"#,
        image.path()
    );
    let qemu = ["-blockdev", &node, "-device", "scsi-hd,bus=hba.0,scsi-id=3,drive=bad"];
    let qemu = qemu.iter().flat_map(|argument| ["--qemu-arg", argument]).collect::<Vec<_>>();
    let ran = verify("qemu:mptsas1068", &[&["--disks", "1"], &qemu[..]].concat());
    assert_eq!(ran.code, Some(3), "{ran:?}");
    let lines: Vec<_> = ran.stderr.lines().collect();
    assert_eq!(
        lines.last(),
        Some(
            &"hba: flush of 0:0:3:0: writes of epochs 1 to 3 may be lost: a flush failed: ABORTED COMMAND I/O PROCESS TERMINATED"
        )
    );
    // What the flight recorder has before it: the flush that failed, its doorbell, its reply.
    assert!(lines.contains(&"hba: the last words of vector 0 so far"), "{}", ran.stderr);
    let record = |text: &str| lines.iter().rposition(|line| line.contains(text));
    let flush = record("SYNCHRONIZE CACHE(10) to 0:3:0").expect("the flush");
    assert!(lines[flush + 1].contains("doorbell 0x40 = 0x"), "{}", ran.stderr);
    assert!(record("with particulars") > Some(flush), "{}", ran.stderr);
}

#[test]
fn a_reader_that_leaves_does_not_change_the_result() {
    for (more, code) in [(&[][..], 0), (&["--fault", "lying-flush"], 1)] {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let mut command = command();
        command.args(["verify", "--size", "1M"]).args(more).stdout(writer).stderr(Stdio::piped());
        let output = command.output().expect("runs");
        assert_eq!((output.status.code(), &output.stderr[..]), (Some(code), &b""[..]));
    }
}
