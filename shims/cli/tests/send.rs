//! `hba send`: any CDB, and what comes back.

mod common;

use std::fs;

use common::{Ran, TestFile, controllers, hba};
use serde_json::Value;

fn send(controller: &str, cdb: &str, more: &[&str]) -> Ran {
    let arguments = ["send", "--controller", controller, "--lun", "0:0:0:0", "--cdb", cdb];
    hba(&[&arguments[..], more].concat())
}

fn json(ran: &Ran) -> Value {
    serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {ran:?}"))
}

#[test]
fn inquiry_comes_back_with_its_residual() {
    for controller in controllers() {
        let answer = send(controller, "12 00 00 00 24 00", &["--in", "96", "--json"]).json();
        assert_eq!((&answer["status"], &answer["sense"]), (&"GOOD".into(), &Value::Null));
        assert_eq!((&answer["transferred"], &answer["residual"]), (&36.into(), &60.into()));
        let data = answer["data"].as_str().expect("data");
        assert_eq!((data.len(), &data[..4]), (72, "0000"), "{controller}");
    }
}

#[test]
fn the_answer_is_readable() {
    let stdout = send("sim:sas1068", "25000000000000000000", &["--in", "8"]).passed();
    let expected = "\
status    GOOD
moved     8 bytes
residual  0 bytes
00000000  00 01 ff ff 00 00 02 00                           |........|
";
    assert_eq!(stdout, expected);
}

#[test]
fn an_unknown_operation_code_is_answered_in_words() {
    for controller in controllers() {
        let ran = send(controller, "ff0000000000", &["--json"]);
        assert_eq!((ran.code, ran.stderr.as_str()), (Some(3), ""), "{ran:?}");
        let answer = json(&ran);
        assert_eq!(answer["status"], "CHECK CONDITION");
        assert_eq!(
            answer["sense"]["text"], "ILLEGAL REQUEST, INVALID COMMAND OPERATION CODE (5/20/00)",
            "{controller}"
        );
    }
}

#[test]
fn vendor_commands_carry_any_data() {
    let payload = TestFile::with("send-payload", &[0x5a; 100]);
    let out = &["--out", payload.path(), "--json"];
    let answer = send("sim:sas1068", "c0 00 00 00 00 00 00 00 00 64", out).json();
    assert_eq!((&answer["status"], &answer["transferred"]), (&"GOOD".into(), &100.into()));
    // Each run has disks of its own, so there is nothing to echo.
    let answer =
        send("sim:direct", "c1 00 00 00 00 00 00 00 00 64", &["--in", "100", "--json"]).json();
    assert_eq!((&answer["status"], &answer["residual"]), (&"GOOD".into(), &100.into()));
}

#[test]
fn data_goes_from_file_to_disk_to_file() {
    for controller in controllers() {
        let image = TestFile::zeros("send-image", 1 << 20);
        let block: Vec<u8> = (0..=255).cycle().take(512).collect();
        let (payload, answer) = (TestFile::with("send-out", &block), TestFile::new("send-in"));
        let disk = ["--disk", image.path()];
        let out = [&disk[..], &["--out", payload.path()]].concat();
        send(controller, "2a00 0000 0007 00 0001 00", &out).passed();
        // A disk may keep it until it is flushed; the end of a run is no flush.
        let data_in = [&disk[..], &["--in", "512", "--data-out", answer.path()]].concat();
        send(controller, "2800 0000 0007 00 0001 00", &data_in).passed();
        assert_eq!(answer.content().len(), 512, "{controller}");
    }
}

#[test]
fn a_write_through_reaches_the_image() {
    for controller in controllers() {
        let image = TestFile::zeros("send-fua", 1 << 20);
        let payload = TestFile::with("send-fua-out", &[0xa7; 512]);
        let out = ["--disk", image.path(), "--out", payload.path()];
        send(controller, "2a08 0000 0007 00 0001 00", &out).passed();
        let content = fs::read(image.path()).expect("the image");
        assert_eq!(content[7 * 512..8 * 512], [0xa7; 512], "{controller}");
    }
}

#[test]
fn without_discovery_the_power_on_is_still_to_be_told() {
    for controller in controllers() {
        let ran = send(controller, "000000000000", &["--no-scan", "--json"]);
        assert_eq!(ran.code, Some(3), "{ran:?}");
        assert_eq!(json(&ran)["sense"]["key"], 6, "{controller}");
        assert_eq!(json(&ran)["sense"]["asc"], 0x29, "{controller}");
        send(controller, "000000000000", &[]).passed();
    }
}

#[test]
fn what_is_not_there_does_not_answer() {
    for controller in controllers() {
        let arguments =
            ["send", "--controller", controller, "--lun", "0:0:7:0", "--cdb", "000000000000"];
        let ran = hba(&arguments);
        assert_eq!((ran.code, ran.stderr.as_str()), (Some(3), ""), "{ran:?}");
        assert!(
            ran.stdout.starts_with("status    none: no such device\n"),
            "{controller}: {ran:?}"
        );
    }
}
