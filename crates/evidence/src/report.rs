//! The report as data: what `report.json` holds and `report.html` shows.
//!
//! Every number is a count over records; every list names the records it was made from.

use model::{IdentityName, TargetName, Timestamp};

use crate::rows::{
    AdministrationRow, AuthenticationFailureRow, DenialGroup, EpochRow, EventTypeRow, GrantRow,
    IdentityRow, RedactionRow, SessionRow, UnfinishedRow, UseRow,
};

/// Name of the layout of a package. A package of another format needs the program that made it.
pub const FORMAT: &str = "countersign-evidence/1";

/// The time that a package covers: from an instant, inclusive, to an instant, exclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Window {
    /// Start, inclusive.
    pub from: Timestamp,
    /// End, exclusive. The inventory is shown as of this instant.
    pub to: Timestamp,
}

impl Window {
    /// True if the instant is in the window.
    pub fn contains(&self, at: Timestamp) -> bool {
        self.from <= at && at < self.to
    }
}

/// What a package is limited to. Nothing means everything.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Filters {
    /// Only this identity.
    pub identity: Option<IdentityName>,
    /// Only this target.
    pub target: Option<TargetName>,
}

impl Filters {
    /// True if a record about this identity and target is wanted.
    ///
    /// A record that names none of what is filtered for is wanted: leaving it out could hide it.
    pub(crate) fn admit(
        &self,
        identity: Option<&IdentityName>,
        target: Option<&TargetName>,
    ) -> bool {
        let agrees = |wanted: Option<&str>, found: Option<&str>| match (wanted, found) {
            (Some(wanted), Some(found)) => wanted == found,
            (None, _) | (_, None) => true,
        };
        agrees(self.identity.as_ref().map(IdentityName::as_str), identity.map(IdentityName::as_str))
            && agrees(self.target.as_ref().map(TargetName::as_str), target.map(TargetName::as_str))
    }
}

/// Everything that a package says.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct Report {
    /// [`FORMAT`].
    pub format: &'static str,
    /// Version of the program that built it.
    pub tool_version: String,
    /// The time covered.
    pub window: Window,
    /// What it is limited to.
    pub filters: Filters,
    /// The control ledger: identities, grants, targets.
    pub control: LedgerSummary,
    /// The access ledger: sessions, commands, outcomes, denials.
    pub access: LedgerSummary,
    /// The main numbers.
    pub totals: Totals,
    /// What the whole package leaves out.
    pub excludes: Vec<String>,
    /// One per control, with a finding per assessment objective.
    pub controls: Vec<ControlFindings>,
    /// What was examined across the records, and every exception found.
    pub checks: Vec<Check>,
    /// The listings behind the findings.
    pub artefacts: Artefacts,
}

/// One ledger, as far as its checkpoint reaches.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct LedgerSummary {
    /// The ledger's name in its checkpoint.
    pub origin: String,
    /// Number of records under the checkpoint.
    pub size: u64,
    /// Root of their RFC 6962 tree, in hexadecimal.
    pub root: String,
    /// When the first record was made.
    pub first_at: Option<Timestamp>,
    /// When the last record was made.
    pub last_at: Option<Timestamp>,
    /// Index of the first record in the window.
    pub window_first: Option<u64>,
    /// Index of the last record in the window.
    pub window_last: Option<u64>,
    /// Number of records in the window.
    pub window_records: u64,
}

/// The main numbers of the window, after filters.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct Totals {
    /// Identities in the inventory at the end of the window.
    pub identities: u64,
    /// Grants that were in force at some time in the window.
    pub grants: u64,
    /// Of those, grants under which no command was decided in the window.
    pub grants_unused: u64,
    /// Sessions open at some time in the window.
    pub sessions: u64,
    /// Commands allowed.
    pub allowed: u64,
    /// Commands denied.
    pub denied: u64,
    /// Failed authentications.
    pub authentication_failures: u64,
    /// Commands whose end is recorded as unknown.
    pub unknown: u64,
    /// Rows sent to clients.
    pub rows: u64,
    /// Rows changed, as far as the target says.
    pub affected: u64,
    /// Values hidden.
    pub redacted: u64,
    /// Exceptions found by the checks.
    pub exceptions: u64,
}

/// What the records say about one assessment objective.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// The records alone decide it, and it holds.
    Satisfied,
    /// The records contradict it.
    NotSatisfied,
    /// The records support it; a person must say the rest.
    NeedsAttestation,
}

/// How much of an objective the records can decide.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Coverage {
    /// All of it, for what passes the gateway.
    Full,
    /// A part: a person, a policy text or another system is needed too.
    Partial,
    /// None of it: it is the organisation's.
    None,
}

/// A control and the findings on its objectives.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct ControlFindings {
    /// Its id in the NIST SP 800-53 catalogue, for example `ac-2`.
    pub control: &'static str,
    /// Its title.
    pub title: &'static str,
    /// One per assessment objective of SP 800-53A.
    pub findings: Vec<Finding>,
}

/// What the records say about one assessment objective, and why.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct Finding {
    /// Its id, for example `ac-2_obj.d.1`.
    pub objective: &'static str,
    /// Its label in SP 800-53A, for example `AC-02d.01`.
    pub label: &'static str,
    /// Its text in SP 800-53A.
    pub prose: &'static str,
    /// How much of it the records can decide.
    pub coverage: Coverage,
    /// What they say.
    pub state: State,
    /// Why.
    pub why: String,
    /// The value that the gateway implements for the objective's bracketed parameter.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub implemented: Option<&'static str>,
    /// Who must say what the records cannot, or what remains theirs.
    pub attestation: Attestation,
    /// The checks that could contradict it.
    pub checks: Vec<CheckId>,
    /// The listings that show it.
    pub artefacts: Vec<&'static str>,
}

/// What a person must say.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct Attestation {
    /// Who.
    pub who: &'static str,
    /// What.
    pub what: &'static str,
}

macro_rules! define_checks {
    ($($(#[$doc:meta])* $name:ident => $id:literal, $question:literal;)*) => {
        /// One question asked of all the records in scope.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
        #[non_exhaustive]
        pub enum CheckId {
            $(#[doc = $question] #[serde(rename = $id)] $name,)*
        }

        impl CheckId {
            /// Every check, in the order of the report.
            pub(crate) const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The check's name.
            pub fn id(self) -> &'static str {
                match self { $(Self::$name => $id,)* }
            }

            /// The question, in words.
            pub fn question(self) -> &'static str {
                match self { $(Self::$name => $question,)* }
            }
        }
    };
}

define_checks! {
    SessionKnown => "session.known",
        "Does each command and denial name a session opened before it, with that identity and target?";
    SequenceDense => "session.sequence",
        "Do the sequence numbers of each session run 1, 2, 3 … without a gap or a repetition?";
    TotalsAgree => "session.total",
        "Does each session's closing record name the number of commands that were recorded?";
    OutcomePresent => "command.outcome",
        "Has each allowed command exactly one outcome, unless it was running when the checkpoint was made?";
    IntentPresent => "command.intent",
        "Has each outcome its earlier record of the command being allowed?";
    ControlCovers => "control.covers",
        "Does the control ledger in this package reach as far as the size under which each decision was made?";
    IdentityKnown => "identity.known",
        "Was each session's and each command's identity in the inventory?";
    IdentityStood => "identity.stood",
        "Was each command's identity enabled, not expired and with a live credential?";
    GrantOnRecord => "grant.on-record",
        "Is each grant that a command names in the inventory with that hash, for that identity and target?";
    GrantLive => "grant.live",
        "Was each grant that a command names in its window and not revoked?";
    ScopeCovers => "grant.scope",
        "Do the grants that a command names together cover every relation, action and column it touched?";
    DecisionReplays => "decision.replay",
        "Does the same decision come out again, from the inventory at that time and the use of each grant so far?";
    GrantsAgree => "decision.grants",
        "Does the replayed decision rest on the same grants as the recorded one?";
    AuthorityFresh => "authority.fresh",
        "Was each decision made with every revocation, disabling and expiry that was older than one second?";
    LimitsKept => "grant.limits",
        "Is each grant's use, over its whole life, within its limits on commands and rows?";
    MasksAsDeclared => "mask.declared",
        "Was each masked column hidden as the target's settings declared at that time?";
    RedactionsAsPlanned => "mask.planned",
        "Is each redaction of an outcome one that the command's record planned?";
    OwnerPresent => "inventory.owner",
        "Has each identity in the inventory an owner?";
    PurposePresent => "grant.purpose",
        "Has each grant that was used a task and a purpose?";
    EventContent => "record.content",
        "Has each command's record what, when, where, from where, how it ended and who?";
}

/// A question asked of the records in scope, and what answered it badly.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct Check {
    /// Which.
    pub id: CheckId,
    /// The question.
    pub question: &'static str,
    /// How many things were examined.
    pub examined: u64,
    /// Each thing that answers "no".
    pub exceptions: Vec<Exception>,
}

/// One thing that a check found wrong.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[non_exhaustive]
pub struct Exception {
    /// Which ledger the record is in: `access` or `control`.
    pub ledger: &'static str,
    /// The record's index.
    pub record: u64,
    /// What is wrong.
    pub what: String,
}

/// What a listing was made from.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct Basis {
    /// `access` or `control`.
    pub ledger: &'static str,
    /// First and last index of the records read, inclusive. Nothing if none was.
    pub records: Option<(u64, u64)>,
    /// The ledger's name in its checkpoint.
    pub origin: String,
    /// Size in the checkpoint.
    pub size: u64,
    /// Root in the checkpoint, in hexadecimal.
    pub root: String,
}

/// A listing, with what an assessor first asks: from what, by which query, how many, without what.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct Artefact<T> {
    /// Its name.
    pub id: &'static str,
    /// Its title.
    pub title: &'static str,
    /// How it was made, in words.
    pub query: &'static str,
    /// What it was made from.
    pub basis: Vec<Basis>,
    /// What it leaves out.
    pub excludes: Vec<String>,
    /// The population of which each row is a part, if it is a file of the package.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub population: Option<&'static str>,
    /// Number of rows.
    pub count: u64,
    /// The rows.
    pub rows: Vec<T>,
}

/// The listings.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct Artefacts {
    /// Who is in the inventory.
    pub inventory: Artefact<IdentityRow>,
    /// What was granted, and what was used of it.
    pub grants: Artefact<GrantRow>,
    /// What each identity did.
    pub usage: Artefact<UseRow>,
    /// What was denied, by reason.
    pub denials: Artefact<DenialGroup>,
    /// What was hidden.
    pub redactions: Artefact<RedactionRow>,
    /// Commands without a known end.
    pub unfinished: Artefact<UnfinishedRow>,
    /// Who was connected.
    pub sessions: Artefact<SessionRow>,
    /// Who failed to connect.
    pub authentication_failures: Artefact<AuthenticationFailureRow>,
    /// What was changed in the inventory and the settings.
    pub administration: Artefact<AdministrationRow>,
    /// Which event types exist and how many records there are of each.
    pub event_types: Artefact<EventTypeRow>,
    /// When the gateway ran.
    pub epochs: Artefact<EpochRow>,
}
