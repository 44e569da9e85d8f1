//! Standard INQUIRY data and vital product data.

use scsi_proto::inquiry::{StandardInquiry, VersionDescriptor};
use scsi_proto::vpd::{
    BlockCharacteristics, BlockLimits, DesignatorType, Designators, ExtendedInquiry,
    LogicalBlockProvisioning, ModePagePolicy, VpdPage,
};
use sim_backend::schedule::SplitMix64;

use super::{plain, read_raw};

/// Pages of each kind.
const PAGES: u64 = 40;

/// A field as both may name it, and our value.
type Field = (&'static str, u64);

/// Whether `text` has `NAME=value`, or a line `NAME: value`, for every field.
fn assert_fields(text: &str, fields: &[Field]) {
    for (name, value) in fields {
        let theirs = number_after(text, name).unwrap_or_else(|| panic!("no {name} in\n{text}"));
        assert_eq!(*value, theirs, "{name} in\n{text}");
    }
}

fn number_after(text: &str, name: &str) -> Option<u64> {
    let assigned = |(at, _): (usize, &str)| {
        // Not the end of a longer name.
        let starts = text[..at].ends_with(['\n', ' ', '[']);
        let rest = text[at + name.len()..].strip_prefix('=').filter(|_| starts)?;
        rest.split(|c: char| !c.is_ascii_alphanumeric()).next()
    };
    let titled = |line: &'_ str| {
        let (title, rest) = line.trim().split_once(": ")?;
        let word = rest.split(' ').next()?;
        (title == name).then_some(word.to_owned())
    };
    let word = text.match_indices(name).find_map(assigned).map(str::to_owned);
    let word = word.or_else(|| text.lines().find_map(titled))?;
    match word.strip_prefix("0x") {
        Some(hex) => u64::from_str_radix(hex, 16).ok(),
        None => word.parse().ok().or(match word.as_str() {
            "true" => Some(1),
            "false" => Some(0),
            _ => None,
        }),
    }
}

fn random_bytes(random: &mut SplitMix64, len: usize) -> Vec<u8> {
    (0..len).map(|_| random.draw() as u8).collect()
}

/// A page with a random body.
fn random_page(random: &mut SplitMix64, code: u8, len: u8) -> Vec<u8> {
    let mut bytes = vec![0, code, 0, len - 4];
    bytes.extend(random_bytes(random, usize::from(len) - 4));
    bytes
}

#[test]
fn standard_inquiry_agrees() {
    let mut random = SplitMix64::new(0x12);
    for _ in 0..PAGES {
        let mut bytes = random_bytes(&mut random, 96);
        bytes[4] = 91;
        for byte in &mut bytes[8..36] {
            *byte = b'A' + *byte % 26;
        }
        bytes[58..74].fill(0);
        let Some(text) = read_raw("sg_inq", &["--page=sinq"], &bytes) else { return };
        let inquiry = StandardInquiry::parse(&bytes).expect("whole");
        let flag = u64::from;
        assert_fields(
            &text,
            &[
                ("PQual", inquiry.qualifier.0.into()),
                ("PDT", inquiry.device_type.0.into()),
                ("RMB", flag(inquiry.removable)),
                ("LU_CONG", flag(inquiry.lu_cong)),
                ("hot_pluggable", inquiry.hot_pluggable.into()),
                ("version", inquiry.version.0.into()),
                ("NormACA", flag(inquiry.normaca)),
                ("HiSUP", flag(inquiry.hisup)),
                ("Resp_data_format", inquiry.response_data_format.into()),
                ("SCCS", flag(inquiry.sccs)),
                ("ACC", flag(inquiry.acc)),
                ("TPGS", inquiry.tpgs.into()),
                ("3PC", flag(inquiry.third_party_copy)),
                ("Protect", flag(inquiry.protect)),
                ("EncServ", flag(inquiry.enclosure_services)),
                ("MultiP", flag(inquiry.multi_port)),
                ("CmdQue", flag(inquiry.command_queuing)),
                ("length", u64::from(inquiry.additional_length) + 5),
            ],
        );
        for (title, value) in [
            ("Vendor identification: ", inquiry.vendor.to_string()),
            ("Product identification: ", inquiry.product.to_string()),
            ("Product revision level: ", inquiry.revision.to_string()),
        ] {
            assert!(text.contains(&format!("{title}{value}")), "{value}: {text}");
        }
    }
}

#[test]
fn version_descriptors_agree() {
    // 0 is no descriptor, and has no name there.
    for code in (1..=u16::MAX).filter(|code| VersionDescriptor(*code).name().is_some()) {
        let mut bytes = vec![0; 96];
        (bytes[2], bytes[3], bytes[4]) = (6, 2, 91);
        bytes[58..60].copy_from_slice(&code.to_be_bytes());
        let Some(text) = read_raw("sg_inq", &["--descriptors"], &bytes) else { return };
        let name = VersionDescriptor(code).name().expect("filtered");
        let theirs = text.lines().last().unwrap_or_default().trim();
        assert_eq!(theirs, format!("{name} (no version claimed)"));
    }
}

#[test]
fn block_limits_agree() {
    let mut random = SplitMix64::new(0xb0);
    for _ in 0..PAGES {
        let bytes = random_page(&mut random, 0xb0, 64);
        let Some(text) = read_raw("sg_vpd", &[], &bytes) else { return };
        let limits = BlockLimits::parse(&VpdPage::parse(&bytes).expect("whole"));
        let mut fields = vec![
            ("Write same non-zero (WSNZ)", u64::from(limits.wsnz)),
            ("Maximum compare and write length", limits.compare_and_write_max.into()),
            ("Optimal transfer length granularity", limits.transfer_granularity.into()),
            ("Maximum transfer length", limits.transfer_max.into()),
            ("Optimal transfer length", limits.transfer_optimal.into()),
            ("Maximum prefetch transfer length", limits.prefetch_max.into()),
            ("Maximum unmap LBA count", limits.unmap_lba_max.into()),
            ("Maximum unmap block descriptor count", limits.unmap_descriptor_max.into()),
            ("Optimal unmap granularity", limits.unmap_granularity.into()),
            ("Unmap granularity alignment valid", limits.unmap_alignment.is_some().into()),
            ("Maximum write same length", limits.write_same_max),
            ("Maximum atomic transfer length", limits.atomic_max.into()),
            ("Atomic alignment", limits.atomic_alignment.into()),
            ("Atomic transfer length granularity", limits.atomic_granularity.into()),
            (
                "Maximum atomic transfer length with atomic boundary",
                limits.atomic_max_with_boundary.into(),
            ),
            ("Maximum atomic boundary size", limits.atomic_boundary_max.into()),
        ];
        fields.extend(limits.unmap_alignment.map(|at| ("Unmap granularity alignment", at.into())));
        assert_fields(&text, &fields);
    }
}

#[test]
fn block_characteristics_agree() {
    let mut random = SplitMix64::new(0xb1);
    for _ in 0..PAGES {
        let bytes = random_page(&mut random, 0xb1, 64);
        let Some(text) = read_raw("sg_vpd", &[], &bytes) else { return };
        let page = BlockCharacteristics::parse(&VpdPage::parse(&bytes).expect("whole"));
        assert_fields(
            &text,
            &[
                ("WABEREQ", page.wabereq.get().into()),
                ("WACEREQ", page.wacereq.get().into()),
                ("ZONED", page.zoned.get().into()),
                ("RBWZ", page.rbwz.into()),
                ("BOCS", page.bocs.into()),
                ("FUAB", page.fuab.into()),
                ("VBULS", page.vbuls.into()),
                ("DEPOPULATION_TIME", page.depopulation_time.into()),
            ],
        );
        if page.rotation_rate > 0x400 && page.rotation_rate < 0xffff {
            assert_fields(&text, &[("Nominal rotation rate", page.rotation_rate.into())]);
        }
    }
}

#[test]
fn logical_block_provisioning_agrees() {
    let mut random = SplitMix64::new(0xb2);
    for _ in 0..PAGES {
        let mut bytes = random_page(&mut random, 0xb2, 8);
        // DP: no provisioning group descriptor follows.
        bytes[5] &= !1;
        let Some(text) = read_raw("sg_vpd", &[], &bytes) else { return };
        let page = LogicalBlockProvisioning::parse(&VpdPage::parse(&bytes).expect("whole"));
        assert_fields(
            &text,
            &[
                ("Unmap command supported (LBPU)", page.lbpu.into()),
                ("Write same (16) with unmap bit supported (LBPWS)", page.lbpws.into()),
                ("Write same (10) with unmap bit supported (LBPWS10)", page.lbpws10.into()),
                ("Logical block provisioning read zeros (LBPRZ)", page.lbprz.get().into()),
                ("Anchored LBAs supported (ANC_SUP)", page.anc_sup.into()),
                ("Threshold exponent", page.threshold_exponent.into()),
                ("Descriptor present (DP)", page.dp.into()),
                ("Minimum percentage", page.minimum_percentage.get().into()),
                ("Provisioning type", page.provisioning_type.get().into()),
                ("Threshold percentage", page.threshold_percentage.into()),
            ],
        );
    }
}

#[test]
fn extended_inquiry_agrees() {
    let mut random = SplitMix64::new(0x86);
    for _ in 0..PAGES {
        let bytes = random_page(&mut random, 0x86, 64);
        let Some(text) = read_raw("sg_vpd", &[], &bytes) else { return };
        let page = ExtendedInquiry::parse(&VpdPage::parse(&bytes).expect("whole"));
        assert_fields(
            &text,
            &[
                ("ACTIVATE_MICROCODE", page.activate_microcode.get().into()),
                ("SPT", page.spt.get().into()),
                ("GRD_CHK", page.grd_chk.into()),
                ("APP_CHK", page.app_chk.into()),
                ("REF_CHK", page.ref_chk.into()),
                ("UASK_SUP", page.uask_sup.into()),
                ("GROUP_SUP", page.group_sup.into()),
                ("PRIOR_SUP", page.prior_sup.into()),
                ("HEADSUP", page.head_supported.into()),
                ("ORDSUP", page.ordered_supported.into()),
                ("SIMPSUP", page.simple_supported.into()),
                ("WU_SUP", page.wu_sup.into()),
                ("CRD_SUP", page.crd_sup.into()),
                ("NV_SUP", page.nv_sup.into()),
                ("V_SUP", page.v_sup.into()),
                ("NO_PI_CHK", page.no_pi_chk.into()),
                ("P_I_I_SUP", page.p_i_i_sup.into()),
                ("LUICLR", page.luiclr.into()),
                ("LU_COLL_TYPE", page.lu_coll_type.get().into()),
                ("R_SUP", page.r_sup.into()),
                ("RTD_SUP", page.rtd_sup.into()),
                ("HSSRELEF", page.hssrelef.into()),
                ("CBCS", page.cbcs.into()),
                ("Multi I_T nexus microcode download", page.multi_nexus_download.get().into()),
                ("Extended self-test completion minutes", page.self_test_minutes.into()),
                ("POA_SUP", page.poa_sup.into()),
                ("HRA_SUP", page.hra_sup.into()),
                ("VSA_SUP", page.vsa_sup.into()),
                ("DMS_VALID", page.dms_valid.into()),
                ("Maximum supported sense data length", page.sense_length_max.into()),
                ("IBS", page.ibs.into()),
                ("IAS", page.ias.into()),
                ("SAC", page.sac.into()),
                ("NRD1", page.nrd1.into()),
                ("NRD0", page.nrd0.into()),
                ("Maximum inquiry change logs", page.inquiry_change_logs.into()),
                ("Maximum mode page change logs", page.mode_page_change_logs.into()),
            ],
        );
    }
}

#[test]
fn mode_page_policies_agree() {
    let mut random = SplitMix64::new(0x87);
    for _ in 0..PAGES {
        let bytes = random_page(&mut random, 0x87, 64);
        let Some(text) = read_raw("sg_vpd", &[], &bytes) else { return };
        let page = VpdPage::parse(&bytes).expect("whole");
        let lines: Vec<_> = text.lines().skip(1).map(str::trim).collect();
        let policies: Vec<_> = ModePagePolicy::of(&page).collect();
        assert_eq!(policies.len() * 2, lines.len());
        for (policy, lines) in policies.iter().zip(lines.chunks(2)) {
            let name = ["shared", "per target port", "per initiator port", "per I_T nexus"];
            let name = name[policy.policy.get() as usize];
            let (code, subcode) = (policy.page_code.get(), policy.subpage_code);
            let first = format!("Policy page code: {code:#x},  subpage code: {subcode:#x}");
            let first = first.trim_end_matches(",  subpage code: 0x0");
            assert_eq!(lines[0].trim_end_matches(",  subpage code: 0x0"), first);
            assert_eq!(lines[1], format!("MLUS={},  Policy: {name}", u8::from(policy.mlus)));
        }
    }
}

/// Names of every kind that a disk has: NAA 5 and 6, EUI-64, T10 vendor ID, relative port, SCSI name.
#[test]
fn designators_agree() {
    let mut body = Vec::new();
    let mut put = |head: [u8; 3], id: &[u8]| {
        body.extend([head[0], head[1], head[2], id.len() as u8]);
        body.extend(id);
    };
    put([0x01, 0x03, 0], &[0x50, 0x00, 0xc5, 0x00, 0, 0, 1, 0]);
    put([0x01, 0x03, 0], &[0x60, 0, 0xc5, 0x00, 0, 0, 1, 0, 9, 8, 7, 6, 5, 4, 3, 2]);
    put([0x01, 0x02, 0], &[1, 2, 3, 4, 5, 6, 7, 8]);
    put([0x02, 0x01, 0], b"HBA-SIM DISK 0001");
    put([0x61, 0x94, 0], &[0, 0, 0, 1]);
    put([0x63, 0xa8, 0], b"naa.5000C50000000101");
    let mut bytes = vec![0, 0x83, 0, body.len() as u8];
    bytes.extend(&body);
    let Some(text) = read_raw("sg_vpd", &[], &bytes) else { return };
    let page = VpdPage::parse(&bytes).expect("whole");
    let all = plain(&text);
    for designator in Designators::new(&page) {
        let kind = match plain(designator.kind.name().expect("known")).as_str() {
            "t10vendorid" => "t10vendoridentification".to_owned(),
            "eui64" => "eui64based".to_owned(),
            kind => kind.to_owned(),
        };
        let set = plain(designator.code_set.name().expect("known"));
        let head = format!("designatortype{kind}codeset{set}");
        assert!(all.contains(&head), "{head} in\n{text}");
        let shown = match designator.code_set.name() {
            Some("binary") => designator.id.iter().map(|byte| format!("{byte:02x}")).collect(),
            _ => plain(&String::from_utf8_lossy(designator.id)),
        };
        // The port number is shown as a number, and the vendor apart from what the vendor adds.
        let (first, second) = match designator.kind {
            DesignatorType::RELATIVE_TARGET_PORT => ("0x1", ""),
            DesignatorType::T10_VENDOR_ID => shown.split_at(plain("HBA-SIM ").len()),
            _ => (shown.as_str(), ""),
        };
        assert!(all.contains(first) && all.contains(second), "{shown} in\n{text}");
    }
    assert_eq!(Designators::new(&page).count(), 6);
}
