//! The names of additional sense codes.

use scsi_proto::AdditionalSense;
use sim_backend::schedule::SplitMix64;

use super::{hex, plain, run};

/// What sg3_utils calls a code; outer `None` where it is not installed, inner where it has no name.
fn theirs(code: AdditionalSense) -> Option<Option<String>> {
    let output = run("sg_decode_sense", &hex(&[0x72, 0, code.asc, code.ascq, 0, 0, 0, 0]))?;
    let name = output.lines().find_map(|line| line.strip_prefix("Additional sense: "));
    Some(name.map(str::to_owned))
}

/// Differences that are choices, not mistakes.
fn differs_by_choice(code: AdditionalSense, theirs: Option<&str>) -> bool {
    match (code.asc, code.ascq) {
        // The list defines 40h with 80h to FFh, and 41h and 42h with 00h only; sg3_utils names the others, too.
        (0x40, 0x01..0x80) | (0x41 | 0x42, 0x01..) => code.name().is_none(),
        // NN stands for the qualifier in the list; sg3_utils puts its value in.
        (0x40, 0x80..) => {
            theirs.is_some_and(|name| name.starts_with("Diagnostic failure on component"))
        }
        (0x4d, _) => theirs.is_some_and(|name| name.starts_with("Tagged overlapped commands")),
        (0x70, _) => theirs.is_some_and(|name| name.starts_with("Decompression exception short")),
        _ => false,
    }
}

/// Whether both have the same name for `code`; `None` where sg3_utils is not installed.
fn agree(code: AdditionalSense) -> Option<bool> {
    let theirs = theirs(code)?;
    // A remark at the end, such as `(obs)` or `(should use 40 nn)`, is no part of the name.
    let name = |text: &str| plain(text.split(" (").next().unwrap_or(text));
    let same = theirs.as_deref().map(name) == code.name().map(name);
    let agree = same || differs_by_choice(code, theirs.as_deref());
    if !agree {
        eprintln!("{code:?}: {:?}, sg3_utils says {theirs:?}", code.name());
    }
    Some(agree)
}

#[test]
fn every_code_with_a_name_and_some_without_agree() {
    let all = (0..=u16::MAX).map(|code| AdditionalSense::new((code >> 8) as u8, code as u8));
    let mut random = SplitMix64::new(3);
    let mut compared = 0;
    for code in all.filter(|code| code.name().is_some() || random.below(64) == 0) {
        // Each code of a range that all have one name would only repeat the first.
        if matches!((code.asc, code.ascq), (0x4d | 0x70, 0x03..) | (0x40, 0x83..)) {
            continue;
        }
        let Some(agree) = agree(code) else { return };
        assert!(agree, "{code:?}");
        compared += 1;
    }
    assert!(compared > 1500, "{compared} codes");
}

#[test]
#[ignore = "a minute or two"]
fn all_65536_codes_agree() {
    let all = (0..=u16::MAX).map(|code| AdditionalSense::new((code >> 8) as u8, code as u8));
    let wrong = all.map_while(agree).filter(|agree| !agree).count();
    assert_eq!(wrong, 0);
}
