//! `hba decode fault`: what an IOMMU or a root port recorded.

use hba_core::fabric::{
    Fault, FaultContext, FaultRecord, FaultSource, FaultUnit, MappedRange, RequesterId,
    decode_fault,
};

use super::DecodeError;
use super::layout::Field;
use super::report::{Report, Section};
use crate::fabric::Fabric;

/// Decodes the words of a record; `unit` is `None` where only their form says whose they are.
pub(super) fn decode(
    words: &[String],
    unit: Option<FaultUnit>,
    fabric: Option<&Fabric>,
) -> Result<Report, DecodeError> {
    let record = record(words, unit)?;
    let decoded = decode_fault(&record);
    let mut report = match &decoded {
        Ok(fault) => explained(fault, fabric),
        Err(none) => Report::new(none.to_string()),
    };
    let mut section = Section::new(record.unit().to_string());
    for field in record.fields() {
        let place = (field.high(), field.low());
        section.push(Some(Field::of_words(place, field.name(), field.value)));
    }
    report.section(section);
    if unit.is_none() {
        report.note(format!(
            "recognised by its form as {}; --kind says otherwise",
            record.unit().name()
        ));
    }
    Ok(report)
}

fn explained(fault: &Fault, fabric: Option<&Fabric>) -> Report {
    let unknown = hba_core::fabric::HostMapping::unknown();
    let mapping = fabric.and_then(|fabric| fabric.mapping.as_ref()).unwrap_or(&unknown);
    let memory: Vec<_> = fabric.into_iter().flat_map(Fabric::memory).collect();
    let context = FaultContext { mapping, memory: &memory };
    let explanation = fault.explain(&context);
    let mut report = Report::new(explanation.to_string());
    match fault.source {
        FaultSource::Stream(stream) => report.fact("stream", stream.to_string()),
        FaultSource::Requester(id) => report.fact("requester ID", requester(id)),
        _ => {}
    }
    if let Some(access) = fault.access {
        report.fact("access", format!("the device would {access} memory"));
    }
    if let Some(address) = fault.address {
        let range = explanation.range().map(|range| format!(", in the {}", range.name));
        report.fact("address", format!("{address}{}", range.unwrap_or_default()));
    }
    report.fact("recorded as", fault.reason);
    report.fact("what to do", explanation.advice());
    report
}

/// Records do not name the domain.
fn requester(id: RequesterId) -> String {
    format!("{:02x}:{}", id.bus(), id.devfn())
}

/// The record that the words are: as 32-bit words, or where a unit has wider registers, in their width.
fn record(words: &[String], unit: Option<FaultUnit>) -> Result<FaultRecord, DecodeError> {
    let numbers: Vec<_> = words.iter().map(|word| number(word)).collect::<Result<_, _>>()?;
    if numbers.is_empty() {
        return Err(DecodeError::Empty);
    }
    let narrow: Vec<u32> =
        numbers.iter().filter_map(|number| u32::try_from(*number).ok()).collect();
    let halves = |number: u64| [number as u32, (number >> 32) as u32];
    let record = match (unit, &numbers[..]) {
        (Some(unit @ (FaultUnit::DartT8020 | FaultUnit::DartT8110)), &[status, address])
            if narrow.first() == Some(&(status as u32)) && status >> 32 == 0 =>
        {
            Ok(FaultRecord::dart(unit, status as u32, address))
        }
        (Some(unit @ (FaultUnit::VtD | FaultUnit::AmdVi)), &[low, high]) => {
            FaultRecord::new(unit, &[halves(low), halves(high)].concat())
        }
        (Some(unit), _) if narrow.len() == numbers.len() => FaultRecord::new(unit, &narrow),
        (None, &[status, address])
            if status >> 32 == 0
                && FaultRecord::recognise(&[status as u32]).is_ok_and(|r| {
                    r.words()[0] >> 31 == 1 && r.unit() != FaultUnit::AppleRootPort
                }) =>
        {
            let unit = FaultRecord::recognise(&[status as u32]).map(|record| record.unit());
            unit.map(|unit| FaultRecord::dart(unit, status as u32, address))
        }
        (None, &[low, high]) => FaultRecord::recognise(&[halves(low), halves(high)].concat()),
        (None, _) if narrow.len() == numbers.len() => FaultRecord::recognise(&narrow),
        _ => {
            let wide = numbers.iter().find(|number| **number >> 32 != 0).copied().unwrap_or(0);
            return Err(DecodeError::WideWord { word: wide });
        }
    };
    record.map_err(DecodeError::Record)
}

/// A word in hexadecimal, with `0x` or without.
fn number(text: &str) -> Result<u64, DecodeError> {
    let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")).unwrap_or(text);
    let digits: String =
        digits.chars().filter(|character| !matches!(character, '_' | ',')).collect();
    let plain = (1..=16).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_hexdigit());
    let number = plain.then(|| u64::from_str_radix(&digits, 16).ok()).flatten();
    number.ok_or_else(|| DecodeError::Word { text: text.to_owned() })
}

impl Fabric {
    /// The memory that the controller is given, as faults are compared with it.
    fn memory(&self) -> impl Iterator<Item = MappedRange<'_>> {
        self.ranges.iter().map(|range| MappedRange {
            name: &range.name,
            first: range.first,
            len: (range.last.raw() - range.first.raw()).saturating_add(1),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unit(words: &[&str], unit: Option<FaultUnit>) -> Result<FaultRecord, DecodeError> {
        let words: Vec<_> = words.iter().map(ToString::to_string).collect();
        record(&words, unit)
    }

    #[test]
    fn words_are_taken_in_every_width() {
        let vtd = [0x8000_0000, 0, 0x0200, 0xc000_0002];
        for words in [
            &["0x80000000", "0", "0x200", "c0000002"][..],
            &["0x80000000", "0xc0000002_00000200"],
            &["0000000080000000,", "c000000200000200"],
        ] {
            for kind in [None, Some(FaultUnit::VtD)] {
                let record = unit(words, kind).expect("a record");
                assert_eq!(
                    (record.unit(), record.words()),
                    (FaultUnit::VtD, &vtd[..]),
                    "{words:?}"
                );
            }
        }
        let dart = unit(&["80000001", "0x880000000"], None).expect("a record");
        assert_eq!(dart.words(), [0x8000_0001, 0x8000_0000, 8]);
        let dart =
            unit(&["80000001", "80000000", "8"], Some(FaultUnit::DartT8020)).expect("a record");
        assert_eq!(dart.words(), [0x8000_0001, 0x8000_0000, 8]);
    }

    #[test]
    fn words_that_make_no_record_are_refused() {
        assert!(matches!(unit(&[], None), Err(DecodeError::Empty)));
        for text in ["", "0x", "12345678901234567", "+5", "status"] {
            assert!(matches!(unit(&[text], None), Err(DecodeError::Word { .. })), "{text}");
        }
        let wide = unit(&["0x100000000"], Some(FaultUnit::AppleRootPort));
        assert!(matches!(wide, Err(DecodeError::WideWord { word: 0x1_0000_0000 })));
        assert!(matches!(unit(&["1", "2"], None), Err(DecodeError::Record(_))));
    }

    #[test]
    fn a_range_has_its_last_byte() {
        let fabric = Fabric {
            ranges: vec![hba_core::fabric::text::TextRange {
                name: "all".into(),
                first: hba_core::dma::BusAddr::new(0),
                last: hba_core::dma::BusAddr::new(u64::MAX),
            }],
            ..Fabric::default()
        };
        assert_eq!(fabric.memory().next().map(|range| range.len), Some(u64::MAX));
    }
}
