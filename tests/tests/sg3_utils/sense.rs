//! Sense data, field by field.

use scsi_proto::Sense;
use scsi_proto::sense::SenseFormat;
use sim_backend::schedule::SplitMix64;

use super::{hex, plain, run};

/// Buffers of each kind.
const BUFFERS: u64 = 400;

/// What both sides can say about sense data.
#[derive(Debug, Default, PartialEq, Eq)]
struct View {
    format: String,
    deferred: bool,
    key: String,
    /// The name, or the two codes.
    additional: String,
    overflow: bool,
    information: Option<u64>,
    /// sg3_utils prints it in descriptor format only.
    command_specific: Option<u64>,
    filemark: bool,
    eom: bool,
    ili: bool,
    unit: u8,
    specific: Option<Specific>,
}

/// SENSE KEY SPECIFIC by what the key makes of it.
#[derive(Debug, PartialEq, Eq)]
enum Specific {
    Field {
        in_cdb: bool,
        byte: u16,
        bit: Option<u8>,
    },
    Segment {
        in_descriptor: bool,
        byte: u16,
        bit: Option<u8>,
    },
    /// Hundredths of a percent.
    Progress(u32),
    Retries(u16),
    AttentionOverflow(bool),
}

/// Our view.
fn ours(bytes: &[u8]) -> View {
    let sense = Sense::parse(bytes).expect("sense data");
    let is_descriptor = sense.format == SenseFormat::Descriptor;
    let code = sense.additional;
    View {
        format: if is_descriptor { "Descriptor" } else { "Fixed" }.to_owned(),
        deferred: sense.deferred,
        key: plain(&sense.key.to_string()),
        additional: match code.name() {
            Some(name) => name_of(name),
            None => format!("asc{:02x}ascq{:02x}", code.asc, code.ascq),
        },
        overflow: sense.overflow,
        information: sense.information,
        command_specific: sense.command_specific.filter(|_| is_descriptor),
        filemark: sense.filemark,
        eom: sense.eom,
        ili: sense.ili,
        unit: sense.field_replaceable_unit,
        specific: specific(&sense),
    }
}

fn specific(sense: &Sense) -> Option<Specific> {
    let field = sense.field_pointer().map(|p| Specific::Field {
        in_cdb: p.in_cdb,
        byte: p.byte,
        bit: p.bit,
    });
    let segment = sense.segment_pointer().map(|p| Specific::Segment {
        in_descriptor: p.in_segment_descriptor,
        byte: p.byte,
        bit: p.bit,
    });
    // Whole percents, and 656ths of the rest: how sg3_utils rounds.
    let hundredths = |progress: u16| {
        let (percents, rest) =
            (u32::from(progress) * 100 / 65536, u32::from(progress) * 100 % 65536);
        percents * 100 + rest / 656
    };
    field
        .or(segment)
        .or_else(|| sense.progress().map(hundredths).map(Specific::Progress))
        .or_else(|| sense.retry_count().map(Specific::Retries))
        .or_else(|| sense.unit_attention_overflow().map(Specific::AttentionOverflow))
}

/// Reads what `sg_decode_sense` printed.
fn theirs(text: &str) -> View {
    let mut view = View { additional: plain("NO ADDITIONAL SENSE INFORMATION"), ..View::default() };
    // A few values stand on the line after their title.
    let text = text.lines().map(str::trim).fold(String::new(), |mut text, line| {
        let goes_on = text.ends_with("pointer:") || text.ends_with("queue:");
        text.push(if goes_on { ' ' } else { '\n' });
        text + line
    });
    for line in text.lines() {
        if let Some((first, key)) = line.split_once("; Sense key: ") {
            let (format, when) = first.split_once(" format, ").expect("the format");
            view.format = format.to_owned();
            view.deferred = when == "<<<deferred>>>";
            // The key's number is appended where it is vendor specific.
            view.key = plain(key.split('(').next().unwrap_or(key));
        } else if let Some(name) = line.strip_prefix("Additional sense: ") {
            view.additional = name_of(name);
        } else if line.contains("ASC=") {
            let codes = line.trim_start_matches("vendor specific ").trim_end_matches(" (hex)");
            view.additional = plain(codes);
        } else if line.starts_with("<<<Sense data overflow") {
            view.overflow = true;
        } else {
            read_field(line.strip_prefix("Descriptor type: ").unwrap_or(line), &mut view);
        }
    }
    view
}

/// sg3_utils adds remarks, and puts the qualifier where the list has NN.
fn name_of(name: &str) -> String {
    let name = name.split(" (").next().unwrap_or(name);
    let (name, has_value) = match name.split_once(" [0x") {
        Some((name, _)) => (name, true),
        None => (name, false),
    };
    match plain(name) {
        name if name.starts_with("decompressionexceptionshort") => {
            plain("DECOMPRESSION EXCEPTION SHORT ALGORITHM ID OF NN")
        }
        name if has_value && name.starts_with("diagnosticfailure") => name + "nn",
        name => name,
    }
}

fn read_field(line: &str, view: &mut View) {
    let number = |text: &str| {
        let word = text.split(&[' ', ']'][..]).next().unwrap_or(text);
        match word.strip_prefix("0x") {
            Some(hex) => u64::from_str_radix(hex, 16),
            None => word.parse(),
        }
        .unwrap_or_else(|error| panic!("{line}: {error}"))
    };
    if let Some(rest) = line.strip_prefix("Info fld=") {
        view.information = Some(number(rest));
    } else if let Some(value) = line.strip_prefix("Information: 0x") {
        view.information = Some(number(&format!("0x{value}")));
    } else if let Some(value) = line.strip_prefix("Command specific: 0x") {
        view.command_specific = Some(number(&format!("0x{value}")));
    } else if let Some(value) = line.strip_prefix("Field replaceable unit code: ") {
        view.unit = number(value) as u8;
    } else {
        let rest = line.strip_prefix("Sense Key Specific: ").unwrap_or(line);
        let rest = rest.strip_prefix("Sense key specific: ").unwrap_or(rest);
        if let Some(specific) = read_specific(rest) {
            view.specific = Some(specific);
        }
    }
    let is_marks = line.starts_with("Info fld=")
        || line.starts_with("Valid=0, Info fld=")
        || line.starts_with("Stream commands: ")
        || line.split(' ').all(|word| ["FMK", "EOM", "ILI"].contains(&word));
    if is_marks {
        view.filemark |= line.contains("FMK") || line.contains("FILEMARK");
        view.eom |= line.contains("EOM");
        view.ili |= line.contains("ILI");
    }
    view.ili |= line.starts_with("Block commands:") && line.ends_with("set");
    view.ili |= line.starts_with("ILI (incorrect length indication) set");
}

fn read_specific(text: &str) -> Option<Specific> {
    let text = text.strip_prefix("Field pointer: ").unwrap_or(text);
    if let Some(rest) = text.strip_prefix("Error in ") {
        let (byte, bit) = place(rest);
        return Some(Specific::Field { in_cdb: rest.starts_with("Command"), byte, bit });
    }
    if let Some(rest) = text.strip_prefix("Segment pointer: Relative to start of ") {
        let (byte, bit) = place(rest);
        let in_descriptor = rest.starts_with("segment descriptor");
        return Some(Specific::Segment { in_descriptor, byte, bit });
    }
    if let Some(rest) = text.strip_prefix("Progress indication: ") {
        let (percents, hundredths) = rest.trim_end_matches('%').split_once('.')?;
        let hundredths = hundredths.parse::<u32>().ok()?;
        return Some(Specific::Progress(percents.parse::<u32>().ok()? * 100 + hundredths));
    }
    if let Some(rest) = text.strip_prefix("Actual retry count: ") {
        let count = match rest.strip_prefix("0x") {
            Some(hex) => u16::from_str_radix(hex, 16),
            None => rest.parse(),
        };
        return count.ok().map(Specific::Retries);
    }
    let flag = text.strip_prefix("Unit attention condition queue: overflow flag is ")?;
    Some(Specific::AttentionOverflow(flag == "1"))
}

/// `..., byte 5 bit 7` or `...: byte 5`.
fn place(text: &str) -> (u16, Option<u8>) {
    let words: Vec<_> = text.split(' ').collect();
    let after = |word: &str| {
        let at = words.iter().position(|w| *w == word)?;
        words.get(at + 1)?.parse::<u16>().ok()
    };
    (after("byte").expect("a byte"), after("bit").map(|bit| bit as u8))
}

/// Sense data in fixed format, sometimes cut off.
fn fixed(random: &mut SplitMix64) -> Vec<u8> {
    let mut bytes = vec![0; 18];
    bytes.iter_mut().for_each(|byte| *byte = random.draw() as u8);
    bytes[0] = 0x70 | (random.below(2) as u8) << 7 | random.below(2) as u8;
    bytes[7] = 10;
    (bytes[12], bytes[13]) = code(random);
    if (bytes[12], bytes[13]) == (0x00, 0x1d) {
        // ATA PASS-THROUGH INFORMATION AVAILABLE: SAT puts ATA registers into the fields.
        bytes[13] = 0;
    }
    if random.below(3) == 0 {
        bytes[14] = 0;
    }
    if random.below(8) == 0 {
        // Without the bytes after the additional sense code.
        bytes[7] = 6;
        bytes.truncate(14);
    }
    bytes
}

/// Sense data in descriptor format, each descriptor at most once, in any order.
fn descriptors(random: &mut SplitMix64) -> Vec<u8> {
    let (asc, ascq) = code(random);
    let key = random.below(16) as u8;
    let overflow = (random.below(4) == 0) as u8;
    let mut bytes = vec![0x72 | random.below(2) as u8, key, asc, ascq, overflow << 7, 0, 0, 0];
    let mut kinds = vec![0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x80];
    if random.below(4) == 0 {
        // It says what the others do, and may contradict them.
        kinds = vec![0x0d, 0x80];
    }
    while !kinds.is_empty() && random.below(5) != 0 {
        let kind = kinds.swap_remove(random.below(kinds.len() as u64) as usize);
        // The length that the standards give; those of 05h and 04h share their bits.
        let len = match kind {
            0x00 | 0x01 => 10,
            0x02 => 6,
            0x0d => 30,
            0x80 => random.below(9) as u8,
            _ => 2,
        };
        bytes.extend([kind, len]);
        let body = bytes.len();
        bytes.extend((0..len).map(|_| random.draw() as u8));
        if kind == 0x02 {
            // SKSV: sg3_utils does not look at it in this format.
            bytes[body + 2] |= 0x80;
        }
    }
    bytes[7] = (bytes.len() - 8) as u8;
    bytes
}

/// Mostly a code that has a name.
fn code(random: &mut SplitMix64) -> (u8, u8) {
    let mut draw = || (random.draw() as u8 & 0x7f, random.draw() as u8 & 0x1f);
    if draw().0 < 0x20 {
        return draw();
    }
    core::iter::repeat_with(draw)
        .find(|&(asc, ascq)| scsi_proto::AdditionalSense::new(asc, ascq).name().is_some())
        .expect("it goes on for ever")
}

/// The buffers that both have to read alike.
fn compare(mut draw: impl FnMut(&mut SplitMix64) -> Vec<u8>) {
    let mut random = SplitMix64::new(0x5e25e);
    for _ in 0..BUFFERS {
        let bytes = draw(&mut random);
        let Some(text) = run("sg_decode_sense", &hex(&bytes)) else { return };
        let (ours, theirs) = (ours(&bytes), theirs(&text));
        // 41h and 42h with a qualifier: see `codes`.
        let by_choice = matches!(code_of(&bytes), (0x40..=0x42, _));
        let theirs = View {
            additional: if by_choice { ours.additional.clone() } else { theirs.additional },
            ..theirs
        };
        assert_eq!(ours, theirs, "{}\n{text}", hex(&bytes).join(" "));
    }
}

fn code_of(bytes: &[u8]) -> (u8, u8) {
    let code = Sense::parse(bytes).expect("sense data").additional;
    (code.asc, code.ascq)
}

#[test]
fn fixed_format_agrees() {
    compare(fixed);
}

#[test]
fn descriptor_format_agrees() {
    compare(descriptors);
}

/// Every key with every kind of SENSE KEY SPECIFIC, and every sense data that the simulated disk sends.
#[test]
fn all_keys_agree() {
    let mut next = 0_u8;
    compare(|random| {
        next = next.wrapping_add(1);
        let mut bytes = fixed(random);
        bytes.resize(18, 0);
        (bytes[2], bytes[7], bytes[15]) = (next & 0x0f, 10, 0x80 | next);
        bytes
    });
}
