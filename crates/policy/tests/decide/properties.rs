//! What holds for every statement and every set of grants.

use std::collections::BTreeSet;

use model::{Action, Facts, Limits, RelationName, ScopeEntry, StatementKind};
use policy::{Decision, Usage, check, decide};
use proptest::prelude::*;

use crate::fixture::{Inventory, Made, at, command, facts, grant, reason};

proptest! {
    /// Without a grant nothing that touches a relation is allowed.
    #[test]
    fn no_grant_no_command(wanted in any_facts(), now in 0..400_u64) {
        prop_assume!(!wanted.touches.is_empty());
        prop_assert!(reason(&wanted, &[], now).is_some());
    }

    /// One more grant never turns allow into deny.
    #[test]
    fn adding_a_grant_takes_nothing_away(
        wanted in any_facts(),
        grants in prop::collection::vec(any_grant(), 0..6),
        one_more in any_grant(),
        now in 0..400_u64,
    ) {
        let before = reason(&wanted, &grants, now);
        let mut more = grants;
        more.push(one_more);
        let after = reason(&wanted, &more, now);
        prop_assert!(before.is_some() || after.is_none(), "{after:?}");
    }

    /// Each column of an allowed statement stands in a live grant that the decision names.
    #[test]
    fn an_allowed_statement_is_covered_by_the_grants_it_names(
        wanted in any_facts(),
        grants in prop::collection::vec(any_grant(), 0..6),
        now in 0..400_u64,
    ) {
        let inventory = Inventory::new(&grants);
        let Ok(coverage) = check(&wanted, &inventory.standing(), at(now)) else { return Ok(()) };
        let named: Vec<&Made> = inventory
            .made
            .iter()
            .filter(|made| coverage.grants.iter().any(|grant| grant.hash == made.hash))
            .collect();
        for made in &named {
            prop_assert!(made.grant.not_before <= at(now) && at(now) < made.grant.expires_at);
            prop_assert!(coverage.until <= made.grant.expires_at);
        }
        for touch in &wanted.touches {
            let lines: Vec<&ScopeEntry> = named
                .iter()
                .flat_map(|made| &made.grant.scope)
                .filter(|line| line.relation == touch.relation)
                .filter(|line| line.actions.contains(&touch.action))
                .collect();
            prop_assert!(!lines.is_empty());
            for column in &touch.columns {
                prop_assert!(lines.iter().any(|line| line.columns.contains(column)));
            }
        }
    }

    /// Equal arguments give equal answers, and the order of the grants does not matter.
    #[test]
    fn deciding_depends_on_its_arguments_alone(
        wanted in any_facts(),
        grants in prop::collection::vec(any_grant(), 0..6),
        now in 0..400_u64,
    ) {
        let mut numbered = grants;
        for (index, made) in (10_u64..).zip(&mut numbered) {
            made.renumber(index);
        }
        let (forth, back) = (Inventory::new(&numbered), {
            numbered.reverse();
            Inventory::new(&numbered)
        });
        let first = check(&wanted, &forth.standing(), at(now));
        prop_assert_eq!(&first, &check(&wanted, &forth.standing(), at(now)));
        prop_assert_eq!(&first, &check(&wanted, &back.standing(), at(now)));
        let is_allowed =
            matches!(decide(command(wanted), &forth.standing(), at(now)), Decision::Allow(_));
        prop_assert_eq!(first.is_ok(), is_allowed);
    }
}

fn any_action() -> impl Strategy<Value = Action> {
    prop::sample::select(vec![Action::Select, Action::Insert, Action::Update, Action::Delete])
}

fn any_columns() -> impl Strategy<Value = BTreeSet<String>> {
    prop::collection::btree_set("[a-d]", 0..4)
}

fn any_facts() -> impl Strategy<Value = Facts> {
    let key = ("[r-t]", any_action());
    prop::collection::btree_map(key, any_columns(), 0..4).prop_map(|map| {
        let named = |((relation, action), columns)| {
            ((RelationName::new("billing", relation), action), columns)
        };
        facts(StatementKind::Read, Facts::touches_from(map.into_iter().map(named).collect()))
    })
}

fn any_grant() -> impl Strategy<Value = Made> {
    let line = ("[r-t]", prop::collection::btree_set(any_action(), 1..4), any_columns());
    let lines = prop::collection::vec(line, 0..4);
    let limit = || prop::option::of(0..4_u64);
    (any::<u64>(), lines, 0..300_u64, 0..300_u64, limit(), limit(), 0..4_u64).prop_map(
        |(number, lines, from, length, commands, rows, used)| {
            let mut made = grant(number).during(from, from.saturating_add(length));
            for (relation, actions, columns) in lines {
                let relation = RelationName::new("billing", relation);
                made.grant.scope.push(ScopeEntry { relation, actions, columns });
            }
            made.grant.limits = Limits { commands, rows, bytes: commands };
            made.usage = Usage { commands: used, rows: used, bytes: used };
            made
        },
    )
}
