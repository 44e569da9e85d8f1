//! What one target answers, and what it is asked next.

use alloc::collections::{BTreeSet, VecDeque};
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use scsi_proto::capacity::{Capacity10, Capacity16};
use scsi_proto::inquiry::{DeviceType, StandardInquiry, Version};
use scsi_proto::mode::{CachingPage, ModeForm, ModeParameters, page_code};
use scsi_proto::report_luns::LunList;
use scsi_proto::vpd::{self, PageCode, VpdPage};
use scsi_proto::{Cdb, Lun, Sense, SenseKey};

use super::answer::{Answer, Tries, skip_reason};
use super::question::{ALLOCATION_BYTE, INQUIRY_SHORT, LUN_LIST_FIRST, MODE_QUESTIONS, Step};
use super::{DATA_MAX, DiscoveryConfig, ProbeOutcome, SkipReason, Skipped};
use crate::command::{Nexus, TargetId};
use crate::dispatch::BlockSize;
use crate::logical_unit::{LogicalUnit, Readiness, WriteCache};
use crate::time::Instant;

/// Where results go.
pub(super) struct Findings<'a> {
    pub(super) units: &'a mut Vec<LogicalUnit>,
    pub(super) skipped: &'a mut Vec<Skipped>,
}

/// The state of one target.
#[derive(Debug)]
pub(super) struct Scan {
    target: TargetId,
    lun: Lun,
    step: Step,
    /// Bytes that the step asks for.
    allocation: u32,
    tries: Tries,
    due: Instant,
    /// The probe that is out.
    out: Option<u32>,
    /// Whether the LUN list is known: INQUIRY of LUN 0 comes before it, for units after.
    listed: bool,
    /// The INQUIRY data at hand; kept from LUN 0 while the list is fetched.
    inquiry: Option<StandardInquiry>,
    /// Units that were not looked at yet.
    waiting: VecDeque<Lun>,
    unit: Option<LogicalUnit>,
    /// Page 83h is listed.
    has_identification: bool,
}

impl Scan {
    pub(super) fn new(target: TargetId) -> Self {
        Self {
            target,
            lun: Lun::ZERO,
            step: Step::Inquiry,
            allocation: INQUIRY_SHORT,
            tries: Tries::default(),
            due: Instant::ZERO,
            out: None,
            listed: false,
            inquiry: None,
            waiting: VecDeque::new(),
            unit: None,
            has_identification: false,
        }
    }

    pub(super) fn is_done(&self) -> bool {
        self.step == Step::Done
    }

    /// When the next probe may go out, or `None` while one is out or nothing is left to ask.
    pub(super) fn due_at(&self) -> Option<Instant> {
        (self.out.is_none() && !self.is_done()).then_some(self.due)
    }

    pub(super) fn is_due(&self, now: Instant) -> bool {
        self.due_at().is_some_and(|due| due <= now)
    }

    pub(super) fn begin_probe(&mut self, serial: u32) -> (Nexus, Cdb, u32) {
        self.out = Some(serial);
        let cdb = self.step.cdb(self.allocation);
        (Nexus::new(self.target, self.lun), cdb, self.allocation)
    }

    /// Whether `serial` was out.
    pub(super) fn end_probe(&mut self, serial: u32) -> bool {
        self.out.take_if(|out| *out == serial).is_some()
    }

    pub(super) fn handle(
        &mut self,
        outcome: &ProbeOutcome<'_>,
        now: Instant,
        config: &DiscoveryConfig,
        findings: &mut Findings<'_>,
    ) {
        let answer = Answer::of(outcome);
        if answer == Answer::Gone {
            self.skip(self.lun, SkipReason::Failed(outcome.outcome), findings);
            return self.begin(Step::Done, 0);
        }
        if let Some(due) = self.tries.retry_at(answer, now, config) {
            self.due = due;
            return;
        }
        let data = outcome.data;
        let data = data.get(..self.allocation as usize).unwrap_or(data);
        let good = (answer == Answer::Good).then_some(data);
        match self.step {
            Step::Inquiry => self.on_inquiry(good, outcome, findings),
            Step::ReportLuns => self.on_lun_list(good, config, findings),
            Step::VpdPages => self.on_vpd_pages(good, findings),
            Step::SerialNumber => self.on_serial_number(good, findings),
            Step::Identification => self.on_identification(good, findings),
            Step::TestUnitReady => self.on_readiness(answer, outcome, findings),
            Step::Capacity10 => self.on_capacity10(good),
            Step::Capacity16 => self.on_capacity16(good),
            Step::Mode(question) => self.on_mode(good, question, findings),
            Step::Done => {}
        }
    }

    fn begin(&mut self, step: Step, allocation: u32) {
        self.step = step;
        self.allocation = allocation;
        self.tries = Tries::default();
        self.due = Instant::ZERO;
    }

    /// Asks the same again for `needed` bytes, if that is more than before. Each time at least twice as many, so that
    /// a device cannot draw it out.
    fn grow(&mut self, needed: u64, max: u32) -> bool {
        let needed = u32::try_from(needed).unwrap_or(u32::MAX);
        if needed <= self.allocation || self.allocation >= max {
            return false;
        }
        let allocation = match self.step {
            Step::Inquiry => needed.min(max),
            _ => needed.max(self.allocation.saturating_mul(2)).min(max),
        };
        self.begin(self.step, allocation);
        true
    }

    fn on_inquiry(
        &mut self,
        good: Option<&[u8]>,
        outcome: &ProbeOutcome<'_>,
        findings: &mut Findings<'_>,
    ) {
        let first = self.allocation == INQUIRY_SHORT;
        match good.map(StandardInquiry::parse) {
            Some(Ok(inquiry)) => {
                self.inquiry = Some(inquiry);
                let claimed = 5 + u64::from(inquiry.additional_length);
                if first && self.grow(claimed, 260) {
                    return;
                }
            }
            // The first 36 bytes are enough where the longer question fails.
            _ if !first => {}
            malformed => {
                let reason = match malformed {
                    Some(_) => SkipReason::Malformed,
                    None => skip_reason(outcome),
                };
                self.skip(self.lun, reason, findings);
                return if self.listed { self.next_unit(findings) } else { self.begin(Step::Done, 0) };
            }
        }
        if self.listed {
            self.identify(findings);
        } else {
            self.begin(Step::ReportLuns, LUN_LIST_FIRST);
        }
    }

    /// Any answer but a list leaves LUN 0: targets without REPORT LUNS have no other.
    fn on_lun_list(
        &mut self,
        good: Option<&[u8]>,
        config: &DiscoveryConfig,
        findings: &mut Findings<'_>,
    ) {
        self.listed = true;
        self.waiting.clear();
        if let Some(Ok(list)) = good.map(LunList::parse) {
            let max = 8 + 8 * u32::from(config.luns_max);
            if !list.is_complete() && self.grow(list.needed(), max) {
                self.listed = false;
                return;
            }
            self.take_list(&list, config.luns_max, findings);
        }
        if self.waiting.is_empty() {
            self.waiting.push_back(Lun::ZERO);
        }
        self.next_unit(findings);
    }

    fn take_list(&mut self, list: &LunList<'_>, permitted: u16, findings: &mut Findings<'_>) {
        let listed = u32::try_from(list.needed().saturating_sub(8) / 8).unwrap_or(u32::MAX);
        let mut seen = BTreeSet::new();
        for lun in list.luns().filter(|lun| seen.insert(lun.0)) {
            if lun.is_well_known() {
                self.skip(lun, SkipReason::WellKnown, findings);
            } else if self.waiting.len() < usize::from(permitted) {
                self.waiting.push_back(lun);
            } else {
                return self.skip(lun, SkipReason::TooMany { listed, permitted }, findings);
            }
        }
        if !list.is_complete() {
            let after = self.waiting.back().copied().unwrap_or_default();
            self.skip(after, SkipReason::TooMany { listed, permitted }, findings);
        }
    }

    fn next_unit(&mut self, findings: &mut Findings<'_>) {
        let Some(lun) = self.waiting.pop_front() else { return self.begin(Step::Done, 0) };
        self.lun = lun;
        // LUN 0 was asked before the list was; it need not be asked again where it is the first entry.
        if lun == Lun::ZERO && self.inquiry.is_some() {
            return self.identify(findings);
        }
        self.inquiry = None;
        self.begin(Step::Inquiry, INQUIRY_SHORT);
    }

    fn identify(&mut self, findings: &mut Findings<'_>) {
        let Some(inquiry) = self.inquiry else { return self.next_unit(findings) };
        if !inquiry.is_connected() {
            let reason = SkipReason::NotConnected(inquiry.qualifier, inquiry.device_type);
            self.skip(self.lun, reason, findings);
            self.inquiry = None;
            return self.next_unit(findings);
        }
        self.unit = Some(unit_of(Nexus::new(self.target, self.lun), &inquiry));
        self.begin(Step::VpdPages, ALLOCATION_BYTE);
    }

    fn on_vpd_pages(&mut self, good: Option<&[u8]>, findings: &mut Findings<'_>) {
        let page = vpd_page(good, PageCode::SUPPORTED_PAGES);
        if page.is_some_and(|page| self.grow_page(&page)) {
            return;
        }
        let lists = |code| page.is_some_and(|page| page.page_codes().any(|listed| listed == code));
        self.has_identification = lists(PageCode::DEVICE_IDENTIFICATION);
        if lists(PageCode::UNIT_SERIAL_NUMBER) {
            self.begin(Step::SerialNumber, ALLOCATION_BYTE);
        } else {
            self.after_serial_number(findings);
        }
    }

    fn on_serial_number(&mut self, good: Option<&[u8]>, findings: &mut Findings<'_>) {
        if let (Some(page), Some(unit)) =
            (vpd_page(good, PageCode::UNIT_SERIAL_NUMBER), &mut self.unit)
        {
            let printable = |byte: &u8| if matches!(byte, b' '..=b'~') { char::from(*byte) } else { '.' };
            unit.serial = page.serial_number().iter().map(printable).collect();
        }
        self.after_serial_number(findings);
    }

    fn after_serial_number(&mut self, findings: &mut Findings<'_>) {
        if self.has_identification {
            self.begin(Step::Identification, ALLOCATION_BYTE);
        } else {
            self.begin_medium(findings);
        }
    }

    fn on_identification(&mut self, good: Option<&[u8]>, findings: &mut Findings<'_>) {
        if let Some(page) = vpd_page(good, PageCode::DEVICE_IDENTIFICATION) {
            if self.grow_page(&page) {
                return;
            }
            if let Some(unit) = &mut self.unit {
                unit.wwn = vpd::logical_unit_wwn(&page);
            }
        }
        self.begin_medium(findings);
    }

    fn grow_page(&mut self, page: &VpdPage<'_>) -> bool {
        let needed = VpdPage::HEADER_LEN as u64 + u64::from(page.page_length);
        !page.is_complete() && self.grow(needed, DATA_MAX)
    }

    fn begin_medium(&mut self, findings: &mut Findings<'_>) {
        let kind = self.unit.as_ref().map(|unit| unit.device_type);
        let is_block = matches!(
            kind,
            Some(
                DeviceType::DISK
                    | DeviceType::OPTICAL
                    | DeviceType::REDUCED_BLOCK
                    | DeviceType::HOST_MANAGED_ZONED
            )
        );
        if is_block { self.begin(Step::TestUnitReady, 0) } else { self.finish_unit(findings) }
    }

    fn on_readiness(
        &mut self,
        answer: Answer,
        outcome: &ProbeOutcome<'_>,
        findings: &mut Findings<'_>,
    ) {
        let Some(unit) = &mut self.unit else { return self.next_unit(findings) };
        unit.readiness = match Sense::parse(outcome.sense) {
            _ if answer == Answer::Good => Readiness::Ready,
            Ok(sense) if sense.key == SenseKey::NOT_READY => Readiness::NotReady(sense.additional),
            _ => Readiness::Unknown,
        };
        if unit.readiness == Readiness::Ready {
            self.begin(Step::Capacity10, Capacity10::LEN as u32);
        } else {
            self.finish_unit(findings);
        }
    }

    /// READ CAPACITY(16) follows for what (10) cannot say: more than 2^32 blocks, protection, provisioning, alignment.
    /// Devices that claim SPC-3 have it, if they are disks of SBC-3; the others say so.
    fn on_capacity10(&mut self, good: Option<&[u8]>) {
        let capacity = good.and_then(|data| Capacity10::parse(data).ok());
        let short = capacity.filter(|capacity| !capacity.needs_capacity16());
        self.set_capacity(short.map(Capacity16::from));
        let beyond = capacity.is_some() && short.is_none();
        let modern = self.inquiry.is_some_and(|i| i.protect || i.version >= Version::SPC_3);
        if beyond || modern {
            self.begin(Step::Capacity16, Capacity16::LEN as u32);
        } else {
            self.begin(Step::Mode(0), ALLOCATION_BYTE);
        }
    }

    fn on_capacity16(&mut self, good: Option<&[u8]>) {
        if let Some(capacity) = good.and_then(|data| Capacity16::parse(data).ok()) {
            self.set_capacity(Some(capacity));
        }
        self.begin(Step::Mode(0), ALLOCATION_BYTE);
    }

    /// A capacity of no bytes, or of 2^64 blocks, is none.
    fn set_capacity(&mut self, capacity: Option<Capacity16>) {
        let Some(capacity) = capacity else { return };
        let (Some(blocks), Some(unit)) = (capacity.blocks(), &mut self.unit) else { return };
        if capacity.block_length != 0 {
            unit.blocks = blocks;
            unit.block_size = BlockSize(capacity.block_length);
            unit.physical_block_exponent = capacity.lbppbe;
            unit.provisioning = capacity.lbpme;
        }
    }

    fn on_mode(&mut self, good: Option<&[u8]>, question: u8, findings: &mut Findings<'_>) {
        let form = MODE_QUESTIONS.get(usize::from(question)).map_or(ModeForm::Six, |q| q.0);
        if let (Some(Ok(mode)), Some(unit)) =
            (good.map(|data| ModeParameters::parse_sense(data, form)), &mut self.unit)
        {
            unit.dpofua = mode.header.dpofua();
            unit.write_protected = mode.header.write_protected();
            let page = mode.page(page_code::CACHING, 0);
            if let Some(Ok(page)) = page.map(|page| CachingPage::parse(page.bytes)) {
                unit.write_cache = if page.wce { WriteCache::On } else { WriteCache::Off };
                return self.finish_unit(findings);
            }
            let claimed = mode.claimed_len as u64;
            if form == ModeForm::Ten && self.grow(claimed, DATA_MAX) {
                return;
            }
        }
        let next = question + 1;
        if usize::from(next) < MODE_QUESTIONS.len() {
            self.begin(Step::Mode(next), ALLOCATION_BYTE);
        } else {
            self.finish_unit(findings);
        }
    }

    fn finish_unit(&mut self, findings: &mut Findings<'_>) {
        if let Some(unit) = self.unit.take() {
            let at = findings.units.partition_point(|known| known.nexus < unit.nexus);
            findings.units.insert(at, unit);
        }
        self.inquiry = None;
        self.next_unit(findings);
    }

    fn skip(&self, lun: Lun, reason: SkipReason, findings: &mut Findings<'_>) {
        findings.skipped.push(Skipped::new(self.target, lun, reason));
    }
}

/// The page, if the device sent the one that was asked for.
fn vpd_page(good: Option<&[u8]>, code: PageCode) -> Option<VpdPage<'_>> {
    good.and_then(|data| VpdPage::parse(data).ok()).filter(|page| page.code == code)
}

fn unit_of(nexus: Nexus, inquiry: &StandardInquiry) -> LogicalUnit {
    LogicalUnit {
        nexus,
        device_type: inquiry.device_type,
        version: inquiry.version,
        vendor: inquiry.vendor.to_string(),
        model: inquiry.product.to_string(),
        revision: inquiry.revision.to_string(),
        serial: String::new(),
        wwn: None,
        removable: inquiry.removable,
        readiness: Readiness::Unknown,
        block_size: BlockSize(0),
        blocks: 0,
        physical_block_exponent: 0,
        provisioning: false,
        write_cache: WriteCache::Unknown,
        dpofua: false,
        write_protected: false,
    }
}
