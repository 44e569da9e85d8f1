//! `hba doctor`: whether DMA can reach memory.

mod common;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use common::{Ran, TestFile, controllers, hba};

fn doctor(name: &str, topology: &str) -> Ran {
    let file = TestFile::with(name, topology.as_bytes());
    hba(&["doctor", "--topology", file.path()])
}

/// What a run that found something to fail printed.
#[track_caller]
fn fails(ran: Ran) -> String {
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(1), ""), "{ran:?}");
    assert!(ran.stdout.ends_with("this would fail\n"), "{}", ran.stdout);
    ran.stdout
}

const CARD: &str = "\
root 00
00:00.0  root-port    to 01
01:00.0  pcie-to-pci  to 02   id 10b5:8114
02:04.0  pci          id 1000:0030
controller 02:04.0
";

#[test]
fn the_card_of_the_dart_report_fails_and_passes_once_the_alias_is_mapped() {
    let expected = "\
way to memory
  0000:02:04.0  conventional PCI device
  0000:01:00.0  PCIe-to-PCI(-X) bridge to bus 02
  0000:00:00.0  root port to bus 01
requester IDs
  0000:02:04.0  mapped      its own ID
  0000:02:00.0  NOT MAPPED  PCIe-to-PCI(-X) bridge 0000:01:00.0 takes ownership as its secondary bus, device 0, function 0
FAILS: requester ID 0000:02:00.0 is not mapped: PCIe-to-PCI(-X) bridge 0000:01:00.0 takes ownership as its secondary bus, device 0, function 0
  -> map the memory for this ID too; where the host cannot (DriverKit on Apple Silicon cannot), take a card without such a bridge, Linux with VFIO, or pass the IOMMU by
this would fail
";
    let own = format!("{CARD}mapped 02:04.0\n");
    let text = fails(doctor("card", &own));
    assert!(text.starts_with("controller          sim:sas1068\n"), "{text}");
    assert_eq!(text.find("way to memory").map(|at| &text[at..]), Some(expected));
    let both = format!("{own}mapped 02:00.0\n");
    let text = doctor("card-mapped", &both).passed();
    assert!(text.ends_with("nothing would fail\n") && !text.contains("NOT MAPPED"), "{text}");
    let text = doctor("card-unknown", CARD).passed();
    assert!(
        text.contains("note: it is not known which of the 2 requester IDs are mapped"),
        "{text}"
    );
}

#[test]
fn physical_addresses_of_the_32_bit_report_fail() {
    let text = "\
root 00
00:01.0  root-port  to 01
01:00.0  endpoint   id 10ee:7024
controller 01:00.0
mapped all
port-bits 32
device-bits 32
memory 0x801230000-0x801233fff ring
";
    let text = fails(doctor("fpga", text));
    assert!(text.contains("FAILS: ring at 0x801230000 to 0x801233fff needs more than the controller's 32 address bits"), "{text}");
    assert!(text.contains("is above the 32 bits that the root port lets through"), "{text}");
    assert!(text.contains("this looks like a physical address: map the memory"), "{text}");
}

#[test]
fn memory_outside_the_window_or_across_4_gib_fails() {
    let host = format!("{CARD}mapped all\nwindow 0x80000000-0x2bfffffff\n");
    let text = fails(doctor("window", &format!("{host}memory 0x7ffff000-0x80000fff frames\n")));
    assert!(
        text.contains("is outside the addresses that the host maps, 0x80000000 to 0x2bfffffff"),
        "{text}"
    );
    let text =
        fails(doctor("4gib", &format!("{host}memory 0xfffff000-0x100000fff sense buffers\n")));
    assert!(text.contains("crosses a 4 GiB line\n  -> place it within 4 GiB"), "{text}");
    let text = doctor("4gib-data", &format!("{host}memory 0xfffff000-0x100000fff data\n")).passed();
    assert!(
        text.contains("note: only addresses 0x80000000 to 0x2bfffffff lead to memory"),
        "{text}"
    );
    let text = fails(doctor(
        "no-window",
        &format!("{CARD}window 0x100000000-0x1ffffffff\ndevice-bits 32\n"),
    ));
    assert!(text.contains("drives 32 address bits, and the host maps none of them"), "{text}");
}

#[test]
fn what_is_worth_to_know_is_noted() {
    let text = format!("{CARD}02:05.0 pci\nmapped 02:04.0 02:00.0 02:06.0\n");
    let text = doctor("notes", &text).passed();
    assert!(
        text.contains("note: an IOMMU cannot tell the controller from 0000:02:05.0\n"),
        "{text}"
    );
    assert!(text.contains("note: requester ID 0000:02:06.0 is mapped, and no request"), "{text}");
    let text = doctor("no-controller", "root 00\n00:01.0 pci\n").passed();
    assert!(text.contains("does not say which function is the controller"), "{text}");
}

#[test]
fn every_controller_has_limits() {
    for controller in controllers() {
        let json = hba(&["doctor", "--controller", controller, "--json"]).json();
        assert_eq!(json["controller"], controller);
        assert!(json["limits"]["queue_depth"].as_u64() > Some(0), "{json}");
        assert_eq!(json["ok"], true, "{json}");
        assert_eq!(
            json["findings"][0]["severity"], "note",
            "nothing is known of the way to memory"
        );
    }
}

#[test]
fn json_has_it_all() {
    let file = TestFile::with("json", format!("{CARD}mapped 02:04.0\n").as_bytes());
    let ran = hba(&["doctor", "--json", "--topology", file.path()]);
    assert_eq!(ran.code, Some(1));
    let json: serde_json::Value = serde_json::from_str(&ran.stdout).expect("JSON");
    assert_eq!(json["ok"], false);
    assert_eq!(json["aliases"][1]["id"], "0000:02:00.0");
    assert_eq!(json["aliases"][1]["rule"], "pcie-to-pci");
    assert_eq!(json["aliases"][1]["mapped"], false);
    assert_eq!(json["path"].as_array().map(Vec::len), Some(3));
    assert_eq!(json["findings"][0]["severity"], "fails");
}

#[test]
fn what_makes_no_sense_is_one_line() {
    let error = doctor("bad-line", "root 00\n\n00:1.0 rootport to 01\n").failed(2);
    assert!(error.ends_with(": line 3: rootport has no meaning here"), "{error}");
    let error = hba(&["doctor", "--topology", "/nowhere/at-all"]).failed(2);
    assert!(error.starts_with("/nowhere/at-all: "), "{error}");
    let file = TestFile::with("other-device", CARD.as_bytes());
    let error = hba(&["doctor", "--topology", file.path(), "--device", "05:00.0"]).failed(2);
    assert_eq!(error, "the topology has no function at 0000:05:00.0");
    let error = hba(&["doctor", "--topology", file.path(), "--device", "5.0"]).failed(2);
    assert!(error.contains("a pci address has the form 0000:03:00.0"), "{error}");
}

/// A tree like sysfs, made from what a guest recorded; removed at the end.
struct Tree(PathBuf);

/// What a Linux guest recorded; the head of the file says of what.
const GUEST: &str = include_str!("data/sysfs-pcie-to-pci-chain.txt");

impl Tree {
    /// `config_len` bytes of each configuration space, as the reader's rights allow.
    fn new(name: &str, config_len: usize) -> Self {
        let root =
            Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&root);
        let links = root.join("bus/pci/devices");
        fs::create_dir_all(&links).expect("a directory");
        for line in GUEST.lines().filter(|line| !line.starts_with('#')) {
            let [place, group, config] = line.split(' ').collect::<Vec<_>>()[..] else {
                panic!("{line}")
            };
            let device = root.join("devices").join(place);
            fs::create_dir_all(&device).expect("a directory");
            let bytes =
                (0..config.len() / 2).map(|at| u8::from_str_radix(&config[2 * at..][..2], 16));
            let bytes: Vec<u8> = bytes.collect::<Result<_, _>>().expect("hexadecimal");
            fs::write(device.join("config"), &bytes[..config_len]).expect("a file");
            let address = place.rsplit('/').next().expect("a name");
            symlink(format!("../../../devices/{place}"), links.join(address)).expect("a link");
            let group = root.join("kernel/iommu_groups").join(group);
            fs::create_dir_all(group.join("devices")).expect("a directory");
            symlink(&device, group.join("devices").join(address)).expect("a link");
            symlink(&group, device.join("iommu_group")).expect("a link");
        }
        Self(root)
    }

    fn doctor(&self, more: &[&str]) -> Ran {
        let root = self.0.to_str().expect("UTF-8");
        hba(&[&["doctor", "--sysfs", root], more].concat())
    }

    fn device(&self, address: &str) -> PathBuf {
        fs::canonicalize(self.0.join("bus/pci/devices").join(address)).expect("it is there")
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn a_linux_machine_is_read_from_sysfs() {
    let tree = Tree::new("sysfs", 256);
    fs::write(tree.device("0000:03:05.0").join("dma_mask_bits"), "32\n").expect("a file");
    // The SAS1068 is the only storage controller of its kinds.
    let text = tree.doctor(&[]).passed();
    let expected = "\
addresses           32 bits, 0x0 to 0xffffffff
way to memory
  0000:03:05.0  conventional PCI device
  0000:02:03.0  conventional PCI bridge to bus 03
  0000:01:00.0  PCIe-to-PCI(-X) bridge to bus 02
  0000:00:04.0  root port to bus 01
requester IDs
  0000:03:05.0  mapped      its own ID
  0000:02:03.0  mapped      conventional bridge 0000:02:03.0 puts its own ID
  0000:02:00.0  mapped      PCIe-to-PCI(-X) bridge 0000:01:00.0 takes ownership as its secondary bus, device 0, function 0
";
    assert!(text.contains(expected), "{text}");
    assert!(text.ends_with("nothing would fail\n"), "{text}");
}

#[test]
fn a_group_that_leaves_a_sharer_out_is_told() {
    let tree = Tree::new("sysfs-group", 256);
    let group =
        fs::canonicalize(tree.device("0000:03:05.0").join("iommu_group")).expect("it has one");
    fs::remove_file(group.join("devices/0000:02:03.0")).expect("it was a member");
    let text = fails(tree.doctor(&["--device", "0000:03:05.0"]));
    assert!(
        text.contains("0000:02:03.0 shares a requester ID with the controller and is in another"),
        "{text}"
    );
}

#[test]
fn a_machine_without_an_iommu_maps_everything() {
    let tree = Tree::new("sysfs-no-iommu", 256);
    fs::remove_file(tree.device("0000:03:05.0").join("iommu_group")).expect("it has one");
    let text = tree.doctor(&[]).passed();
    assert!(!text.contains("NOT MAPPED"), "{text}");
    assert!(text.contains("note: no IOMMU stands before the controller"), "{text}");
}

#[test]
fn what_sysfs_hides_is_said() {
    let tree = Tree::new("sysfs-user", 64);
    let error = tree.doctor(&[]).failed(2);
    assert!(
        error.contains("only 64 bytes of its configuration space: run this as root"),
        "{error}"
    );
    let empty = TestFile::new("sysfs-empty");
    assert!(hba(&["doctor", "--sysfs", empty.path()]).failed(2).contains("bus/pci/devices: "));
    let tree = Tree::new("sysfs-none", 256);
    let error = tree.doctor(&["--device", "0000:09:00.0"]).failed(2);
    assert_eq!(error, "the topology has no function at 0000:09:00.0");
    fs::remove_file(tree.0.join("bus/pci/devices/0000:03:05.0")).expect("it was there");
    let error = tree.doctor(&[]).failed(2);
    assert_eq!(error, "no storage controller is here: name a device with --device");
}
