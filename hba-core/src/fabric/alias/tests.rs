use alloc::string::{String, ToString};
use core::fmt::Write as _;

use super::*;
use crate::fabric::text::FabricText;

/// The table; its head says what its lines mean.
const TABLE: &str = include_str!("../../../data/dma-aliases.txt");

/// One topology of the table.
#[derive(Default)]
struct Case {
    name: &'static str,
    topology: String,
    /// Function and all its aliases, written down.
    expected: Vec<(&'static str, &'static str)>,
    counted: Vec<(&'static str, usize)>,
    qemu: Option<&'static str>,
    group: Option<&'static str>,
}

fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for line in TABLE.lines() {
        if let Some((name, _)) = line.strip_prefix('[').and_then(|line| line.split_once(']')) {
            cases.push(Case { name, ..Case::default() });
            continue;
        }
        let Some(case) = cases.last_mut() else { continue };
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        let halves = || rest.split_once(" = ").unwrap_or_else(|| panic!("no = in {line}"));
        match word {
            "expect" => case.expected.push(halves()),
            "count" => case.counted.push((halves().0, halves().1.parse().expect("a number"))),
            "qemu" => case.qemu = Some(rest),
            "group" => case.group = Some(rest),
            _ => case.topology.push_str(line),
        }
        case.topology.push('\n');
    }
    cases
}

/// As the table writes it, addresses in domain 0 without it.
fn written(aliases: &Aliases) -> String {
    let short = |id: RequesterId| {
        let id = id.to_string();
        id.strip_prefix("0000:").map(ToString::to_string).unwrap_or_else(|| id.clone())
    };
    let mut text = String::new();
    for Alias { id, rule } in aliases.iter() {
        let separator = if text.is_empty() { "" } else { ", " };
        let _ = write!(text, "{separator}{} {}", short(id), rule.name());
        if let AliasRule::PcieToPci { bridge }
        | AliasRule::PciToPcie { bridge }
        | AliasRule::ConventionalBridge { bridge }
        | AliasRule::BridgeQuirk { bridge } = rule
        {
            let _ = write!(text, " {}", short(bridge));
        }
    }
    text
}

fn id(text: &str) -> RequesterId {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn topology(case: &Case) -> Topology {
    let text: Result<FabricText, _> = case.topology.parse();
    text.unwrap_or_else(|error| panic!("{}: {error}", case.name)).topology
}

#[test]
fn b04_aliases_are_those_of_linux_with_the_rule_that_decides() {
    let cases = cases();
    assert!(cases.len() >= 40, "{} topologies", cases.len());
    let mut rules = alloc::collections::BTreeSet::new();
    for case in &cases {
        let topology = topology(case);
        assert!(!case.expected.is_empty() || !case.counted.is_empty(), "{}", case.name);
        for (function, expected) in &case.expected {
            let aliases = dma_aliases(&topology, id(function)).expect("it is there");
            let expected = expected.replace("0000:", "");
            assert_eq!(written(&aliases), expected, "{} of {}", function, case.name);
            rules.extend(aliases.iter().map(|alias| alias.rule.name()));
        }
        for (function, count) in &case.counted {
            let aliases = dma_aliases(&topology, id(function)).expect("it is there");
            assert_eq!(aliases.len(), *count, "{} of {}", function, case.name);
        }
    }
    assert_eq!(rules.len(), 7, "every rule decides somewhere: {rules:?}");
}

/// Functions of which one's requests may carry another's ID cannot be told apart by an IOMMU: Linux puts them together.
#[test]
fn b04_functions_that_share_an_alias_are_in_one_group_of_the_table() {
    let mut groups = 0;
    for case in cases() {
        let (Some(group), Some(_)) = (case.group, case.qemu) else {
            assert!(case.group.is_none() && case.qemu.is_none(), "{}: both or none", case.name);
            continue;
        };
        groups += 1;
        let topology = topology(&case);
        let group: Vec<_> = group.split_whitespace().map(id).collect();
        for function in topology.functions() {
            let aliases = dma_aliases(&topology, function.address).expect("it is there");
            let shares = group.iter().any(|member| {
                let theirs = dma_aliases(&topology, *member).expect("it is there");
                theirs.iter().any(|alias| aliases.contains(alias.id))
            });
            assert!(
                !shares || group.contains(&function.address),
                "{} of {} shares an alias with the group",
                function.address,
                case.name
            );
        }
    }
    assert!(groups >= 12, "{groups} topologies that QEMU builds");
}

#[test]
fn what_is_not_there_has_no_aliases() {
    let text: FabricText = "root 00\n00:01.0 pci".parse().expect("well formed");
    let error = dma_aliases(&text.topology, id("00:02.0")).expect_err("nothing is there");
    assert_eq!(error.to_string(), "the topology has no function at 0000:00:02.0");
}
