//! `hba` on simulated SAS2008 and SAS3008 whose firmware, volumes or host are other than usual.

mod common;

use common::hba;
use serde_json::Value;

const PARTS: [&str; 2] = ["sim:sas2008", "sim:sas3008"];

fn verify(part: &str, vectors: u16, options: &[&str]) -> Value {
    let vectors = vectors.to_string();
    let arguments = ["verify", "--json", "--controller", part, "--vectors", &vectors];
    let arguments = [&arguments[..], &["--seed", "7", "--size", "512K"], options].concat();
    hba(&arguments).json()
}

/// b16 over every mode: what is there after a power cut is the same to the last block.
#[test]
fn b16_verify_finds_the_same_in_every_mode_on_any_number_of_vectors() {
    let modes: [&[&str]; 6] = [
        &["--firmware", "none"],
        &["--firmware", "rdpq"],
        &["--firmware", "atomic"],
        &["--firmware", "rdpq,atomic,coredump"],
        &["--no-64-bit-store", "--firmware", "none"],
        &["--no-64-bit-store", "--firmware", "rdpq"],
    ];
    for part in PARTS {
        let usual = verify(part, 1, &[]);
        assert_eq!((&usual["passed"], &usual["bad"]), (&true.into(), &0.into()));
        for mode in modes {
            let all = if part == PARTS[1] { &[1, 2, 5, 16][..] } else { &[2, 16] };
            for &vectors in all {
                assert_eq!(verify(part, vectors, mode), usual, "{part}, {vectors}, {mode:?}");
            }
        }
    }
}

/// Volumes and a disk beside them: what is flushed is there after a power cut, on volumes as on disks.
#[test]
fn b16_volumes_are_verified_on_any_number_of_vectors() {
    for part in PARTS {
        let options = ["--volumes", "2", "--disks", "3"];
        let usual = verify(part, 1, &options);
        assert_eq!((&usual["passed"], &usual["bad"]), (&true.into(), &0.into()));
        assert_eq!(usual["disks"].as_array().map(Vec::len), Some(3), "two of them volumes");
        for vectors in [2, 5, 16] {
            assert_eq!(verify(part, vectors, &options), usual, "{part}, {vectors}");
        }
    }
    let arguments = ["verify", "--controller", "sim:sas3008", "--volumes", "1", "--disks", "1"];
    let ran = hba(&[&arguments[..], &["--fault", "lying-flush", "--size", "1M"]].concat());
    assert_eq!(ran.code, Some(1), "a volume that lies is found out: {ran:?}");
}

#[test]
fn verify_fails_in_a_mode_when_the_disks_lie() {
    let options = ["--no-64-bit-store", "--fault", "lying-flush", "--size", "1M"];
    let ran = hba(&[&["verify", "--controller", "sim:sas3008"][..], &options].concat());
    assert_eq!(ran.code, Some(1), "{ran:?}");
}

#[test]
fn bench_runs_in_every_mode() {
    for options in [&["--firmware", "atomic"][..], &["--no-64-bit-store"], &["--volumes", "2"]] {
        let arguments = ["bench", "--json", "--controller", "sim:sas3008", "--seconds", "0.1"];
        let report = hba(&[&arguments[..], &["--vectors", "5"], options].concat()).json();
        assert!(report["reads"].as_u64() > Some(0), "{options:?}: {report}");
    }
}

#[test]
fn what_a_controller_has_not_is_refused() {
    let refused = |options: &[&str]| hba(&[&["list"][..], options].concat()).failed(2);
    for (option, value) in
        [("--firmware", Some("rdpq")), ("--no-64-bit-store", None), ("--volumes", Some("1"))]
    {
        for controller in ["sim:sas1068", "sim:direct", "qemu:mptsas1068"] {
            let mut options = vec!["--controller", controller, option];
            options.extend(value);
            let sentence = format!(
                "{controller} has no choice of {option}: that is for sim:sas2008 and sim:sas3008"
            );
            assert_eq!(refused(&options), sentence);
        }
    }
    let sas3008 =
        |options: &[&str]| refused(&[&["--controller", "sim:sas3008"][..], options].concat());
    assert_eq!(
        sas3008(&["--firmware", "rdpq,raid"]),
        "invalid value 'rdpq,raid' for '--firmware <LIST>': firmware offers any of rdpq, atomic and coredump, with commas \
         between them, or none"
    );
    assert_eq!(
        sas3008(&["--volumes", "2", "--disks", "1"]),
        "--volumes 2 needs as many --disks, and there is 1"
    );
    assert_eq!(sas3008(&["--volumes", "2", "--disks", "7"]), "sim:sas3008 takes 6 disks, not 7");
    let others = ["--controller", "sim:sas3008", "--no-64-bit-store"];
    let campaign = hba(&[&["sim"][..], &others].concat()).failed(2);
    assert_eq!(campaign, "a campaign draws its own machine, and takes no --no-64-bit-store");
    let serve = hba(&[&["serve", "--vfio-user", "/nowhere/hba.sock"][..], &others].concat());
    let sentence = "--no-64-bit-store says what the host does, and here the guest is the host";
    assert_eq!(serve.failed(2), sentence);
}
