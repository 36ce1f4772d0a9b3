//! Rules about the crates' manifests: who imports whom, and whom from outside.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use crate::files::SourceFile;
use crate::rules::{IMPORTS, PURE, WORLDLY};

/// What a `Cargo.toml` of the workspace says, as far as the rules ask.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Manifest {
    /// The package, absent in the workspace's own.
    pub(crate) package: Option<Package>,
    /// What it uses.
    #[serde(default)]
    pub(crate) dependencies: BTreeMap<String, toml::Value>,
    /// What its tests use.
    #[serde(default)]
    pub(crate) dev_dependencies: BTreeMap<String, toml::Value>,
    /// What its build script uses.
    #[serde(default)]
    pub(crate) build_dependencies: BTreeMap<String, toml::Value>,
    /// Its lints.
    #[serde(default)]
    pub(crate) lints: BTreeMap<String, toml::Value>,
    /// The workspace's part.
    pub(crate) workspace: Option<Workspace>,
}

/// The `[package]` part.
#[derive(Debug, Deserialize)]
pub(crate) struct Package {
    /// The crate's name.
    pub(crate) name: String,
}

/// The `[workspace]` part.
#[derive(Debug, Deserialize)]
pub(crate) struct Workspace {
    /// The versions of everything, ours by path.
    pub(crate) dependencies: BTreeMap<String, toml::Value>,
}

/// The manifests of the workspace's members.
///
/// # Errors
///
/// The path of a manifest that cannot be read, and why.
pub fn manifests(files: &[SourceFile]) -> Result<Vec<Manifest>, String> {
    parse(files)?.into_iter().filter(|manifest| manifest.package.is_some()).map(Ok).collect()
}

/// The names of others' crates in the workspace's table.
///
/// # Errors
///
/// There is no manifest with a workspace.
pub fn workspace_dependencies(files: &[SourceFile]) -> Result<BTreeSet<String>, String> {
    let workspace = parse(files)?.into_iter().find_map(|manifest| manifest.workspace);
    let dependencies = workspace.ok_or("no manifest has a workspace")?.dependencies;
    let others = dependencies.into_iter().filter(|(_, value)| value.get("path").is_none());
    Ok(others.map(|(name, _)| name).collect())
}

fn parse(files: &[SourceFile]) -> Result<Vec<Manifest>, String> {
    let is_manifest =
        |file: &&SourceFile| file.path == "Cargo.toml" || file.path.ends_with("/Cargo.toml");
    let parsed = files
        .iter()
        .filter(is_manifest)
        .map(|file| toml::from_str(&file.text).map_err(|error| format!("{}: {error}", file.path)));
    parsed.collect()
}

impl Manifest {
    fn name(&self) -> &str {
        self.package.as_ref().map_or("", |package| &package.name)
    }
}

/// Imports among our crates that the table does not allow, and lines of the table without a crate.
pub fn import_complaints(members: &[Manifest]) -> Vec<String> {
    let ours: BTreeSet<&str> = members.iter().map(Manifest::name).collect();
    let mut complaints = Vec::new();
    for member in members {
        let name = member.name();
        let Some((_, allowed)) = IMPORTS.iter().find(|(crate_name, _)| *crate_name == name) else {
            complaints.push(format!("{name} is not in the import table"));
            continue;
        };
        let imported = member.dependencies.keys().filter(|key| ours.contains(key.as_str()));
        let wrong = imported.filter(|key| !allowed.contains(&key.as_str()));
        complaints.extend(wrong.map(|key| format!("{name} may not import {key}")));
    }
    let gone = IMPORTS.iter().filter(|(name, _)| !ours.contains(name));
    complaints
        .extend(gone.map(|(name, _)| format!("the import table names {name}; it is no crate")));
    complaints
}

/// Dependencies that let the world into a pure crate.
pub fn purity_complaints(members: &[Manifest]) -> Vec<String> {
    let mut complaints = Vec::new();
    for member in members.iter().filter(|member| PURE.contains(&member.name())) {
        let wrong = member.dependencies.keys().filter(|key| WORLDLY.contains(&key.as_str()));
        complaints.extend(wrong.map(|key| format!("{} is pure and uses {key}", member.name())));
    }
    complaints
}

/// Members with a version of their own, or without the workspace's lints.
pub fn member_complaints(members: &[Manifest]) -> Vec<String> {
    let mut complaints = Vec::new();
    for member in members {
        let name = member.name();
        let Manifest { dependencies, dev_dependencies, build_dependencies, .. } = member;
        for (key, value) in dependencies.iter().chain(dev_dependencies).chain(build_dependencies) {
            if value.get("workspace").and_then(toml::Value::as_bool) != Some(true) {
                complaints.push(format!("{name}: {key} is not the workspace's version"));
            }
        }
        if member.lints.get("workspace").and_then(toml::Value::as_bool) != Some(true) {
            complaints.push(format!("{name} does not take the workspace's lints"));
        }
    }
    complaints
}

/// Dependencies for which the page gives no reason, and reasons for what is not used.
///
/// A reason is a line of a table that begins with the name: `` | `tokio` | … | ``.
pub fn dependency_page_complaints(used: &BTreeSet<String>, page: &str) -> Vec<String> {
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `"));
    let explained: BTreeSet<&str> =
        rows.filter_map(|row| row.split_once('`')).map(|(name, _)| name).collect();
    let used: BTreeSet<&str> = used.iter().map(String::as_str).collect();
    let unexplained = used.difference(&explained).map(|name| format!("{name} has no reason"));
    let unused = explained.difference(&used).map(|name| format!("{name} is not used"));
    unexplained.chain(unused).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(text: &str) -> Manifest {
        toml::from_str(text).unwrap()
    }

    #[test]
    fn an_import_against_the_table_is_found() {
        let model = "[package]\nname = 'model'\n[dependencies]\npolicy.workspace = true\n";
        let policy = "[package]\nname = 'policy'\n[dependencies]\nmodel.workspace = true\n";
        let complaints = import_complaints(&[member(model), member(policy)]);
        assert!(complaints.contains(&"model may not import policy".to_owned()), "{complaints:?}");
        assert!(!complaints.contains(&"policy may not import model".to_owned()), "{complaints:?}");
        let stranger = import_complaints(&[member("[package]\nname = 'utils'\n")]);
        assert!(stranger.contains(&"utils is not in the import table".to_owned()));
    }

    #[test]
    fn the_world_in_a_pure_crate_is_found() {
        let policy = "[package]\nname = 'policy'\n[dependencies]\ntokio.workspace = true\n";
        assert_eq!(purity_complaints(&[member(policy)]), ["policy is pure and uses tokio"]);
    }

    #[test]
    fn a_member_that_goes_its_own_way_is_found() {
        let own = "[package]\nname = 'x'\n[dependencies]\nserde = '1'\n";
        assert_eq!(member_complaints(&[member(own)]).len(), 2);
        let good = "[package]\nname = 'x'\n[lints]\nworkspace = true\n";
        assert!(member_complaints(&[member(good)]).is_empty());
    }

    #[test]
    fn a_dependency_needs_a_reason_and_a_reason_a_dependency() {
        let used = BTreeSet::from(["tokio".to_owned(), "serde".to_owned()]);
        let page = "| crate | why |\n| `tokio` | sockets |\n| `rand` | dice |\n";
        let complaints = dependency_page_complaints(&used, page);
        assert_eq!(complaints, ["serde has no reason", "rand is not used"]);
    }
}
