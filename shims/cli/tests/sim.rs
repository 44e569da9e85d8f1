//! `hba sim`: passes, failures, replays.

mod common;

use common::{TestFile, hba};

const DIRECT: [&str; 3] = ["sim", "--controller", "sim:direct"];

fn sim(arguments: &[&str]) -> common::Ran {
    hba(&[&DIRECT, arguments].concat())
}

/// A plan that says that nothing goes wrong, and a disk that is busy: no driver can help that.
const BUSY: &str = "hba-sim 1
# What a failure leaves, written by hand.
seed 3
expect O27
option calm 1
option blocks 8
option depth 1
op write 0 0 8 0
op write 0 0 8 0
op read 0 0 8 0
op read 0 0 8 0
fault submit 3 busy 0 1
";

#[test]
fn a_campaign_tells_what_it_did_and_ends_with_pass() {
    let text = sim(&["--seeds", "0..4"]).passed();
    for told in ["sim:direct, swarm, seeds 0..4, shard 0/1: 4 runs", "trace hash ", "\nPASS\n"] {
        assert!(text.contains(told), "{told}: {text}");
    }
    let again = sim(&["--seeds", "0..4", "--twice"]).passed();
    let hash = |text: &str| {
        text.lines().find(|line| line.starts_with("trace hash")).expect("a hash").to_owned()
    };
    assert_eq!(hash(&text), hash(&again));
}

#[test]
fn json_has_the_figures_and_shards_add_up() {
    let shard = |shard: &str| sim(&["--json", "--seeds", "0..4", "--shard", shard]).json();
    let number = |value: &serde_json::Value| value.as_u64().expect("a number");
    let all = shard("0/1");
    let parts = [shard("0/2"), shard("1/2")];
    for figure in ["runs", "commands", "faults", "power_cuts"] {
        let sum: u64 = parts.iter().map(|part| number(&part[figure])).sum();
        assert_eq!(number(&all[figure]), sum, "{figure}");
    }
    let hash = |value: &serde_json::Value| {
        u64::from_str_radix(value["hash"].as_str().expect("text"), 16).expect("hexadecimal")
    };
    assert_eq!(hash(&all), hash(&parts[0]).wrapping_add(hash(&parts[1])));
    assert!(all["failure"].is_null() && number(&all["runs"]) == 4, "{all}");
}

#[test]
fn a_campaign_is_not_run_on_another_machine_than_the_one_that_is_named() {
    let on =
        |controller: &str| hba(&["sim", "--controller", controller, "--seeds", "0..1"]).failed(2);
    for (controller, why) in [
        ("sim:sas2008", "its model takes no faults of a campaign yet"),
        ("sim:sas3008", "its model takes no faults of a campaign yet"),
        ("qemu:mptsas1068", "QEMU has a clock of its own"),
    ] {
        let told = "a campaign runs on sim:direct or sim:sas1068, not on";
        assert_eq!(on(controller), format!("{told} {controller}: {why}"));
    }
    for (option, value) in [
        ("--disk", "/dev/null"),
        ("--disks", "4"),
        ("--disk-size", "64M"),
        ("--block-size", "4096"),
        ("--qemu-arg", "-S"),
    ] {
        let sentence = format!("a campaign draws its own machine, and takes no {option}");
        assert_eq!(sim(&[option, value]).failed(2), sentence);
    }
}

#[test]
fn a_log_that_cannot_be_made_is_named() {
    let refused = sim(&["--seeds", "0..1", "--log", "/nowhere/words.log"]).failed(2);
    assert_eq!(refused, "/nowhere/words.log: No such file or directory (os error 2)");
}

#[test]
fn a_stored_failure_fails_again_and_says_how_to_repeat_it() {
    let file = TestFile::with("busy.txt", BUSY.as_bytes());
    let ran = sim(&["--replay", file.path()]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.stdout.contains("FAIL  seed 3, O27: "), "{}", ran.stdout);
    let again = format!("again:  hba sim --controller sim:direct --replay {}\n", file.path());
    assert!(ran.stdout.contains(&again), "{}", ran.stdout);

    let ran = sim(&["--json", "--replay", file.path()]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    let report: serde_json::Value = serde_json::from_str(&ran.stdout).expect("JSON");
    assert_eq!(
        (&report["failure"]["oracle"], &report["failure"]["seed"]),
        (&"O27".into(), &3.into())
    );

    // The same with no such claim, and with a log.
    let honest = BUSY.replace("option calm 1", "option calm 0");
    let file = TestFile::with("honest.txt", honest.as_bytes());
    let log = TestFile::with("busy.log", b"of another run");
    let ran = sim(&["--replay", file.path(), "--log", log.path()]).passed();
    assert!(ran.contains("\nPASS\n"), "{ran}");
    let lines = std::fs::read_to_string(log.path()).expect("a log");
    assert!(lines.starts_with("seed 3\ncontrol   == bring-up begins"), "{lines}");
    let written = lines
        .lines()
        .filter(|line| line.starts_with("vector 0  ->"))
        .filter(|line| line.contains("WRITE(10)"));
    assert_eq!(written.count(), 2, "{lines}");
}

#[test]
fn a_log_changes_nothing() {
    let log = TestFile::with("runs.log", b"");
    let hash = |arguments: &[&str]| {
        let text = sim(&[&["--seeds", "0..6", "--jobs", "2"], arguments].concat()).passed();
        text.lines().find(|line| line.starts_with("trace hash")).expect("a hash").to_owned()
    };
    assert_eq!(hash(&[]), hash(&["--log", log.path()]));
    let seeds = || {
        let text = std::fs::read_to_string(log.path()).expect("a log");
        let mut seeds: Vec<_> =
            text.lines().filter(|line| line.starts_with("seed")).map(str::to_owned).collect();
        seeds.sort_unstable();
        seeds
    };
    let all: Vec<_> = (0..6).map(|seed| format!("seed {seed}")).collect();
    assert_eq!(seeds(), all);
    assert_eq!(hash(&[]), hash(&["--twice", "--log", log.path()]));
    assert_eq!(seeds(), all, "the second run of each has the log");
}

#[test]
fn what_makes_no_sense_is_refused_with_the_reason() {
    let bad = BUSY.replace("option blocks 8", "option bloks 8");
    let file = TestFile::with("bad.txt", bad.as_bytes());
    let why = sim(&["--replay", file.path()]).failed(2);
    assert!(why.ends_with("line 6: no option bloks"), "{why}");
    let why = sim(&["--replay", "no-such-file"]).failed(2);
    assert!(why.starts_with("no-such-file: "), "{why}");
    let why = hba(&["sim", "--controller", "qemu:mptsas1068"]).failed(2);
    assert!(why.contains("sim:direct or sim:sas1068"), "{why}");
    for arguments in [
        ["--seeds", "9..3"],
        ["--profile", "weird"],
        ["--shard", "4/4"],
        ["--exhaustive", "7"],
        ["--jobs", "0"],
    ] {
        let ran = sim(&arguments);
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""), "{arguments:?}");
        assert!(ran.stderr.contains(arguments[0]), "{}", ran.stderr);
    }
}
