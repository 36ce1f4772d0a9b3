//! What `doctor` asks of each target.

use super::super::Failure;
use super::{Findings, checks};
use crate::settings::Settings;

/// Logs into each target, and looks for what would let someone round the gateway.
pub(super) fn check(settings: &Settings, findings: &mut Findings) -> Result<(), Failure> {
    checks::target_settings(settings, findings);
    Ok(())
}
