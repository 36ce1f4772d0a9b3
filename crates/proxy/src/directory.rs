//! The sessions that are open now, for people who look.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use model::{IdentityName, SessionId, TargetName, Timestamp};

/// One open session, as far as an administrator may see it.
#[derive(Clone, Debug)]
pub struct OpenSession {
    /// The session.
    pub session: SessionId,
    /// Who.
    pub identity: IdentityName,
    /// On which target.
    pub target: TargetName,
    /// The client's address.
    pub peer: String,
    /// Whether the client's connection is encrypted.
    pub tls: bool,
    /// What the client calls itself.
    pub application: String,
    /// Since when.
    pub opened_at: Timestamp,
    /// Commands so far, denied ones included.
    pub commands: u64,
    /// Denied commands so far.
    pub denied: u64,
    /// Rows sent so far.
    pub rows: u64,
}

/// Counters of one session, written by the session and read by others.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) commands: AtomicU64,
    pub(crate) denied: AtomicU64,
    pub(crate) rows: AtomicU64,
}

type Place = (OpenSession, Arc<Counters>);

/// All open sessions.
#[derive(Debug, Default)]
pub(crate) struct Directory {
    sessions: Mutex<BTreeMap<SessionId, Place>>,
}

/// A session's place in the directory; dropping it takes the session out.
#[derive(Debug)]
pub(crate) struct Entry {
    directory: Arc<Directory>,
    session: SessionId,
    pub(crate) counters: Arc<Counters>,
}

impl Directory {
    /// Enters a session.
    pub(crate) fn enter(self: &Arc<Self>, session: OpenSession) -> Entry {
        let counters = Arc::new(Counters::default());
        let id = session.session;
        self.sessions
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(id, (session, Arc::clone(&counters)));
        Entry { directory: Arc::clone(self), session: id, counters }
    }

    /// The open sessions, by id.
    pub(crate) fn list(&self) -> Vec<OpenSession> {
        let sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        sessions
            .values()
            .map(|(session, counters)| OpenSession {
                commands: counters.commands.load(Ordering::Relaxed),
                denied: counters.denied.load(Ordering::Relaxed),
                rows: counters.rows.load(Ordering::Relaxed),
                ..session.clone()
            })
            .collect()
    }

    /// How many sessions are open.
    pub(crate) fn count(&self) -> usize {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        let mut sessions = self.directory.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.remove(&self.session);
    }
}
