//! Keeps each target's catalog: reads it at start, looks for changes, and reads it again.
//!
//! While the target cannot be reached there is no catalog, and without one no statement is judged.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use sql::{Catalog, CatalogRows};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::asker::{AskError, Asker};
use crate::fence::{Fence, ViewsWere};
use crate::footing::footing;
use crate::parser::{ParserStopped, Parsers};
use crate::phase::Phase;
use crate::target::{Connected, Target};

/// Pause before a target that could not be reached is tried again.
const RETRY_PAUSE: Duration = Duration::from_millis(500);
/// Reading a whole catalog.
const READ_MAX: Duration = Duration::from_secs(30);
const LABEL: &str = "countersign catalog";

/// Why a catalog could not be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WatchError {
    #[error(transparent)]
    Ask(#[from] AskError),
    #[error(transparent)]
    Parser(#[from] ParserStopped),
    #[error("{0}")]
    Catalog(String),
    #[error("no answer from the target in time")]
    TimedOut,
    #[error("another server answers than before")]
    OtherServer,
}

/// Keeps one target's catalog until the gateway stops.
pub(crate) async fn watch(
    target: Arc<Target>,
    parsers: Parsers,
    mut phase: watch::Receiver<Phase>,
) {
    let mut version = 0;
    let mut told = String::new();
    loop {
        let result = tokio::select! {
            _ = phase.wait_for(|phase| phase.is_stopping()) => return,
            result = keep(&target, &parsers, &mut version) => result,
        };
        let Err(error) = result;
        if target.catalog.swap(None).is_some() {
            told.clear();
        }
        target.tried.notify_one();
        // Said once, not at every try.
        if error.to_string() == told {
            tracing::debug!(target = %target.name, "the target's catalog still cannot be read");
        } else {
            told = error.to_string();
            tracing::warn!(target = %target.name, %error, "the target's catalog cannot be read; its statements are denied until it can");
        }
        tokio::select! {
            _ = phase.wait_for(|phase| phase.is_stopping()) => return,
            () = tokio::time::sleep(RETRY_PAUSE) => {}
        }
    }
}

/// Reads the catalog whenever it changed, over one connection, until that fails.
async fn keep(
    target: &Arc<Target>,
    parsers: &Parsers,
    version: &mut u64,
) -> Result<std::convert::Infallible, WatchError> {
    let mut asker = Asker::connect(target, LABEL).await?;
    let limit = target.limits.target_connect_timeout;
    let footing = timeout(limit, footing(&mut asker, LABEL)).await;
    let server = footing.map_err(|_elapsed| WatchError::TimedOut)??.server;
    let mut known: Option<String> = None;
    loop {
        // A connection that swallows questions must not keep an old catalog alive.
        let looked = timeout(limit, fingerprint(&mut asker)).await;
        let fingerprint = looked.map_err(|_elapsed| WatchError::TimedOut)??;
        if known.as_ref() != Some(&fingerprint) {
            *version = version.saturating_add(1);
            target.begun.store(*version, Ordering::Release);
            let reading = read(&mut asker, target, parsers, *version);
            let read = timeout(READ_MAX, reading).await;
            let catalog = read.map_err(|_elapsed| WatchError::TimedOut)??;
            if make_views(target, &catalog).await == ViewsWere::Changed {
                // They are part of the catalog: this one does not know them.
                continue;
            }
            tracing::info!(target = %target.name, version = *version, "catalog read");
            target.is_read_from(&server).await;
            target.catalog.store(Some(Arc::new(catalog)));
            target.renewed.notify_waiters();
            target.tried.notify_one();
            known = Some(fingerprint);
        }
        tokio::select! {
            () = tokio::time::sleep(target.limits.catalog_poll_interval) => {}
            () = target.stale.notified() => known = None,
            () = target.replaced.notified() => return Err(WatchError::OtherServer),
        }
    }
}

/// Makes the views of a fence fit the catalog. Where that fails, what needs one is refused.
async fn make_views(target: &Arc<Target>, catalog: &Catalog) -> ViewsWere {
    let Some(fence) = &target.fence else { return ViewsWere::Sound };
    let before = fence.views();
    match fence.make_views(target, catalog).await {
        Ok(views) => views,
        Err(error) => {
            tracing::error!(target = %target.name, %error, "the views that show masks cannot be made; what needs them is denied");
            if before.sound.is_empty() { ViewsWere::Sound } else { ViewsWere::Changed }
        }
    }
}

async fn fingerprint(asker: &mut Asker<Connected>) -> Result<String, WatchError> {
    let rows = asker.ask(Catalog::fingerprint_query()).await?;
    let cell = rows.into_iter().next().and_then(|row| row.into_iter().next()).flatten();
    cell.ok_or_else(|| {
        WatchError::Catalog("the target gave no fingerprint of its catalog".to_owned())
    })
}

pub(crate) async fn read(
    asker: &mut Asker<Connected>,
    target: &Target,
    parsers: &Parsers,
    version: u64,
) -> Result<Catalog, WatchError> {
    let mut rows = CatalogRows::default();
    // One snapshot for all queries, so that they fit together.
    asker.ask("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?;
    for (query, text) in sql::catalog_queries() {
        for row in asker.ask(&text).await? {
            let cells: Vec<Option<&str>> = row.iter().map(Option::as_deref).collect();
            rows.push(query, &cells).map_err(|error| WatchError::Catalog(error.to_string()))?;
        }
    }
    asker.ask("COMMIT").await?;
    let masks = target.settings.masks.clone();
    let views = target.fence.as_ref().map(Fence::views);
    let work = move || match views {
        Some(views) => Catalog::build_fenced(rows, &masks, &views, version),
        None => Catalog::build(rows, &masks, version),
    };
    let built = parsers.run(work).await?;
    built.map_err(|errors| {
        let lines: Vec<String> = errors.iter().map(ToString::to_string).collect();
        WatchError::Catalog(lines.join("; "))
    })
}
