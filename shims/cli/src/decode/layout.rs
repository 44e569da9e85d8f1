//! Fields of a layout: where they are, and how a value is shown.

use core::fmt;

use serde::Serialize;

use crate::hex;

/// Where a field is, its name, and how it is shown.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spec {
    /// The first byte.
    byte: usize,
    /// Number of bytes.
    len: usize,
    /// The highest bit, in the first byte.
    high: u32,
    /// The lowest bit, in the last byte.
    low: u32,
    name: &'static str,
    show: Show,
}

/// How a value is shown.
#[derive(Clone, Copy, Debug)]
pub(super) enum Show {
    /// In decimal.
    Number,
    /// In hexadecimal, with all its digits.
    Hex,
    /// In hexadecimal, and its name where it has one.
    Code(fn(u64) -> Option<String>),
    /// In decimal, and what it means where that is known.
    Meaning(fn(u64) -> Option<String>),
    /// As characters.
    Ascii,
    /// As bytes.
    Bytes,
}

/// A field with the value that was found.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Field {
    /// The first byte, counted from the start of the input.
    byte: usize,
    /// Number of bytes.
    length: usize,
    /// The highest bit in the first byte and the lowest one in the last, where the bytes are not the field's alone. Of words,
    /// both are counted from bit 0 of the first.
    bits: Option<[u32; 2]>,
    /// The input is 32-bit words, whose order is that of their registers.
    #[serde(skip)]
    words: bool,
    name: String,
    value: Value,
    /// What the value means.
    meaning: Option<String>,
    #[serde(skip)]
    show: Show,
}

/// The value of a field: a number, characters, or bytes in hexadecimal.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
enum Value {
    Number(u64),
    Text(String),
}

/// Bits `high` to `low` of a byte.
pub(super) const fn bits(byte: usize, high: u32, low: u32, name: &'static str) -> Spec {
    Spec { byte, len: 1, high, low, name, show: Show::Number }
}

/// One bit.
pub(super) const fn bit(byte: usize, bit: u32, name: &'static str) -> Spec {
    bits(byte, bit, bit, name)
}

/// Whole bytes, big endian: as a number up to eight of them.
pub(super) const fn bytes(byte: usize, len: usize, name: &'static str) -> Spec {
    Spec { len, ..bits(byte, 7, 0, name) }
}

/// One byte that is a code.
pub(super) const fn code(byte: usize, name: &'static str) -> Spec {
    bits(byte, 7, 0, name).shown(Show::Hex)
}

impl Spec {
    /// The same field, shown in another way.
    pub(super) const fn shown(self, show: Show) -> Self {
        Self { show, ..self }
    }

    /// The same field, from another bit of its first byte down.
    pub(super) const fn high_bit(self, high: u32) -> Self {
        Self { high, ..self }
    }

    /// The name.
    pub(super) const fn name(&self) -> &'static str {
        self.name
    }

    /// The byte after the field.
    pub(super) const fn end(&self) -> usize {
        self.byte + self.len
    }

    /// What fields are sorted by: the first byte, and the highest bit in it first.
    pub(super) const fn order(&self) -> (usize, u32) {
        (self.byte, 7 - self.high)
    }

    /// The bits of the field in `byte`.
    pub(super) const fn mask(&self, byte: usize) -> u8 {
        if byte < self.byte || byte >= self.end() {
            return 0;
        }
        let high = if byte == self.byte { self.high } else { 7 };
        let low = if byte + 1 == self.end() { self.low } else { 0 };
        (0xff >> (7 - high)) & (0xff << low)
    }

    /// The field in `data`, which starts at byte `base` of the input; `None` where the data ends before it does.
    pub(super) fn read(&self, data: &[u8], base: usize) -> Option<Field> {
        let found = data.get(self.byte..self.end())?;
        let (value, meaning) = self.show.value(found, self.number(found));
        let whole = self.high == 7 && self.low == 0;
        Some(Field {
            byte: base + self.byte,
            length: self.len,
            bits: (!whole).then_some([self.high, self.low]),
            words: false,
            name: self.name.to_owned(),
            value,
            meaning,
            show: self.show,
        })
    }

    /// The value as a number; of more than eight bytes the last eight.
    fn number(&self, found: &[u8]) -> u64 {
        let masked = (self.byte..).zip(found).map(|(at, byte)| byte & self.mask(at));
        masked.fold(0u64, |number, byte| number << 8 | u64::from(byte)) >> self.low
    }
}

impl Show {
    fn value(self, found: &[u8], number: u64) -> (Value, Option<String>) {
        match self {
            Self::Ascii => (Value::Text(ascii(found)), None),
            Self::Bytes => (Value::Text(hex::plain(found)), None),
            Self::Number | Self::Hex if found.len() > 8 => (Value::Text(hex::plain(found)), None),
            Self::Number | Self::Hex => (Value::Number(number), None),
            Self::Code(name) | Self::Meaning(name) => (Value::Number(number), name(number)),
        }
    }
}

impl Field {
    /// A field of 32-bit words: bits `high` to `low`, counted from bit 0 of the first word.
    pub(super) fn of_words((high, low): (u8, u8), name: &str, value: u64) -> Self {
        let (first, last) = (low / 32, high / 32);
        let whole = low.is_multiple_of(32) && high % 32 == 31;
        Self {
            byte: usize::from(first) * 4,
            length: usize::from(last - first + 1) * 4,
            bits: (!whole).then(|| [high, low].map(|bit| u32::from(bit - 32 * first))),
            words: true,
            name: name.to_owned(),
            value: Value::Number(value),
            meaning: None,
            show: if high == low { Show::Number } else { Show::Hex },
        }
    }

    /// The same field under another name.
    pub(super) fn named(self, name: String) -> Self {
        Self { name, ..self }
    }

    /// The same field with `meaning`, unless that is `None`.
    pub(super) fn meaning(self, meaning: Option<String>) -> Self {
        Self { meaning: meaning.or(self.meaning), ..self }
    }

    /// The three columns before the meaning: position, name, value.
    pub(super) fn columns(&self) -> [String; 3] {
        [Position(self).to_string(), self.name.clone(), self.shown_value()]
    }

    /// The last column.
    pub(super) fn shown_meaning(&self) -> &str {
        self.meaning.as_deref().unwrap_or_default()
    }

    fn shown_value(&self) -> String {
        match (&self.value, self.show) {
            (Value::Text(text), Show::Ascii) => format!("\"{text}\""),
            (Value::Text(text), _) => text.clone(),
            (Value::Number(number), Show::Hex | Show::Code(_)) => {
                let digits = if self.bits.is_some() || self.words { 1 } else { self.length * 2 };
                format!("{number:0digits$X}h")
            }
            (Value::Number(number), _) => number.to_string(),
        }
    }
}

/// Byte, or byte and bits, as in `4`, `2-5`, `1.3`, `1.7:5`, `1.4-3.0`. Of words, the word and its bits: `0.31`, `2.15:0`,
/// `0-1.63:12`.
struct Position<'a>(&'a Field);

impl fmt::Display for Position<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Field { byte, length, bits, .. } = self.0;
        let last = byte + length - 1;
        if self.0.words {
            return self.write_words(f);
        }
        match bits {
            None if *length == 1 => write!(f, "{byte}"),
            None => write!(f, "{byte}-{last}"),
            Some([high, low]) if *length > 1 => write!(f, "{byte}.{high}-{last}.{low}"),
            Some([high, low]) if high == low => write!(f, "{byte}.{high}"),
            Some([high, low]) => write!(f, "{byte}.{high}:{low}"),
        }
    }
}

impl Position<'_> {
    fn write_words(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Field { byte, length, bits, .. } = self.0;
        let (first, count) = (byte / 4, length / 4);
        write!(f, "{first}")?;
        if count > 1 {
            write!(f, "-{}", first + count - 1)?;
        }
        match bits {
            None => Ok(()),
            Some([high, low]) if high == low => write!(f, ".{high}"),
            Some([high, low]) => write!(f, ".{high}:{low}"),
        }
    }
}

/// The characters, without padding; what is none is shown as a dot.
pub(super) fn ascii(bytes: &[u8]) -> String {
    let end = bytes.iter().rposition(|byte| !matches!(byte, b' ' | 0)).map_or(0, |last| last + 1);
    let shown = |byte: &u8| if matches!(byte, b' '..=b'~') { char::from(*byte) } else { '.' };
    bytes.iter().take(end).map(shown).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns(spec: Spec, data: &[u8]) -> [String; 3] {
        spec.read(data, 0).expect("the field is there").columns()
    }

    #[test]
    fn positions_and_values() {
        let data = [0x08, 0xff, 0x01, 0x02, 0x41, 0x00];
        assert_eq!(columns(bits(0, 3, 2, "A"), &data), ["0.3:2", "A", "2"]);
        assert_eq!(columns(bit(1, 7, "A"), &data), ["1.7", "A", "1"]);
        assert_eq!(columns(bytes(1, 3, "A").high_bit(4), &data), ["1.4-3.0", "A", "2031874"]);
        assert_eq!(columns(bytes(2, 2, "A").shown(Show::Hex), &data), ["2-3", "A", "0102h"]);
        assert_eq!(columns(bytes(4, 2, "A").shown(Show::Ascii), &data), ["4-5", "A", "\"A\""]);
        assert_eq!(columns(bytes(4, 2, "A").shown(Show::Bytes), &data), ["4-5", "A", "4100"]);
        assert!(bytes(4, 3, "A").read(&data, 0).is_none());
    }

    #[test]
    fn positions_of_words() {
        let place = |high, low| Field::of_words((high, low), "A", 1).columns()[0].clone();
        assert_eq!(place(31, 31), "0.31");
        assert_eq!(place(79, 64), "2.15:0");
        assert_eq!(place(63, 12), "0-1.63:12");
        assert_eq!(place(95, 32), "1-2");
        assert_eq!(Field::of_words((95, 32), "A", 0xff).columns()[2], "FFh");
    }

    #[test]
    fn masks() {
        let field = bytes(1, 3, "A").high_bit(4);
        assert_eq!([0, 1, 2, 3, 4].map(|byte| field.mask(byte)), [0, 0x1f, 0xff, 0xff, 0]);
        assert_eq!(bits(0, 5, 4, "A").mask(0), 0x30);
    }
}
