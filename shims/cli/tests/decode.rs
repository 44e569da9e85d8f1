//! `hba decode`: what bytes mean.

mod common;

use std::io::Write as _;
use std::process::Stdio;

use common::{Ran, command, controllers, hba};

fn decode(subject: &str, hex: &str) -> String {
    hba(&["decode", subject, hex]).passed()
}

fn from_stdin(arguments: &[&str], input: &[u8]) -> Ran {
    let pipe = || Stdio::piped();
    let mut child =
        command().args(arguments).stdin(pipe()).stdout(pipe()).stderr(pipe()).spawn().expect("hba");
    child.stdin.take().expect("a pipe").write_all(input).expect("hba reads");
    Ran::of(child.wait_with_output().expect("hba ends"))
}

#[test]
fn a_cdb_field_by_field() {
    let expected = "\
WRITE(10)
length              10 bytes
direction           data-out
implied transfer    4096 bytes
blocks              8, from 2048 to 2055
bytes
  0      OPERATION CODE         2Ah   WRITE(10)
  1.7:5  WRPROTECT              0
  1.4    DPO                    0
  1.3    FUA                    1
  1.1    FUA_NV                 0     obsolete
  2-5    LOGICAL BLOCK ADDRESS  2048
  6.5:0  GROUP NUMBER           0
  7-8    TRANSFER LENGTH        8
  9      CONTROL                04h   NACA
";
    assert_eq!(decode("cdb", "2a 08 00 00 08 00 00 00 08 04"), expected);
}

#[test]
fn a_cdb_that_is_cut_off_reserved_or_unknown() {
    let cut = decode("cdb", "28 00 00");
    assert!(cut.ends_with("note: truncated: 3 of 10 bytes are here\n"), "{cut}");
    assert!(!cut.contains("TRANSFER LENGTH"), "{cut}");
    let reserved = decode("cdb", "0081 0000 0000");
    assert!(reserved.contains("note: reserved bits 81h are set in byte 1\n"), "{reserved}");
    let vendor = "\
vendor specific, operation code C0h
length              not known, 3 bytes are here
bytes
  0    OPERATION CODE            C0h
  1-2  bytes that are not known  ffee
";
    assert_eq!(decode("cdb", "c0ffee"), vendor);
    let long = decode("cdb", &"00".repeat(40));
    assert!(long.contains("note: 34 bytes follow the 6 that belong to it\n"), "{long}");
}

#[test]
fn the_block_size_counts() {
    let cdb = ["decode", "cdb", "88000000000000000000000000020000", "--block-size", "4096"];
    assert!(hba(&cdb).passed().contains("implied transfer    8192 bytes\n"));
}

#[test]
fn sense_in_fixed_format() {
    let expected = "\
ILLEGAL REQUEST, INVALID FIELD IN CDB (5/24/00)
belongs to          this command
additional sense    24h/00h INVALID FIELD IN CDB
field at fault      CDB byte 2 bit 5
fixed format
  0.7     VALID                            0    INFORMATION is not valid
  0.6:0   RESPONSE CODE                    70h  current error, fixed format
  2.7     FILEMARK                         0
  2.6     EOM                              0
  2.5     ILI                              0
  2.4     SDAT_OVFL                        0
  2.3:0   SENSE KEY                        5h   ILLEGAL REQUEST
  3-6     INFORMATION                      0
  7       ADDITIONAL SENSE LENGTH          10
  8-11    COMMAND-SPECIFIC INFORMATION     0
  12      ADDITIONAL SENSE CODE            24h
  13      ADDITIONAL SENSE CODE QUALIFIER  00h
  14      FIELD REPLACEABLE UNIT CODE      00h
  15.7    SKSV                             1
  15.6    C/D                              1    in the CDB
  15.3    BPV                              1
  15.2:0  BIT POINTER                      5
  16-17   FIELD POINTER                    2
";
    assert_eq!(decode("sense", "70 00 05 00 00 00 00 0a 00 00 00 00 24 00 00 cd 00 02"), expected);
}

#[test]
fn sense_in_descriptor_format() {
    let expected = "\
deferred NOT READY, LOGICAL UNIT NOT READY, FORMAT IN PROGRESS (2/04/04)
belongs to          an earlier command
additional sense    04h/04h LOGICAL UNIT NOT READY, FORMAT IN PROGRESS
progress            25.00 %
descriptor format
  0.6:0  RESPONSE CODE                    73h    deferred error, descriptor format
  1.3:0  SENSE KEY                        2h     NOT READY
  2      ADDITIONAL SENSE CODE            04h
  3      ADDITIONAL SENSE CODE QUALIFIER  04h
  4.7    SDAT_OVFL                        0
  7      ADDITIONAL SENSE LENGTH          14
descriptor at byte 8: sense key specific
  8      DESCRIPTOR TYPE                  02h
  9      ADDITIONAL LENGTH                6
  12.7   SKSV                             1
  13-14  PROGRESS INDICATION              16384
descriptor at byte 16: vendor specific
  16     DESCRIPTOR TYPE                  80h
  17     ADDITIONAL LENGTH                4
  18-19  bytes that are not known         aabb
note: truncated: 20 of 22 bytes are here
";
    assert_eq!(decode("sense", "73020404 0000000e 0206000080400000 8004aabb"), expected);
    assert!(decode("sense", "00 01").contains("note: sense response code is 00h\n"));
}

#[test]
fn status_bytes() {
    assert_eq!(
        decode("status", "28"),
        "TASK SET FULL\nstatus byte\n  0  STATUS  28h  TASK SET FULL\n"
    );
    assert!(decode("status", "3e").starts_with("unknown status\n"));
}

#[test]
fn mode_parameters_with_a_caching_page() {
    let data = "17001008 0002000000000200 080a0400 0000ffff 00000100";
    let text = decode("mode", data);
    for line in [
        "mode parameters, as of MODE SENSE(6)",
        "  2.4     DPOFUA                             1",
        "block descriptor at byte 4",
        "  9-11    LOGICAL BLOCK LENGTH               512",
        "page 08h at byte 12: Caching",
        "  14.2    WCE                                1       writes need a flush",
        "  20-21   MAXIMUM PRE-FETCH                  0",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}\n{text}");
    }
    assert!(!text.contains("note:"), "{text}");
    // A header of 8 bytes, a long block descriptor, a page with a subpage.
    let text =
        decode("mode", "001e000001000010 0000000100000000 0000000000001000 4a01 0004 aabbccdd");
    for line in ["mode parameters, as of MODE SENSE(10)", "page 0Ah at byte 24: Control Extension"]
    {
        assert!(text.lines().any(|found| found == line), "{line}\n{text}");
    }
    assert!(text.contains("NUMBER OF LOGICAL BLOCKS  4294967296\n"), "{text}");
    let select = hba(&["decode", "mode", "0000000000000000", "--form", "10"]).passed();
    assert!(select.starts_with("mode parameters, as of MODE SENSE(10)\n"), "{select}");
}

#[test]
fn what_a_disk_answers_is_understood() {
    for controller in controllers() {
        for (page, line) in [
            ("00", "VPD page 00h, Supported VPD Pages\n"),
            ("83", "logical unit        naa.5000c50000000100\n"),
            ("b0", "VPD page B0h, Block Limits\n"),
        ] {
            let cdb = format!("1201{page}00ff00");
            let send = [
                "send",
                "--controller",
                controller,
                "--lun",
                "0:0:0:0",
                "--cdb",
                &cdb,
                "--in",
                "255",
                "--json",
            ];
            let answer = hba(&send).json();
            let text = decode("vpd", answer["data"].as_str().expect("data"));
            assert!(text.contains(line), "{controller}: {text}");
            assert!(!text.contains("truncated"), "{controller}: {text}");
        }
    }
}

#[test]
fn standard_inquiry_data_with_version_descriptors() {
    let data = "00000612 5b300002 4842412d53494d20 4449534b202020202020202020202020 30303031"
        .to_owned()
        + &"00".repeat(22)
        + "00a0 0460 04c0";
    let text = decode("inquiry", &data);
    for line in [
        "standard INQUIRY data: HBA-SIM DISK 0001, direct access block device",
        "  5.5:4  TPGS                     3          implicit and explicit asymmetric access",
        "  8-15   T10 VENDOR IDENTIFICATION  \"HBA-SIM\"",
        "note: truncated: 64 of 96 bytes are here",
    ] {
        let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        assert!(text.lines().any(|found| words(found) == words(line)), "{line}\n{text}");
    }
    assert!(text.contains("04C0h") && text.contains("SBC-3"), "{text}");
}

#[test]
fn json_has_the_same_fields() {
    let report = hba(&["decode", "--json", "cdb", "28000000000800000800"]).json();
    assert_eq!(report["summary"], "READ(10)");
    let lba = report["sections"][0]["fields"].as_array().expect("fields");
    let lba =
        lba.iter().find(|field| field["name"] == "LOGICAL BLOCK ADDRESS").expect("an address");
    assert_eq!((&lba["byte"], &lba["length"]), (&2.into(), &4.into()));
    assert_eq!((&lba["value"], lba["bits"].is_null()), (&8.into(), true));
}

#[test]
fn bytes_come_from_standard_input_in_any_usual_form() {
    for input in ["0x28, 0x00\n00:00 00\r\n08 00,00 0800", "28000000000800000800\n"] {
        for arguments in [&["decode", "cdb"][..], &["decode", "cdb", "-"]] {
            let text = from_stdin(arguments, input.as_bytes()).passed();
            assert!(text.contains("blocks              8, from 8 to 15\n"), "{text}");
        }
    }
}

#[test]
fn what_is_no_hexadecimal_ends_with_one_line() {
    for (hex, line) in [
        ("zz", "z is not a hexadecimal digit"),
        ("123", "3 hexadecimal digits do not make whole bytes"),
        ("", "there are no bytes to decode"),
    ] {
        assert_eq!(hba(&["decode", "cdb", hex]).failed(2), line);
    }
    let line = from_stdin(&["decode", "sense"], b"\xff\xfe").failed(2);
    assert!(line.starts_with("standard input: "), "{line}");
    assert!(hba(&["decode", "tape", "00"]).failed(2).contains("'tape'"));
}
