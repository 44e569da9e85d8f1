//! Discovery against scripted devices, and against nonsense.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;

use proptest::prelude::*;
use scsi_proto::capacity::{Capacity10, Capacity16};
use scsi_proto::command::{AnyCommand, Inquiry};
use scsi_proto::inquiry::{StandardInquiry, Version};
use scsi_proto::mode::{CachingPage, ModeBuilder, ModeForm, ModeHeader, page_code};
use scsi_proto::vpd::{self, Association, CodeSet, Designator, DesignatorType, PageCode};
use scsi_proto::{Ascii, Lba, Sense, Status, report_luns};

use super::*;
use crate::command::BlockSize;
use crate::command::{Failure, TargetId};
use crate::logical_unit::{Readiness, WriteCache};

/// What a device sends back.
struct Reply {
    outcome: Outcome,
    sense: Vec<u8>,
    data: Vec<u8>,
}

impl Reply {
    fn good(data: &[u8]) -> Self {
        Self { outcome: Outcome::Status(Status::GOOD), sense: vec![], data: data.to_vec() }
    }

    fn status(status: Status) -> Self {
        Self { outcome: Outcome::Status(status), sense: vec![], data: vec![] }
    }

    fn check(key: SenseKey, asc: u8, ascq: u8) -> Self {
        let mut sense = vec![0; 18];
        Sense::new(key, AdditionalSense::new(asc, ascq)).emit(&mut sense).expect("18 bytes");
        Self { sense, ..Self::status(Status::CHECK_CONDITION) }
    }

    fn failed(failure: Failure) -> Self {
        Self { outcome: Outcome::Failed(failure), sense: vec![], data: vec![] }
    }
}

/// A target whose units are all the same disk.
struct Device {
    inquiry: StandardInquiry,
    luns: Vec<Lun>,
    /// REPORT LUNS is answered.
    lists: bool,
    capacity: Capacity16,
    has_capacity16: bool,
    mode_forms: &'static [ModeForm],
    /// MODE SENSE knows single pages, not only 3Fh.
    single_pages: bool,
    wce: Option<bool>,
    vpd: bool,
    /// Every VPD page is answered with the list of pages.
    vpd_lies: bool,
    /// Answers given to TEST UNIT READY before it says GOOD.
    not_ready: Vec<Reply>,
    /// Answers given to whatever comes first.
    first: Vec<Reply>,
    log: Vec<String>,
}

impl Device {
    /// SPC-4 and SBC-3 with everything.
    fn modern() -> Self {
        let inquiry = StandardInquiry {
            vendor: Ascii::new("T10"),
            product: Ascii::new("MODERN DISK"),
            revision: Ascii::new("0001"),
            ..StandardInquiry::disk()
        };
        Self {
            inquiry,
            luns: vec![Lun::ZERO],
            lists: true,
            capacity: Capacity16 {
                last_lba: Lba((1 << 33) - 1),
                block_length: 512,
                lbppbe: 3,
                lbpme: true,
                ..Capacity16::default()
            },
            has_capacity16: true,
            mode_forms: &[ModeForm::Six, ModeForm::Ten],
            single_pages: true,
            wce: Some(true),
            vpd: true,
            vpd_lies: false,
            not_ready: vec![],
            first: vec![],
            log: vec![],
        }
    }

    /// SCSI-2: 36 bytes of INQUIRY data and little else.
    fn old() -> Self {
        let inquiry = StandardInquiry {
            version: Version::SCSI_2,
            additional_length: 31,
            ..StandardInquiry::disk()
        };
        let capacity = Capacity16 { last_lba: Lba(99), block_length: 520, ..Capacity16::default() };
        let mode_forms = &[ModeForm::Six];
        let plain =
            Self { inquiry, capacity, mode_forms, lists: false, vpd: false, ..Self::modern() };
        Self { has_capacity16: false, wce: None, ..plain }
    }

    fn answer(&mut self, probe: &Probe) -> Reply {
        self.log.push(probe.cdb.to_string());
        if !self.first.is_empty() {
            return self.first.remove(0);
        }
        let invalid_opcode = Reply::check(SenseKey::ILLEGAL_REQUEST, 0x20, 0);
        let mut out = [0; 4096];
        let len = match AnyCommand::parse(&probe.cdb).expect("well formed") {
            AnyCommand::Inquiry(inquiry) if inquiry.fields().evpd => {
                return self.vpd_page(inquiry.fields());
            }
            AnyCommand::Inquiry(_) if !self.luns.contains(&probe.nexus.lun) => {
                out[..5].copy_from_slice(&[0x7f, 0, 6, 2, 0]);
                5
            }
            AnyCommand::Inquiry(_) => self.inquiry.emit(&mut out).expect("room"),
            AnyCommand::ReportLuns(_) if self.lists => {
                report_luns::emit(self.luns.iter().copied(), &mut out).expect("room")
            }
            AnyCommand::TestUnitReady(_) if self.not_ready.is_empty() => 0,
            AnyCommand::TestUnitReady(_) => return self.not_ready.remove(0),
            AnyCommand::ReadCapacity10(_) => {
                Capacity10::from(self.capacity).emit(&mut out).expect("room")
            }
            AnyCommand::ReadCapacity16(_) if self.has_capacity16 => {
                self.capacity.emit(&mut out).expect("room")
            }
            AnyCommand::ModeSense6(m) if m.fields().dbd => {
                return self.mode(ModeForm::Six, m.fields().page_code.get());
            }
            AnyCommand::ModeSense10(m) if m.fields().dbd => {
                return self.mode(ModeForm::Ten, m.fields().page_code.get());
            }
            _ => return invalid_opcode,
        };
        Reply::good(&out[..len.min(probe.allocation_length() as usize)])
    }

    fn vpd_page(&self, inquiry: Inquiry) -> Reply {
        let mut body = [0; 64];
        let id = Designator {
            protocol: None,
            code_set: CodeSet::BINARY,
            association: Association::LOGICAL_UNIT,
            kind: DesignatorType::NAA,
            id: &[0x50, 1, 2, 3, 4, 5, 6, 7],
        };
        let id_len = id.emit(&mut body).expect("room");
        let asked = PageCode(inquiry.page_code);
        let code = if self.vpd_lies { PageCode::SUPPORTED_PAGES } else { asked };
        let body = match code {
            _ if !self.vpd => &[][..],
            PageCode::SUPPORTED_PAGES => &[0x00, 0x80, 0x83],
            PageCode::UNIT_SERIAL_NUMBER => b"  SN\x01123 ",
            PageCode::DEVICE_IDENTIFICATION => &body[..id_len],
            _ => &[],
        };
        if body.is_empty() {
            return Reply::check(SenseKey::ILLEGAL_REQUEST, 0x24, 0);
        }
        let mut out = [0; 128];
        let len = vpd::emit(code, body, &mut out).expect("room");
        Reply::good(&out[..len])
    }

    fn mode(&self, form: ModeForm, page: u32) -> Reply {
        let all = page == page_code::ALL.into();
        if !self.mode_forms.contains(&form) || !(self.single_pages || all) {
            return Reply::check(SenseKey::ILLEGAL_REQUEST, 0x20, 0);
        }
        let Some(wce) = self.wce.filter(|_| all || page == page_code::CACHING.into()) else {
            return Reply::check(SenseKey::ILLEGAL_REQUEST, 0x24, 0);
        };
        let mut out = [0; 128];
        let mut data = ModeBuilder::new(form, ModeHeader::disk(true, true), &mut out);
        let mut page = [0; CachingPage::LEN];
        CachingPage::new(wce).emit(&mut page).expect("room");
        data.page(&page);
        let len = data.finish_sense().expect("room");
        Reply::good(&out[..len])
    }
}

fn targets(ids: &[u16]) -> Vec<TargetInfo> {
    ids.iter().map(|&id| TargetInfo::device(TargetId::new(id), 0)).collect()
}

/// Runs to the end; gives what was found, and the times at which time had to pass.
fn run_with(
    devices: &mut BTreeMap<u16, Device>,
    config: DiscoveryConfig,
) -> (Vec<LogicalUnit>, Vec<Skipped>, Vec<Instant>) {
    let ids: Vec<_> = devices.keys().copied().collect();
    let mut discovery = Discovery::with_config(&targets(&ids), config);
    let (mut now, mut waits) = (Instant::from_millis(1000), vec![]);
    while !discovery.is_done() {
        assert!(devices.values().all(|device| device.log.len() < 5000), "it does not end");
        let Some(probe) = discovery.poll_request(now) else {
            let next = discovery.next_deadline().expect("nothing is out");
            assert!(next > now, "what is due is given");
            now = next;
            waits.push(now);
            continue;
        };
        let device = devices.get_mut(&probe.nexus.target.id).expect("a known target");
        let reply = device.answer(&probe);
        let outcome =
            ProbeOutcome { outcome: reply.outcome, sense: &reply.sense, data: &reply.data };
        discovery.handle_completion(probe.id, outcome, now);
    }
    assert_eq!(discovery.poll_request(now), None);
    assert_eq!(discovery.next_deadline(), None);
    let Discovered { units, skipped } = discovery.finish();
    (units, skipped, waits)
}

fn run(device: Device) -> (Vec<LogicalUnit>, Vec<Skipped>, Device) {
    let mut devices = BTreeMap::from([(0, device)]);
    let (units, skipped, _) = run_with(&mut devices, DiscoveryConfig::default());
    (units, skipped, devices.remove(&0).expect("the one device"))
}

#[test]
fn a_modern_disk_is_asked_for_everything_once() {
    let (units, skipped, device) = run(Device::modern());
    assert_eq!(
        device.log,
        [
            "120000002400",
            "120000006000",
            "a00000000000000002000000",
            "12010000fc00",
            "12018000fc00",
            "12018300fc00",
            "000000000000",
            "25000000000000000000",
            "9e100000000000000000000000200000",
            "1a080800fc00",
        ]
    );
    assert_eq!((units.len(), skipped.len()), (1, 0));
    let unit = &units[0];
    assert_eq!((unit.blocks, unit.block_size), (1 << 33, BlockSize(512)));
    assert_eq!(
        (&unit.vendor[..], &unit.model[..], &unit.revision[..]),
        ("T10", "MODERN DISK", "0001")
    );
    assert_eq!(unit.serial, "SN.123");
    assert_eq!(unit.wwn.map(|wwn| wwn.to_string()), Some("naa.5001020304050607".into()));
    assert_eq!((unit.readiness, unit.write_cache), (Readiness::Ready, WriteCache::On));
    assert!(unit.dpofua && unit.write_protected && unit.provisioning && !unit.removable);
    assert_eq!(unit.physical_block_exponent, 3);
}

#[test]
fn an_old_disk_is_found_with_what_it_has() {
    let (units, _, device) = run(Device::old());
    assert_eq!(device.log[..3], ["120000002400", "a00000000000000002000000", "12010000fc00"]);
    assert!(!device.log.iter().any(|cdb| cdb.starts_with("9e")), "SCSI-2 is not asked for (16)");
    let unit = &units[0];
    assert_eq!((unit.blocks, unit.block_size), (100, BlockSize(520)));
    assert_eq!((unit.write_cache, unit.dpofua), (WriteCache::Unknown, false));
    assert_eq!((&unit.serial[..], unit.wwn), ("", None));
}

#[test]
fn a_page_that_was_not_asked_for_says_nothing() {
    let (units, _, device) = run(Device { vpd_lies: true, ..Device::modern() });
    assert!(device.log.contains(&"12018300fc00".into()));
    assert_eq!((&units[0].serial[..], units[0].wwn), ("", None));
}

#[test]
fn read_capacity_16_is_needed_refused_and_done_without() {
    let (units, _, _) = run(Device { has_capacity16: false, ..Device::modern() });
    assert_eq!(units[0].blocks, 0, "FFFFFFFFh is no capacity");
    let capacity = Capacity16 { last_lba: Lba(7), block_length: 4096, ..Capacity16::default() };
    let (units, _, _) = run(Device { has_capacity16: false, capacity, ..Device::modern() });
    assert_eq!((units[0].blocks, units[0].block_size), (8, BlockSize(4096)));
    for (last_lba, block_length) in [(u64::MAX, 512), (7, 0)] {
        let capacity = Capacity16 { last_lba: Lba(last_lba), block_length, ..capacity };
        let (units, _, _) = run(Device { capacity, ..Device::modern() });
        assert_eq!((units[0].blocks, units[0].block_size), (0, BlockSize(0)));
    }
    let old = Device { has_capacity16: true, capacity: Device::modern().capacity, ..Device::old() };
    assert_eq!(run(old).0[0].blocks, 1 << 33, "beyond 2^32 the short form says so itself");
}

#[test]
fn the_caching_page_is_found_by_any_form() {
    for mode_forms in [&[ModeForm::Six][..], &[ModeForm::Ten]] {
        for single_pages in [true, false] {
            for wce in [true, false] {
                let device =
                    Device { mode_forms, single_pages, wce: Some(wce), ..Device::modern() };
                let (units, _, _) = run(device);
                let expected = if wce { WriteCache::On } else { WriteCache::Off };
                assert_eq!((units[0].write_cache, units[0].dpofua), (expected, true));
            }
        }
    }
    let (units, _, _) = run(Device { mode_forms: &[], ..Device::modern() });
    assert_eq!((units[0].write_cache, units[0].dpofua), (WriteCache::Unknown, false));
}

#[test]
fn luns_come_in_order_and_missing_ones_are_left_out() {
    let mut device = Device::modern();
    device.luns = [3, 1, 1, 0, 300].map(Lun::from_number).to_vec();
    device.luns.push(Lun::REPORT_LUNS);
    let (units, skipped, _) = run(device);
    let luns: Vec<_> = units.iter().map(|unit| unit.nexus.lun.number()).collect();
    assert_eq!(luns, [0, 1, 3, 300].map(Some));
    assert_eq!(skipped.len(), 1);
    assert_eq!(
        (skipped[0].nexus.lun, skipped[0].reason),
        (Lun::REPORT_LUNS, SkipReason::WellKnown)
    );

    let mut empty = Device::modern();
    empty.luns = vec![];
    let (units, skipped, _) = run(empty);
    let reason = SkipReason::NotConnected(PeripheralQualifier::NOT_SUPPORTED, DeviceType::UNKNOWN);
    assert_eq!((units.len(), skipped[0].reason), (0, reason));
    assert_eq!(
        skipped[0].to_string(),
        "0:0:0: no unit there (no logical unit supported, unknown or no device type)"
    );
}

#[test]
fn a_long_lun_list_is_fetched_whole_up_to_the_limit() {
    let mut device = Device::modern();
    device.luns = (0..200).map(Lun::from_number).collect();
    let (units, skipped, device) = run(device);
    assert_eq!((units.len(), skipped.len()), (200, 0));
    assert!(device.log.contains(&"a00000000000000006480000".into()), "1608 bytes");

    let mut device = Device::modern();
    device.luns = (0..200).map(Lun::from_number).collect();
    let config = DiscoveryConfig { luns_max: 3, ..DiscoveryConfig::default() };
    let mut devices = BTreeMap::from([(0, device)]);
    let (units, skipped, _) = run_with(&mut devices, config);
    assert_eq!(units.len(), 3);
    assert_eq!(skipped[0].nexus.lun, Lun::from_number(3));
    assert_eq!(skipped[0].reason, SkipReason::TooMany { listed: 200, permitted: 3 });
}

#[test]
fn unit_attentions_are_cleared_and_counted() {
    let attention = || Reply::check(SenseKey::UNIT_ATTENTION, 0x29, 0);
    let mut device = Device::modern();
    device.not_ready = (0..8).map(|_| attention()).collect();
    let (units, _, _) = run(device);
    assert_eq!(units[0].readiness, Readiness::Ready);
    let mut device = Device::modern();
    device.not_ready = (0..9).map(|_| attention()).collect();
    let (units, _, _) = run(device);
    assert_eq!(units[0].readiness, Readiness::Unknown, "nine in a row are no accident");
    let mut deferred = Reply::check(SenseKey::MEDIUM_ERROR, 0x0c, 0);
    deferred.sense[0] = 0x71;
    let (units, _, _) = run(Device { first: vec![deferred, attention()], ..Device::modern() });
    assert_eq!(units.len(), 1, "a deferred error says nothing of the command at hand");
}

#[test]
fn becoming_ready_is_waited_for_but_not_for_ever() {
    let becoming = || Reply::check(SenseKey::NOT_READY, 0x04, 0x01);
    let run_for = |count| {
        let mut device = Device::modern();
        device.not_ready = (0..count).map(|_| becoming()).collect();
        let (units, _, waits) =
            run_with(&mut BTreeMap::from([(0, device)]), DiscoveryConfig::default());
        (units[0].readiness, waits)
    };
    let (readiness, waits) = run_for(3);
    assert_eq!(readiness, Readiness::Ready);
    assert_eq!(waits, [2000, 3000, 4000].map(Instant::from_millis));
    let (readiness, waits) = run_for(100);
    assert_eq!(readiness, Readiness::NotReady(AdditionalSense::new(4, 1)));
    assert_eq!(waits.len(), 60);

    let mut empty = Device::modern();
    empty.not_ready = vec![Reply::check(SenseKey::NOT_READY, 0x3a, 0)];
    let (units, _, device) = run(empty);
    assert_eq!(units[0].readiness, Readiness::NotReady(AdditionalSense::new(0x3a, 0)));
    assert_eq!(
        device.log.last(),
        Some(&"000000000000".into()),
        "without a medium nothing more is asked"
    );
}

#[test]
fn busy_is_retried_later_and_failures_once() {
    let busy = || Reply::status(Status::BUSY);
    let full = Reply::status(Status::TASK_SET_FULL);
    let first = vec![busy(), full, Reply::failed(Failure::Busy)];
    let mut devices = BTreeMap::from([(0, Device { first, ..Device::modern() })]);
    let (units, _, waits) = run_with(&mut devices, DiscoveryConfig::default());
    assert_eq!((units.len(), waits), (1, [1100, 1200, 1300].map(Instant::from_millis).to_vec()));

    let timed_out = || Reply::failed(Failure::TimedOut);
    let (units, _, _) = run(Device { first: vec![timed_out()], ..Device::modern() });
    assert_eq!(units.len(), 1);
    let (units, skipped, device) =
        run(Device { first: vec![timed_out(), timed_out()], ..Device::modern() });
    assert_eq!((units.len(), device.log.len()), (0, 2));
    assert_eq!(skipped[0].reason, SkipReason::Failed(Outcome::Failed(Failure::TimedOut)));
}

#[test]
fn absent_targets_and_gone_controllers_end_at_once() {
    for failure in [Failure::DeviceNotPresent, Failure::ControllerGone, Failure::ControllerFailed] {
        let (units, skipped, device) =
            run(Device { first: vec![Reply::failed(failure)], ..Device::modern() });
        assert_eq!((units.len(), device.log.len()), (0, 1));
        assert_eq!(skipped[0].reason, SkipReason::Failed(Outcome::Failed(failure)));
    }
    let denied = vec![Reply::check(SenseKey::HARDWARE_ERROR, 0x44, 0)];
    let (_, skipped, _) = run(Device { first: denied, ..Device::modern() });
    let reason = SkipReason::Check(SenseKey::HARDWARE_ERROR, AdditionalSense::new(0x44, 0));
    assert_eq!(skipped[0].reason, reason);
    let (_, skipped, _) = run(Device { first: vec![Reply::good(&[0; 4])], ..Device::modern() });
    assert_eq!(skipped[0].reason, SkipReason::Malformed);
}

#[test]
fn targets_are_asked_in_parallel_one_probe_each() {
    let now = Instant::from_millis(5);
    let mut discovery = Discovery::new(&targets(&[4, 2, 9]));
    let probes: Vec<_> = core::iter::from_fn(|| discovery.poll_request(now)).collect();
    let asked: Vec<_> = probes.iter().map(|probe| probe.nexus.target.id).collect();
    assert_eq!(asked, [4, 2, 9]);
    let ids: BTreeSet<_> = probes.iter().map(|probe| probe.id).collect();
    assert_eq!(ids.len(), 3);
    assert_eq!(discovery.next_deadline(), None, "only answers bring news");
    let gone = |outcome| ProbeOutcome { outcome, sense: &[], data: &[] };
    let absent = gone(Outcome::Failed(Failure::DeviceNotPresent));
    discovery.handle_completion(ProbeId(77), absent, now);
    discovery.handle_completion(ProbeId(u64::MAX), absent, now);
    assert!(discovery.found().skipped.is_empty());
    discovery.handle_completion(probes[1].id, absent, now);
    discovery.handle_completion(probes[1].id, absent, now);
    assert_eq!(discovery.found().skipped.len(), 1, "an answer counts once");
    let request = probes[0].into_request(());
    assert_eq!(
        (request.cookie, request.command.transfer),
        (Cookie(probes[0].id.0), Transfer::from_device(36))
    );
}

/// Answers that look right more often than chance would have it.
fn nonsense() -> impl Strategy<Value = (u8, u8, Vec<u8>)> {
    let data = proptest::collection::vec(prop_oneof![3 => Just(0u8), 2 => any::<u8>()], 0..600);
    (0..12u8, any::<u8>(), data)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..Default::default() })]

    #[test]
    fn any_answers_end_within_a_bound(answers in proptest::collection::vec(nonsense(), 1..40)) {
        let config = DiscoveryConfig {
            luns_max: 4, attentions_max: 2, busy_tries: 2, ready_tries: 2, failure_retries: 1,
            ..DiscoveryConfig::default()
        };
        // 17 questions at most for each of 4 units and for the list, growth included; 8 tries of each.
        let bound = 5 * 17 * 8;
        let mut discovery = Discovery::with_config(&targets(&[0]), config);
        let (mut now, mut sent) = (Instant::ZERO, 0);
        while !discovery.is_done() {
            let Some(probe) = discovery.poll_request(now) else {
                now = discovery.next_deadline().expect("nothing is out");
                continue;
            };
            prop_assert!(probe.allocation_length() <= DATA_MAX);
            let (kind, detail, bytes) = &answers[sent % answers.len()];
            sent += 1;
            prop_assert!(sent <= bound, "{} commands", sent);
            let outcome = match kind {
                0 => Outcome::Status(Status(*detail)),
                1 => Outcome::Failed(Failure::TimedOut),
                2..=4 => Outcome::Status(Status::CHECK_CONDITION),
                _ => Outcome::Status(Status::GOOD),
            };
            let sense = [0x70, 0, detail & 15, 0, 0, 0, 0, 10, 0, 0, 0, 0, detail >> 4, 1, 0, 0, 0, 0];
            discovery.handle_completion(probe.id, ProbeOutcome { outcome, sense: &sense, data: bytes }, now);
        }
        prop_assert!(discovery.found().units.len() <= 4);
        prop_assert!(discovery.found().units.is_sorted_by_key(|unit| unit.nexus));
    }
}
