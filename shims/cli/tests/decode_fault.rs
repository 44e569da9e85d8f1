//! `hba decode fault`: what an IOMMU or a root port recorded.

mod common;

use common::{TestFile, hba};
use serde_json::json;

fn fault(words: &[&str]) -> String {
    hba(&[&["decode", "fault"], words].concat()).passed()
}

/// The DART report: an LSI 53C1030 behind the PLX 8114 of its card, mapped under its own ID.
const CARD: &str = "\
root 00
00:00.0  root-port    to 01
01:00.0  pcie-to-pci  to 02   id 10b5:8114
02:04.0  pci          id 1000:0030
controller 02:04.0
mapped 02:04.0
window 0x80000000-0xbfffffff
memory 0x80000000-0x80003fff request frames
";

#[test]
fn b06_the_dart_exception_behind_a_bridge() {
    let expected = "\
no translation table for stream 0: the bridge's requester ID is not mapped; the address itself is fine
stream              0
address             0x80000000, in the request frames
recorded as         no translation table (TTBR)
what to do          map the memory for every requester ID of the controller (`hba doctor` lists them); where the host cannot, take a card without a bridge that takes ownership, or pass the IOMMU by
Apple DART (T8110 generation)
  0.31     fault                         1
  0.27:20  stream                        0h
  0.5      read fault                    0
  0.4      write fault                   0
  0.3      no leaf entry (PTE)           0
  0.2      no directory entry (PMD)      0
  0.1      no top directory entry (PGD)  0
  0.0      no translation table (TTBR)   1
  1-2      address                       80000000h
note: recognised by its form as dart-t8110; --kind says otherwise
";
    let card = TestFile::with("fault-card", CARD.as_bytes());
    assert_eq!(fault(&["0x80000001", "0x80000000", "--topology", card.path()]), expected);
    // The older generation reads these words alike.
    let old =
        fault(&["0x80000001", "0x80000000", "--kind", "dart-t8020", "--topology", card.path()]);
    assert_eq!(old.lines().next(), expected.lines().next());
    assert!(old.contains("  0.27:24  stream"), "{old}");
    // Nothing known of the controller, the most likely reason is named as that.
    let bare = fault(&["80000001", "80000000"]);
    let likely = "no translation table for stream 0: requester IDs that the root port does not know end there, \
                  most often that of a bridge; the address was not looked at\n";
    assert!(bare.starts_with(likely), "{bare}");
}

#[test]
fn b06_the_panic_above_32_bits() {
    let text = fault(&["0x02220060"]);
    assert!(
        text.starts_with("a request above 32 bits: the controller was given an address"),
        "{text}"
    );
    for line in [
        "  0.30:24  no known name                                       2h\n",
        "  0.21     completer abort                                     1\n",
        "  0.17     request address above 32 bits                       1\n",
        "  0.7:4    advanced error reporting                            6h\n",
    ] {
        assert!(text.contains(line), "{line} in {text}");
    }
    assert!(text.contains("take the addresses from the mapper of the PCI device itself"), "{text}");
}

#[test]
fn b06_records_of_vtd_and_amd() {
    let vtd = fault(&["0x80000000", "0", "0x200", "0xc0000002"]);
    assert!(vtd.starts_with("no translation table for requester ID 0000:02:00.0"), "{vtd}");
    assert!(vtd.contains("access              the device would read memory\n"), "{vtd}");
    assert!(vtd.contains("  2.15:0     source identifier"), "{vtd}");
    assert_eq!(
        vtd,
        fault(&["0x0000000080000000", "0xc000000200000200"]),
        "two words of 64 bits are four of 32"
    );
    let amd = fault(&["--kind", "amd-vi", "0x0220", "0x2070000a", "0x90001000", "0"]);
    assert!(
        amd.starts_with("a write of memory that is mapped, but not for it: 0x90001000\n"),
        "{amd}"
    );
    let json = hba(&["decode", "fault", "--json", "0x80000000", "0", "0x200", "0xc0000002"]).json();
    let field = json["sections"][0]["fields"].as_array().expect("fields");
    let source = field.iter().find(|field| field["name"] == "source identifier").expect("there");
    assert_eq!(
        (&source["byte"], &source["bits"], &source["value"]),
        (&json!(8), &json!([15, 0]), &json!(512))
    );
}

#[test]
fn a_record_without_a_fault_says_so() {
    let text = fault(&["--kind", "dart-t8110", "1", "0"]);
    assert!(text.starts_with("the Apple DART (T8110 generation) reports no fault\n"), "{text}");
}

#[test]
fn what_makes_no_sense_is_one_line() {
    let failed = |words: &[&str]| hba(&[&["decode", "fault"], words].concat()).failed(2);
    assert_eq!(failed(&["panic"]), "panic is not a word of 1 to 16 hexadecimal digits");
    assert_eq!(
        failed(&["1", "2", "3"]),
        "the words look like no record of a known unit: say which with --kind"
    );
    assert!(failed(&["--kind", "vtd", "1"]).ends_with("has 4 words of 32 bits, not 1"));
    assert!(failed(&["--kind", "apple-root-port", "0x100000000"]).contains("more than 32 bits"));
    let card = TestFile::with("fault-bad-card", b"root 00\n00:00.0 rot-port to 01\n");
    let error = failed(&["80000001", "--topology", card.path()]);
    assert!(error.ends_with(": line 2: rot-port has no meaning here"), "{error}");
    assert_eq!(
        hba(&["decode", "cdb", "00", "--kind", "vtd"]).failed(2),
        "--kind and --topology are for decode fault"
    );
}
