//! Cancel keys: which session a `CancelRequest` means, and how it is passed on to the target.
//!
//! The target's own key never reaches a client. A key of ours cancels what its session runs now
//! and nothing else (PostgreSQL manual, "Canceling Requests in Progress").

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use tokio::sync::Notify;

/// The sessions that can be cancelled.
#[derive(Debug, Default)]
pub(crate) struct CancelKeys {
    next: AtomicU32,
    sessions: Mutex<BTreeMap<u32, Entry>>,
}

#[derive(Debug)]
struct Entry {
    key: Bytes,
    wake: Arc<Notify>,
}

/// A session's place in [`CancelKeys`]; dropping it forgets the key.
#[derive(Debug)]
pub(crate) struct Registration {
    keys: Arc<CancelKeys>,
    /// What the client is told as the process id.
    pub(crate) process: u32,
    /// What the client is told as the secret key.
    pub(crate) key: Bytes,
    /// Woken when the client asks to cancel.
    pub(crate) wake: Arc<Notify>,
}

impl CancelKeys {
    /// Enters a new session, of which `key` is the secret: random bytes, as many as its version of the
    /// protocol has.
    pub(crate) fn register(self: &Arc<Self>, key: Bytes) -> Registration {
        // Process ids are positive to clients that read them as signed.
        let process = (self.next.fetch_add(1, Ordering::Relaxed) & 0x3fff_ffff) | 0x4000_0000;
        let wake = Arc::new(Notify::new());
        let entry = Entry { key: key.clone(), wake: Arc::clone(&wake) };
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner).insert(process, entry);
        Registration { keys: Arc::clone(self), process, key, wake }
    }

    /// Wakes the session that a `CancelRequest` means. A wrong key does nothing, and takes as long.
    pub(crate) fn cancel(&self, process: u32, key: &[u8]) {
        let sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        let known = sessions.get(&process);
        let expected = known.map_or(&[0; 4][..], |entry| &entry.key);
        let is_right = crypto::constant_time_eq(expected, key);
        if let (Some(entry), true) = (known, is_right) {
            entry.wake.notify_one();
        }
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        let mut sessions = self.keys.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.remove(&self.process);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_right_key_of_a_live_session_cancels() {
        let keys = Arc::new(CancelKeys::default());
        let registration = keys.register(Bytes::from_static(&[1, 2, 3, 4]));
        let woken = async |wake: &Notify| {
            tokio::time::timeout(std::time::Duration::from_millis(1), wake.notified()).await.is_ok()
        };
        keys.cancel(registration.process, &[1, 2, 3, 5]);
        keys.cancel(registration.process, &[]);
        keys.cancel(registration.process.wrapping_add(1), &[1, 2, 3, 4]);
        assert!(!woken(&registration.wake).await);
        keys.cancel(registration.process, &[1, 2, 3, 4]);
        assert!(woken(&registration.wake).await);
        let process = registration.process;
        drop(registration);
        assert!(keys.sessions.lock().unwrap().get(&process).is_none());
    }
}
