//! What the records say about each assessment objective.
//!
//! **Invariant:** `satisfied` needs an objective that records can decide in full, checks that
//! examined something, and no exception in them. A contradiction outranks everything else.
//!
//! **Invariant:** an objective without a rule here needs attestation; it is never satisfied.

use std::collections::BTreeMap;

use crate::controls::{CONTROLS, Objective};
use crate::report::{Attestation, Check, CheckId, ControlFindings, Coverage, Finding, State};

/// How one objective is judged.
struct Rule {
    /// The checks that can contradict it.
    checks: &'static [CheckId],
    /// What it means if they do not, or why the records cannot decide it.
    basis: &'static str,
    /// Whether the records of this version decide it when the catalogue says that records can.
    reach: Reach,
    /// What the gateway implements for a bracketed parameter.
    implemented: Option<&'static str>,
    /// Who says the rest.
    who: &'static str,
    /// What they say.
    what: &'static str,
    /// The listings that show it.
    artefacts: &'static [&'static str],
}

/// Whether the records decide an objective once the checks hold.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reach {
    /// They do, if the checks examined something.
    Decided,
    /// They do, also where nothing happened: the listing itself is the answer.
    Listed,
    /// They do not.
    Open,
}

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
    let (state, why) = state(objective, &rule, &asked);
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

/// The checks that contradict "access is authorized": each compares a command with the inventory.
const AUTHORIZED: &[CheckId] = &[
    CheckId::ControlCovers,
    CheckId::IdentityKnown,
    CheckId::IdentityStood,
    CheckId::GrantOnRecord,
    CheckId::GrantLive,
    CheckId::ScopeCovers,
    CheckId::DecisionReplays,
    CheckId::GrantsAgree,
    CheckId::AuthorityFresh,
    CheckId::LimitsKept,
];
/// The checks that contradict "what happens is recorded".
const RECORDED: &[CheckId] = &[
    CheckId::SessionKnown,
    CheckId::SequenceDense,
    CheckId::TotalsAgree,
    CheckId::OutcomePresent,
    CheckId::IntentPresent,
];
/// The same, and what each record holds.
const RECORDED_IN_FULL: &[CheckId] = &[
    CheckId::SessionKnown,
    CheckId::SequenceDense,
    CheckId::TotalsAgree,
    CheckId::OutcomePresent,
    CheckId::IntentPresent,
    CheckId::EventContent,
    CheckId::RedactionsAsPlanned,
    CheckId::MasksAsDeclared,
];

#[rustfmt::skip]
fn rule(objective: &str) -> Rule {
    match objective {
        "ac-2_obj.a-1" | "ac-2_obj.a-2" => Rule {
            checks: &[], reach: Reach::Open, implemented: None,
            basis: "The inventory shows the kinds of accounts in use (person, workload). Which kinds are allowed and which are prohibited is a policy text.",
            who: "System owner", what: "The policy that defines the allowed and the prohibited account types, and that the kinds listed agree with it.",
            artefacts: &["inventory"],
        },
        "ac-2_obj.b" => Rule {
            checks: &[CheckId::OwnerPresent], reach: Reach::Open, implemented: None,
            basis: "Each identity names an owner. Whether that person is its appointed account manager is not on record.",
            who: "System owner", what: "That the owners listed are the appointed account managers.",
            artefacts: &["inventory"],
        },
        "ac-2_obj.c" => Rule {
            checks: &[], reach: Reach::Open, implemented: None,
            basis: "The gateway has no groups and no roles: each grant names one identity. The criteria for giving one are the organisation's.",
            who: "Account managers", what: "The prerequisites for a grant, which take the place of group and role membership here.",
            artefacts: &["inventory", "grants"],
        },
        "ac-2_obj.d.1" => Rule {
            checks: &[CheckId::IdentityKnown, CheckId::SessionKnown, CheckId::ControlCovers], reach: Reach::Listed, implemented: None,
            basis: "The inventory lists every identity as of the end of the window, and no command was allowed to any other.",
            who: "Account managers", what: "Keep the inventory current.",
            artefacts: &["inventory", "administration"],
        },
        "ac-2_obj.d.2" => Rule {
            checks: &[CheckId::GrantOnRecord], reach: Reach::Listed, implemented: None,
            basis: "There is no group and no role through which access could be had: each grant names exactly one identity, and all are listed.",
            who: "Account managers", what: "Groups and roles outside the gateway that decide who may use an identity's credential.",
            artefacts: &["inventory", "grants"],
        },
        "ac-2_obj.d.3-1" => Rule {
            checks: &[CheckId::GrantOnRecord], reach: Reach::Listed, implemented: None,
            basis: "Each grant in force is listed with its relations, actions and columns, and every grant used is one of the inventory, with the same hash.",
            who: "Account managers", what: "Nothing more for what passes the gateway.",
            artefacts: &["grants"],
        },
        "ac-2_obj.d.3-2" => Rule {
            checks: &[CheckId::OwnerPresent], reach: Reach::Decided,
            implemented: Some("kind, owner, state, end of the account, end of each credential"),
            basis: "Each identity in the inventory has the attributes that the gateway implements.",
            who: "System owner", what: "That no other attribute is required.",
            artefacts: &["inventory"],
        },
        "ac-2_obj.e" => Rule {
            checks: &[], reach: Reach::Open, implemented: None,
            basis: "The records name who created each identity. An approval apart from that is not recorded by this version.",
            who: "Account managers", what: "Who may approve accounts, and the approval of each identity created in the window.",
            artefacts: &["administration"],
        },
        "ac-2_obj.f-1" | "ac-2_obj.f-2" | "ac-2_obj.f-3" | "ac-2_obj.f-4" | "ac-2_obj.f-5" => Rule {
            checks: &[], reach: Reach::Open, implemented: None,
            basis: "Every change of the inventory is on record with its author, time and reason. An identity is never removed, only disabled. Whether the changes follow the organisation's procedure is not on record.",
            who: "Account managers", what: "The account procedure, and that the changes listed follow it.",
            artefacts: &["administration"],
        },
        "ac-2_obj.g" => Rule {
            checks: RECORDED, reach: Reach::Decided, implemented: None,
            basis: "Every session and command of every identity is on record: numbers without a gap, totals that agree, an outcome for each command.",
            who: "Account managers", what: "That someone looks at what is recorded.",
            artefacts: &["usage", "sessions", "denials", "authentication-failures"],
        },
        "ac-2_obj.h.1" | "ac-2_obj.h.2" | "ac-2_obj.h.3" => Rule {
            checks: &[], reach: Reach::Open, implemented: None,
            basis: "The gateway records when an identity is disabled or expires. It does not learn of people who leave or move, and notifies nobody.",
            who: "Personnel and account managers", what: "That account managers are told in time.",
            artefacts: &["inventory", "administration"],
        },
        "ac-2_obj.i.1" => Rule {
            checks: AUTHORIZED, reach: Reach::Decided, implemented: None,
            basis: "Each command was decided under grants of the inventory that were live and covered all it touched; the same decision comes out again from the records.",
            who: "Account managers", what: "Nothing more for what passes the gateway.",
            artefacts: &["grants", "usage"],
        },
        "ac-2_obj.i.2" => Rule {
            checks: &[CheckId::PurposePresent, CheckId::ScopeCovers, CheckId::DecisionReplays], reach: Reach::Decided, implemented: None,
            basis: "Each grant that was used states the task and the purpose it serves, and no command went beyond its scope.",
            who: "Account managers", what: "That the stated tasks are intended uses of the system.",
            artefacts: &["grants"],
        },
        "ac-2_obj.i.3" => Rule {
            checks: AUTHORIZED, reach: Reach::Decided,
            implemented: Some("state and end of the account, life of its credential, target, relation, action, column, time, commands and rows used"),
            basis: "Each decision rests on the attributes that the gateway implements; the same decision comes out again from the records.",
            who: "System owner", what: "That no other attribute is required.",
            artefacts: &["grants", "usage"],
        },
        "ac-2_obj.j" => Rule {
            checks: &[], reach: Reach::Open, implemented: None,
            basis: "The listings are what a review looks at. That one took place is not recorded by this version.",
            who: "Account managers", what: "The reviews held in the window, by whom, and what followed.",
            artefacts: &["inventory", "grants"],
        },
        "ac-2_obj.k-1" | "ac-2_obj.k-2" => Rule {
            checks: &[], reach: Reach::Open, implemented: None,
            basis: "A token belongs to one identity and the target's credential never leaves the gateway. Whether several people share a token is not on record.",
            who: "Account managers", what: "That no token is shared, or the process for changing it.",
            artefacts: &["inventory", "administration"],
        },
        "ac-2_obj.l-1" | "ac-2_obj.l-2" => Rule {
            checks: &[CheckId::AuthorityFresh], reach: Reach::Open, implemented: None,
            basis: "No command was allowed on authority that had ended more than one second before. The link to personnel processes is the organisation's.",
            who: "Personnel", what: "How termination and transfer reach the account managers.",
            artefacts: &["administration"],
        },
        "ac-6_obj" => Rule {
            checks: AUTHORIZED, reach: Reach::Open, implemented: None,
            basis: "Only what a live grant covers was allowed. What was granted and never used is listed. Which accesses are necessary is a judgement.",
            who: "Account managers", what: "That what is granted is necessary for the tasks named; begin with the grants and columns never used.",
            artefacts: &["grants", "usage", "denials"],
        },
        "au-2_obj.a" => Rule {
            checks: &[], reach: Reach::Listed,
            implemented: Some("the event types listed"),
            basis: "Every record of both ledgers is of a listed type; a record of any other type would have been refused.",
            who: "System owner", what: "That the list serves the audit function.",
            artefacts: &["event-types"],
        },
        "au-2_obj.b" => Rule {
            checks: &[], reach: Reach::Open, implemented: None,
            basis: "Coordination between people leaves no record in a gateway.",
            who: "System owner", what: "With whom the selection of events was coordinated.",
            artefacts: &["event-types"],
        },
        "au-2_obj.c-1" => Rule {
            checks: &[], reach: Reach::Listed,
            implemented: Some("all event types listed; none can be turned off"),
            basis: "The gateway has one selection, all types, and no setting, command or client input that changes it.",
            who: "System owner", what: "That this selection is the organisation's.",
            artefacts: &["event-types"],
        },
        "au-2_obj.c-2" => Rule {
            checks: RECORDED, reach: Reach::Decided,
            implemented: Some("each event, before it takes effect"),
            basis: "Numbers without a gap, totals that agree, an intent and an outcome for each command.",
            who: "System owner", what: "That this frequency is the organisation's.",
            artefacts: &["event-types", "epochs", "unfinished"],
        },
        "au-2_obj.d" => Rule {
            checks: &[], reach: Reach::Open, implemented: None,
            basis: "The listing says when each type is recorded. Why that is adequate is a text.",
            who: "System owner", what: "The rationale.",
            artefacts: &["event-types"],
        },
        "au-2_obj.e" => Rule {
            checks: &[], reach: Reach::Open, implemented: None,
            basis: "Reviews are not recorded by this version.",
            who: "System owner", what: "When the event types were last reviewed.",
            artefacts: &["event-types"],
        },
        "au-12_obj.a" => Rule {
            checks: RECORDED, reach: Reach::Decided,
            implemented: Some("the gateway, for each target named in the control ledger"),
            basis: "The gateway records every event type listed, and the records of the window are complete.",
            who: "System owner", what: "The other components of the system.",
            artefacts: &["event-types", "epochs"],
        },
        "au-12_obj.b" => Rule {
            checks: &[], reach: Reach::Open,
            implemented: Some("nobody selects: all types are always recorded"),
            basis: "The gateway lets nobody leave an event type out. Whether a fixed selection of everything meets the objective is for the organisation to say.",
            who: "System owner", what: "That recording everything is the selection of those who may select.",
            artefacts: &["event-types", "administration"],
        },
        "au-12_obj.c" => Rule {
            checks: RECORDED_IN_FULL, reach: Reach::Open, implemented: None,
            basis: "For what passes the gateway each record has the content of AU-3. That nothing goes round the gateway takes the target's own log, which this package does not hold.",
            who: "Target's administrator", what: "That the target accepts connections from the gateway alone.",
            artefacts: &["event-types", "unfinished", "epochs"],
        },
        _ => Rule {
            checks: &[], reach: Reach::Open, implemented: None,
            basis: "The records of a gateway say nothing about it.",
            who: "System owner", what: "All of it.",
            artefacts: &[],
        },
    }
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
