//! Judges what a client got to see.

use std::collections::BTreeMap;
use std::fmt;

use crate::corpus::{Item, Transcript, Twin};
use crate::wire_answer::{Message, SqlError, cells};

/// What the mask `full` puts in place of a text.
const FULL_MASK: &[u8] = b"********";
/// Secrets whose values are small numbers: they count only as a whole cell.
const NUMBERS: [&str; 2] = ["BAL", "HRA"];
/// Object ids from here on are given by the database, and differ between twins without meaning.
const FIRST_NORMAL_OBJECT_ID: u32 = 16_384;

/// What became of an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// Something of it was refused.
    Denied,
    /// Something of it was refused, only because the gateway does not support it yet (`0A000`).
    NotSupportedYet,
    /// Nothing was refused, and masks stand in the answer.
    Masked,
    /// Nothing was refused.
    Allowed,
    /// The target itself reported an error.
    Failed,
}

/// Counts of verdicts, and all that must not be.
#[derive(Debug, Default)]
pub struct Report {
    /// How many items, by verdict.
    pub counts: BTreeMap<Verdict, usize>,
    /// Items with a wrong outcome.
    pub faults: Vec<Fault>,
    /// Items that the corpus wants denied, and that went through without a leak.
    pub clean_though_deny: Vec<String>,
}

/// One thing that must not be.
#[derive(Clone, Debug)]
pub struct Fault {
    /// What sort it is of.
    pub kind: FaultKind,
    /// The item, the mode, and what was wrong.
    pub text: String,
}

/// Sorts of faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FaultKind {
    /// A secret stands in what the client got.
    Leak,
    /// What the client got tells one database from another.
    Difference,
    /// A harmless item was refused.
    Control,
    /// What was refused reached the target.
    Executed,
    /// What was refused is not on record.
    Record,
}

impl FaultKind {
    /// True if the client has learnt what it must not know.
    pub fn is_leak(self) -> bool {
        match self {
            Self::Leak | Self::Difference => true,
            Self::Control | Self::Executed | Self::Record => false,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.kind, self.text)
    }
}

impl Verdict {
    /// Judges one transcript, leaks aside.
    pub fn of(transcript: &Transcript) -> Self {
        let errors: Vec<SqlError> = transcript
            .messages
            .iter()
            .filter(|message| message.kind == b'E')
            .map(|message| SqlError::parse(&message.body))
            .collect();
        // Classes of refusals: 42 (names, rights, grammar), 28 and 08 (login, protocol), 25, 34 and 26
        // (transaction, portal, statement gone), 53, 54 and 57 (limits), 22021 (text that is none),
        // 22023 (a setting's value); and whatever ends the session.
        let classes = ["42", "28", "08", "25", "34", "26", "53", "54", "57", "22021", "22023"];
        let is_refusal = |error: &SqlError| {
            error.fields.contains(&('S', "FATAL".to_owned()))
                || classes.iter().any(|class| error.sqlstate.starts_with(class))
        };
        if errors.iter().any(is_refusal) || (errors.is_empty() && transcript.closed) {
            Self::Denied
        } else if errors.iter().any(|error| error.sqlstate.starts_with("0A")) {
            Self::NotSupportedYet
        } else if !errors.is_empty() {
            Self::Failed
        } else if contains(&transcript.bytes, FULL_MASK) {
            Self::Masked
        } else {
            Self::Allowed
        }
    }

    /// True if something was refused by the gateway.
    pub fn is_refusal(self) -> bool {
        match self {
            Self::Denied | Self::NotSupportedYet => true,
            Self::Masked | Self::Allowed | Self::Failed => false,
        }
    }
}

impl Report {
    /// Looks for secrets in what a client got: also in runs that are not judged, because they are made
    /// again.
    pub fn look_for_secrets(
        &mut self,
        item: &Item,
        how: &str,
        runs: &[Transcript; 3],
        twins: &[Twin; 3],
    ) {
        for (run, twin) in runs.iter().zip(twins) {
            for canary in leaks(item, run, twin, &twins[0]) {
                let what = format!("`{canary}` on {}", twin.name);
                self.fault(FaultKind::Leak, (item, how), &what);
            }
        }
    }

    /// Judges one item by its runs on the twin, its clone and the other twin.
    pub fn judge(
        &mut self,
        item: &Item,
        how: &str,
        runs: &[Transcript; 3],
        twins: &[Twin; 3],
    ) -> Verdict {
        let verdict = Verdict::of(&runs[0]);
        *self.counts.entry(verdict).or_default() += 1;
        self.look_for_secrets(item, how, runs, twins);
        let seen = [0, 1, 2].map(|twin| normalised(&runs[twin], twins[twin].name));
        if seen[0] != seen[2] {
            let (other, what) = if seen[0] == seen[1] {
                (&seen[2], "between twins")
            } else {
                (&seen[1], "on equal databases")
            };
            let what = format!("{what}: {}", difference(&seen[0], other));
            self.fault(FaultKind::Difference, (item, how), &what);
        }
        match item.decision.as_str() {
            "allow" | "allow_or_emulate"
                if !matches!(verdict, Verdict::Allowed | Verdict::Masked) =>
            {
                let errors = runs[0].messages.iter().filter(|message| message.kind == b'E');
                let what = format!("{:?}", errors.collect::<Vec<_>>());
                self.fault(FaultKind::Control, (item, how), &what);
            }
            "deny" if !verdict.is_refusal() => {
                let said = told(&runs[0]);
                self.clean_though_deny.push(format!("{} ({how}): {verdict:?} {said}", item.id));
            }
            _ => {}
        }
        verdict
    }

    /// Notes what must not be.
    pub fn fault(&mut self, kind: FaultKind, (item, how): (&Item, &str), what: &str) {
        let text = format!("{} ({how}): {what}", item.id);
        self.faults.push(Fault { kind, text });
    }

    /// True if the client has learnt what it must not know.
    pub fn has_leak(&self) -> bool {
        self.faults.iter().any(|fault| fault.kind.is_leak())
    }

    /// How many items were tried.
    pub fn tried(&self) -> usize {
        self.counts.values().sum()
    }

    /// How many items ended like this.
    pub fn count(&self, verdict: Verdict) -> usize {
        self.counts.get(&verdict).copied().unwrap_or(0)
    }

    /// How many faults there are of a sort.
    pub fn faults_of(&self, kind: FaultKind) -> usize {
        self.faults.iter().filter(|fault| fault.kind == kind).count()
    }
}

impl fmt::Display for Report {
    /// One line of the table that `scripts/corpus` prints.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let refused = self.count(Verdict::Denied) + self.count(Verdict::NotSupportedYet);
        write!(
            f,
            "{:>5} | {refused:>6} | {:>6} | {:>7} | {:>6} | {:>5} | {:>11} | {:>8} | {:>8} | {:>6}",
            self.tried(),
            self.count(Verdict::Masked),
            self.count(Verdict::Allowed),
            self.count(Verdict::Failed),
            self.faults_of(FaultKind::Leak),
            self.faults_of(FaultKind::Difference),
            self.faults_of(FaultKind::Executed),
            self.faults_of(FaultKind::Control),
            self.faults_of(FaultKind::Record),
        )
    }
}

/// What the columns of a [`Report`]'s line are.
pub const COLUMNS: &str = "tried | denied | masked | allowed | failed | leaks | twins differ | \
     executed | controls | record";

/// The secrets that occur in what the client got, unless the client itself sent them.
fn leaks(item: &Item, run: &Transcript, twin: &Twin, first: &Twin) -> Vec<String> {
    let sent = item.sent();
    let mut canaries: Vec<(String, bool)> = Vec::new();
    for token in &item.must_not_appear {
        if token == "@all" {
            let all = twin.secrets.iter().filter(|(_, value)| *value != "NULL");
            canaries
                .extend(all.map(|(name, value)| (value.clone(), NUMBERS.contains(&&name[..3]))));
            continue;
        }
        let name = first.secrets.iter().find(|(_, value)| *value == token).map(|(name, _)| name);
        let value = name.map_or(token, |name| &twin.secrets[name]);
        canaries.push((value.clone(), value.len() < 5));
    }
    canaries.retain(|(value, is_whole_cell)| {
        let found = if *is_whole_cell {
            is_a_cell(run, value)
        } else {
            contains(&run.bytes, value.as_bytes())
        };
        found && !sent.contains(value.as_str())
    });
    canaries.into_iter().map(|(value, _)| value).collect()
}

/// True if the number is a whole cell of a row or of a COPY, as text or in binary.
fn is_a_cell(run: &Transcript, value: &str) -> bool {
    let binary: Vec<Vec<u8>> = match value.parse::<i32>() {
        Ok(number) => vec![number.to_be_bytes().into(), i64::from(number).to_be_bytes().into()],
        Err(_) => Vec::new(),
    };
    run.messages.iter().any(|message| match message.kind {
        b'D' => {
            let found = |cell: Vec<u8>| cell == value.as_bytes() || binary.contains(&cell);
            cells(&message.body).into_iter().flatten().any(found)
        }
        b'd' => {
            let separators = |byte: &u8| matches!(byte, b'\t' | b'\n' | b',' | b'"');
            let is_text = message.body.split(separators).any(|cell| cell == value.as_bytes());
            is_text
                || binary.iter().any(|cell| {
                    let length = i32::try_from(cell.len()).unwrap().to_be_bytes();
                    contains(&message.body, &[&length[..], cell].concat())
                })
        }
        _ => false,
    })
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    if let Ok(part) = std::str::from_utf8(part) {
        // Faster by far for a large answer, and the same: a part that is text is found as text.
        return String::from_utf8_lossy(bytes).contains(part);
    }
    bytes.windows(part.len()).any(|window| window == part)
}

/// True if what the client got on the two does not tell one from the other.
pub fn are_alike(one: (&Transcript, &Twin), other: (&Transcript, &Twin)) -> bool {
    normalised(one.0, one.1.name) == normalised(other.0, other.1.name)
}

/// True if the runs are alike. Where one is not, that may hang on the moment at which its session was
/// closed; what hangs on a value differs each time.
pub fn all_are_alike(runs: &[Transcript; 3], twins: &[Twin; 3]) -> bool {
    let seen = [0, 1, 2].map(|twin| normalised(&runs[twin], twins[twin].name));
    seen[0] == seen[1] && seen[0] == seen[2]
}

/// The messages, without what differs between any two databases.
fn normalised(run: &Transcript, target: &str) -> Vec<Message> {
    let messages = run.messages.iter().filter(|message| !matches!(message.kind, b'K' | b'R'));
    messages
        .map(|message| Message { kind: message.kind, body: normalised_body(message, target) })
        .collect()
}

fn normalised_body(message: &Message, target: &str) -> Vec<u8> {
    let mut body = message.body.clone();
    if message.kind == b'T' {
        let mut at = 2;
        for _ in 0..i16::from_be_bytes([body[0], body[1]]) {
            at += body[at..].iter().position(|&byte| byte == 0).unwrap() + 1;
            for oid in [at, at + 6] {
                blank_object_id(&mut body[oid..oid + 4]);
            }
            at += 18;
        }
    } else if message.kind == b't' {
        body[2..].chunks_exact_mut(4).for_each(blank_object_id);
    }
    for prefix in [target, "ses_", "cmd_", "css_", "pg_toast_", "pg_temp_"] {
        blank_after(&mut body, prefix, prefix == target);
    }
    body
}

fn blank_object_id(oid: &mut [u8]) {
    if u32::from_be_bytes([oid[0], oid[1], oid[2], oid[3]]) >= FIRST_NORMAL_OBJECT_ID {
        oid.fill(0xff);
    }
}

/// Blanks the target's name itself, or the letters and digits that follow an id's prefix.
fn blank_after(body: &mut [u8], prefix: &str, itself: bool) {
    let starts: Vec<usize> =
        (0..body.len()).filter(|&at| body[at..].starts_with(prefix.as_bytes())).collect();
    for at in starts {
        if itself {
            body[at..at + prefix.len()].fill(b'#');
        } else {
            let id = &mut body[at + prefix.len()..];
            id.iter_mut()
                .take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_')
                .for_each(|byte| *byte = b'#');
        }
    }
}

/// The errors and tags of a run, for the report.
pub fn told(run: &Transcript) -> String {
    let told = run.messages.iter().filter(|message| matches!(message.kind, b'E' | b'C'));
    format!("{:?}", told.collect::<Vec<_>>())
}

fn difference(left: &[Message], right: &[Message]) -> String {
    let pair = left.iter().zip(right).find(|(left, right)| left != right);
    pair.map_or_else(
        || format!("{} and {} messages", left.len(), right.len()),
        |(left, right)| format!("{left:?} and {right:?}"),
    )
}
