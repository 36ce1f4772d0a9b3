//! From a text to its plan, within a time, by the catalog of the server on which it is to run.

use std::time::Duration;

use pgwire::TransactionStatus;
use sql::Block;
use tokio::time::error::Elapsed;

use crate::denial::Denial;
use crate::judge::{NoPlan, Planned, Scene};
use crate::session::{Ending, Session};

/// How long one statement may wait for a parser thread and its analysis.
pub(crate) const ANALYSIS_MAX: Duration = Duration::from_millis(500);

impl Session {
    /// Analyses a text. The inner error is the client's, the outer one ends the session.
    pub(crate) async fn plan(&mut self, text: &str) -> Result<Result<Planned, Denial>, Ending> {
        self.wait_for_newer().await;
        let scene = Scene { gate: &self.gate, who: &self.who, target: &self.target };
        let planning = self.plans.plan(scene, &self.settings, text);
        let planned = planned(tokio::time::timeout(ANALYSIS_MAX, planning).await);
        self.check_server()?;
        planned
    }

    /// Analyses a text that may hold several statements.
    pub(crate) async fn script(
        &mut self,
        text: &str,
    ) -> Result<Result<Vec<Planned>, Denial>, Ending> {
        self.wait_for_newer().await;
        let scene = Scene { gate: &self.gate, who: &self.who, target: &self.target };
        let block = match self.status {
            TransactionStatus::Idle => Block::Outside,
            TransactionStatus::Open => Block::Open,
            TransactionStatus::Failed => Block::Failed,
        };
        let planning = self.plans.script(scene, &self.settings, (text, block));
        let planned = planned(tokio::time::timeout(ANALYSIS_MAX, planning).await);
        self.check_server()?;
        planned
    }
}

/// What came of an analysis: the inner error is the client's, the outer one ends the session.
fn planned<T>(planned: Result<Result<T, NoPlan>, Elapsed>) -> Result<Result<T, Denial>, Ending> {
    match planned {
        Ok(Ok(planned)) => Ok(Ok(planned)),
        Ok(Err(NoPlan::Refused(refusal))) => Ok(Err(Denial::from(refusal))),
        Ok(Err(NoPlan::NoCatalog)) => Ok(Err(Denial::no_catalog())),
        Ok(Err(NoPlan::Parser(stopped))) => Err(stopped.into()),
        Err(_elapsed) => Ok(Err(Denial::not_analysed_in_time())),
    }
}
