use super::*;
use crate::fabric::{BridgeKind, FunctionKind};
use alloc::string::ToString;

const EXAMPLE: &str = "\
# An LSI 53C1030 on a PCI-X card, behind the card's bridge
root 00
00:01.0  root-port    to 01
01:00.0  pcie-to-pci  to 02   id 10b5:8114   # PLX 8114
02:04.0  pci          id 1000:0030

controller 02:04.0
mapped 02:04.0
mapped 02:00.0 00:01.0
window 0x80000000-0xbfffffff
port-bits 32
device-bits 64
memory 0x80000000-0x80003fff request frames
memory 4096-8191
";

fn id(text: &str) -> RequesterId {
    text.parse().expect("well formed")
}

#[test]
fn every_line_is_understood() {
    let text: FabricText = EXAMPLE.parse().expect("well formed");
    let kinds: Vec<_> = text.topology.functions().iter().map(|f| f.kind).collect();
    let bridge = |kind, secondary| FunctionKind::Bridge { kind, secondary };
    assert_eq!(
        kinds,
        [
            bridge(BridgeKind::RootPort, 1),
            bridge(BridgeKind::PcieToPci, 2),
            FunctionKind::Conventional
        ]
    );
    assert_eq!(text.controller, Some(id("02:04.0")));
    let mapped = ["02:04.0", "02:00.0", "00:01.0"].map(id).to_vec();
    assert_eq!(text.mapped, MappedIds::Only(mapped));
    assert_eq!(text.window, Some((BusAddr::new(0x8000_0000), BusAddr::new(0xbfff_ffff))));
    assert_eq!(text.port_width, Some(AddressWidth::BITS_32));
    assert_eq!(text.device_width, Some(AddressWidth::BITS_64));
    let names: Vec<_> = text.memory.iter().map(|range| range.name.as_str()).collect();
    assert_eq!(names, ["request frames", "memory"]);
    assert_eq!(text.memory[1].last, BusAddr::new(8191));
}

#[test]
fn quirks_come_by_id_and_by_word() {
    let text = "root 00\n00:1f.2 endpoint id 1b4b:9230 also 05.3\n00:1c.0 pci-bridge to 1 id 1283:8892 translates";
    let text: FabricText = text.parse().expect("well formed");
    let quirks = &text.topology.functions()[1].quirks;
    assert_eq!(quirks.devfns.iter().map(|d| d.to_string()).collect::<Vec<_>>(), ["05.3", "1f.1"]);
    let quirks = &text.topology.functions()[0].quirks;
    assert!(quirks.acts_as_pcie_bridge && quirks.translates && !quirks.keeps_ids);
}

#[test]
fn an_error_names_its_line() {
    let cases = [
        ("root 00\nrout 00", "line 2: rout has no meaning here"),
        ("root", "line 1: the line ends where a bus should be"),
        (
            "root 00\n\n00:20.0 pci",
            "line 3: 00:20.0: the device of a pci address is a hexadecimal number up to 1f",
        ),
        ("root 00 00", "line 1: 00 has no meaning here"),
        ("root 00\nroot 0:0", "line 2: this was said before"),
        ("root xx:00", "line 1: xx:00 is not a root bus as in 0000:00"),
        ("root 00\n00:01.0", "line 2: the line ends where what the function is should be"),
        ("root 00\n00:01.0 bridge to 01", "line 2: bridge has no meaning here"),
        ("root 00\n00:01.0 root-port", "line 2: the line ends where to BUS should be"),
        ("root 00\n00:01.0 pci to 01", "line 2: to has no meaning here"),
        ("root 00\n00:01.0 pci keeps-ids", "line 2: keeps-ids has no meaning here"),
        (
            "root 00\n00:01.0 pci id 1000:30",
            "line 2: 1000:30 is not ids as in 1000:0030 or 9005:0285/9005:02bb",
        ),
        ("root 00\n00:01.0 vf 00:02.0", "line 2: 00:02.0 has no meaning here"),
        ("root 00\n00:01.0 pci\n00:01.0 pci", "line 3: 0000:00:01.0 is listed twice"),
        (
            "root 00\n01:00.0 pci",
            "line 2: 0000:01:00.0 is on a bus that is no root bus and that no bridge leads to",
        ),
        ("root 00\n00:01.0 root-port to 00", "line 2: the line ends where to BUS should be"),
        (
            "root 00\n00:01.0 root-port to 01\n00:02.0 root-port to 01",
            "line 3: bridge 0000:00:02.0 leads to bus 01, which has a way up already",
        ),
        (
            "root 00\n00:01.0 vf of 00:02.0",
            "line 2: virtual function 0000:00:01.0 belongs to 0000:00:02.0, which is no endpoint of its domain",
        ),
        (
            "root 00\n00:01.0 pci as 00:01.0",
            "line 2: 0000:00:01.0 makes its requests as 0000:00:01.0, which is no other function here",
        ),
        ("root 00\ncontroller 00:01.0", "line 2: there is no function at 0000:00:01.0"),
        ("mapped", "line 1: the line ends where an address, or all should be"),
        ("mapped all 00:01.0", "line 1: 00:01.0 has no meaning here"),
        (
            "window 5-4",
            "line 1: 5-4 is not addresses as in 0x80000000-0xbfffffff, the first not above the last",
        ),
        (
            "window 0x+5-0x6",
            "line 1: 0x+5-0x6 is not addresses as in 0x80000000-0xbfffffff, the first not above the last",
        ),
        ("port-bits 65", "line 1: 65 is not 1 to 64 bits"),
        ("window 1-2\nwindow 1-2", "line 2: this was said before"),
    ];
    for (text, error) in cases {
        let found = text.parse::<FabricText>().expect_err(text).to_string();
        assert_eq!(found, error, "{text}");
    }
}

#[test]
fn no_text_panics() {
    // Words of the language in any order.
    let words = [
        "root",
        "00",
        "00:01.0",
        "01:00.0",
        "root-port",
        "to",
        "01",
        "pci",
        "vf",
        "of",
        "id",
        "1b4b:9230",
        "also",
        "as",
        "\n",
        "\n",
        "mapped",
        "all",
        "window",
        "1-2",
        "memory",
        "#",
        "controller",
    ];
    let mut state = 1_u64;
    for _ in 0..20_000 {
        let mut text = String::new();
        for _ in 0..12 {
            state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
            text.push_str(words[(state >> 33) as usize % words.len()]);
            text.push(' ');
        }
        let _ = text.parse::<FabricText>();
    }
}
