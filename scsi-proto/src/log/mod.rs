//! Log pages: what LOG SENSE returns and LOG SELECT sends. Source: SPC-5 7.3, SBC-4 6.4.

mod lifetime;

pub use lifetime::{LogDate, SelfTestOutcome, SelfTestResult, StartStopCycles};

use crate::command::Bits;
use crate::macros::open_code;
use crate::record::record;
use crate::sense::AdditionalSense;
use crate::wire::{BufferTooSmall, Truncated, Writer};

open_code! {
    /// A log PAGE CODE, six bits. Source: SPC-5 7.3.
    pub struct LogPageCode(u8) {
        SUPPORTED_PAGES = 0x00, "Supported Log Pages";
        WRITE_ERROR_COUNTERS = 0x02, "Write Error Counters";
        READ_ERROR_COUNTERS = 0x03, "Read Error Counters";
        VERIFY_ERROR_COUNTERS = 0x05, "Verify Error Counters";
        NON_MEDIUM_ERROR = 0x06, "Non-Medium Error";
        TEMPERATURE = 0x0d, "Temperature";
        START_STOP_CYCLE_COUNTER = 0x0e, "Start-Stop Cycle Counter";
        SELF_TEST_RESULTS = 0x10, "Self-Test Results";
        INFORMATIONAL_EXCEPTIONS = 0x2f, "Informational Exceptions";
    }
}

/// A log page, laid over received bytes. Source: SPC-5 7.3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogPage<'a> {
    /// DS: the page is not saved.
    pub ds: bool,
    /// PAGE CODE.
    pub code: LogPageCode,
    /// SUBPAGE CODE, where SPF is set.
    pub subpage: Option<u8>,
    /// PAGE LENGTH: bytes after byte 3, as the device claims them.
    pub page_length: u16,
    /// The bytes after the header that are both claimed and present.
    pub body: &'a [u8],
}

const DS: u8 = 0x80;
const SPF: u8 = 0x40;

impl<'a> LogPage<'a> {
    /// Length of the header in bytes.
    pub const HEADER_LEN: usize = 4;

    /// Reads the header.
    ///
    /// # Errors
    ///
    /// [`Truncated`] when `bytes` has less than 4 bytes.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Truncated> {
        let [first, subpage, high, low, body @ ..] = bytes else {
            return Err(Truncated { needed: Self::HEADER_LEN, available: bytes.len() });
        };
        let page_length = u16::from_be_bytes([*high, *low]);
        Ok(Self {
            ds: first & DS != 0,
            code: LogPageCode(first & 0x3f),
            subpage: (first & SPF != 0).then_some(*subpage),
            page_length,
            body: body.get(..usize::from(page_length)).unwrap_or(body),
        })
    }

    /// Whether all claimed bytes are present.
    #[must_use = "the answer is the only result"]
    pub fn is_complete(&self) -> bool {
        self.body.len() == usize::from(self.page_length)
    }

    /// The page codes of Supported Log Pages (00h, without subpage).
    pub fn page_codes(&self) -> impl ExactSizeIterator<Item = LogPageCode> + use<'a> {
        self.body.iter().map(|&code| LogPageCode(code & 0x3f))
    }

    /// The parameters of a page that consists of parameters, as all but the lists of pages do.
    #[must_use = "an iterator does nothing until it is walked"]
    pub const fn parameters(&self) -> LogParameters<'a> {
        LogParameters { rest: self.body }
    }

    /// The value of the first parameter with this code, if it is complete.
    #[must_use = "the value is the only result"]
    pub fn parameter(&self, code: u16) -> Option<&'a [u8]> {
        self.parameters().find(|(header, _)| header.code == code).map(|(_, value)| value)
    }

    /// A counter of an error counter page (02h, 03h, 05h), whatever its width up to 8 bytes.
    #[must_use = "the counter is the only result"]
    pub fn counter(&self, code: u16) -> Option<u64> {
        let value = self.parameter(code).filter(|value| (1..=8).contains(&value.len()))?;
        Some(value.iter().fold(0, |counter, byte| counter << 8 | u64::from(*byte)))
    }

    /// Temperature (0Dh): degrees Celsius now and the highest for continuous operation. `None`
    /// where the device does not tell or FFh says that it cannot.
    #[must_use = "the temperatures are the only result"]
    pub fn temperatures(&self) -> (Option<u8>, Option<u8>) {
        let degrees = |code| match self.parameter(code) {
            Some([_, degrees, ..]) if *degrees != 0xff => Some(*degrees),
            _ => None,
        };
        (degrees(0), degrees(1))
    }

    /// Informational Exceptions (2Fh): the general parameter.
    #[must_use = "the exception is the only result"]
    pub fn informational_exception(&self) -> Option<InformationalException> {
        let value = self.parameter(0)?;
        InformationalException::parse(value).ok()
    }
}

/// Parameter codes of the error counter pages (02h, 03h, 05h).
pub mod counter {
    /// Errors corrected without substantial delay.
    pub const CORRECTED_WITHOUT_DELAY: u16 = 0;
    /// Errors corrected with possible delays.
    pub const CORRECTED_WITH_DELAY: u16 = 1;
    /// Total of rewrites or rereads.
    pub const REPEATED: u16 = 2;
    /// Total of errors corrected.
    pub const CORRECTED: u16 = 3;
    /// Total times the correction algorithm was processed.
    pub const CORRECTIONS_RUN: u16 = 4;
    /// Total of bytes processed.
    pub const BYTES: u16 = 5;
    /// Total of uncorrected errors.
    pub const UNCORRECTED: u16 = 6;
}

record! {
    /// The header of a log parameter. Source: SPC-5 7.3.
    pub struct ParameterHeader: 4 {} {
        /// PARAMETER CODE.
        code: u16 [0],
        /// DU: the device does not update the value.
        du: bool [2, 7],
        /// TSD: the value is not saved on its own.
        tsd: bool [2, 5],
        /// TMC: when to compare with a threshold.
        tmc: Bits<2> [2, 2],
        /// FORMAT AND LINKING: 00b bounded counter, 01b ASCII list, 10b unbounded counter,
        /// 11b binary list.
        format: Bits<2> [2],
        /// PARAMETER LENGTH: bytes of the value.
        length: u8 [3],
    }
}

/// The parameters of a log page with their values. Ends with the data, always; an incomplete last
/// one is left out. Source: SPC-5 7.3.
#[derive(Clone, Debug)]
pub struct LogParameters<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for LogParameters<'a> {
    type Item = (ParameterHeader, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (header, rest) = self.rest.split_first_chunk()?;
        self.rest = &[];
        let header = ParameterHeader::from_bytes(header);
        let (value, rest) = rest.split_at_checked(header.length.into())?;
        self.rest = rest;
        Some((header, value))
    }
}

record! {
    /// The general parameter of Informational Exceptions, up to the temperature. Source: SPC-5 7.3.
    pub struct InformationalException: 3 {} {
        /// ADDITIONAL SENSE CODE; 0 means that no failure is predicted.
        asc: u8 [0],
        /// ADDITIONAL SENSE CODE QUALIFIER.
        ascq: u8 [1],
        /// MOST RECENT TEMPERATURE READING in degrees Celsius; FFh is not told.
        temperature: u8 [2],
    }
}

impl InformationalException {
    /// What the device would report.
    #[must_use = "the code is the only result"]
    pub const fn additional(&self) -> AdditionalSense {
        AdditionalSense { asc: self.asc, ascq: self.ascq }
    }
}

/// Writes a whole page: the header and `body`, such as page codes. Tells how many bytes.
///
/// # Errors
///
/// [`BufferTooSmall`] when `out` is shorter than that, or `body` longer than 65535 bytes.
pub fn emit(
    code: LogPageCode,
    subpage: Option<u8>,
    body: &[u8],
    out: &mut [u8],
) -> Result<usize, BufferTooSmall> {
    let mut writer = header(code, subpage, out);
    writer.put(body);
    finish(writer)
}

/// Writes a whole page of parameters and tells how many bytes. PARAMETER LENGTH follows from the
/// values, of which bytes after the 255th are left out.
///
/// # Errors
///
/// [`BufferTooSmall`] when `out` is shorter than that, or the page longer than 65539 bytes.
pub fn emit_parameters<'a>(
    code: LogPageCode,
    subpage: Option<u8>,
    parameters: impl IntoIterator<Item = (ParameterHeader, &'a [u8])>,
    out: &mut [u8],
) -> Result<usize, BufferTooSmall> {
    let mut writer = header(code, subpage, out);
    for (parameter, value) in parameters {
        let value = value.get(..u8::MAX.into()).unwrap_or(value);
        let length = value.len() as u8;
        writer.put(&ParameterHeader { length, ..parameter }.to_bytes());
        writer.put(value);
    }
    finish(writer)
}

fn header(code: LogPageCode, subpage: Option<u8>, out: &mut [u8]) -> Writer<'_> {
    let mut writer = Writer::new(out);
    writer.put(&[code.0 & 0x3f | subpage.map_or(0, |_| SPF), subpage.unwrap_or(0), 0, 0]);
    writer
}

fn finish(mut writer: Writer<'_>) -> Result<usize, BufferTooSmall> {
    let needed = writer.len();
    let Ok(page_length) = u16::try_from(needed - LogPage::HEADER_LEN) else {
        let available = LogPage::HEADER_LEN + usize::from(u16::MAX);
        return Err(BufferTooSmall { needed, available });
    };
    writer.patch(2, &page_length.to_be_bytes());
    writer.finish()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parameter(code: u16) -> ParameterHeader {
        let format = Bits::new(3).unwrap();
        ParameterHeader { code, format, ..Default::default() }
    }

    #[test]
    fn supported_pages() {
        let mut out = [0xff; 8];
        assert_eq!(emit(LogPageCode::SUPPORTED_PAGES, None, &[0, 2, 3, 0x0d], &mut out), Ok(8));
        assert_eq!(out, [0, 0, 0, 4, 0, 2, 3, 0x0d]);
        let page = LogPage::parse(&out).unwrap();
        assert!(page.page_codes().eq([0, 2, 3, 0x0d].map(LogPageCode)));
        assert!(!LogPage::parse(&out[..7]).unwrap().is_complete());
        assert_eq!(LogPage::parse(&out[..3]), Err(Truncated { needed: 4, available: 3 }));
        assert_eq!(emit(LogPageCode(1), Some(0xff), &[], &mut out), Ok(4));
        assert_eq!(out[..4], [0x41, 0xff, 0, 0]);
        assert_eq!(LogPage::parse(&out[..4]).unwrap().subpage, Some(0xff));
        let error = BufferTooSmall { needed: 65540, available: 65539 };
        assert_eq!(emit(LogPageCode(1), None, &[0; 65536], &mut [0; 70000]), Err(error));
    }

    #[test]
    fn temperature() {
        let page = [0x0d, 0, 0, 12, 0, 0, 0x03, 2, 0, 38, 0, 1, 0x03, 2, 0, 65];
        assert_eq!(LogPage::parse(&page).unwrap().temperatures(), (Some(38), Some(65)));
        let mut out = [0; 16];
        let values = [(parameter(0), &[0, 38][..]), (parameter(1), &[0, 65])];
        assert_eq!(emit_parameters(LogPageCode::TEMPERATURE, None, values, &mut out), Ok(16));
        assert_eq!(out, page);
        let unknown = [0x0d, 0, 0, 6, 0, 0, 3, 2, 0, 0xff];
        assert_eq!(LogPage::parse(&unknown).unwrap().temperatures(), (None, None));
    }

    #[test]
    fn counters_and_exceptions() {
        let bytes = [0x83, 0, 0, 20, 0, 3, 2, 4, 0, 0, 1, 2, 0, 6, 2, 8, 0, 0, 0, 1, 0, 0, 0, 9];
        let page = LogPage::parse(&bytes).unwrap();
        assert!(page.ds);
        assert_eq!(page.counter(counter::CORRECTED), Some(0x102));
        assert_eq!(page.counter(counter::UNCORRECTED), Some(1 << 32 | 9));
        assert_eq!(page.counter(counter::BYTES), None);
        let bytes = [0x2f, 0, 0, 8, 0, 0, 3, 4, 0x5d, 0x10, 41, 0];
        let exception = LogPage::parse(&bytes).unwrap().informational_exception().unwrap();
        assert_eq!(exception.additional(), AdditionalSense { asc: 0x5d, ascq: 0x10 });
        assert_eq!(exception.temperature, 41);
    }

    proptest! {
        #[test]
        fn any_bytes_are_safe(bytes in proptest::collection::vec(any::<u8>(), 0..120)) {
            if let Ok(page) = LogPage::parse(&bytes) {
                let mut out = [0; 120];
                let (_, _, _) = (page.temperatures(), page.counter(0), page.informational_exception());
                let (_, tests) = (page.start_stop_cycles(), page.self_tests().count());
                prop_assert!(tests <= page.parameters().count());
                prop_assert!(page.page_codes().len() + 4 <= bytes.len());
                let len = emit_parameters(page.code, page.subpage, page.parameters(), &mut out).unwrap();
                let again = LogPage::parse(&out[..len]).unwrap();
                prop_assert_eq!((again.code, again.subpage), (page.code, page.subpage));
                prop_assert!(again.parameters().eq(page.parameters()));
            }
        }
    }
}
