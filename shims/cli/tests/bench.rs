//! `hba bench`: its counters add up, its picture is one, and it writes to nobody's image.

mod common;

use common::{TestFile, controllers, hba};
use serde_json::Value;

/// Measures for a tenth of a second, or longer where the machine is so busy that nothing ends in it.
fn bench(controller: &str, more: &[&str]) -> Value {
    let run = |seconds| {
        let arguments = ["bench", "--json", "--controller", controller, "--seconds", seconds];
        hba(&[&arguments[..], more].concat())
    };
    for seconds in ["0.1", "2"] {
        let ran = run(seconds);
        if !ran.stderr.contains("no command ended within") {
            return ran.json();
        }
    }
    run("20").json()
}

fn number(report: &Value, name: &str) -> f64 {
    report[name].as_f64().unwrap_or_else(|| panic!("{name}: {report}"))
}

/// Everything in a report that follows from something else in it.
#[track_caller]
fn adds_up(report: &Value) {
    let [commands, reads, writes, bytes, moved, seconds] =
        ["commands", "reads", "writes", "bytes", "bytes_moved", "seconds"]
            .map(|name| number(report, name));
    assert!(commands > 0.0, "{report}");
    assert_eq!(reads + writes, commands, "{report}");
    assert_eq!(commands * bytes, moved, "{report}");
    let close = |name, expected: f64| {
        let value = number(report, name);
        assert!((value / expected - 1.0).abs() < 1e-9, "{name}: {value} for {expected}");
    };
    close("iops", commands / seconds);
    close("megabytes_per_second", moved / seconds / 1e6);
    close("ns_per_command", seconds * 1e9 / commands);
    let timeline = report["timeline"]["commands"].as_array().expect("a timeline");
    let ended: f64 = timeline.iter().filter_map(Value::as_f64).sum();
    assert_eq!(ended, commands, "{report}");
    let latency = &report["latency_ns"];
    let order = ["min", "p50", "p90", "p99", "p99_9", "max"].map(|name| latency[name].as_u64());
    assert!(order.is_sorted() && order[0] > Some(0), "{latency}");
    assert_eq!(report["clock"], "wall");
}

#[test]
fn every_controller_is_measured_and_the_counters_add_up() {
    for controller in controllers() {
        let report = bench(controller, &["--depth", "8"]);
        adds_up(&report);
        assert_eq!(report["simulated"], controller.starts_with("sim:"));
        assert_eq!((&report["mode"], &report["writes"]), (&"randread".into(), &0.into()));
    }
}

#[test]
fn every_mode_does_what_it_is_called() {
    for (mode, reads, writes) in [
        ("read", true, false),
        ("write", false, true),
        ("randread", true, false),
        ("randwrite", false, true),
        ("randrw", true, true),
    ] {
        let report = bench("sim:direct", &["--rw", mode, "--bs", "8K", "--depth", "4"]);
        adds_up(&report);
        let some = |name| number(&report, name) > 0.0;
        assert_eq!((some("reads"), some("writes")), (reads, writes), "{mode}: {report}");
    }
}

#[test]
fn vectors_have_threads_and_the_counters_still_add_up() {
    for vectors in ["2", "5"] {
        let report = bench("sim:direct", &["--vectors", vectors, "--rw", "randrw", "--depth", "4"]);
        adds_up(&report);
        assert_eq!(report["vectors"].to_string(), vectors);
    }
}

#[test]
fn what_does_not_fit_is_refused_with_the_number_that_would() {
    for (arguments, line) in [
        (
            &["--vectors", "2"][..],
            "sim:sas1068 has 1 vector, not 2: sim:direct has 16, and sim:sas3008 too",
        ),
        (&["--controller", "sim:direct", "--vectors", "17"], "sim:direct has 16 vectors, not 17"),
        (
            &["--bs", "1000"],
            "commands of 1000 bytes do not fit 0:0:0:0, which has 67108864 bytes in blocks of 512",
        ),
        (
            &["--bs", "1K", "--disk-size", "512"],
            "commands of 1024 bytes do not fit 0:0:0:0, which has 512 bytes in blocks of 512",
        ),
        (
            &["--seconds", "0"],
            "invalid value '0' for '--seconds <S>': seconds are a number from 0.01 to 86400",
        ),
        (
            &["--seconds", "NaN"],
            "invalid value 'NaN' for '--seconds <S>': seconds are a number from 0.01 to 86400",
        ),
        (
            &["--plot", "/no/such/folder/bench.svg"],
            "/no/such/folder/bench.svg: No such file or directory (os error 2)",
        ),
    ] {
        let ran = hba(&[&["bench"], arguments].concat());
        assert_eq!(ran.failed(2), line, "{arguments:?}");
    }
    for arguments in [["--depth", "100000"], ["--bs", "1G"], ["--depth", "0"], ["--rw", "trim"]] {
        hba(&[&["bench"], &arguments[..]].concat()).failed(2);
    }
}

#[test]
fn an_image_is_not_overwritten_unless_that_was_said() {
    let image = TestFile::with("bench-image", &[0xee; 1 << 20]);
    for mode in ["write", "randwrite", "randrw"] {
        let ran = hba(&["bench", "--rw", mode, "--seconds", "0.1", "--disk", image.path()]);
        let line = ran.failed(2);
        assert!(line.contains("would overwrite") && line.contains("--overwrite"), "{line}");
    }
    bench("sim:direct", &["--disk", image.path()]);
    assert!(image.content().iter().all(|byte| *byte == 0xee), "reads change nothing");
    bench("sim:direct", &["--rw", "write", "--disk", image.path(), "--overwrite"]);
    assert!(image.content().contains(&0x5a), "what bench writes");
}

#[test]
fn the_plot_is_well_formed_and_shows_both_curves() {
    let plot = TestFile::new("bench.svg");
    let report = bench("sim:sas1068", &["--plot", plot.path()]);
    let text = String::from_utf8(plot.content()).expect("UTF-8");
    let document = roxmltree::Document::parse(&text).expect("well-formed XML");
    let curve = |id| {
        let curve = document.descendants().find(|node| node.attribute("id") == Some(id));
        let points = curve.and_then(|node| node.attribute("points")).expect(id).to_owned();
        let points = points.split(' ').map(|point| {
            let (x, y) = point.split_once(',').expect("x,y");
            [x, y].map(|number| number.parse::<f64>().expect("a number"))
        });
        points.collect::<Vec<_>>()
    };
    let (latency, throughput) = (curve("latency"), curve("throughput"));
    for [x, y] in latency.iter().chain(&throughput) {
        assert!((0.0..=1200.0).contains(x) && (0.0..=560.0).contains(y), "({x}, {y})");
    }
    assert!(latency.is_sorted_by(|a, b| a[0] < b[0] && a[1] >= b[1]), "percentiles only rise");
    let timeline = report["timeline"]["commands"].as_array().expect("a timeline");
    assert_eq!(throughput.len(), timeline.len() - 1);
    let texts: Vec<_> = document.descendants().filter_map(|node| node.text()).collect();
    for expected in ["Latency by percentile", "Commands ended per second", "90 %", "IOPS", "MB/s"] {
        assert!(texts.contains(&expected), "{expected}: {texts:?}");
    }
}

#[test]
fn people_are_told_whose_time_it_is() {
    let stdout = hba(&["bench", "--seconds", "0.5"]).passed();
    let lines: Vec<_> = stdout.lines().collect();
    assert_eq!(lines[0], "hba bench on sim:sas1068, randread, 4.0KiB, depth 32, 1 vector, 2 disks");
    assert!(
        lines[1].starts_with("measured   0.5 s of wall time; the simulated controller"),
        "{stdout}"
    );
    assert!(lines.iter().any(|line| line.starts_with("latency    p50 ")), "{stdout}");
}
