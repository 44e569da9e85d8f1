//! What initiators ask when they meet a disk.

use scsi_proto::Opcode;
use scsi_proto::command::{Bits, Inquiry, ReportLuns, ReportSupportedOperationCodes};
use scsi_proto::inquiry::{StandardInquiry, Version, VersionDescriptor};
use scsi_proto::report_luns::LunList;

use super::*;

fn page(
    initiator: &mut Initiator,
    page_code: u8,
    allocation_length: u16,
) -> Result<Vec<u8>, Sense> {
    let inquiry = Inquiry { evpd: true, page_code, allocation_length, ..Default::default() };
    initiator.data_in(inquiry.cdb(), allocation_length.into())
}

#[test]
fn standard_inquiry_claims_spc_4_and_sbc_3() {
    let mut initiator = Initiator::new(100);
    let inquiry = |allocation_length| Inquiry { allocation_length, ..Default::default() }.cdb();
    let bytes = initiator.data_in(inquiry(255), 255).unwrap();
    assert_eq!(bytes.len(), 96);
    let data = StandardInquiry::parse(&bytes).unwrap();
    assert_eq!((data.version, data.response_data_format), (Version::SPC_4, 2));
    assert_eq!(
        (data.vendor.to_string(), data.product.to_string()),
        ("HBA-SIM".into(), "DISK".into())
    );
    assert!(data.version_descriptors.contains(&VersionDescriptor::SBC_3));
    assert!(data.command_queuing && !data.removable && !data.protect);
    for len in 0..=96 {
        assert_eq!(initiator.data_in(inquiry(len), 255).unwrap(), bytes[..usize::from(len)]);
    }
    let wrong = Inquiry { page_code: 0x83, allocation_length: 36, ..Default::default() };
    assert_eq!(failure(initiator.data_in(wrong.cdb(), 36)), Condition::INVALID_FIELD_IN_CDB);
}

#[test]
fn listed_pages_exist_and_truncation_keeps_the_length_field() {
    let mut initiator = Initiator::new(100);
    let list = page(&mut initiator, 0, 255).unwrap();
    assert_eq!(list, [0, 0, 0, 7, 0x00, 0x80, 0x83, 0x86, 0xb0, 0xb1, 0xb2]);
    for code in 0..=u8::MAX {
        let Ok(full) = page(&mut initiator, code, 1024) else {
            assert!(!list[4..].contains(&code));
            continue;
        };
        assert_eq!(full[1], code);
        assert_eq!(full.len(), 4 + usize::from(u16::from_be_bytes([full[2], full[3]])));
        for cut in [4, 8, 60] {
            let short = page(&mut initiator, code, cut).unwrap();
            assert_eq!(short, full[..full.len().min(cut.into())]);
        }
    }
    assert_eq!(failure(page(&mut initiator, 0x89, 255)), Condition::INVALID_FIELD_IN_CDB);
}

#[test]
fn names_tell_units_and_ports_apart() {
    let config = DiskConfig { logical_units: 2, ..DiskConfig::nth(7, 100) };
    let mut initiator = Initiator::with(&config);
    let first = page(&mut initiator, 0x83, 255).unwrap();
    initiator.lun = Lun::from_number(1);
    let second = page(&mut initiator, 0x83, 255).unwrap();
    assert_eq!(first[4..16], [1, 3, 0, 8, 0x50, 0, 0xc5, 0, 0, 0, 8, 0]);
    assert_eq!(second[15], 1, "the unit's name ends with its number");
    assert_eq!(first[16..], second[16..]);
    let port = [0x61, 0x93, 0, 8, 0x50, 0, 0xc5, 0, 0, 0, 8, 1];
    assert!(first.windows(12).any(|window| window == port));
    assert_eq!(page(&mut initiator, 0x80, 255).unwrap()[4..], *b"HBASIM0007");
}

#[test]
fn cache_and_provisioning_pages_tell_the_configuration() {
    let mut initiator = Initiator::new(100);
    assert_eq!(page(&mut initiator, 0x86, 255).unwrap()[5..7], [0x07, 0x01], "V_SUP");
    assert_eq!(page(&mut initiator, 0xb2, 255).unwrap(), [0, 0xb2, 0, 4, 0, 0xe4, 2, 0]);
    let limits = page(&mut initiator, 0xb0, 255).unwrap();
    assert_eq!(limits.len(), 64);
    assert_eq!(limits[4..12], [0, 0, 0, 8, 0, 1, 0, 0]);
    assert_eq!(
        limits[20..44],
        [0, 1, 0, 0, 0, 0, 0, 255, 0, 0, 0, 8, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0]
    );
    let mut safe =
        Initiator::with(&DiskConfig { non_volatile_cache: true, ..DiskConfig::nth(0, 100) });
    assert_eq!(page(&mut safe, 0x86, 255).unwrap()[6], 0x02, "NV_SUP");
}

#[test]
fn report_luns_lists_every_unit() {
    let mut initiator =
        Initiator::with(&DiskConfig { logical_units: 3, ..DiskConfig::nth(0, 100) });
    let report = |select_report, allocation_length| {
        ReportLuns { select_report, allocation_length, ..Default::default() }.cdb()
    };
    let all = initiator.data_in(report(0, 4096), 4096).unwrap();
    let list = LunList::parse(&all).unwrap();
    assert!(list.luns().eq([0, 1, 2].map(Lun::from_number)));
    assert_eq!(initiator.data_in(report(2, 16), 16).unwrap(), all[..16]);
    assert_eq!(initiator.data_in(report(1, 16), 16).unwrap(), [0; 8]);
    assert_eq!(failure(initiator.data_in(report(3, 16), 16)), Condition::INVALID_FIELD_IN_CDB);
}

fn supported(
    initiator: &mut Initiator,
    option: u32,
    opcode: Opcode,
    action: u16,
    rctd: bool,
) -> Result<Vec<u8>, Sense> {
    let command = ReportSupportedOperationCodes {
        rctd,
        reporting_options: Bits::new(option).unwrap(),
        requested_operation_code: opcode,
        requested_service_action: action,
        allocation_length: 4096,
        ..Default::default()
    };
    initiator.data_in(command.cdb(), 4096)
}

#[test]
fn every_reported_command_is_executed_and_no_other() {
    let mut initiator = Initiator::new(100);
    let all = supported(&mut initiator, 0, Opcode(0), 0, false).unwrap();
    assert_eq!(all.len(), 4 + u32::from_be_bytes([all[0], all[1], all[2], all[3]]) as usize);
    let codes: Vec<u8> = all[4..].chunks(8).map(|entry| entry[0]).collect();
    assert!(codes.is_sorted());
    for opcode in 0..=u8::MAX {
        let outcome = initiator.none(Cdb::new(&[opcode; 32]).unwrap());
        let unknown = outcome
            .is_err_and(|sense| condition(&sense) == Condition::INVALID_COMMAND_OPERATION_CODE);
        assert_eq!(unknown, !codes.contains(&opcode), "{opcode:02X}h");
    }
    let with_timeouts = supported(&mut initiator, 0, Opcode(0), 0, true).unwrap();
    assert_eq!(with_timeouts.len() - 4, codes.len() * 20);
}

#[test]
fn one_command_forms_follow_service_actions() {
    let mut initiator = Initiator::new(100);
    let read = supported(&mut initiator, 1, Opcode::READ_10, 0, false).unwrap();
    assert_eq!(read, [0, 3, 0, 10, 0x28, 0x18, 0xff, 0xff, 0xff, 0xff, 0x3f, 0xff, 0xff, 0xff]);
    let capacity = supported(&mut initiator, 2, Opcode::SERVICE_ACTION_IN_16, 0x10, true).unwrap();
    assert_eq!((capacity.len(), capacity[1], capacity[5]), (32, 0x83, 0x10));
    let absent = supported(&mut initiator, 3, Opcode::SERVICE_ACTION_IN_16, 0x12, false).unwrap();
    assert_eq!(absent, [0, 1, 0, 0]);
    for (option, opcode) in
        [(1, Opcode::SERVICE_ACTION_IN_16), (2, Opcode::READ_10), (4, Opcode::READ_10)]
    {
        let outcome = supported(&mut initiator, option, opcode, 0, false);
        assert_eq!(failure(outcome), Condition::INVALID_FIELD_IN_CDB);
    }
    let mut plain = Initiator::with(&DiskConfig { dpofua: false, ..DiskConfig::nth(0, 100) });
    let read = supported(&mut plain, 1, Opcode::READ_10, 0, false).unwrap();
    assert_eq!(read[5], 0, "DPO and FUA are reported only where they are taken");
}
