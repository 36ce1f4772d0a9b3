//! On what a session on a target stands before its client's first command: which running server it is
//! on, and with which settings.
//!
//! **Invariant:** a session runs only on the server of which the catalog is. Behind an address may be
//! another server than before: a restart, a failover, a name that leads elsewhere.
//!
//! **Invariant:** a connection that was used before stands as a new one does, or is not used.

use std::borrow::BorrowMut;
use std::sync::Arc;
use std::time::Duration;

use crate::asker::{AskError, Asker};
use crate::session::{Ending, Session};
use crate::target::{ConnectError, Connected, Target};

/// The label of a connection that serves no session. RESET goes back to it.
pub(crate) const LABEL: &str = "countersign";

/// Settings on which the meaning of a text, the form of an answer or a right depends, and those that a
/// client is told.
const SETTINGS: &[&str] = &[
    "search_path",
    "client_encoding",
    "standard_conforming_strings",
    "DateStyle",
    "IntervalStyle",
    "TimeZone",
    "bytea_output",
    "extra_float_digits",
    "row_security",
    "role",
    "session_authorization",
    "is_superuser",
    "session_replication_role",
    "statement_timeout",
    "lock_timeout",
    "idle_in_transaction_session_timeout",
    "default_transaction_isolation",
    "default_transaction_read_only",
    "default_transaction_deferrable",
    "in_hot_standby",
    "server_version",
    "server_encoding",
    "integer_datetimes",
    "scram_iterations",
    "xmloption",
];

/// How a session stands on its server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Footing {
    /// The running server, by the time at which it was started: PostgreSQL gives it to the microsecond.
    pub(crate) server: Arc<str>,
    /// Of the settings, a hash: the key of a mask is among them.
    settings: String,
    /// How many prepared statements, cursors, channels and temporary relations the session has.
    things: [String; 4],
}

/// Asks how a connection stands, and labels it. The question itself still bears the label before.
pub(crate) async fn footing<C: BorrowMut<Connected>>(
    asker: &mut Asker<C>,
    label: &str,
) -> Result<Footing, AskError> {
    let names =
        SETTINGS.iter().copied().chain([mask::HASH_INNER_SETTING, mask::HASH_OUTER_SETTING]);
    let names: Vec<String> = names.map(|name| format!("'{name}'")).collect();
    let question = format!(
        "SELECT pg_catalog.date_part('epoch', pg_catalog.pg_postmaster_start_time()), \
         (SELECT pg_catalog.encode(pg_catalog.sha256(pg_catalog.convert_to(pg_catalog.string_agg(\
         pg_catalog.concat(n, '=', pg_catalog.current_setting(n, true)), E'\\n'), 'UTF8')), 'hex') \
         FROM pg_catalog.unnest(ARRAY[{}]) n), \
         (SELECT pg_catalog.count(*) FROM pg_catalog.pg_prepared_statements), \
         (SELECT pg_catalog.count(*) FROM pg_catalog.pg_cursors), \
         (SELECT pg_catalog.count(*) FROM pg_catalog.pg_listening_channels()), \
         (SELECT pg_catalog.count(*) FROM pg_catalog.pg_class \
         WHERE relnamespace = pg_catalog.pg_my_temp_schema()), \
         pg_catalog.set_config('application_name', '{label}', false)",
        names.join(", ")
    );
    let row = asker.ask(&question).await?.into_iter().next().ok_or(AskError::Row)?;
    let mut cells = row.into_iter().map(|cell| cell.ok_or(AskError::Row));
    let mut next = || cells.next().ok_or(AskError::Row)?;
    Ok(Footing {
        server: next()?.into(),
        settings: next()?,
        things: [next()?, next()?, next()?, next()?],
    })
}

impl Target {
    /// Notes of which server the catalog is that is known next. Sessions that wait for another one say so
    /// again.
    pub(crate) async fn is_read_from(&self, server: &Arc<str>) {
        let told = self.replaced.notified();
        if tokio::time::timeout(Duration::ZERO, told).await.is_ok() {
            tracing::debug!(target = %self.name, "what sessions missed was read meanwhile");
        }
        self.server.send_replace(Some(Arc::clone(server)));
    }

    /// True if the catalog is of this server. Asked *after* a statement was judged, it says that it
    /// was judged by the right catalog: the server is noted before its catalog.
    pub(crate) fn is_of(&self, server: &Arc<str>) -> bool {
        self.server.borrow().as_ref() == Some(server)
    }

    /// Waits until the catalog is of this server, if need be by having it read again.
    ///
    /// # Errors
    ///
    /// [`ConnectError::OtherServer`] if that does not come: the address leads now here, now there.
    pub(crate) async fn agree_on(&self, server: &Arc<str>) -> Result<(), ConnectError> {
        if self.is_of(server) {
            return Ok(());
        }
        let mut seen = self.server.subscribe();
        let is_own = seen.wait_for(|seen| {
            let is_own = seen.as_ref() == Some(server);
            if !is_own {
                self.replaced.notify_one();
            }
            is_own
        });
        match tokio::time::timeout(self.limits.target_connect_timeout, is_own).await {
            Ok(Ok(_agreed)) => Ok(()),
            Ok(Err(_)) | Err(_) => {
                Err(ConnectError::OtherServer(self.settings.address.to_string()))
            }
        }
    }
}

impl Session {
    /// Ends a session on a server that is not the one of which the catalog is.
    pub(crate) fn check_server(&self) -> Result<(), Ending> {
        let is_right = self.footing.as_ref().is_some_and(|own| self.target.is_of(&own.server));
        if is_right { Ok(()) } else { Err(Ending::ServerReplaced) }
    }
}
