//! The few connections by which roles are made and removed on a target.
//!
//! They log in as the provisioning account, which no session of a client ever uses.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};

use crate::asker::{AskError, Asker, Row};
use crate::target::{Account, ConnectError, Connected, Target};

/// Connections at one time.
const CONNECTIONS_MAX: usize = 4;
/// A connection that waited longer is tried before it is used.
const TRUSTED_IDLE_MAX: Duration = Duration::from_secs(1);
const LABEL: &str = "countersign fence";

/// Connections of the provisioning account.
#[derive(Debug)]
pub(crate) struct Pool {
    account: Account,
    places: Semaphore,
    idle: Mutex<Vec<Idle>>,
}

/// A connection that waits, and since when.
type Idle = (Asker<Connected>, Instant);

impl Pool {
    /// A pool without connections yet.
    pub(crate) fn new(account: Account) -> Self {
        let places = Semaphore::new(CONNECTIONS_MAX);
        Self { account, places, idle: Mutex::default() }
    }

    /// Who logs in.
    pub(crate) fn user(&self) -> &str {
        &self.account.user
    }

    /// Runs statements of the gateway's own, all in one transaction, and returns their rows.
    pub(crate) async fn ask(&self, target: &Arc<Target>, sql: &str) -> Result<Vec<Row>, AskError> {
        in_time(target, self.ask_untimed(target, sql)).await
    }

    async fn ask_untimed(&self, target: &Arc<Target>, sql: &str) -> Result<Vec<Row>, AskError> {
        let Ok(_place) = self.places.acquire().await else {
            return Err(std::io::Error::from(std::io::ErrorKind::NotConnected).into());
        };
        let mut asker = self.connection(target).await?;
        let answer = asker.ask(sql).await;
        if matches!(answer, Ok(_) | Err(AskError::Refused { .. })) {
            self.lock().push((asker, Instant::now()));
        }
        answer
    }

    /// Runs statements in another database of the same cluster.
    pub(crate) async fn ask_in(
        &self,
        target: &Arc<Target>,
        database: &str,
        sql: &str,
    ) -> Result<Vec<Row>, AskError> {
        let account = Account { database: database.to_owned(), ..self.account.clone() };
        let asked = async {
            let connected = target.connect_as(&account, LABEL).await?;
            Asker::new(connected).ask(sql).await
        };
        in_time(target, asked).await
    }

    /// Runs statements in a session whose settings hold the key of the `hash` mask.
    pub(crate) async fn ask_with_key(
        &self,
        target: &Arc<Target>,
        sql: &str,
    ) -> Result<Vec<Row>, AskError> {
        let asked = async {
            let connected = target.connect_with_key(&self.account, LABEL).await?;
            Asker::new(connected).ask(sql).await
        };
        in_time(target, asked).await
    }

    async fn connection(&self, target: &Arc<Target>) -> Result<Asker<Connected>, AskError> {
        loop {
            let Some((mut asker, since)) = self.lock().pop() else { break };
            if since.elapsed() < TRUSTED_IDLE_MAX || asker.ask("SELECT 1").await.is_ok() {
                return Ok(asker);
            }
        }
        Ok(Asker::new(target.connect_as(&self.account, LABEL).await?))
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Idle>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn in_time<T>(
    target: &Target,
    asked: impl Future<Output = Result<T, AskError>>,
) -> Result<T, AskError> {
    match timeout(target.limits.target_connect_timeout, asked).await {
        Ok(answer) => answer,
        Err(_elapsed) => Err(ConnectError::TimedOut(target.settings.address.to_string()).into()),
    }
}
