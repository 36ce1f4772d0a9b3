//! What `doctor` asks of each target.

use proxy::{Probe, ProbeError};

use super::super::Failure;
use super::{Findings, checks};
use crate::serve::wiring;
use crate::settings::{Settings, Target};

/// Logs into each target, and looks for what would let someone round the gateway.
pub(super) fn check(settings: &Settings, findings: &mut Findings) -> Result<(), Failure> {
    checks::target_settings(settings, findings);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(Failure::failed)?;
    for target in &settings.targets {
        // What is wrong with its secret or its certificates was said above.
        let Ok(wired) = wiring::target(target) else { continue };
        let probe = proxy::probe(wired, wiring::limits(&settings.limits));
        judge(target, runtime.block_on(probe), findings);
    }
    Ok(())
}

fn judge(target: &Target, probe: Result<Probe, ProbeError>, findings: &mut Findings) {
    let about = format!("target {}", target.name);
    let probe = match probe {
        Ok(probe) => probe,
        Err(error @ ProbeError::Unreachable(_)) => {
            let fix = "Check host, port, database, user, password and tls in the settings, and \
                       that the target is running and lets this machine in";
            findings.fail(&about, format!("{}: {error}", target.address()), fix);
            return;
        }
        Err(error @ ProbeError::Catalog(_)) => {
            let fix = "Spell masked columns as the target does; choose masks that fit their types";
            findings.fail(&about, format!("its statements would all be denied: {error}"), fix);
            return;
        }
    };
    let masks = target.masks.len();
    findings.ok(
        &about,
        format!(
            "PostgreSQL {}, logged in as {}, {masks} masked columns exist",
            probe.version, target.user
        ),
    );
    if !probe.attributes.is_empty() {
        findings.warn(
            &about,
            format!("the role {} is {}", target.user, probe.attributes.join(", ")),
            "Give the gateway a role that owns nothing and can do no more than its grants need",
        );
    }
    for (relation, why) in &probe.unusable {
        let fix = "Nothing, unless someone needs it: no grant can name it";
        findings.warn(&about, format!("{relation} cannot be used: {why}"), fix);
    }
    if probe.other_logins > 0 {
        findings.warn(
            &about,
            format!("roles that can log in there round the gateway: {}", probe.other_logins),
            format!(
                "Let pg_hba.conf admit only the gateway: `host {} {} GATEWAY-ADDRESS/32 scram-sha-256`, \
                 then `host {} all all reject`",
                target.database, target.user, target.database
            ),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::super::Level;
    use super::*;

    const SETTINGS: &str = "[gateway]\nname = \"g\"\nstate_dir = \"/s\"\n\
        [listen]\npostgres = \"127.0.0.1:0\"\n[[target]]\nname = \"b\"\nkind = \"postgres\"\n\
        host = \"/run\"\ndatabase = \"b\"\nuser = \"u\"\n";

    #[test]
    fn what_a_target_shows_becomes_findings() {
        let settings = crate::settings::parse(SETTINGS, std::path::Path::new("/")).unwrap();
        let strong = Probe {
            attributes: vec!["SUPERUSER"],
            other_logins: 2,
            unusable: vec![(model::RelationName::new("a", "b"), "a foreign table".into())],
            ..Probe::default()
        };
        #[rustfmt::skip]
        let cases = [
            (Ok(Probe::default()),                              vec![Level::Ok]),
            (Ok(strong),                                        vec![Level::Ok, Level::Warn, Level::Warn, Level::Warn]),
            (Err(ProbeError::Unreachable("refused".into())),    vec![Level::Fail]),
            (Err(ProbeError::Catalog("no such column".into())), vec![Level::Fail]),
        ];
        for (probe, expected) in cases {
            let shown = format!("{probe:?}");
            let mut findings = Findings::default();
            judge(&settings.targets[0], probe, &mut findings);
            let levels: Vec<Level> = findings.0.iter().map(|finding| finding.level).collect();
            assert_eq!(levels, expected, "{shown}");
        }
    }
}
