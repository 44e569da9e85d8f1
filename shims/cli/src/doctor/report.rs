//! The report, for people and in JSON.

use core::fmt::Write as _;

use hba_core::fabric::{Alias, HostMapping};
use hba_core::limits::Limits;
use serde::Serialize;

use super::{Finding, Severity};
use crate::fabric::Fabric;

/// All that doctor has to say.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    controller: &'static str,
    limits: LimitsRow,
    /// From the controller up to the root bus.
    path: Vec<Step>,
    aliases: Vec<AliasRow>,
    findings: Vec<Finding>,
    /// Nothing would fail.
    ok: bool,
}

#[derive(Debug, Serialize)]
struct LimitsRow {
    transfer_max: u32,
    transfer_safe: u32,
    elements_max: u32,
    element_max: u32,
    queue_depth: u16,
    vectors: u16,
    page_size: u32,
    address_bits: u8,
    first_address: u64,
    last_address: u64,
}

#[derive(Debug, Serialize)]
struct Step {
    address: String,
    kind: String,
}

#[derive(Debug, Serialize)]
struct AliasRow {
    id: String,
    /// One word.
    rule: &'static str,
    /// The rule in words.
    reason: String,
    /// `null` where it is not known.
    mapped: Option<bool>,
}

impl Report {
    pub(super) fn new(
        controller: &'static str,
        limits: &Limits,
        fabric: Option<&Fabric>,
        findings: Vec<Finding>,
    ) -> Self {
        Self {
            controller,
            limits: LimitsRow::of(limits, fabric),
            path: fabric.map(path).unwrap_or_default(),
            aliases: fabric.and_then(|f| f.mapping.as_ref()).map(aliases).unwrap_or_default(),
            ok: findings.iter().all(|finding| finding.severity != Severity::Fails),
            findings,
        }
    }

    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        let LimitsRow { transfer_max, transfer_safe, elements_max, queue_depth, .. } = self.limits;
        let _ = writeln!(text, "controller          {}", self.controller);
        let _ = writeln!(
            text,
            "transfers           up to {transfer_max} bytes, {transfer_safe} at any alignment"
        );
        let _ = writeln!(
            text,
            "elements            up to {elements_max} of {} bytes, pages of {}",
            self.limits.element_max, self.limits.page_size
        );
        let _ = writeln!(
            text,
            "commands            {queue_depth} on each of {} vectors",
            self.limits.vectors
        );
        let _ = writeln!(
            text,
            "addresses           {} bits, {:#x} to {:#x}",
            self.limits.address_bits, self.limits.first_address, self.limits.last_address
        );
        if !self.path.is_empty() {
            let _ = writeln!(text, "way to memory");
        }
        for Step { address, kind } in &self.path {
            let _ = writeln!(text, "  {address}  {kind}");
        }
        if !self.aliases.is_empty() {
            let _ = writeln!(text, "requester IDs");
        }
        for AliasRow { id, reason, mapped, .. } in &self.aliases {
            let mapped = match mapped {
                Some(true) => "mapped",
                Some(false) => "NOT MAPPED",
                None => "unknown",
            };
            let _ = writeln!(text, "  {id}  {mapped:<10}  {reason}");
        }
        for Finding { severity, problem, advice } in &self.findings {
            let severity = match severity {
                Severity::Fails => "FAILS",
                Severity::Note => "note",
            };
            let _ = writeln!(text, "{severity}: {problem}\n  -> {advice}");
        }
        let _ =
            writeln!(text, "{}", if self.ok { "nothing would fail" } else { "this would fail" });
        text
    }
}

impl LimitsRow {
    fn of(limits: &Limits, fabric: Option<&Fabric>) -> Self {
        let width = fabric.and_then(|fabric| fabric.device_width);
        let width = width.unwrap_or_else(|| limits.window.width());
        let last = limits.window.last().raw().min(width.last());
        Self {
            transfer_max: limits.transfer_max,
            transfer_safe: limits.transfer_safe(),
            elements_max: limits.elements_max,
            element_max: limits.element_max,
            queue_depth: limits.queue_depth,
            vectors: limits.vectors,
            page_size: limits.page_size,
            address_bits: width.bits(),
            first_address: limits.window.first().raw(),
            last_address: last,
        }
    }
}

fn path(fabric: &Fabric) -> Vec<Step> {
    let Some(controller) = fabric.controller else { return Vec::new() };
    let own = fabric.topology.function(controller).into_iter();
    own.chain(fabric.topology.bridges_above(controller))
        .map(|function| Step {
            address: function.address.to_string(),
            kind: function.kind.to_string(),
        })
        .collect()
}

fn aliases(mapping: &HostMapping) -> Vec<AliasRow> {
    let row = |Alias { id, rule }| AliasRow {
        id: id.to_string(),
        rule: rule.name(),
        reason: rule.to_string(),
        mapped: mapping.mapped().contains(id),
    };
    mapping.aliases().into_iter().flat_map(|aliases| aliases.iter().map(row)).collect()
}
