//! The program as a user meets it: help, mistakes in the settings, exit codes.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::path::Path;
use std::process::{Command, Output};

const RIGHT: &str = r#"
[gateway]
name = "gw1"
state_dir = "state"
[listen]
postgres = "127.0.0.1:6432"
[[target]]
name = "billing"
kind = "postgres"
host = "127.0.0.1"
database = "billing"
user = "svc"
tls = "disable"
"#;

/// Runs `countersign` in a directory that holds these settings.
fn countersign(dir: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_countersign"))
        .current_dir(dir)
        .env_remove("COUNTERSIGN_CONFIG")
        .env_remove("CREDENTIALS_DIRECTORY")
        .args(["--config", "countersign.toml"])
        .args(arguments)
        .output()
        .unwrap()
}

fn with_settings(text: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("countersign.toml"), text).unwrap();
    dir
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn json(output: &Output) -> serde_json::Value {
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn help_lists_every_command_and_every_exit_code() {
    let dir = with_settings(RIGHT);
    let output = countersign(dir.path(), &["--help"]);
    assert!(output.status.success());
    let help = stdout(&output);
    for command in [
        "serve",
        "identity",
        "grant",
        "session",
        "log",
        "verify",
        "evidence",
        "config",
        "doctor",
        "connect-string",
        "completions",
        "demo",
    ] {
        let is_listed = help.lines().any(|line| line.trim_start().starts_with(command));
        assert!(is_listed, "{command} is not in:\n{help}");
    }
    for code in ["0  done", "1  failed", "2  wrong", "3  verification", "4  the gateway"] {
        assert!(help.contains(code), "{code} is not in:\n{help}");
    }
}

#[test]
fn each_command_explains_itself() {
    let dir = with_settings(RIGHT);
    for arguments in [
        &["serve"][..],
        &["identity", "create"],
        &["identity", "token", "issue"],
        &["identity", "token", "rotate"],
        &["grant", "create"],
        &["log", "tail"],
        &["verify"],
        &["evidence"],
        &["config", "check"],
        &["doctor"],
        &["connect-string"],
        &["completions"],
    ] {
        let output = countersign(dir.path(), &[arguments, &["--help"]].concat());
        assert!(output.status.success(), "{arguments:?}: {}", stderr(&output));
        assert!(stdout(&output).contains("Example"), "{arguments:?}:\n{}", stdout(&output));
    }
}

#[test]
fn a_settings_file_with_five_mistakes_gets_five_messages() {
    let text = RIGHT
        .replace("name = \"gw1\"", "nam = \"gw1\"")
        .replace("127.0.0.1:6432", "0.0.0.0:6432")
        .replace("user = \"svc\"", "user = \"svc\"\npassword = \"hunter2\"\nport = 0")
        .replace("kind = \"postgres\"\n", "");
    let dir = with_settings(&text);
    let output = countersign(dir.path(), &["config", "check"]);
    assert_eq!(output.status.code(), Some(2));
    let printed = stdout(&output);
    #[rustfmt::skip]
    let expected = [
        "have 6 mistakes:",
        "  line 3: gateway.nam: is not a known key. Did you mean `name`?",
        "gateway.name: is missing. Add it, for example: name = \"gw1\".",
        "  line 6: listen.postgres: 0.0.0.0:6432 can be reached from other machines, and there is no TLS.",
        "target[0].kind: is missing. Add it, for example: kind = \"postgres\".",
        "  line 12: target[0].password: a secret must not stand in the settings file.",
        "  line 13: target[0].port: 0 is out of bounds. Use a number from 1 to 65535.",
    ];
    for line in expected {
        assert!(printed.contains(line), "{line:?} is not in:\n{printed}");
    }
    assert_eq!(printed.lines().count(), 7, "{printed}");
    assert!(!printed.contains("hunter2"), "{printed}");

    let output = countersign(dir.path(), &["config", "check", "--json"]);
    assert_eq!(output.status.code(), Some(2));
    let value = json(&output);
    assert_eq!(value["ok"], false);
    assert_eq!(value["problems"].as_array().unwrap().len(), 6, "{value}");
    assert_eq!(value["problems"][1]["key"], "gateway.nam");
}

#[test]
fn every_command_that_needs_settings_shows_all_their_mistakes() {
    let dir = with_settings(&RIGHT.replace("name", "nme"));
    for arguments in [&["serve"][..], &["identity", "list"], &["log", "tail"]] {
        let output = countersign(dir.path(), arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(stderr(&output).contains("have 4 mistakes"), "{}", stderr(&output));
    }
}

#[test]
fn right_settings_and_absent_ones_are_told_apart() {
    let dir = with_settings(RIGHT);
    let output = countersign(dir.path(), &["config", "check"]);
    assert_eq!(
        (output.status.code(), stdout(&output).as_str()),
        (Some(0), "countersign.toml is right: 1 target\n")
    );
    assert_eq!(json(&countersign(dir.path(), &["--json", "config", "check"]))["ok"], true);

    std::fs::remove_file(dir.path().join("countersign.toml")).unwrap();
    let output = countersign(dir.path(), &["config", "check"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("countersign.toml cannot be read"), "{}", stderr(&output));
    let output = countersign(dir.path(), &["--json", "config", "check"]);
    let error: serde_json::Value = serde_json::from_slice(&output.stderr).unwrap();
    assert_eq!(error["error"]["code"], "settings");
}

#[test]
fn a_gateway_that_does_not_run_is_exit_code_4() {
    let dir = with_settings(RIGHT);
    let output = countersign(dir.path(), &["identity", "list"]);
    assert_eq!(output.status.code(), Some(4), "{}", stderr(&output));
    assert!(stderr(&output).contains("countersign serve"), "{}", stderr(&output));
}

#[test]
fn a_connect_string_has_a_placeholder_until_there_is_a_token() {
    let dir = with_settings(RIGHT);
    let base = ["connect-string", "--identity", "agent", "--target", "billing"];
    let output = countersign(dir.path(), &base);
    assert_eq!(
        stdout(&output),
        "postgresql://agent:TOKEN@127.0.0.1:6432/billing?sslmode=disable\n"
    );
    assert!(stderr(&output).contains("countersign identity token issue agent"));

    let output = countersign(dir.path(), &[&base[..], &["--token", "cst_a/b"]].concat());
    assert_eq!(
        stdout(&output),
        "postgresql://agent:cst_a%2Fb@127.0.0.1:6432/billing?sslmode=disable\n"
    );
    assert_eq!(stderr(&output), "");

    let output =
        countersign(dir.path(), &["connect-string", "--identity", "agent", "--target", "biling"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("did you mean `billing`?"), "{}", stderr(&output));
}

#[test]
fn wrong_arguments_are_exit_code_2() {
    let dir = with_settings(RIGHT);
    for arguments in [
        &["grnt"][..],
        &["identity", "create", "Ä", "--kind", "workload", "--owner", "x"],
        &["grant", "show", "ses_0000000000000000"],
        &[
            "grant",
            "create",
            "--identity",
            "a",
            "--target",
            "b",
            "--allow",
            "read:a.b",
            "--for",
            "15m",
            "--task",
            "t",
            "--purpose",
            "p",
        ],
        &["identity", "token", "issue", "a", "--lifetime", "15"],
    ] {
        let output = countersign(dir.path(), arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", stderr(&output));
    }
}

#[test]
fn completions_name_the_commands() {
    let dir = with_settings(RIGHT);
    for shell in ["bash", "zsh", "fish"] {
        let output = countersign(dir.path(), &["completions", shell]);
        assert!(output.status.success());
        assert!(stdout(&output).contains("connect-string"), "{shell}");
    }
}
