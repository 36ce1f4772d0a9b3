//! Sessions: who is connected now. They are looked at here; what ends them is a revocation.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;

use crate::{ApiState, SessionInfo};

pub(crate) async fn list(State(state): State<Arc<ApiState>>) -> Json<Vec<SessionInfo>> {
    Json(state.sessions.sessions())
}
