//! Runs the attack corpus against the analysis alone, without a target.
//!
//! Each item says what a sound gateway does with it; here an item that must be denied must be
//! refused, or touch what its grant does not cover.

use crate::common::{self, analyse, catalog, corpus, grants, is_covered, on_large_stack};
use crate::raw::raw_columns;

/// What became of a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Allowed,
    Masked,
    NotSupported,
    Denied,
}

#[test]
fn every_attack_is_denied_or_masked_and_every_control_passes() {
    on_large_stack(run);
}

fn run() {
    let catalog = catalog();
    let reviewed = common::reviewed();
    let mut counts = std::collections::BTreeMap::<(String, String), usize>::new();
    let mut wrong = Vec::new();
    for item in corpus() {
        let text = |key: &str| item[key].as_str().unwrap_or_default().to_owned();
        let expected = item["expected"]["decision"].as_str().expect("a decision").to_owned();
        let statements = item["statements"].as_array().expect("statements");
        let grants = grants(&text("grant"));
        let verdicts: Vec<(Verdict, String)> = statements
            .iter()
            .filter_map(serde_json::Value::as_str)
            .map(|statement| verdict(&catalog, &grants, statement))
            .collect();
        let verdict = |verdict| verdicts.iter().any(|(found, _)| *found == verdict);
        let is_stopped = verdict(Verdict::Denied) || verdict(Verdict::NotSupported);
        // A masked column that stays bare through a subquery may be selected: only its mask leaves.
        let is_masked = verdict(Verdict::Masked);
        // The relation of this grant is a view that shows nothing but constants itself.
        let is_masked_view = text("grant") == "GV";
        let is_right = match expected.as_str() {
            "deny" if reviewed.contains(&text("id")) => true,
            "deny" | "mask_or_deny" => is_stopped || is_masked,
            "allow" | "allow_or_emulate" => !is_stopped,
            "mask" => !is_stopped && (is_masked || is_masked_view),
            // The target's answers are compared elsewhere, on two databases.
            _ => true,
        };
        let name = if verdict(Verdict::Denied) {
            "denied"
        } else if verdict(Verdict::NotSupported) {
            "denied, not supported yet"
        } else if verdict(Verdict::Masked) {
            "rewritten to masks"
        } else {
            "allowed"
        };
        *counts.entry((expected.clone(), name.to_owned())).or_default() += 1;
        if !is_right {
            wrong.push(format!("{} [{expected}] {verdicts:#?} {statements:?}", text("id")));
        }
    }
    for ((expected, name), count) in &counts {
        println!("expected {expected:17} {name:26} {count}");
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

fn verdict(catalog: &sql::Catalog, grants: &common::Grants, statement: &str) -> (Verdict, String) {
    match analyse(catalog, grants, statement) {
        Ok(plan) if !is_covered(&plan.facts, grants) => (Verdict::Denied, "not covered".to_owned()),
        Ok(plan) if !raw_columns(&plan.forward).is_empty() => {
            panic!("a raw masked column in {}", plan.forward)
        }
        Ok(plan) if plan.facts.masked.is_empty() => (Verdict::Allowed, plan.forward.to_string()),
        Ok(plan) => (Verdict::Masked, plan.forward.to_string()),
        Err(refusal) if refusal.supported_later => (Verdict::NotSupported, refusal.code.to_owned()),
        Err(refusal) => (Verdict::Denied, format!("{}: {}", refusal.code, refusal.message)),
    }
}
