//! Requests that make no sense: one line each, never a panic.

mod common;

use std::process::Stdio;

use common::{Ran, TestFile, command, hba};

#[track_caller]
fn refused(arguments: &[&str], code: i32, line: &str) {
    assert_eq!(hba(arguments).failed(code), line, "{arguments:?}");
}

#[test]
fn nonsense_is_refused_in_one_line() {
    for (arguments, line) in [
        (
            &[][..],
            "what to do? list, verify, bench, send, decode, doctor, serve or sim; hba --help says more",
        ),
        (
            &["list", "--controller", "sim:nvme"],
            "invalid value 'sim:nvme' for '--controller <SPEC>': the controllers are sim:sas1068, sim:sas2008, sim:sas3008, sim:direct, qemu:mptsas1068",
        ),
        (&["list", "--disks", "0"], "there is no disk"),
        (&["list", "--disks", "9"], "sim:sas1068 takes 8 disks, not 9"),
        (
            &["list", "--disks", "18446744073709551615"],
            "no controller takes 18446744073709551615 disks",
        ),
        (
            &["list", "--disks", "17", "--controller", "sim:direct"],
            "sim:direct takes 16 disks, not 17",
        ),
        (
            &["list", "--disks", "9", "--controller", "qemu:mptsas1068"],
            "qemu:mptsas1068 takes 8 disks, not 9",
        ),
        (
            &["list", "--disk-size", "0"],
            "invalid value '0' for '--disk-size <SIZE>': a size is at least one byte",
        ),
        (
            &["list", "--disk-size", "99999999999T"],
            "invalid value '99999999999T' for '--disk-size <SIZE>': the size does not fit 64 bits",
        ),
        (
            &["list", "--disk-size", "1.5G"],
            "invalid value '1.5G' for '--disk-size <SIZE>': the unit is none of K, M, G, T, P, KiB .. PiB, kB .. PB",
        ),
        (
            &["list", "--disk-size", "1000"],
            "a disk of 1000 bytes is not a whole number of 512-byte blocks",
        ),
        (
            &["list", "--disk-size", "8191P"],
            "a simulated disk in memory has at most 2199023255552 blocks",
        ),
        (&["list", "--block-size", "520"], "blocks have 512, 1024, 2048 or 4096 bytes, not 520"),
        (&["list", "--block-size", "0"], "blocks have 512, 1024, 2048 or 4096 bytes, not 0"),
        (&["list", "--qemu-arg", "-S"], "sim:sas1068 does not run in qemu and takes no --qemu-arg"),
        (
            &["verify", "--size", "0"],
            "invalid value '0' for '--size <SIZE>': a size is at least one byte",
        ),
        (&["verify", "--size", "1000"], "1000 bytes are not a whole number of 512-byte blocks"),
        (
            &["verify", "--size", "65M"],
            "133120 blocks from block 0 pass the end of 0:0:0:0, which has 131072 blocks",
        ),
        (
            &["verify", "--start", "131072"],
            "1 blocks from block 131072 pass the end of 0:0:0:0, which has 131072 blocks",
        ),
        (
            &["verify", "--start", "18446744073709551615", "--size", "512"],
            "1 blocks from block 18446744073709551615 pass the end of 0:0:0:0, which has 131072 blocks",
        ),
        (
            &["verify", "--depth", "0"],
            "invalid value '0' for '--depth <N>': a number from 1 to 4294967295 is needed",
        ),
        (
            &["verify", "--io-size", "8K-4K"],
            "invalid value '8K-4K' for '--io-size <MIN-MAX>': the first size is larger than the second",
        ),
        (
            &["verify", "--io-size", "1G"],
            "transfers of 1073741824 bytes: a block has 512 bytes, and the controller takes at most 1048576",
        ),
        (
            &["verify", "--io-size", "1-511"],
            "transfers of 511 bytes: a block has 512 bytes, and the controller takes at most 1048576",
        ),
        (
            &["verify", "--seed", "x"],
            "invalid value 'x' for '--seed <N>': a seed is a number of at most 64 bits, decimal or hexadecimal after 0x",
        ),
        (
            &["verify", "--fault", "gremlins"],
            "invalid value 'gremlins' for '--fault <FAULT>' [possible values: lying-flush, torn]",
        ),
        (
            &["send", "--lun", "0:0:0:0"],
            "the following required arguments were not provided: --cdb <HEX>",
        ),
        (
            &["send", "--lun", "0:0", "--cdb", "00"],
            "invalid value '0:0' for '--lun <H:C:T:L>': an address has four parts, host:channel:target:lun",
        ),
        (
            &["send", "--lun", "1:0:0:0", "--cdb", "00"],
            "invalid value '1:0:0:0' for '--lun <H:C:T:L>': there is one host, 0",
        ),
        (
            &["send", "--lun", "0:0:0:0", "--cdb", "0"],
            "invalid value '0' for '--cdb <HEX>': 1 hexadecimal digits do not make whole bytes",
        ),
        (
            &["send", "--lun", "0:0:0:0", "--cdb", "0g"],
            "invalid value '0g' for '--cdb <HEX>': g is not a hexadecimal digit",
        ),
        (
            &["send", "--lun", "0:0:0:0", "--cdb", ""],
            "invalid value '' for '--cdb <HEX>': a cdb has 1 to 32 bytes, not 0",
        ),
        (
            &["send", "--lun", "0:0:0:0", "--cdb", "00", "--in", "0"],
            "invalid value '0' for '--in <N>': a size is at least one byte",
        ),
        (
            &["send", "--lun", "0:0:0:0", "--cdb", "00", "--in", "5G"],
            "no command moves 5368709120 bytes",
        ),
        (
            &["send", "--lun", "0:0:0:0", "--cdb", "00", "--in", "2M"],
            "the controller moves at most 1048576 bytes with a command, not 2097152",
        ),
        (
            &["send", "--lun", "0:0:0:0", "--cdb", "00", "--out", "/nonexistent/file"],
            "/nonexistent/file: No such file or directory (os error 2)",
        ),
        (
            &["send", "--lun", "0:0:0:0", "--cdb", "00", "--out", "/dev/null"],
            "/dev/null is empty: a command without data takes no --out",
        ),
        (
            &[
                "send",
                "--lun",
                "0:0:0:0",
                "--cdb",
                "00",
                "--in",
                "8",
                "--data-out",
                "/nonexistent/file",
            ],
            "/nonexistent/file: No such file or directory (os error 2)",
        ),
        (&["serve"], "the following required arguments were not provided: --vfio-user <SOCKET>"),
        (
            &["serve", "--vfio-user", "/nonexistent/socket", "--controller", "sim:direct"],
            "sim:direct is no simulated PCI device: take sim:sas1068, sim:sas2008 or sim:sas3008",
        ),
        (
            &["serve", "--vfio-user", "/nonexistent/socket"],
            "/nonexistent/socket: No such file or directory (os error 2)",
        ),
        (&["serve", "--vfio-user", "/"], "/ exists; remove it if no server uses it"),
        (
            &["serve", "--vfio-user", "/nonexistent/socket", "--script", "/nonexistent/file"],
            "/nonexistent/file: No such file or directory (os error 2)",
        ),
    ] {
        refused(arguments, 2, line);
    }
}

#[test]
fn files_that_are_no_disks_are_refused() {
    let (odd, empty) = (TestFile::zeros("bad-odd", 1000), TestFile::zeros("bad-empty", 0));
    let sector = TestFile::zeros("bad-sector", 4608);
    let mut header = b"QFI\xfb\0\0\0\x03".to_vec();
    header.resize(32, 0);
    header[30] = 2;
    let qcow2 = TestFile::with("bad-qcow2", &header);
    header[31] = 1;
    let odd_qcow2 = TestFile::with("bad-odd-qcow2", &header);
    for controller in ["sim:sas1068", "sim:direct", "qemu:mptsas1068"] {
        let refused = |path: &str, more: &[&str], line: &str| {
            let arguments = ["list", "--controller", controller, "--disk", path];
            refused(&[&arguments[..], more].concat(), 2, &format!("disk image {path}{line}"));
        };
        refused("/nonexistent/disk", &[], ": No such file or directory (os error 2)");
        refused("/", &[], ": Is a directory (os error 21)");
        refused(empty.path(), &[], " is empty");
        refused(odd.path(), &[], " of 1000 bytes is not a whole number of 512-byte blocks");
        let more = ["--block-size", "4096"];
        refused(sector.path(), &more, " of 4608 bytes is not a whole number of 4096-byte blocks");
        refused(odd_qcow2.path(), &[], " of 513 bytes is not a whole number of 512-byte blocks");
    }
    let path = qcow2.path();
    let line = format!("disk image {path} is qcow2, and a simulated disk takes raw images only");
    refused(&["verify", "--disk", path], 2, &line);
    assert_eq!(&qcow2.content()[..4], b"QFI\xfb", "it was not touched");
    let line = "2 disk images were given for 1 disks";
    refused(&["list", "--disk", path, "--disk", path, "--disks", "1"], 2, line);
}

#[test]
fn a_cdb_that_the_controller_does_not_take_is_its_refusal() {
    let long = "00".repeat(32);
    let line = hba(&["send", "--lun", "0:0:0:0", "--cdb", &long]).failed(3);
    assert!(line.contains("cdb of 32 bytes"), "{line}");
}

#[test]
fn missing_qemu_names_the_package() {
    let mut command = command();
    command.args(["list", "--controller", "qemu:mptsas1068"]).env("HBA_QEMU", "/nonexistent/qemu");
    let line = Ran::of(command.output().expect("runs")).failed(3);
    let expected =
        "/nonexistent/qemu not found: install the Debian package qemu-system-x86 or set HBA_QEMU";
    assert_eq!(line, expected);
}

#[test]
fn arguments_that_qemu_refuses_are_told_in_its_words() {
    if !common::available("qemu:") {
        return;
    }
    let arguments = ["list", "--controller", "qemu:mptsas1068", "--qemu-arg=-nonsense"];
    let line = hba(&arguments).failed(3);
    assert!(line.starts_with("QEMU ended with exit status: 1: "), "{line}");
    assert!(line.contains("-nonsense"), "{line}");
}

#[test]
fn help_is_given_and_shows_how() {
    for (arguments, example) in [
        (&["--help"][..], "  hba verify   "),
        (&["list", "--help"], "  hba list\n"),
        (&["verify", "--help"], "  hba verify --fault torn\n"),
        (&["send", "--help"], "  hba send --lun 0:0:0:0 --cdb "),
    ] {
        let stdout = hba(arguments).passed();
        assert!(stdout.contains("Examples:\n") && stdout.contains(example), "{stdout}");
        assert!(stdout.lines().all(|line| line.chars().count() <= 100), "{stdout}");
    }
    assert!(hba(&["--version"]).passed().starts_with("hba "));
}

#[test]
fn a_closed_standard_output_ends_quietly() {
    let send = ["send", "--lun", "0:0:0:0", "--cdb", "120000006000", "--in", "96"];
    for arguments in [&["list"][..], &["list", "--json"], &["--help"], &send] {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let output = command().args(arguments).stdout(writer).stderr(Stdio::piped()).output();
        let output = output.expect("runs");
        assert_eq!(
            (output.status.code(), &output.stderr[..]),
            (Some(0), &b""[..]),
            "{arguments:?}"
        );
    }
}

#[test]
fn a_full_standard_output_is_an_error() {
    let Ok(full) = std::fs::File::options().write(true).open("/dev/full") else { return };
    let output = command().arg("list").stdout(full).stderr(Stdio::piped()).output();
    let line = Ran::of(output.expect("runs")).failed(3);
    assert_eq!(line, "standard output: No space left on device (os error 28)");
}
