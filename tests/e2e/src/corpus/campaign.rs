//! Runs every statement of the corpus in every mode.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use crate::corpus::statements::Connections;
use crate::corpus::verdict::FaultKind;
use crate::corpus::{Corpus, Item, Mode, Report, Transcript, Work, World, verdict};
use crate::ledger::{Commands, Record};
use crate::target_log;

/// Identities that hold the corpus' grants.
const HOLDERS: [&str; 3] = ["svc", "ephw", "ephv"];

/// Roles belong to the cluster: only one campaign at a time changes some.
static ROLES: Mutex<()> = Mutex::new(());

static TURNS: Turns = Turns { free: Mutex::new(ITEMS_AT_A_TIME), is_free: Condvar::new() };

/// Lets so many work at a time.
struct Turns {
    free: Mutex<usize>,
    is_free: Condvar,
}

struct Turn<'a>(&'a Turns);

impl Turns {
    fn take(&self) -> Turn<'_> {
        let free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let mut free = self
            .is_free
            .wait_while(free, |free| *free == 0)
            .unwrap_or_else(PoisonError::into_inner);
        *free -= 1;
        Turn(self)
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        *self.0.free.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        self.0.is_free.notify_one();
    }
}

/// What PostgreSQL itself refuses in a mode, for another reason than what it reaches: cursors of
/// queries that write, `DISCARD ALL` among others, parameters without a type.
const REFUSED_BY_TARGET: [(&str, Mode); 5] = [
    ("sql.error_write.cte_dml", Mode::Cursor),
    ("sql.error_write.cte_delete", Mode::Cursor),
    ("sql.role.discard_all", Mode::Script),
    ("sql.function.col_desc", Mode::Parameters),
    ("sql.error_write.merge_returning", Mode::Parameters),
];

/// How many items run at a time: a gateway that has more to do than it can refuses some.
const ITEMS_AT_A_TIME: usize = 4;
/// How often an item runs when the gateway says that it is busy.
const ATTEMPTS_MAX: u32 = 12;
/// How long it waits before the second attempt; longer before each that follows.
const PAUSE: Duration = Duration::from_millis(100);
const BUSY: &[u8] = b"could not be analysed in time";
/// What a client reads whose statement met a change of what it uses, such as another item makes: it
/// should run its transaction again, and so does this one.
const WITHHELD: &[u8] = b"so its result is withheld";

/// One mode, with connections of its own.
struct Runner<'a> {
    mode: Mode,
    world: &'a World,
    connections: [Connections; 3],
    report: Report,
    /// What was refused, so that it must be on record as denied, and what the client was told.
    refused: Vec<(&'a Item, String, String)>,
}

/// What the ledger and the target's log say about statements.
struct Seen {
    intended: BTreeSet<String>,
    denied: BTreeSet<String>,
    executed: BTreeSet<String>,
}

/// Runs them: what only reads in all modes at the same time; what writes, and what needs roles or
/// settings of its own, one after the other.
///
/// # Panics
///
/// If a login fails, or an answer does not end.
pub fn run(corpus: &Corpus, world: &World, modes: &[Mode]) -> Vec<(Mode, Report)> {
    let major = world.postgres_major();
    let (lasting, reading): (Vec<&Item>, Vec<&Item>) =
        corpus.sql.iter().partition(|item| item.setup.is_some() || item.grant == "GW");
    let mut runners: Vec<Runner<'_>> = modes.iter().map(|mode| Runner::new(*mode, world)).collect();
    thread::scope(|scope| {
        for runner in &mut runners {
            scope.spawn(|| reading.iter().for_each(|item| runner.run(item, major)));
        }
    });
    {
        let _alone = ROLES.lock().unwrap_or_else(PoisonError::into_inner);
        for item in lasting {
            run_lasting(world, &mut runners, item, major);
        }
    }
    let seen = Seen::read(world);
    let judged = runners.into_iter().map(|mut runner| {
        for (item, sql, told) in std::mem::take(&mut runner.refused) {
            seen.judge(item, (&sql, &told), runner.mode, &mut runner.report);
        }
        (runner.mode, runner.report)
    });
    judged.collect()
}

fn run_lasting<'a>(world: &World, runners: &mut [Runner<'a>], item: &'a Item, major: u64) {
    if item.setup.is_none() {
        for runner in runners {
            runner.run(item, major);
            (0..3).for_each(|twin| world.restore(twin, None));
        }
        return;
    }
    (0..3).for_each(|twin| world.set_up(twin, item));
    thread::scope(|scope| {
        for runner in runners {
            scope.spawn(move || {
                // What is set up counts from the next login on.
                runner.connections = Default::default();
                runner.run(item, major);
                runner.connections = Default::default();
            });
        }
    });
    (0..3).for_each(|twin| world.reset_roles(twin));
}

impl<'a> Runner<'a> {
    fn new(mode: Mode, world: &'a World) -> Self {
        let (connections, report) = Default::default();
        Self { mode, world, connections, report, refused: Vec::new() }
    }

    fn run(&mut self, item: &'a Item, major: u64) {
        let Work::Statements(statements) = &item.work else {
            panic!("{} has no statements", item.id)
        };
        // What costs time or memory costs it in any mode.
        let is_costly = item.id.starts_with("sql.dos.");
        if is_costly && !matches!(self.mode, Mode::Simple | Mode::Extended) {
            return;
        }
        let identity = World::holder(&item.grant);
        let holder = HOLDERS.iter().position(|name| *name == identity).unwrap();
        let connections = &mut self.connections[holder];
        let mut attempts = 0;
        let runs = loop {
            let turn = TURNS.take();
            let runs = connections.run_on_all(self.world, identity, statements, self.mode);
            drop(turn);
            let Some(runs) = runs else { return };
            let says = |run: &Transcript, what: &[u8]| {
                run.bytes.windows(what.len()).any(|part| part == what)
            };
            let is_busy = |run: &Transcript| says(run, BUSY) || says(run, WITHHELD);
            attempts += 1;
            if attempts == ATTEMPTS_MAX || !runs.iter().any(is_busy) {
                break runs;
            }
            self.report.look_for_secrets(item, self.mode.name(), &runs, &self.world.twins);
            thread::sleep(PAUSE * attempts);
        };
        let judged = self.report.judge(item, self.mode.name(), &runs, &self.world.twins);
        // What a newer PostgreSQL knows, this one may refuse itself, as no SQL.
        let is_known = item.min_postgres <= major;
        let must_be_on_record =
            judged.is_refusal() && is_known && item.decision == "deny" && statements.len() == 1;
        // What is no text cannot be recorded as one: then the session ended for that reason.
        let sql = runs[0].refused.clone().and_then(|sql| String::from_utf8(sql).ok());
        let sql = sql.filter(|sql| must_be_on_record && !sql.contains('\0'));
        self.refused.extend(sql.map(|sql| (item, sql, verdict::told(&runs[0]))));
    }
}

impl Seen {
    fn read(world: &World) -> Self {
        let commands = Commands::read(world.gateway.as_ref().unwrap());
        let texts = |records: BTreeMap<_, Record>| {
            records.into_values().map(|record| record.value("sql").to_owned()).collect()
        };
        let mut executed = target_log::executed(&world.twins[0].database);
        executed.retain(|line| line.user != "postgres");
        Self {
            intended: texts(commands.intended),
            denied: texts(commands.denied),
            executed: executed.into_iter().map(|line| line.sql).collect(),
        }
    }

    /// A refused statement is on record as denied, and as nothing else: the target never saw it.
    fn judge(&self, item: &Item, (sql, told): (&str, &str), mode: Mode, report: &mut Report) {
        if REFUSED_BY_TARGET.contains(&(item.id.as_str(), mode)) {
            return;
        }
        let how = mode.name();
        if self.intended.contains(sql) || self.executed.contains(sql) {
            report.fault(FaultKind::Executed, (item, how), &format!("{sql}: {told}"));
        }
        if !self.denied.contains(sql) {
            report.fault(FaultKind::Record, (item, how), &format!("none of {sql:.100}: {told}"));
        }
    }
}
