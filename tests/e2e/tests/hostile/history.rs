//! A ledger that was put back to what it was, or written anew: seen by whoever kept a checkpoint.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::World;

/// Copies a directory tree.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if entry.file_type().unwrap().is_dir() {
            copy(&from, &to);
        } else if entry.file_type().unwrap().is_file() {
            fs::copy(from, to).unwrap();
        }
    }
}

impl World {
    fn keep_checkpoint(&self, ledger: &str, name: &str) -> String {
        let kept = self.gateway.directory.join(name);
        fs::copy(self.gateway.state().join(ledger).join("checkpoint"), &kept).unwrap();
        kept.to_str().unwrap().to_owned()
    }

    /// Exit code and answer of `verify`.
    fn verify(&self, path: &str, known: &[&str]) -> (Option<i32>, Value) {
        let path: PathBuf = self.gateway.state().join(path);
        let key = self.gateway.state().join("keys/ledger.pub");
        let mut arguments = vec!["verify", path.to_str().unwrap(), "--key", key.to_str().unwrap()];
        for known in known {
            arguments.extend(["--known", known]);
        }
        let output = self.gateway.command_line(&arguments);
        (output.status.code(), serde_json::from_slice(&output.stdout).unwrap_or_default())
    }

    /// A run of the gateway with a few commands, ended in order.
    fn run_and_stop(&mut self, commands: u32) {
        if !self.gateway.is_running() {
            self.gateway.run().unwrap();
        }
        let mut wire = self.connect();
        for _ in 0..commands {
            assert_eq!(wire.simple("SELECT n FROM billing.numbers WHERE n = 1").rows().len(), 1);
        }
        drop(wire);
        assert_eq!(self.gateway.stop(), Some(0));
    }
}

#[test]
fn a_ledger_that_was_rolled_back_is_found_with_a_kept_checkpoint_and_only_so() {
    let mut world = World::new();
    world.run_and_stop(3);
    let old = world.gateway.directory.join("old");
    copy(&world.gateway.state().join("access"), &old);
    let early = world.keep_checkpoint("access", "early");
    let control = world.keep_checkpoint("control", "control");
    world.run_and_stop(5);
    let late = world.keep_checkpoint("access", "late");

    for known in [vec![], vec![early.as_str()], vec![&late], vec![&control, &late]] {
        let (code, found) = world.verify("", &known);
        assert_eq!((code, &found["ok"]), (Some(0), &json!(true)), "{known:?}: {found}");
    }
    assert!(world.verify("access", &[&early]).1["known_size"].as_u64() > Some(0));

    copy(&old, &world.gateway.state().join("access"));
    assert_eq!(world.verify("", &[]).0, Some(0), "a signed ledger of the past is sound by itself");
    assert_eq!(world.verify("", &[&early]).0, Some(0), "it does continue the early checkpoint");
    for path in ["access", ""] {
        let (code, found) = world.verify(path, &[&late]);
        assert_eq!((code, &found["ok"]), (Some(3), &json!(false)), "{path}: {found}");
        assert!(found["fault"]["what"].as_str().unwrap().contains("before"), "{found}");
    }

    // The gateway goes on from there, past the size that was seen: now it is a fork.
    world.run_and_stop(20);
    assert_eq!(world.verify("access", &[]).0, Some(0));
    let (code, found) = world.verify("access", &[&late]);
    assert_eq!(code, Some(3), "{found}");
    assert!(found["fault"]["what"].as_str().unwrap().contains("two different"), "{found}");
}

#[test]
fn a_kept_checkpoint_must_be_one_of_the_ledger_that_is_checked() {
    let mut world = World::new();
    world.run_and_stop(1);
    let access = world.keep_checkpoint("access", "access.kept");
    let control = world.keep_checkpoint("control", "control.kept");
    assert_eq!(world.verify("access", &[&control]).0, Some(3), "it is of another ledger");
    assert_eq!(world.verify("access", &[&access, &control]).0, Some(2));
    assert_eq!(world.verify("", &[&access, &access]).0, Some(2));
    assert_eq!(world.verify("", &["no-such-file"]).0, Some(2));
    let note = fs::read_to_string(&access).unwrap();
    let forged = world.gateway.directory.join("forged");
    fs::write(&forged, note.replacen('\n', "\n1", 1)).unwrap();
    assert_eq!(world.verify("", &[forged.to_str().unwrap()]).0, Some(2), "not signed by the key");
}
