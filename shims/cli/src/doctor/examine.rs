//! Every rule, applied to what is known.

use hba_core::dma::{AddressWidth, DmaWindow};
use hba_core::fabric::text::TextRange;
use hba_core::fabric::{AliasRule, HostMapping, MappedIds};
use hba_core::limits::{Finding as LimitsFinding, Limits};

use super::Finding;
use crate::fabric::Fabric;

/// All that does not fit, what would fail first.
#[must_use]
pub fn examine(limits: &Limits, fabric: Option<&Fabric>) -> Vec<Finding> {
    let mut findings = limits_findings(limits);
    let Some(fabric) = fabric else {
        findings.push(Finding::note(
            "nothing is known of the way to memory",
            "give --topology FILE, or --sysfs on a Linux machine",
        ));
        return findings;
    };
    match &fabric.mapping {
        Some(mapping) => {
            findings.extend(alias_findings(fabric, mapping));
            findings.extend(foreign_ids(fabric, mapping));
        }
        None => findings.push(Finding::note(
            "the topology does not say which function is the controller",
            "add a line `controller ADDRESS`, or give --device",
        )),
    }
    findings.extend(window_finding(limits, fabric));
    findings.extend(fabric.ranges.iter().flat_map(|range| range_findings(limits, fabric, range)));
    findings.extend(sharing_findings(fabric));
    findings.extend(no_iommu(fabric));
    findings.sort_by_key(|finding| finding.severity as u8);
    findings
}

fn limits_findings(limits: &Limits) -> Vec<Finding> {
    let Err(report) = limits.validate() else { return Vec::new() };
    let advice = |finding: &LimitsFinding| match finding {
        LimitsFinding::TransferBeyondPages { safe, .. } => {
            format!("limit transfers to {safe} bytes, or allow more elements")
        }
        LimitsFinding::EmptyWindow { .. } => {
            "give the driver a window of addresses that the device reaches".to_owned()
        }
        _ => "correct the driver's configuration of this controller".to_owned(),
    };
    report.findings().iter().map(|f| Finding::fails(f.to_string(), advice(f))).collect()
}

fn alias_findings(fabric: &Fabric, mapping: &HostMapping) -> Vec<Finding> {
    let Some(aliases) = fabric.aliases() else { return Vec::new() };
    if *mapping.mapped() == MappedIds::Unknown {
        let ids = aliases.len();
        let (problem, advice) = (
            format!("it is not known which of the {ids} requester IDs are mapped"),
            "add a line `mapped ADDRESS...`, or `mapped all` where there is no IOMMU",
        );
        return vec![Finding::note(problem, advice)];
    }
    let missing = aliases.iter().filter(|alias| mapping.mapped().contains(alias.id) == Some(false));
    missing
        .map(|alias| {
            let problem = format!("requester ID {} is not mapped: {}", alias.id, alias.rule);
            Finding::fails(problem, alias_advice(alias.rule))
        })
        .collect()
}

const fn alias_advice(rule: AliasRule) -> &'static str {
    match rule {
        AliasRule::OwnId => "map the controller's memory for its own requester ID",
        AliasRule::DmaDevice => "map the memory for the device that makes the requests",
        AliasRule::DeviceQuirk => {
            "map the memory for this ID too; the device uses it although it is not its own"
        }
        _ => {
            "map the memory for this ID too; where the host cannot (DriverKit on Apple Silicon cannot), take a card \
             without such a bridge, Linux with VFIO, or pass the IOMMU by"
        }
    }
}

fn foreign_ids(fabric: &Fabric, mapping: &HostMapping) -> Vec<Finding> {
    let (MappedIds::Only(ids), Some(aliases)) = (mapping.mapped(), fabric.aliases()) else {
        return Vec::new();
    };
    // Linux maps groups; their other members are known.
    if fabric.group.is_some() {
        return Vec::new();
    }
    let foreign = ids.iter().filter(|id| !aliases.contains(**id));
    foreign
        .map(|id| {
            Finding::note(
                format!(
                    "requester ID {id} is mapped, and no request of the controller appears under it"
                ),
                "look whether another ID was meant",
            )
        })
        .collect()
}

fn no_iommu(fabric: &Fabric) -> Option<Finding> {
    let all = fabric.mapping.as_ref().is_some_and(|mapping| *mapping.mapped() == MappedIds::All);
    all.then(|| {
        Finding::note(
            "no IOMMU stands before the controller: what it is given is what it reaches",
            "nothing; a wrong address overwrites memory instead of ending in a fault",
        )
    })
}

/// What the controller drives.
fn device_width(limits: &Limits, fabric: &Fabric) -> AddressWidth {
    fabric.device_width.unwrap_or_else(|| limits.window.width())
}

fn window_finding(limits: &Limits, fabric: &Fabric) -> Option<Finding> {
    let host = fabric.host_window()?;
    let device = DmaWindow::of_width(device_width(limits, fabric));
    let both = device.within(host.first(), host.last());
    if host.is_empty() || both.is_empty() {
        return Some(Finding::fails(
            format!(
                "the controller drives {} address bits, and the host maps none of them",
                device.width().bits()
            ),
            "have the host map below the controller's limit",
        ));
    }
    (!host.covers(&device)).then(|| {
        Finding::note(
            format!("only addresses {} to {} lead to memory", both.first(), both.last()),
            "give the driver this window: bring-up then refuses memory outside it",
        )
    })
}

fn range_findings(limits: &Limits, fabric: &Fabric, range: &TextRange) -> Vec<Finding> {
    let TextRange { name, first, last } = range;
    let mut findings = Vec::new();
    let width = device_width(limits, fabric);
    let above = |width: AddressWidth| last.raw() > width.last();
    if above(width) {
        findings.push(Finding::fails(
            format!(
                "{name} at {first} to {last} needs more than the controller's {} address bits",
                width.bits()
            ),
            untranslated(range),
        ));
    }
    if let Some(port) = fabric.port_width.filter(|port| above(*port)) {
        findings.push(Finding::fails(
            format!(
                "{name} at {first} to {last} is above the {} bits that the root port lets through",
                port.bits()
            ),
            untranslated(range),
        ));
    }
    if let Some((low, high)) = fabric.window.filter(|(low, high)| first < low || last > high) {
        findings.push(Finding::fails(
            format!("{name} at {first} to {last} is outside the addresses that the host maps, {low} to {high}"),
            "map it before the controller is given its address",
        ));
    }
    if first.high() != last.high() && !name.starts_with("data") {
        findings.push(Finding::fails(
            format!("{name} at {first} to {last} crosses a 4 GiB line"),
            "place it within 4 GiB: the controller is told the upper half of its addresses once",
        ));
    }
    findings
}

/// What an address that is too high most likely is.
fn untranslated(range: &TextRange) -> &'static str {
    if range.first.raw().is_multiple_of(4096) && range.first.high() != 0 {
        "this looks like a physical address: map the memory with the mapper of the PCI device itself"
    } else {
        "map the memory at lower addresses"
    }
}

fn sharing_findings(fabric: &Fabric) -> Vec<Finding> {
    let sharers: Vec<_> = fabric.sharers().collect();
    let mut findings = Vec::new();
    let list = |ids: &[_]| {
        let ids: Vec<_> = ids.iter().map(ToString::to_string).collect();
        ids.join(", ")
    };
    if !sharers.is_empty() {
        findings.push(Finding::note(
            format!("an IOMMU cannot tell the controller from {}", list(&sharers)),
            "hand them to one driver, together: with VFIO they are one group",
        ));
    }
    if let Some(group) = &fabric.group {
        let apart: Vec<_> = sharers.iter().filter(|id| !group.contains(id)).copied().collect();
        if !apart.is_empty() {
            findings.push(Finding::fails(
                format!("{} shares a requester ID with the controller and is in another IOMMU group", list(&apart)),
                "report this as a defect of this program or of the kernel: a bridge or a quirk is not known to one of them",
            ));
        }
    }
    findings
}
