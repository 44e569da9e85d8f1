//! What a device tells of its life: cycle counts and self-tests. Source: SPC-5 7.3.20 and 7.3.21.

use super::LogPage;
use crate::command::Bits;
use crate::macros::open_code;
use crate::record::record;
use crate::sense::{AdditionalSense, SenseKey};

/// A date of the Start-Stop Cycle Counter page (0Eh) in ASCII digits; spaces where it is not set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogDate {
    /// Four digits.
    pub year: [u8; 4],
    /// Two digits, 01 to 53.
    pub week: [u8; 2],
}

open_code! {
    /// SELF-TEST RESULTS: how a self-test ended, four bits.
    pub struct SelfTestOutcome(u8) {
        COMPLETED = 0x0, "completed without error";
        ABORTED_BY_COMMAND = 0x1, "aborted by SEND DIAGNOSTIC";
        ABORTED_OTHERWISE = 0x2, "aborted by other than SEND DIAGNOSTIC";
        UNKNOWN_ERROR = 0x3, "ended by an unknown error";
        UNKNOWN_SEGMENT_FAILED = 0x4, "failed in an unknown segment";
        FIRST_SEGMENT_FAILED = 0x5, "failed in the first segment";
        SECOND_SEGMENT_FAILED = 0x6, "failed in the second segment";
        OTHER_SEGMENT_FAILED = 0x7, "failed in another segment";
        IN_PROGRESS = 0xf, "in progress";
    }
}

record! {
    /// A parameter of the Self-Test Results page (10h), after its header.
    pub struct SelfTestResult: 16 {} {
        /// SELF-TEST CODE of the SEND DIAGNOSTIC that started it.
        code: Bits<3> [0, 5],
        /// SELF-TEST RESULTS, see [`Self::outcome`].
        results: Bits<4> [0],
        /// SELF-TEST NUMBER: the segment that failed.
        number: u8 [1],
        /// ACCUMULATED POWER ON HOURS at the end; FFFFh where there are more.
        power_on_hours: u16 [2],
        /// ADDRESS OF FIRST FAILURE; all ones where there is none.
        first_failure: u64 [4],
        /// SENSE KEY.
        sense_key: Bits<4> [12],
        /// ADDITIONAL SENSE CODE.
        asc: u8 [13],
        /// ADDITIONAL SENSE CODE QUALIFIER.
        ascq: u8 [14],
        /// Vendor specific.
        vendor: u8 [15],
    }
}

impl SelfTestResult {
    /// Most parameters of the page; their codes are 0001h to 0014h, the newest first.
    pub const COUNT_MAX: u16 = 20;

    /// How the self-test ended.
    #[must_use = "the outcome is the only result"]
    pub const fn outcome(&self) -> SelfTestOutcome {
        SelfTestOutcome(self.results.get() as u8)
    }

    /// Whether there was a self-test at all: a device fills the page with zeros.
    #[must_use = "the answer is the only result"]
    pub fn is_present(&self) -> bool {
        self.code.get() != 0 || self.power_on_hours != 0
    }

    /// The sense key and code of a failure.
    #[must_use = "the codes are the only result"]
    pub const fn sense(&self) -> (SenseKey, AdditionalSense) {
        let additional = AdditionalSense { asc: self.asc, ascq: self.ascq };
        (SenseKey(self.sense_key.get() as u8), additional)
    }
}

/// The Start-Stop Cycle Counter page (0Eh).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StartStopCycles {
    /// DATE OF MANUFACTURE.
    pub manufactured: Option<LogDate>,
    /// ACCOUNTING DATE, which LOG SELECT may set.
    pub accounting: Option<LogDate>,
    /// SPECIFIED CYCLE COUNT OVER DEVICE LIFETIME.
    pub specified_cycles: Option<u32>,
    /// ACCUMULATED START-STOP CYCLES.
    pub cycles: Option<u32>,
    /// SPECIFIED LOAD-UNLOAD COUNT OVER DEVICE LIFETIME.
    pub specified_loads: Option<u32>,
    /// ACCUMULATED LOAD-UNLOAD CYCLES.
    pub loads: Option<u32>,
}

impl<'a> LogPage<'a> {
    /// Start-Stop Cycle Counter (0Eh); `None` for what the device does not tell.
    #[must_use = "the counts are the only result"]
    pub fn start_stop_cycles(&self) -> StartStopCycles {
        let date = |code| {
            let &[a, b, c, d, tens, ones, ..] = self.parameter(code)? else { return None };
            Some(LogDate { year: [a, b, c, d], week: [tens, ones] })
        };
        let count = |code| {
            let value = self.parameter(code)?.first_chunk()?;
            Some(u32::from_be_bytes(*value))
        };
        StartStopCycles {
            manufactured: date(1),
            accounting: date(2),
            specified_cycles: count(3),
            cycles: count(4),
            specified_loads: count(5),
            loads: count(6),
        }
    }

    /// Self-Test Results (10h): the self-tests that took place, the newest first.
    pub fn self_tests(&self) -> impl Iterator<Item = SelfTestResult> + use<'a> {
        self.parameters()
            .filter(|(header, _)| (1..=SelfTestResult::COUNT_MAX).contains(&header.code))
            .filter_map(|(_, value)| SelfTestResult::parse(value).ok())
            .filter(SelfTestResult::is_present)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn start_stop_cycles() {
        let mut page = vec![0x0e, 0, 0, 0];
        page.extend(*b"\0\x01\x41\x06202647");
        page.extend(*b"\0\x02\x01\x06      ");
        page.extend([0, 3, 0x03, 4, 0, 0, 0xc3, 0x50]);
        page.extend([0, 4, 0x03, 4, 0, 0, 1, 2]);
        page.extend([0, 6, 0x03, 2, 0, 9]);
        page[3] = (page.len() - 4) as u8;
        let cycles = LogPage::parse(&page).unwrap().start_stop_cycles();
        assert_eq!(cycles.manufactured, Some(LogDate { year: *b"2026", week: *b"47" }));
        assert_eq!(cycles.accounting, Some(LogDate { year: *b"    ", week: *b"  " }));
        assert_eq!((cycles.specified_cycles, cycles.cycles), (Some(50_000), Some(0x102)));
        assert_eq!((cycles.specified_loads, cycles.loads), (None, None), "absent, and too short");
    }

    #[test]
    fn self_tests() {
        let failed =
            [0x47, 3, 0x12, 0x34, 0, 0, 0, 0, 0xde, 0xad, 0xbe, 0xef, 0x04, 0x40, 0x80, 0x99];
        let mut page = vec![0x10, 0, 0, 60];
        page.extend([0, 1, 0x03, 16]);
        page.extend(failed);
        page.extend([0, 2, 0x03, 16]);
        page.extend([0; 16]);
        page.extend([0, 0x15, 0x03, 16]);
        page.extend(failed);
        let page = LogPage::parse(&page).unwrap();
        assert_eq!(page.parameters().count(), 3);
        let tests: Vec<_> = page.self_tests().collect();
        let [test] = tests[..] else { panic!("empty, and beyond the 20th: {tests:?}") };
        assert_eq!(test.code.get(), 2);
        assert_eq!(test.outcome(), SelfTestOutcome::OTHER_SEGMENT_FAILED);
        assert_eq!(
            (test.number, test.power_on_hours, test.first_failure),
            (3, 0x1234, 0xdead_beef)
        );
        let additional = AdditionalSense { asc: 0x40, ascq: 0x80 };
        assert_eq!(test.sense(), (SenseKey::HARDWARE_ERROR, additional));
        assert_eq!(test.to_bytes(), failed);
    }
}
