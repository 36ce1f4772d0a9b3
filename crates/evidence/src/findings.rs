//! What the records say about each assessment objective.
//!
//! **Invariant:** `satisfied` needs an objective that records can decide in full, checks that
//! examined something, and no exception in them. A contradiction outranks everything else.
//!
//! **Invariant:** an objective without a rule here needs attestation; it is never satisfied.

use std::collections::BTreeMap;

use crate::controls::{CONTROLS, Objective};
use crate::report::{Attestation, Check, CheckId, ControlFindings, Coverage, Finding, State};
use crate::rules::{RULES, Reach, Rule};

/// Judges every objective of every control.
pub(crate) fn judge(checks: &[Check]) -> Vec<ControlFindings> {
    let by_id: BTreeMap<CheckId, &Check> = checks.iter().map(|check| (check.id, check)).collect();
    let control = |control: &crate::controls::Control| ControlFindings {
        control: control.id,
        title: control.title,
        findings: control.objectives.iter().map(|objective| find(objective, &by_id)).collect(),
    };
    CONTROLS.iter().map(control).collect()
}

fn find(objective: &Objective, checks: &BTreeMap<CheckId, &Check>) -> Finding {
    let rule = rule(objective.id);
    let asked: Vec<&Check> = rule.checks.iter().filter_map(|id| checks.get(id).copied()).collect();
    let (state, why) = state(objective, rule, &asked);
    Finding {
        objective: objective.id,
        label: objective.label,
        prose: objective.prose,
        coverage: objective.coverage,
        state,
        why,
        implemented: rule.implemented,
        attestation: Attestation { who: rule.who, what: rule.what },
        checks: rule.checks.to_vec(),
        artefacts: rule.artefacts.to_vec(),
    }
}

fn state(objective: &Objective, rule: &Rule, asked: &[&Check]) -> (State, String) {
    let contradictions: Vec<String> = asked
        .iter()
        .filter(|check| !check.exceptions.is_empty())
        .map(|check| format!("{} ({})", check.id.id(), check.exceptions.len()))
        .collect();
    if !contradictions.is_empty() {
        let names = contradictions.join(", ");
        return (State::NotSatisfied, format!("The records contradict it: exceptions in {names}."));
    }
    let is_exercised = asked.iter().any(|check| check.examined > 0);
    let decides = objective.coverage == Coverage::Full
        && match rule.reach {
            Reach::Decided => is_exercised,
            Reach::Listed => true,
            Reach::Open => false,
        };
    if decides {
        return (State::Satisfied, rule.basis.to_owned());
    }
    if objective.coverage == Coverage::Full && rule.reach == Reach::Decided {
        let why = "Nothing in this window exercised it, so the records cannot show that it holds.";
        return (State::NeedsAttestation, why.to_owned());
    }
    (State::NeedsAttestation, rule.basis.to_owned())
}

/// What stands for an objective that the table leaves out.
const OPEN: Rule = Rule {
    objectives: &[],
    checks: &[],
    basis: "The records of a gateway say nothing about it.",
    reach: Reach::Open,
    implemented: None,
    who: "System owner",
    what: "All of it.",
    artefacts: &[],
};

fn rule(objective: &str) -> &'static Rule {
    RULES.iter().find(|rule| rule.objectives.contains(&objective)).unwrap_or(&OPEN)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Exception;

    fn checks(examined: u64) -> Vec<Check> {
        let check = |id: &CheckId| Check {
            id: *id,
            question: id.question(),
            examined,
            exceptions: Vec::new(),
        };
        CheckId::ALL.iter().map(check).collect()
    }

    fn all(controls: Vec<ControlFindings>) -> Vec<Finding> {
        controls.into_iter().flat_map(|control| control.findings).collect()
    }

    #[test]
    fn only_what_records_decide_in_full_is_ever_satisfied() {
        for finding in all(judge(&checks(1))) {
            if finding.state == State::Satisfied {
                assert_eq!(finding.coverage, Coverage::Full, "{}", finding.objective);
            }
            assert!(!finding.attestation.who.is_empty(), "{}", finding.objective);
        }
    }

    #[test]
    fn a_partial_objective_is_not_satisfied_whatever_its_rule_says() {
        let all = checks(1);
        let asked: Vec<&Check> = all.iter().collect();
        for (coverage, expected) in [
            (Coverage::Full, State::Satisfied),
            (Coverage::Partial, State::NeedsAttestation),
            (Coverage::None, State::NeedsAttestation),
        ] {
            let objective = Objective { id: "x", label: "X", prose: "x", coverage };
            for reach in [Reach::Decided, Reach::Listed] {
                assert_eq!(state(&objective, &Rule { reach, ..OPEN }, &asked).0, expected);
            }
        }
    }

    #[test]
    fn what_nothing_exercised_is_not_satisfied() {
        let satisfied = |examined| -> Vec<&'static str> {
            let findings = all(judge(&checks(examined))).into_iter();
            findings.filter(|f| f.state == State::Satisfied).map(|f| f.objective).collect()
        };
        let listed =
            ["ac-2_obj.d.1", "ac-2_obj.d.2", "ac-2_obj.d.3-1", "au-2_obj.a", "au-2_obj.c-1"];
        assert_eq!(satisfied(0), listed);
        assert!(satisfied(1).contains(&"ac-2_obj.i.1") && satisfied(1).len() > listed.len());
    }

    #[test]
    fn every_check_can_contradict_some_objective() {
        for id in CheckId::ALL {
            let mut checks = checks(1);
            let check = checks.iter_mut().find(|check| check.id == *id).unwrap();
            check.exceptions =
                vec![Exception { ledger: "access", record: 7, what: "wrong".into() }];
            let findings = all(judge(&checks));
            let broken: Vec<&Finding> =
                findings.iter().filter(|f| f.state == State::NotSatisfied).collect();
            assert!(!broken.is_empty(), "{}", id.id());
            for finding in broken {
                assert!(finding.checks.contains(id) && finding.why.contains(id.id()));
            }
        }
    }

    #[test]
    fn every_objective_has_a_rule_of_its_own() {
        for objective in CONTROLS.iter().flat_map(|control| control.objectives) {
            assert!(!rule(objective.id).artefacts.is_empty(), "{}", objective.id);
        }
    }
}
