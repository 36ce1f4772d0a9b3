//! The target's errors and notices on their way to the client: whether anything is hidden from it
//! now, and where in its own text the target points.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use model::{Action, RelationName, Timestamp};
use pgwire::backend::Report;
use sql::Catalog;

use crate::clock;
use crate::errors::{self, Names, Origin, Told};
use crate::gate::Gate;
use crate::identified::Who;
use crate::planning::ANALYSIS_MAX;
use crate::reply::{Reply, Running};
use crate::session::{Ending, Session};
use crate::target::Target;

/// A statement as the client wrote it, and as it was forwarded.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) text: Arc<str>,
    pub(crate) forwarded: Arc<str>,
}

/// Until when nothing on the target is hidden from a client, under one catalog and inventory.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OpenUntil {
    catalog_version: u64,
    control_size: u64,
    end: Timestamp,
}

impl Session {
    /// The client's error for an error of the target.
    pub(crate) async fn error_for_client(
        &mut self,
        report: &Report,
        origin: Origin,
        asked: Option<Asked>,
    ) -> Result<Bytes, Ending> {
        if errors::says_plan_changed(report) {
            // The client prepares it again: on the catalog as it is now.
            self.distrust_catalog();
        }
        let origin = if self.hides_nothing() { Origin::Open } else { origin };
        let told = self.told(report, asked).await?;
        Ok(errors::error(report, origin, &told))
    }

    /// The client's notice for a notice of the target.
    pub(crate) async fn notice_for_client(
        &mut self,
        report: &Report,
    ) -> Result<Option<Bytes>, Ending> {
        let origin = if self.hides_nothing() { Origin::Open } else { Origin::Hidden };
        let asked = self.replies.front().and_then(|(_, reply)| match reply {
            Reply::Parse(_, asked) => Some(asked.clone()),
            Reply::Commands(left) => left.front().map(|running| self.asked(running)),
            Reply::BindAlone(_, running) => Some(self.asked(running)),
            Reply::Bind(..)
            | Reply::Close(_)
            | Reply::Check(_)
            | Reply::Describe(_)
            | Reply::Unparsable(_)
            | Reply::Ready
            | Reply::Restore => None,
        });
        let told = self.told(report, asked).await?;
        Ok(errors::notice(report, origin, &told))
    }

    /// The text in which the target counts places while it runs a command: that of the whole Query
    /// if there are several statements in it.
    pub(crate) fn asked(&self, running: &Running) -> Asked {
        let own = || {
            let command = running.permit.command();
            Asked { text: Arc::clone(&command.text), forwarded: Arc::clone(&command.forwarded) }
        };
        self.batch.script.clone().unwrap_or_else(own)
    }

    /// How the client's statement differs from the one that the target speaks of.
    async fn told(&self, report: &Report, asked: Option<Asked>) -> Result<Told, Ending> {
        let says_system = asked.as_ref().is_none_or(|asked| asked.text.contains("pg_catalog"));
        let place = match asked {
            Some(asked) => self.place(report, asked).await?,
            None => None,
        };
        let identity = self.who.identity.as_str();
        let schema = |name: &String| if name == "$user" { identity } else { name }.to_owned();
        let search_path = self.settings.search_path.iter().map(schema).collect();
        let names = Names { search_path, catalog: self.target.catalog(), says_system };
        Ok(Told { place, names, shows_relation: self.shows_relation(report) })
    }

    /// True if live grants let the client read every column of the relation that a report names, and
    /// none of them is masked.
    fn shows_relation(&self, report: &Report) -> bool {
        let (Some(schema), Some(name)) = (report.field(b's'), report.field(b't')) else {
            return false;
        };
        let Some(catalog) = self.target.catalog() else { return false };
        let registry = self.gate.registry();
        let relation = RelationName::new(&*schema, &*name);
        let grants = registry.live_grants(&self.who.identity, &self.target.name, clock::now());
        let covered: BTreeSet<String> = grants
            .flat_map(|live| &live.grant.scope)
            .filter(|entry| entry.relation == relation && entry.actions.contains(&Action::Select))
            .flat_map(|entry| entry.columns.iter().cloned())
            .collect();
        catalog.shows(&relation, &covered)
    }

    /// Where in the client's text the target points. It is worked out only when it does.
    async fn place(&self, report: &Report, asked: Asked) -> Result<Option<u32>, Ending> {
        let Some(there) = errors::place(report) else { return Ok(None) };
        let Asked { text, forwarded } = asked;
        let finding = self.gate.parsers.run(move || sql::place_in_client(&text, &forwarded, there));
        match tokio::time::timeout(ANALYSIS_MAX, finding).await {
            Ok(place) => Ok(place?),
            Err(_elapsed) => Ok(None),
        }
    }

    /// True if no column is masked on the target, and live grants let the client read every column
    /// of every relation: then no text of the target's can show what is hidden.
    ///
    /// The answer is kept until the catalog or the inventory changes, or a grant ends.
    pub(crate) fn hides_nothing(&mut self) -> bool {
        let Some(catalog) = self.target.catalog() else { return false };
        let now = clock::now();
        let control_size = self.gate.registry().size();
        let is_known = self.open_until.is_some_and(|open| {
            open.catalog_version == catalog.version() && open.control_size == control_size
        });
        if !is_known {
            let end = open_until(&self.gate, &self.who, &self.target, &catalog);
            let catalog_version = catalog.version();
            self.open_until = Some(OpenUntil { catalog_version, control_size, end });
        }
        self.open_until.is_some_and(|open| now < open.end)
    }
}

/// When the first column is covered no longer. Already over if one is not covered at all.
fn open_until(gate: &Gate, who: &Who, target: &Target, catalog: &Catalog) -> Timestamp {
    let registry = gate.registry();
    let now = clock::now();
    let mut grants: Vec<_> = registry
        .live_grants(&who.identity, &target.name, now)
        .map(|entry| (entry.grant.expires_at, &entry.grant.scope))
        .collect();
    // Longest-lived first: the grant that makes the cover whole is the first of it to end.
    grants.sort_by_key(|(end, _)| std::cmp::Reverse(*end));
    let mut covered: BTreeMap<&RelationName, BTreeSet<String>> = BTreeMap::new();
    for (end, scope) in grants {
        for entry in scope.iter().filter(|entry| entry.actions.contains(&Action::Select)) {
            covered.entry(&entry.relation).or_default().extend(entry.columns.iter().cloned());
        }
        if catalog.shows_all(|relation| covered.get(relation).cloned().unwrap_or_default()) {
            return end;
        }
    }
    Timestamp::EPOCH
}
