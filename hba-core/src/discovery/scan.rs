//! What one target answers, and what it is asked next.

mod medium;

use alloc::collections::{BTreeSet, VecDeque};
use alloc::string::{String, ToString};

use scsi_proto::inquiry::{DeviceType, StandardInquiry};
use scsi_proto::report_luns::LunList;
use scsi_proto::vpd::{self, PageCode, VpdPage};
use scsi_proto::{Cdb, Lun};

use super::answer::{Answer, Tries, skip_reason};
use super::question::{ALLOCATION_BYTE, INQUIRY_SHORT, LUN_LIST_FIRST, Step};
use super::{DATA_MAX, Discovered, DiscoveryConfig, ProbeOutcome, SkipReason, Skipped};
use crate::command::BlockSize;
use crate::command::{Nexus, TargetId};
use crate::logical_unit::{LogicalUnit, Readiness, WriteCache};
use crate::port::{TargetInfo, TargetKind};
use crate::time::Instant;

/// The state of one target.
#[derive(Debug)]
pub(super) struct Scan {
    target: TargetId,
    kind: TargetKind,
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
    pub(super) fn new(target: &TargetInfo) -> Self {
        Self {
            target: target.id,
            kind: target.kind,
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
        found: &mut Discovered,
    ) {
        let answer = Answer::of(outcome);
        if answer == Answer::Gone {
            self.skip(self.lun, SkipReason::Failed(outcome.outcome), found);
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
            Step::Inquiry => self.on_inquiry(good, outcome, found),
            Step::ReportLuns => self.on_lun_list(good, config, found),
            Step::VpdPages => self.on_vpd_pages(good, found),
            Step::SerialNumber => self.on_serial_number(good, found),
            Step::Identification => self.on_identification(good, found),
            Step::TestUnitReady => self.on_readiness(answer, outcome, found),
            Step::Capacity10 => self.on_capacity10(good),
            Step::Capacity16 => self.on_capacity16(good),
            Step::Mode(question) => self.on_mode(good, question, found),
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
        found: &mut Discovered,
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
                self.skip(self.lun, reason, found);
                return if self.listed { self.next_unit(found) } else { self.begin(Step::Done, 0) };
            }
        }
        if self.listed {
            self.identify(found);
        } else {
            self.begin(Step::ReportLuns, LUN_LIST_FIRST);
        }
    }

    /// Any answer but a list leaves LUN 0: targets without REPORT LUNS have no other.
    fn on_lun_list(
        &mut self,
        good: Option<&[u8]>,
        config: &DiscoveryConfig,
        found: &mut Discovered,
    ) {
        self.listed = true;
        self.waiting.clear();
        if let Some(Ok(list)) = good.map(LunList::parse) {
            let max = 8 + 8 * u32::from(config.luns_max);
            if !list.is_complete() && self.grow(list.needed(), max) {
                self.listed = false;
                return;
            }
            self.take_list(&list, config.luns_max, found);
        }
        if self.waiting.is_empty() {
            self.waiting.push_back(Lun::ZERO);
        }
        self.next_unit(found);
    }

    fn take_list(&mut self, list: &LunList<'_>, permitted: u16, found: &mut Discovered) {
        let listed = u32::try_from(list.needed().saturating_sub(8) / 8).unwrap_or(u32::MAX);
        let mut seen = BTreeSet::new();
        for lun in list.luns().filter(|lun| seen.insert(lun.0)) {
            if lun.is_well_known() {
                self.skip(lun, SkipReason::WellKnown, found);
            } else if self.waiting.len() < usize::from(permitted) {
                self.waiting.push_back(lun);
            } else {
                return self.skip(lun, SkipReason::TooMany { listed, permitted }, found);
            }
        }
        if !list.is_complete() {
            let after = self.waiting.back().copied().unwrap_or_default();
            self.skip(after, SkipReason::TooMany { listed, permitted }, found);
        }
    }

    fn next_unit(&mut self, found: &mut Discovered) {
        let Some(lun) = self.waiting.pop_front() else { return self.begin(Step::Done, 0) };
        self.lun = lun;
        // LUN 0 was asked before the list was; it need not be asked again where it is the first entry.
        if lun == Lun::ZERO && self.inquiry.is_some() {
            return self.identify(found);
        }
        self.inquiry = None;
        self.begin(Step::Inquiry, INQUIRY_SHORT);
    }

    fn identify(&mut self, found: &mut Discovered) {
        let Some(inquiry) = self.inquiry else { return self.next_unit(found) };
        if !inquiry.is_connected() {
            let reason = SkipReason::NotConnected(inquiry.qualifier, inquiry.device_type);
            self.skip(self.lun, reason, found);
            self.inquiry = None;
            return self.next_unit(found);
        }
        self.unit = Some(unit_of(Nexus::new(self.target, self.lun), self.kind, &inquiry));
        self.begin(Step::VpdPages, ALLOCATION_BYTE);
    }

    fn on_vpd_pages(&mut self, good: Option<&[u8]>, found: &mut Discovered) {
        let page = vpd_page(good, PageCode::SUPPORTED_PAGES);
        if page.is_some_and(|page| self.grow_page(&page)) {
            return;
        }
        let lists = |code| page.is_some_and(|page| page.page_codes().any(|listed| listed == code));
        self.has_identification = lists(PageCode::DEVICE_IDENTIFICATION);
        if lists(PageCode::UNIT_SERIAL_NUMBER) {
            self.begin(Step::SerialNumber, ALLOCATION_BYTE);
        } else {
            self.after_serial_number(found);
        }
    }

    fn on_serial_number(&mut self, good: Option<&[u8]>, found: &mut Discovered) {
        if let (Some(page), Some(unit)) =
            (vpd_page(good, PageCode::UNIT_SERIAL_NUMBER), &mut self.unit)
        {
            let printable =
                |byte: &u8| if matches!(byte, b' '..=b'~') { char::from(*byte) } else { '.' };
            unit.serial = page.serial_number().iter().map(printable).collect();
        }
        self.after_serial_number(found);
    }

    fn after_serial_number(&mut self, found: &mut Discovered) {
        if self.has_identification {
            self.begin(Step::Identification, ALLOCATION_BYTE);
        } else {
            self.begin_medium(found);
        }
    }

    fn on_identification(&mut self, good: Option<&[u8]>, found: &mut Discovered) {
        if let Some(page) = vpd_page(good, PageCode::DEVICE_IDENTIFICATION) {
            if self.grow_page(&page) {
                return;
            }
            if let Some(unit) = &mut self.unit {
                unit.wwn = vpd::logical_unit_wwn(&page);
            }
        }
        self.begin_medium(found);
    }

    fn grow_page(&mut self, page: &VpdPage<'_>) -> bool {
        let needed = VpdPage::HEADER_LEN as u64 + u64::from(page.page_length);
        !page.is_complete() && self.grow(needed, DATA_MAX)
    }

    fn begin_medium(&mut self, found: &mut Discovered) {
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
        if is_block { self.begin(Step::TestUnitReady, 0) } else { self.finish_unit(found) }
    }

    fn finish_unit(&mut self, found: &mut Discovered) {
        if let Some(unit) = self.unit.take() {
            let at = found.units.partition_point(|known| known.nexus < unit.nexus);
            found.units.insert(at, unit);
        }
        self.inquiry = None;
        self.next_unit(found);
    }

    fn skip(&self, lun: Lun, reason: SkipReason, found: &mut Discovered) {
        found.skipped.push(Skipped::new(self.target, lun, reason));
    }
}

/// The page, if the device sent the one that was asked for.
fn vpd_page(good: Option<&[u8]>, code: PageCode) -> Option<VpdPage<'_>> {
    good.and_then(|data| VpdPage::parse(data).ok()).filter(|page| page.code == code)
}

fn unit_of(nexus: Nexus, target_kind: TargetKind, inquiry: &StandardInquiry) -> LogicalUnit {
    LogicalUnit {
        nexus,
        target_kind,
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
