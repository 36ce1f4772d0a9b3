//! Threads that read SQL.
//!
//! `libpg_query` and the walk over its tree recurse with the depth of the statement. They run on
//! threads with a large stack of fixed size, so that no statement can overflow a stack and abort
//! the process; `sql` caps depth and length before it recurses.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use model::{Action, IdentityName, RelationName, TargetName};
use sql::{Block, Catalog, ClientSettings, Piece, Plan, Refusal};
use tokio::sync::{mpsc, oneshot};

/// Stack of a parser thread. 32 MiB held on every shape tried, up to 8,000 levels; 2 MiB did not.
const PARSER_STACK_BYTES: usize = 32 << 20;
/// Parser threads: parsing is rare beside executing, since a session keeps what it analysed.
const PARSER_THREADS: usize = 2;
/// Statements that may wait; a session beyond that waits itself.
const PARSER_QUEUE_MAX: usize = 64;

/// Columns that live grants cover, per relation and action.
pub(crate) type GrantedColumns = BTreeMap<(RelationName, Action), BTreeSet<String>>;

/// All that decides what a statement means.
#[derive(Debug)]
pub(crate) struct Question {
    pub(crate) text: Arc<str>,
    pub(crate) catalog: Arc<Catalog>,
    pub(crate) settings: ClientSettings,
    pub(crate) identity: IdentityName,
    pub(crate) target: TargetName,
    pub(crate) granted: Arc<GrantedColumns>,
}

type Work = Box<dyn FnOnce() + Send>;

/// The parser threads stopped: no statement can be read any more.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the SQL parser has stopped")]
pub(crate) struct ParserStopped;

/// Hands statements to the parser threads.
#[derive(Clone)]
pub(crate) struct Parsers {
    queue: mpsc::Sender<Work>,
}

impl fmt::Debug for Parsers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Parsers")
    }
}

impl Parsers {
    /// Starts the threads. They end when the last handle is dropped.
    ///
    /// # Errors
    ///
    /// The operating system refuses a thread.
    pub(crate) fn start() -> std::io::Result<Self> {
        let (queue, receiver) = mpsc::channel(PARSER_QUEUE_MAX);
        let receiver = Arc::new(Mutex::new(receiver));
        for number in 0..PARSER_THREADS {
            let receiver = Arc::clone(&receiver);
            std::thread::Builder::new()
                .name(format!("sql-parser-{number}"))
                .stack_size(PARSER_STACK_BYTES)
                .spawn(move || serve(&receiver))?;
        }
        Ok(Self { queue })
    }

    /// Analyses one statement.
    pub(crate) async fn analyse(
        &self,
        question: Question,
    ) -> Result<Result<Arc<Plan>, Refusal>, ParserStopped> {
        self.run(move || question.ask(sql::analyse).map(Arc::new)).await
    }

    /// Analyses all statements of a text, which is to run as one.
    pub(crate) async fn analyse_script(
        &self,
        question: Question,
        block: Block,
    ) -> Result<Result<Vec<Piece>, Refusal>, ParserStopped> {
        self.run(move || question.ask(|request| sql::analyse_script(request, block))).await
    }

    /// Runs work that recurses with the depth of a statement.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, ParserStopped> {
        let (reply, answer) = oneshot::channel();
        // A session that has gone, or gave up, does not need its answer.
        let work: Work = Box::new(move || {
            if !reply.is_closed() {
                drop(reply.send(work()));
            }
        });
        self.queue.send(work).await.map_err(|_closed| ParserStopped)?;
        answer.await.map_err(|_dropped| ParserStopped)
    }
}

/// One thread waits for the next piece of work while it holds the lock; the others wait for it.
fn serve(receiver: &Mutex<mpsc::Receiver<Work>>) {
    loop {
        let next = receiver.lock().unwrap_or_else(PoisonError::into_inner).blocking_recv();
        let Some(work) = next else { return };
        work();
    }
}

impl Question {
    pub(crate) fn ask<T>(&self, analyse: impl FnOnce(&sql::Request<'_>) -> T) -> T {
        let granted = |relation: &RelationName, action: Action| {
            self.granted.get(&(relation.clone(), action)).cloned().unwrap_or_default()
        };
        analyse(&sql::Request {
            text: &self.text,
            catalog: &self.catalog,
            search_path: &self.settings.search_path,
            identity: &self.identity,
            database: self.target.as_str(),
            granted: &granted,
            settings: &self.settings,
        })
    }
}
