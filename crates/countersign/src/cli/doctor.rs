//! `countersign doctor`: what is right, what is not, and what to do about it.
//!
//! Each line is one fact. Nothing is changed; a target is logged into and asked about its catalog.

mod checks;
mod targets;

use serde_json::json;

use super::{Context, Exit, Failure};
use crate::printer::{escape, joined};
use crate::settings::{self, SettingsError};

/// Arguments of `countersign doctor`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  countersign doctor

Each line begins with ok, warn or fail. Exit code 1 means: at least one line is fail.")]
pub(crate) struct Args {}

/// How grave a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Level {
    /// As it should be.
    Ok,
    /// It works, but something should be better.
    Warn,
    /// It does not work, or is not safe.
    Fail,
}

impl Level {
    fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Fail => "fail",
        }
    }
}

/// One fact.
#[derive(Clone, Debug, serde::Serialize)]
pub(crate) struct Finding {
    level: Level,
    about: String,
    what: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    fix: Option<String>,
}

/// Findings in the order in which they were made.
#[derive(Debug, Default)]
pub(crate) struct Findings(Vec<Finding>);

impl Findings {
    /// It is as it should be.
    pub(crate) fn ok(&mut self, about: &str, what: impl Into<String>) {
        self.0.push(Finding {
            level: Level::Ok,
            about: about.into(),
            what: what.into(),
            fix: None,
        });
    }

    /// It should be better.
    pub(crate) fn warn(&mut self, about: &str, what: impl Into<String>, fix: impl Into<String>) {
        self.add(Level::Warn, about, what.into(), fix.into());
    }

    /// It must be mended.
    pub(crate) fn fail(&mut self, about: &str, what: impl Into<String>, fix: impl Into<String>) {
        self.add(Level::Fail, about, what.into(), fix.into());
    }

    fn add(&mut self, level: Level, about: &str, what: String, fix: String) {
        self.0.push(Finding { level, about: about.into(), what, fix: Some(fix) });
    }

    fn count(&self, level: Level) -> usize {
        self.0.iter().filter(|finding| finding.level == level).count()
    }
}

pub(crate) fn run(_args: &Args, context: &Context) -> Result<Exit, Failure> {
    let mut findings = Findings::default();
    let path = context.settings_path();
    match settings::load(&path) {
        Ok(settings) => {
            findings.ok("settings", format!("{} has no mistake", path.display()));
            checks::state(&settings, &mut findings);
            checks::keys(&settings, &mut findings);
            checks::ledgers(&settings, &mut findings);
            checks::disk(&settings, &mut findings);
            checks::listener(&settings, &mut findings);
            checks::admin(&settings, &mut findings);
            targets::check(&settings, &mut findings)?;
        }
        Err(SettingsError::Invalid(invalid)) => {
            for problem in &invalid.problems {
                let what = format!("line {}: {}: {}", problem.line, problem.key, problem.what);
                findings.fail("settings", what, problem.fix.clone());
            }
        }
        Err(error @ SettingsError::Unreadable { .. }) => {
            findings.fail("settings", error.to_string(), "Write one: see docs/settings.md");
        }
    }
    report(&findings, context)
}

fn report(findings: &Findings, context: &Context) -> Result<Exit, Failure> {
    let failed = findings.count(Level::Fail);
    let value = json!({ "ok": failed == 0, "findings": findings.0 });
    context.printer.result(&value, |_| text(findings))?;
    Ok(if failed == 0 { Exit::Done } else { Exit::Failed })
}

fn text(findings: &Findings) -> String {
    let width = findings.0.iter().map(|finding| finding.about.len()).max().unwrap_or(0);
    let mut lines = Vec::new();
    for Finding { level, about, what, fix } in &findings.0 {
        lines.push(format!("{:<4}  {about:<width$}  {}", level.name(), escape(what)));
        lines.extend(fix.iter().map(|fix| format!("      {:<width$}  → {}", "", escape(fix))));
    }
    lines.push(format!(
        "\n{} ok, {} to improve, {} to mend",
        findings.count(Level::Ok),
        findings.count(Level::Warn),
        findings.count(Level::Fail)
    ));
    joined(lines)
}
