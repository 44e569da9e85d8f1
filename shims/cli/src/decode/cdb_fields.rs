//! The fields of a CDB, from the recorded table of commands.
//!
//! The table is the one that `scsi-proto` is tested against. A field there is `NAME@byte.high:low`, `NAME@byte.bit` or
//! `NAME@byte+length`; address and lengths have columns of their own.

use scsi_proto::Opcode;
use scsi_proto::table::CommandInfo;

use super::layout::{Field, Spec, bits, bytes};

const TABLE: &str = include_str!("../../../../scsi-proto/data/cdb-table.csv");

/// One field of a CDB.
#[derive(Clone, Copy, Debug)]
pub(super) struct CdbField {
    spec: Spec,
    obsolete: bool,
}

/// The fields of the command in the order of their bytes, less OPERATION CODE and CONTROL; `None` where none are
/// recorded.
pub(super) fn of(info: &CommandInfo) -> Option<Vec<CdbField>> {
    TABLE.lines().skip(1).find(|row| is_row_of(row, info)).and_then(fields)
}

/// The byte with CONTROL in a CDB of `len` bytes.
pub(super) fn control_at(opcode: Opcode, len: usize) -> usize {
    if opcode == Opcode::VARIABLE_LENGTH { 1 } else { len.saturating_sub(1) }
}

fn is_row_of(row: &str, info: &CommandInfo) -> bool {
    let mut columns = row.split(',').map(number);
    let (opcode, action) = (columns.next().flatten(), columns.next().flatten());
    opcode == Some(info.opcode().0.into()) && action == info.service_action().map(usize::from)
}

fn fields(row: &'static str) -> Option<Vec<CdbField>> {
    let columns: Vec<_> = row.split(',').collect();
    let [_, _, _, _, lba, lba_len, transfer, transfer_len, allocation, allocation_len, words, ..] =
        columns[..]
    else {
        return None;
    };
    let words: Vec<_> = words.split(' ').collect();
    if words.contains(&"LAYOUT=not_recorded") {
        return None;
    }
    let has = |word| words.contains(&word);
    let transfer_name =
        if has("XLEN=param_bytes") { "PARAMETER LIST LENGTH" } else { "TRANSFER LENGTH" };
    let top = if has("LBA_MASK@1.4:0(21bit)") { 4 } else { 7 };
    let mut fields: Vec<_> = words.iter().filter_map(|word| field(word)).collect();
    let mut column = |name, at, len, top, obsolete| {
        if let (Some(at), Some(len)) = (number(at), number(len)) {
            fields.push(CdbField { spec: bytes(at, len, name).high_bit(top), obsolete });
        }
    };
    column("LOGICAL BLOCK ADDRESS", lba, lba_len, top, has("LBA(obs)"));
    column(transfer_name, transfer, transfer_len, 7, false);
    column("ALLOCATION LENGTH", allocation, allocation_len, 7, false);
    fields.sort_by_key(|field| field.spec.order());
    Some(fields)
}

/// Reads a word with a position; `None` for words that say something else.
fn field(word: &'static str) -> Option<CdbField> {
    let (name, position) = word.split_once('@')?;
    let obsolete = position.ends_with("(obs)");
    let position = position.split(['(', '=']).next()?;
    let spec = if let Some((byte, range)) =
        position.split_once('.').filter(|_| !position.contains(".."))
    {
        let (high, low) = range.split_once(':').unwrap_or((range, range));
        bits(number(byte)?, number(high)? as u32, number(low)? as u32, name)
    } else if let Some((byte, len)) = position.split_once('+') {
        bytes(number(byte)?, number(len)?, name)
    } else {
        let (first, last) = position.split_once("..")?;
        let (first, last) = (number(first)?, number(last)?);
        bytes(first, (last + 1).checked_sub(first)?, name)
    };
    (name != "LBA_MASK").then_some(CdbField { spec, obsolete })
}

fn number(text: &str) -> Option<usize> {
    match text.strip_prefix("0x") {
        Some(hex) => usize::from_str_radix(hex, 16).ok(),
        None => text.parse().ok(),
    }
}

impl CdbField {
    /// The field in `cdb`, where that is long enough.
    pub(super) fn read(&self, cdb: &[u8]) -> Option<Field> {
        let field = self.spec.read(cdb, 0)?.named(standard_name(self.spec.name()));
        Some(field.meaning(self.obsolete.then(|| "obsolete".to_owned())))
    }

    /// The bits of the field in `byte`.
    pub(super) fn mask(&self, byte: usize) -> u8 {
        self.spec.mask(byte)
    }
}

/// The name as the standards write it. The table abbreviates some and has no spaces.
fn standard_name(name: &str) -> String {
    let standard = match name {
        "SA" => "SERVICE ACTION",
        "REQ_SA" => "REQUESTED SERVICE ACTION",
        "REQ_OPCODE" => "REQUESTED OPERATION CODE",
        "GROUP" => "GROUP NUMBER",
        "SUBPAGE" => "SUBPAGE CODE",
        "PARAM_POINTER" => "PARAMETER POINTER",
        "PROTO_SPECIFIC" => "PROTOCOL SPECIFIC",
        "LIST_ID" => "LIST IDENTIFIER",
        "INFO_TYPE" => "INFORMATION TYPE",
        "PARAM_FMT" => "PARAMETER DATA FORMAT",
        "ADDL_CDB_LEN" => "ADDITIONAL CDB LENGTH",
        "EXP_REF_TAG" => "EXPECTED INITIAL LOGICAL BLOCK REFERENCE TAG",
        "EXP_APP_TAG" => "EXPECTED LOGICAL BLOCK APPLICATION TAG",
        "APP_TAG_MASK" => "LOGICAL BLOCK APPLICATION TAG MASK",
        "EXP_ORW_GEN" => "EXPECTED ORWGENERATION",
        "NEW_ORW_GEN" => "NEW ORWGENERATION",
        "NUM_LBA_RANGES" => "NUMBER OF LBA RANGE DESCRIPTORS",
        "LB_DATA_OFFSET" => "LOGICAL BLOCK DATA OFFSET",
        "ELEMENT_ID" => "ELEMENT IDENTIFIER",
        // These have their underscores in the standards.
        "FUA_NV" | "SYNC_NV" | "COR_DIS" | "WR_UNCOR" | "CK_COND" | "T_TYPE" | "T_DIR"
        | "T_LENGTH" | "BYT_BLOK" | "OFF_LINE" | "INC_512" | "STR_ID" | "STR_CTL" | "BO_CTL"
        | "BO_TIME" | "NO_FLUSH" | "REQ_PLIST" | "REQ_GLIST" | "ONE_SEG" => name,
        _ => return name.replace('_', " "),
    };
    standard.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use scsi_proto::table;

    #[test]
    fn every_row_with_a_layout_has_fields_that_do_not_overlap() {
        let rows = table::rows();
        assert_eq!(rows.len(), TABLE.lines().count() - 1);
        let mut recorded = 0;
        for info in rows {
            let Some(fields) = of(info) else { continue };
            recorded += 1;
            let len = info.cdb_len().expect("a length is recorded with the layout");
            for byte in 0..len {
                let masks = fields.iter().map(|field| field.mask(byte));
                let (mut sum, mut or) = (0, 0u8);
                masks.for_each(|mask| (sum, or) = (sum + u32::from(mask), or | mask));
                assert_eq!(sum, u32::from(or), "{} byte {byte}", info.name());
                if byte == 0 || byte == control_at(info.opcode(), len) {
                    assert_eq!(or, 0, "{} byte {byte}", info.name());
                }
            }
            assert!(fields.iter().all(|field| field.spec.end() <= len), "{}", info.name());
        }
        assert_eq!(recorded, 147);
    }

    #[test]
    fn every_position_is_understood() {
        for word in
            TABLE.lines().skip(1).flat_map(|row| row.split(',').nth(10)).flat_map(|w| w.split(' '))
        {
            assert_eq!(
                word.contains('@') && !word.starts_with("LBA_MASK"),
                field(word).is_some(),
                "{word}"
            );
        }
    }
}
