//! What stands in the files: the report as data, and hostile texts made harmless.

use crate::fixture::{Fixture, at, touch};
use evidence::build;
use model::{AccessEvent, Action, ControlEvent, IdentityKind};

#[test]
fn the_report_as_data_is_as_before() {
    let package = build(Fixture::new().input()).unwrap();
    let found = std::str::from_utf8(&package.files["report.json"]).unwrap();
    let path = format!("{}/report.json", env!("CARGO_TARGET_TMPDIR"));
    std::fs::write(&path, found).unwrap();
    std::fs::write(path.replace(".json", ".html"), &package.files["report.html"]).unwrap();
    let expected = include_str!("snapshots/report.json");
    assert!(found == expected, "report.json differs from its snapshot; the new one is {path}");
}

#[test]
fn no_text_of_a_record_becomes_markup_a_formula_or_hides() {
    let evil = "=cmd|' /C calc'!A0<script>alert(1)</script>\u{202e}txt\u{200b}\u{7}";
    let mut fixture = Fixture::new();
    for record in &mut fixture.control {
        if let ControlEvent::GrantRevoked { reason, .. } = &mut record.event {
            evil.clone_into(reason);
        }
        if let ControlEvent::IdentityCreated {
            owner, identity_kind: IdentityKind::Person, ..
        } = &mut record.event
        {
            evil.clone_into(owner);
        }
    }
    for record in &mut fixture.access {
        match &mut record.event {
            AccessEvent::SessionOpened { application, peer, mode, .. } => {
                for text in [application, peer, mode] {
                    evil.clone_into(text);
                }
            }
            AccessEvent::CommandDenied { reason, touches, .. } => {
                evil.clone_into(reason);
                touches.push(touch(evil, Action::Select, &[evil]));
            }
            AccessEvent::AuthenticationFailed { reason, .. } => evil.clone_into(reason),
            _ => {}
        }
    }
    let mut input = fixture.input();
    evil.clone_into(&mut input.tool_version);
    let package = build(input).unwrap();
    for (name, content) in &package.files {
        if name.starts_with("records/") || name.starts_with("checkpoints/") {
            continue;
        }
        let text = std::str::from_utf8(content).unwrap();
        assert!(!text.contains(['\u{202e}', '\u{200b}', '\u{7}']), "{name} hides something");
        assert!(name != "report.html" || !text.contains("<script"), "{name} has a script");
        for line in text.lines().filter(|_| name.contains(".csv")) {
            let inner = line.strip_prefix('"').unwrap().strip_suffix('"').unwrap();
            for cell in inner.split("\",\"") {
                assert!(!cell.trim_start().starts_with(['=', '+', '-', '@']), "{name}: {cell}");
            }
        }
    }
}

#[test]
fn the_report_asks_for_nothing_from_elsewhere() {
    let package = build(Fixture::new().input()).unwrap();
    let html = std::str::from_utf8(&package.files["report.html"]).unwrap();
    for forbidden in ["http:", "https:", "<script", "<link", "<img", "url(", "@import", "src="] {
        assert!(!html.contains(forbidden), "{forbidden}");
    }
    assert!(html.contains("default-src 'none'"));
    assert!(html.starts_with("<!DOCTYPE html>") && html.trim_end().ends_with("</html>"));
}

#[test]
fn every_population_has_one_line_for_each_record_that_it_lists() {
    let package = build(Fixture::new().input()).unwrap();
    let lines = |name: &str| {
        let text = std::str::from_utf8(&package.files[name]).unwrap();
        text.lines().count().checked_sub(1).unwrap()
    };
    #[rustfmt::skip]
    let cases = [
        ("identities.csv", 3), ("commands.csv", 6), ("denials.csv", 4), ("redactions.csv", 2),
        ("sessions.csv", 3), ("authentication_failures.csv", 1), ("administration.csv", 12),
        ("findings.csv", 36), ("exceptions.csv", 0), ("grants.csv", 6), ("notifications.csv", 0),
    ];
    for (name, count) in cases {
        assert_eq!(lines(name), count, "{name}");
    }
    assert_eq!(package.report.window.to, at(3600));
}
