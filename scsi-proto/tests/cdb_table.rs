//! The command table and the typed commands against the recorded facts in `data/cdb-table.csv`.
//!
//! That file was checked against other implementations and recorded traffic. The code does not
//! read it, so that a change on either side shows here: operation code, service action, length and
//! direction of each row, and of each field its name, its place, its width and the order of its bits.

use scsi_proto::command::{AnyCommand, ParseError};
use scsi_proto::table::{self, BlockCount, DataDirection, ImpliedTransfer};
use scsi_proto::{Cdb, Lba};

const FACTS: &str = include_str!("../data/cdb-table.csv");

/// One line of the file.
struct Row {
    opcode: u8,
    service_action: Option<u16>,
    name: &'static str,
    cdb_len: Option<usize>,
    /// Position as (first byte, bytes).
    lba: Option<(usize, usize)>,
    /// Transfer length or allocation length.
    length: Option<(usize, usize)>,
    /// The length is an allocation length.
    is_allocation: bool,
    flags: &'static str,
    direction: &'static str,
}

/// A field: its name and the bits that it covers, as (byte, mask), the most significant first.
struct Field {
    name: String,
    bits: Vec<(usize, u8)>,
}

impl Field {
    /// Each bit as (byte, mask), the least significant first.
    fn single_bits(&self) -> impl Iterator<Item = (usize, u8)> {
        self.bits.iter().rev().flat_map(|&(byte, mask)| {
            (0..8)
                .map(|bit| 1 << bit)
                .filter(move |bit| mask & bit != 0)
                .map(move |bit| (byte, bit))
        })
    }

    /// Whether a typed command may call the field so.
    fn is_called(&self, name: &str) -> bool {
        let is_lba = matches!(name, "zone_id" | "zone_start_lba" | "starting_lba");
        let is_length = name.ends_with("length") || name == "number_of_blocks";
        let expected = long_name(&self.name);
        name == expected || expected == "length" && is_length || expected == "lba" && is_lba
    }
}

fn rows() -> Vec<Row> {
    FACTS.lines().skip(1).map(Row::parse).collect()
}

fn hex(text: &str) -> Option<u16> {
    text.strip_prefix("0x").map(|digits| u16::from_str_radix(digits, 16).unwrap())
}

impl Row {
    fn parse(line: &'static str) -> Self {
        let columns: Vec<_> = line.split(',').collect();
        let position = |column: usize| {
            Some((columns[column].parse().ok()?, columns[column + 1].parse().unwrap()))
        };
        Self {
            opcode: hex(columns[0]).unwrap() as u8,
            service_action: hex(columns[1]),
            name: columns[2],
            cdb_len: columns[3].parse().ok(),
            lba: position(4),
            length: position(6).or_else(|| position(8)),
            is_allocation: !columns[8].is_empty(),
            flags: columns[10],
            direction: columns[11],
        }
    }

    /// The CDB with nothing set but operation code and service action.
    fn template(&self) -> Vec<u8> {
        let mut cdb = vec![0; self.cdb_len.unwrap_or(32)];
        cdb[0] = self.opcode;
        match self.service_action {
            Some(action) if self.opcode == 0x7f => {
                cdb[7] = cdb.len() as u8 - 8;
                cdb[8..10].copy_from_slice(&action.to_be_bytes());
            }
            Some(action) => cdb[1] = action as u8,
            None => {}
        }
        cdb
    }

    /// The fields that are not obsolete, with CONTROL and without the service action.
    fn fields(&self) -> Vec<Field> {
        let whole = |name: &str, (byte, len): (usize, usize)| Field {
            name: name.into(),
            bits: (byte..byte + len).map(|byte| (byte, 0xff)).collect(),
        };
        let control = if self.opcode == 0x7f { 1 } else { self.cdb_len.unwrap() - 1 };
        let mut fields = vec![whole("control", (control, 1))];
        if let Some(position) = self.lba.filter(|_| !self.flags.contains("LBA(obs)")) {
            let mut lba = whole("lba", position);
            if self.flags.contains("LBA_MASK@1.4:0") {
                lba.bits[0].1 = 0x1f;
            }
            fields.push(lba);
        }
        fields.extend(self.length.map(|position| whole("length", position)));
        let flags = self.flags.split(' ').filter(|flag| !flag.contains("(obs)"));
        for (name, position) in flags.filter_map(|flag| flag.split_once('@')) {
            let is_key = name == "SA" && self.service_action.is_some();
            if !is_key && !matches!(name, "LBA_MASK" | "ADDL_CDB_LEN") {
                let mut field = Field { name: name.to_lowercase(), bits: bits(position) };
                // LBA LOW, MID and HIGH are in this order: the first byte is the least significant.
                if name == "ATA_LBA" && self.cdb_len == Some(12) {
                    field.bits.reverse();
                }
                fields.push(field);
            }
        }
        fields
    }
}

/// Reads `byte.bit`, `byte.hi:lo`, `byte+n` or `first..last(interleaved)`.
fn bits(position: &str) -> Vec<(usize, u8)> {
    if let Some((first, last)) = position.split_once("..") {
        let last = last.strip_suffix("(interleaved)").unwrap();
        assert_eq!((first, last), ("7", "12"), "the LBA registers of a 48-bit ATA command");
        // SAT-5, ATA PASS-THROUGH(16): LBA (31:24), (7:0), (39:32), (15:8), (47:40), (23:16).
        return [11, 9, 7, 12, 10, 8].map(|byte| (byte, 0xff)).to_vec();
    }
    if let Some((byte, len)) = position.split_once('+') {
        let (byte, len): (usize, usize) = (byte.parse().unwrap(), len.parse().unwrap());
        return (byte..byte + len).map(|byte| (byte, 0xff)).collect();
    }
    let (byte, bits) = position.split_once('.').unwrap();
    let (high, low) = bits.split_once(':').unwrap_or((bits, bits));
    let (high, low): (u32, u32) = (high.parse().unwrap(), low.parse().unwrap());
    vec![(byte.parse().unwrap(), (0xff >> (7 - high)) & (0xff << low))]
}

#[test]
fn table_has_every_row() {
    let facts = rows();
    assert_eq!(facts.len(), 159);
    assert_eq!(table::rows().len(), facts.len());
    for (fact, row) in facts.iter().zip(table::rows()) {
        let name = fact.name;
        assert_eq!(row.name(), name);
        assert_eq!((row.opcode().0, row.service_action()), (fact.opcode, fact.service_action));
        assert_eq!(row.cdb_len(), fact.cdb_len, "{name}");
        let direction = match row.direction() {
            DataDirection::None => "none",
            DataDirection::In => "in",
            DataDirection::Out => "out",
            DataDirection::OutOrNone => "out/none",
            DataDirection::Bidirectional => "bidi",
            DataDirection::Any => "in/out/none",
        };
        assert_eq!(direction, fact.direction, "{name}");
        let found = table::lookup(&Cdb::new(&fact.template()).unwrap());
        assert_eq!(found, Some(row), "{name}");
    }
}

#[test]
fn table_finds_addresses() {
    for fact in rows() {
        let mut cdb = fact.template();
        let expected = fact.lba.map(|(byte, len)| {
            cdb[byte + len - 1] = 0xa5;
            cdb[byte] |= 0x01;
            Lba(1 << (8 * (len - 1)) | 0xa5)
        });
        let cdb = Cdb::new(&cdb).unwrap();
        assert_eq!(table::lookup(&cdb).unwrap().lba(&cdb), expected, "{}", fact.name);
    }
}

/// The row of a typed command.
fn fact_of(usage: &Cdb) -> Row {
    let key = (usage.opcode().0, usage.service_action());
    let is_it = |row: &Row| {
        row.opcode == key.0 && (row.service_action.is_none() || row.service_action == key.1)
    };
    rows().into_iter().find(is_it).expect("typed command without a row")
}

#[test]
fn every_recorded_layout_has_a_type() {
    let typed: Vec<_> = AnyCommand::USAGE.iter().map(|usage| fact_of(usage).name).collect();
    let (recorded, by_name): (Vec<_>, Vec<_>) =
        rows().into_iter().partition(|row| !row.flags.contains("LAYOUT=not_recorded"));
    assert_eq!((recorded.len(), by_name.len()), (147, 12));
    assert!(typed.iter().eq(recorded.iter().map(|row| &row.name)));
    for row in by_name {
        let cdb = Cdb::new(&row.template()).unwrap();
        assert_eq!(AnyCommand::parse(&cdb), Ok(AnyCommand::Other(cdb)), "{}", row.name);
    }
}

#[test]
fn usage_masks_are_the_union_of_the_fields() {
    for usage in AnyCommand::USAGE {
        let fact = fact_of(usage);
        let mut expected = fact.template();
        for (byte, mask) in fact.fields().iter().flat_map(|field| field.bits.clone()) {
            assert_eq!(expected[byte] & mask, 0, "{}: fields overlap", fact.name);
            expected[byte] |= mask;
        }
        assert_eq!(usage.as_bytes(), expected, "{}", fact.name);
    }
}

/// Where the file abbreviates.
fn long_name(name: &str) -> &str {
    match name {
        "sa" => "service_action",
        "subpage" => "subpage_code",
        "type" => "reservation_type",
        "3rdpty" => "third_party",
        "param_pointer" => "parameter_pointer",
        "req_opcode" => "requested_operation_code",
        "req_sa" => "requested_service_action",
        name => name,
    }
}

/// The fields of a command, from its debug output: name and value.
fn values(command: &AnyCommand) -> Vec<(String, u64)> {
    let text = format!("{command:?}");
    let fields = text.split_once(" { ").unwrap().1.split_once(" }").unwrap().0;
    let pairs = fields.split(", ").map(|field| field.split_once(": ").unwrap());
    pairs.map(|(name, text)| (name.to_owned(), value(text))).collect()
}

/// Reads `true`, `5`, `Bits(5)`, `Opcode(28h READ(10))` or a variant of `PageControl`.
fn value(text: &str) -> u64 {
    match text {
        "false" | "Current" => 0,
        "true" | "Changeable" => 1,
        "Default" => 2,
        "Saved" => 3,
        _ => match text.strip_prefix("Opcode(") {
            Some(opcode) => u64::from_str_radix(&opcode[..2], 16).unwrap(),
            None => text.split(['(', ')']).find_map(|part| part.parse().ok()).expect(text),
        },
    }
}

/// Each bit of each field set alone in a CDB without others, and cleared alone in a CDB with all
/// fields set: one field changes, it has the name of the row, and it changes by the weight of the
/// bit. Built again, it is the same CDB, so that the field set to that value sets that bit.
#[test]
fn each_field_alone_moves_exactly_its_bits() {
    for usage in AnyCommand::USAGE {
        let fact = fact_of(usage);
        for before in [fact.template(), usage.as_bytes().to_vec()] {
            let old = AnyCommand::parse(&Cdb::new(&before).unwrap()).unwrap();
            for field in fact.fields() {
                for (weight, (byte, bit)) in field.single_bits().enumerate() {
                    let place = format!("{} {} {byte} {bit:02x}", fact.name, field.name);
                    let mut bytes = before.clone();
                    bytes[byte] ^= bit;
                    let cdb = Cdb::new(&bytes).unwrap();
                    let new = AnyCommand::parse(&cdb).unwrap();
                    assert_eq!(new.rebuilt(), cdb, "{place}");
                    let pairs = values(&old).into_iter().zip(values(&new));
                    let differing: Vec<_> = pairs.filter(|(old, new)| old != new).collect();
                    let [((name, old), (_, new))] = &differing[..] else {
                        panic!("{place} changes {differing:?}");
                    };
                    assert!(field.is_called(name), "{place} is {name}");
                    assert_eq!(old ^ new, 1 << weight, "{place}: {name} {old:x} {new:x}");
                }
            }
        }
    }
}

/// All fields of the type are in the row, and all fields of the row are in the type.
#[test]
fn each_row_has_as_many_fields_as_its_type() {
    for usage in AnyCommand::USAGE {
        let fact = fact_of(usage);
        let names: Vec<_> = values(&AnyCommand::parse(usage).unwrap());
        assert_eq!(names.len(), fact.fields().len(), "{}: {names:?}", fact.name);
    }
}

#[test]
fn every_other_bit_is_refused() {
    for usage in AnyCommand::USAGE {
        let fact = fact_of(usage);
        for (byte, used) in usage.as_bytes().iter().enumerate().skip(1) {
            let action_at = if fact.opcode == 0x7f { 8..10 } else { 1..2 };
            let is_action = fact.service_action.is_some() && action_at.contains(&byte);
            let constant = fact.template()[byte];
            for bit in (0..8).map(|bit| 1 << bit).filter(|bit| (used & !constant) & bit == 0) {
                let mut bytes = fact.template();
                bytes[byte] ^= bit;
                let result = AnyCommand::parse(&Cdb::new(&bytes).unwrap());
                let expected = Err(ParseError::ReservedBits { byte: byte as u8, bits: bit });
                let other_action = is_action && (bit < 0x20 || fact.opcode == 0x7f);
                assert!(result == expected || other_action, "{} {byte} {bit:02x}", fact.name);
            }
        }
    }
}

/// What a row says about the data of a command whose length field has 3 and whose flags are clear.
fn implied(fact: &Row) -> ImpliedTransfer {
    use ImpliedTransfer::{AtMost, Exactly, None, Unknown};
    let has = |flag| fact.flags.split(' ').any(|found| found.starts_with(flag));
    match fact.direction {
        "none" => None,
        _ if has("LAYOUT=not_recorded") => Unknown,
        _ if has("FIXED_DATA_IN=8") => Exactly(8),
        // A flag that is clear: no parameter list, no comparison, no transfer.
        "out/none" if has("FMTDATA@") || has("BYTCHK@") => None,
        "in/out/none" if has("T_LENGTH@") => None,
        _ if has("XLEN=implied_by_param_header") => Unknown,
        _ if has("XLEN=param_bytes") || has("XLEN=bytes") => Exactly(3),
        _ if has("DATA_OUT=2*XLEN*block") => Exactly(2 * 3 * 512),
        // One block for all that are written.
        _ if fact.name.starts_with("WRITE SAME") => Exactly(512),
        _ if has("XLEN=blocks") => Exactly(3 * 512),
        _ if fact.is_allocation => AtMost(3),
        _ => Unknown,
    }
}

#[test]
fn table_implies_the_length_of_data() {
    for fact in rows() {
        let mut cdb = fact.template();
        if let Some((byte, len)) = fact.length {
            cdb[byte + len - 1] = 3;
        }
        let found = table::implied_transfer(&Cdb::new(&cdb).unwrap(), 512);
        assert_eq!(found, implied(&fact), "{}", fact.name);
    }
}

#[test]
fn table_knows_what_a_length_of_zero_means() {
    for fact in rows() {
        let cdb = Cdb::new(&fact.template()).unwrap();
        let has = |flag| fact.flags.split(' ').any(|found| found.starts_with(flag));
        let addresses_blocks = fact.lba.is_some() && fact.length.is_some() && has("XLEN=blocks");
        let expected = if !addresses_blocks {
            None
        } else if has("XLEN0=256") {
            Some(BlockCount::Blocks(256))
        } else if has("XLEN0=to_end") {
            Some(BlockCount::ToEnd)
        } else {
            Some(BlockCount::Blocks(0))
        };
        assert_eq!(table::lookup(&cdb).unwrap().blocks(&cdb), expected, "{}", fact.name);
    }
}
