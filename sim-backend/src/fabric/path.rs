//! What becomes of a requester ID on the way up: a request is carried from link to link, as bridges carry it.
//!
//! `hba_core::fabric::dma_aliases` collects the IDs that may appear; this follows one request and ends with the one that does.
//! The two are written apart, so that one mistake is not made twice.

use hba_core::fabric::{BridgeKind, DevFn, Function, FunctionKind, RequesterId, Topology};

/// What a link says of the requester.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Carried {
    /// PCI Express, and PCI-X: the ID travels with the request.
    Id(RequesterId),
    /// Conventional PCI: only the bridge at the end of the bus says who asks.
    Anonymous,
}

/// What a PCI-X bridge does with the IDs that it gets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ownership {
    /// It takes every request for its own: what most do.
    #[default]
    Takes,
    /// It passes the IDs of PCI-X requests on, as it may. Only requests right from the device have one.
    Forwards,
}

/// The ID that `device`'s requests have when they leave the topology, or where a bridge on the way translates.
pub(super) fn requester(
    topology: &Topology,
    device: RequesterId,
    ownership: Ownership,
) -> RequesterId {
    let origin = topology.function(device).and_then(|f| f.quirks.requests_as).unwrap_or(device);
    let mut carried = Carried::Id(origin);
    let mut last = origin;
    let mut at = origin;
    while let Some(bridge) = topology.parent(at) {
        let FunctionKind::Bridge { kind, secondary } = bridge.kind else { break };
        if bridge.quirks.translates {
            break;
        }
        // The ID under which the bridge speaks for those below it.
        let own_above = bridge.address;
        let own_below = RequesterId::from_parts(bridge.address.domain(), secondary, DevFn::ZERO);
        let express_above = topology.parent(bridge.address).is_some_and(has_express_below);
        carried = match (kind, carried) {
            (BridgeKind::RootPort | BridgeKind::UpstreamPort | BridgeKind::DownstreamPort, c) => c,
            (BridgeKind::PcieToPci, Carried::Id(id))
                if bridge.quirks.keeps_ids || ownership == Ownership::Forwards =>
            {
                Carried::Id(id)
            }
            (BridgeKind::PcieToPci, Carried::Anonymous) if bridge.quirks.keeps_ids => {
                Carried::Id(last)
            }
            (BridgeKind::PcieToPci, _) => Carried::Id(own_below),
            (BridgeKind::Conventional, _) if bridge.quirks.acts_as_pcie_bridge && express_above => {
                Carried::Id(own_below)
            }
            // On PCI Express every request has an ID, and the bridge has no other to give.
            _ if express_above => Carried::Id(own_above),
            // Onto a bus without IDs: what is above knows the bridge at best.
            _ => Carried::Anonymous,
        };
        last = match carried {
            Carried::Id(id) => id,
            Carried::Anonymous => own_above,
        };
        at = bridge.address;
    }
    last
}

fn has_express_below(bridge: &Function) -> bool {
    use BridgeKind::{Conventional, PcieToPci};
    !matches!(bridge.kind, FunctionKind::Bridge { kind: PcieToPci | Conventional, .. })
}

#[cfg(test)]
mod tests {
    use super::*;
    use hba_core::fabric::dma_aliases;
    use hba_core::fabric::text::FabricText;

    /// The topologies that `hba-core` tables its own rules with. Its answers in there are not read.
    const TABLE: &str = include_str!("../../../hba-core/data/dma-aliases.txt");

    fn topologies() -> Vec<(String, Topology)> {
        let skipped = ["expect ", "count ", "qemu ", "group "];
        let mut cases: Vec<(String, String)> = Vec::new();
        for line in TABLE.lines() {
            if line.starts_with('[') {
                cases.push((line.to_owned(), String::new()));
            } else if let Some((_, text)) = cases.last_mut()
                && !skipped.iter().any(|word| line.starts_with(word))
            {
                text.push_str(line);
                text.push('\n');
            }
        }
        let read = |(name, text): (String, String)| {
            let fabric: FabricText = text.parse().unwrap_or_else(|e| panic!("{name}: {e}"));
            (name, fabric.topology)
        };
        cases.into_iter().map(read).collect()
    }

    #[test]
    fn b04_every_id_that_a_request_arrives_under_is_an_alias() {
        let (mut checked, mut changed) = (0, 0);
        for (name, topology) in topologies() {
            for function in topology.functions() {
                for ownership in [Ownership::Takes, Ownership::Forwards] {
                    let arrived = requester(&topology, function.address, ownership);
                    let aliases = dma_aliases(&topology, function.address).expect("it is there");
                    let device = function.address;
                    assert!(aliases.contains(arrived), "{name}: {device} arrives as {arrived}");
                    checked += 1;
                    changed += u32::from(arrived != device);
                }
            }
        }
        assert!(checked > 200 && changed > 40, "{checked} checked, {changed} changed");
    }

    #[test]
    fn b04_the_bridge_of_the_report_takes_ownership() {
        let text = "root 00\n00:01.0 root-port to 01\n01:00.0 pcie-to-pci to 02\n02:04.0 pci\n";
        let fabric: FabricText = text.parse().expect("well formed");
        let device = "02:04.0".parse().expect("an id");
        let arrives = |ownership| requester(&fabric.topology, device, ownership).to_string();
        assert_eq!(arrives(Ownership::Takes), "0000:02:00.0");
        assert_eq!(arrives(Ownership::Forwards), "0000:02:04.0");
    }
}
