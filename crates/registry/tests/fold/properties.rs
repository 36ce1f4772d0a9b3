//! What holds for every sequence of control records.

use model::ControlEvent;
use policy::Usage;
use proptest::prelude::*;
use registry::Registry;

use crate::fixture::{
    apply, at, certified, created, created_until, credential, disabled, enabled, grant, granted,
    issued, name, revoked, target, token_revoked,
};

proptest! {
    /// Applying the same records gives the same inventory, and those refused leave no trace.
    #[test]
    fn the_fold_is_deterministic(events in any_events()) {
        let (mut all, mut accepted) = (Registry::default(), Registry::default());
        for (now, event) in events {
            if apply(&mut all, now, event.clone()).is_ok() {
                prop_assert_eq!(apply(&mut accepted, now, event), Ok(()));
            }
        }
        prop_assert_eq!(all, accepted);
    }

    /// Whatever happens, an identity has at most one token that is not revoked, and a standing
    /// holds no grant that is revoked, of someone else, or elsewhere.
    #[test]
    fn no_standing_holds_what_has_ended(events in any_events(), now in 0..200_u64) {
        let mut registry = Registry::default();
        for (now, event) in events {
            let _refused = apply(&mut registry, now, event);
        }
        for user in USERS {
            let user = name(user);
            let live = registry.credentials().filter(|own| {
                own.identity == user && own.certificate().is_none()
            });
            prop_assert!(live.filter(|own| own.revoked.is_none()).count() <= 1);
            let (target, none) = (target(), |_| Usage::default());
            let Some(standing) = registry.standing(&user, credential(0), &target, &none) else {
                continue;
            };
            for live in standing.grants {
                prop_assert_eq!(&live.grant.identity, &user);
                prop_assert!(registry.grant(live.grant.id).unwrap().revoked.is_none());
            }
            let live = registry.grants().filter(|entry| {
                entry.grant.identity == user && entry.is_live(at(now))
            });
            prop_assert_eq!(
                live.map(|entry| entry.grant.id).collect::<std::collections::BTreeSet<_>>(),
                registry.live_grants(&user, &target, at(now)).map(|entry| entry.grant.id).collect()
            );
        }
    }
}

const USERS: [&str; 3] = ["ada", "agent", "bob"];

fn any_events() -> impl Strategy<Value = Vec<(u64, ControlEvent)>> {
    let user = prop::sample::select(USERS.to_vec());
    let event = (0..9_u8, user, 0..4_u64, 0..100_u64, 0..200_u64).prop_map(
        |(kind, user, number, from, to)| match kind {
            0 => created(user),
            1 => created_until(user, to),
            2 => disabled(user),
            3 => enabled(user),
            4 => issued(number, user, to),
            5 => token_revoked(number),
            6 => certified(number.saturating_add(10), user, from % 3, to),
            7 => granted(&grant(number, user, from, to)),
            _ => revoked(number),
        },
    );
    prop::collection::vec((0..100_u64, event), 0..40)
}
