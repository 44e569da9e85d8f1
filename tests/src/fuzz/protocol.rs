//! Bytes into `scsi-proto` and back.

use core::fmt::Debug;

use scsi_proto::command::AnyCommand;
use scsi_proto::inquiry::StandardInquiry;
use scsi_proto::mode::{CachingPage, ControlPage, ModeForm, ModeParameters, page_code};
use scsi_proto::sense::SenseDescriptors;
use scsi_proto::table::{self, DataDirection, ImpliedTransfer};
use scsi_proto::vpd::{
    BlockCharacteristics, BlockLimits, Designators, ExtendedInquiry, LogicalBlockProvisioning,
    PageCode, VpdPage, logical_unit_wwn,
};
use scsi_proto::{Cdb, Sense};

/// A CDB that parses is built again byte for byte, and has no bit set that CDB USAGE DATA has clear.
///
/// # Panics
///
/// If that is not so.
pub fn cdb_parse(data: &[u8]) {
    let Ok(cdb) = Cdb::new(data) else {
        assert!(data.is_empty() || data.len() > Cdb::LEN_MAX, "a cdb of {} bytes", data.len());
        return;
    };
    assert_eq!(cdb.as_bytes(), data);
    match AnyCommand::parse(&cdb) {
        Ok(command) => {
            assert_eq!((command.cdb(), command.rebuilt()), (cdb, cdb), "{command:?}");
            assert_eq!(AnyCommand::parse(&command.cdb()), Ok(command));
            if !matches!(command, AnyCommand::Other(_)) {
                check_usage(&cdb);
            }
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
    check_table(&cdb);
}

fn check_usage(cdb: &Cdb) {
    // By row: a service action may be a constant of the command or a field of it.
    let same =
        |usage: &&Cdb| usage.opcode() == cdb.opcode() && table::lookup(usage) == table::lookup(cdb);
    let usage = AnyCommand::USAGE.iter().find(same).expect("every typed command has usage data");
    let outside = cdb.padded32().iter().zip(usage.padded32()).map(|(bits, usage)| bits & !usage);
    assert_eq!(outside.fold(0, |all, bits| all | bits), 0, "{cdb} has bits outside of {usage}");
}

fn check_table(cdb: &Cdb) {
    for block_length in [0, 1, 512, 4096, u32::MAX] {
        let implied = table::implied_transfer(cdb, block_length);
        match table::lookup(cdb) {
            None => assert_eq!(implied, ImpliedTransfer::Unknown),
            Some(info) => {
                assert_eq!(info.implied_transfer(cdb, block_length), implied);
                if info.direction() == DataDirection::None {
                    assert_eq!(implied, ImpliedTransfer::None);
                }
                let _ = (info.lba(cdb), info.blocks(cdb));
            }
        }
    }
}

/// What sense data says survives writing it.
///
/// # Panics
///
/// If it does not.
pub fn sense(data: &[u8]) {
    let descriptors = SenseDescriptors::new(data).map(|descriptor| 2 + descriptor.body.len());
    assert!(descriptors.sum::<usize>() <= data.len(), "descriptors beyond the data");
    match Sense::parse(data) {
        Ok(sense) => {
            let mut out = [0xaa; Sense::LEN_MAX];
            let len = sense.emit(&mut out).expect("it fits the longest sense data");
            assert_eq!(Sense::parse(&out[..len]), Ok(sense));
            assert!(sense.emit(&mut out[..len - 1]).is_err(), "it cannot fit one byte less");
            assert!(!sense.to_string().is_empty());
            let _ = (sense.field_pointer(), sense.progress(), sense.retry_count());
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

/// What INQUIRY data and VPD pages say survives writing them.
///
/// # Panics
///
/// If it does not.
pub fn inquiry_vpd(data: &[u8]) {
    if let Ok(inquiry) = StandardInquiry::parse(data) {
        let mut out = [0xaa; 5 + 255];
        let len = inquiry.emit(&mut out).expect("the longest data fit");
        assert_eq!(StandardInquiry::parse(&out[..len]), Ok(inquiry));
    }
    let Ok(page) = VpdPage::parse(data) else {
        assert!(data.len() < VpdPage::HEADER_LEN);
        return;
    };
    assert!(page.body.len() <= page.page_length.into());
    assert_eq!(page.page_codes().len(), page.body.len());
    assert!(page.serial_number().len() <= page.body.len());
    match page.code {
        PageCode::DEVICE_IDENTIFICATION => check_designators(&page),
        PageCode::BLOCK_LIMITS => survives(&page, BlockLimits::parse, BlockLimits::emit),
        PageCode::BLOCK_CHARACTERISTICS => {
            survives(&page, BlockCharacteristics::parse, BlockCharacteristics::emit);
        }
        PageCode::LOGICAL_BLOCK_PROVISIONING => {
            survives(&page, LogicalBlockProvisioning::parse, LogicalBlockProvisioning::emit);
        }
        PageCode::EXTENDED_INQUIRY => {
            survives(&page, ExtendedInquiry::parse, ExtendedInquiry::emit);
        }
        _ => assert_eq!(Designators::new(&page).count(), 0),
    }
}

fn survives<T: Debug + PartialEq, E: Debug>(
    page: &VpdPage<'_>,
    parse: impl Fn(&VpdPage<'_>) -> T,
    emit: impl Fn(&T, &mut [u8]) -> Result<usize, E>,
) {
    let parsed = parse(page);
    let mut out = [0xaa; 64];
    let len = emit(&parsed, &mut out).expect("the page fits");
    let again = VpdPage::parse(&out[..len]).expect("the page was written whole");
    assert_eq!((parse(&again), again.code), (parsed, page.code));
}

fn check_designators(page: &VpdPage<'_>) {
    let mut written = Vec::new();
    for designator in Designators::new(page) {
        let mut out = [0xaa; 4 + 255];
        let len = designator.emit(&mut out).expect("what was received fits");
        written.extend_from_slice(&out[..len]);
    }
    assert!(written.len() <= page.body.len(), "designators beyond the page");
    let mut again = vec![0; VpdPage::HEADER_LEN + written.len()];
    scsi_proto::vpd::emit(page.code, &written, &mut again).expect("the page fits");
    let again = VpdPage::parse(&again).expect("a page");
    assert!(Designators::new(&again).eq(Designators::new(page)));
    assert_eq!(logical_unit_wwn(&again), logical_unit_wwn(page));
}

/// Mode parameters are walked to their end, and the pages that have a type survive writing them.
///
/// # Panics
///
/// If they do not.
pub fn mode_pages(data: &[u8]) {
    let Some((&choice, data)) = data.split_first() else { return };
    let form = if choice & 1 == 0 { ModeForm::Six } else { ModeForm::Ten };
    let parsed = if choice & 2 == 0 {
        ModeParameters::parse_sense(data, form)
    } else {
        ModeParameters::parse_select(data, form)
    };
    let Ok(parameters) = parsed else {
        assert!(data.len() < form.header_len());
        return;
    };
    let descriptor_len = if parameters.header.long_lba { 16 } else { 8 };
    let descriptors = parameters.block_descriptors().count() * descriptor_len;
    let pages: usize = parameters.pages().map(|page| page.bytes.len()).sum();
    assert!(form.header_len() + descriptors + pages <= data.len(), "pages beyond the data");
    for page in parameters.pages() {
        assert!(parameters.page(page.code, page.subpage).is_some());
        if (page.code, page.subpage) == (page_code::CACHING, 0) {
            check_page(page.bytes, CachingPage::parse, CachingPage::emit);
        }
        if (page.code, page.subpage) == (page_code::CONTROL, 0) {
            check_page(page.bytes, ControlPage::parse, ControlPage::emit);
        }
    }
}

fn check_page<T: Debug + PartialEq, E: Debug + PartialEq, F: Debug>(
    bytes: &[u8],
    parse: impl Fn(&[u8]) -> Result<T, E>,
    emit: impl Fn(&T, &mut [u8]) -> Result<usize, F>,
) {
    let Ok(page) = parse(bytes) else { return };
    let mut out = [0xaa; 2 + 255];
    let len = emit(&page, &mut out).expect("the longest page fits");
    assert_eq!(parse(&out[..len]), Ok(page));
}
