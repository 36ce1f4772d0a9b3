//! Tests of the settings file: what is read, and that every mistake is found and named.

use super::*;

const RIGHT: &str = r#"
[gateway]
name = "gw1"
state_dir = "/var/lib/countersign"
[listen]
postgres = "127.0.0.1:6432"
admin_uids = [1000]
[limits]
command_timeout_s = 5
[[target]]
name = "billing"
kind = "postgres"
host = "127.0.0.1"
database = "billing"
user = "svc"
password = { file = "billing.password" }
tls = "disable"
[[target.mask]]
column = "billing.customers.account_number"
with = "last4"
[[target.mask]]
column = "billing.customers.note"
with = "fixed"
value = "n/a"
[[target]]
name = "ledger"
kind = "postgres"
host = "/run/postgresql"
port = 5433
database = "l"
user = "svc"
"#;

fn parsed(text: &str) -> Result<Settings, Vec<Problem>> {
    parse(text, Path::new("/etc/countersign"))
}

fn mistakes(text: &str) -> Vec<String> {
    parsed(text).map_err(|list| list.iter().map(ToString::to_string).collect()).unwrap_err()
}

#[test]
fn right_settings_are_ready_to_use() {
    let settings = parsed(RIGHT).unwrap();
    assert_eq!(settings.listen.admin_socket, Path::new("/var/lib/countersign/admin.sock"));
    assert_eq!(settings.limits, Limits { command_timeout_s: 5, ..Limits::default() });
    assert_eq!(settings.listen.admin_uids, [1000]);
    let [billing, ledger] = settings.targets.as_slice() else { panic!("two targets") };
    let file = PathBuf::from("/etc/countersign/billing.password");
    assert_eq!(billing.password, Some(SecretRef::File(file)));
    assert_eq!(billing.address(), "127.0.0.1:5432/billing");
    assert_eq!(billing.masks[1].mask, model::Mask::Fixed("n/a".into()));
    assert_eq!(ledger.host, TargetHost::Unix("/run/postgresql".into()));
    assert_eq!((ledger.port, &ledger.tls), (5433, &TargetTls::Disabled));
    assert!(!billing.is_in_the_clear() && !ledger.is_in_the_clear());
}

#[test]
fn a_target_on_the_network_has_tls_unless_it_is_switched_off() {
    let text = RIGHT.replace("host = \"127.0.0.1\"", "host = \"db\"");
    assert!(parsed(&text).unwrap().targets[0].is_in_the_clear());
    let settings = parsed(&text.replace("tls = \"disable\"\n", "")).unwrap();
    assert!(!settings.targets[0].is_in_the_clear());
    assert!(matches!(settings.targets[0].tls, TargetTls::VerifyFull { .. }));
}

#[test]
fn five_mistakes_give_five_messages() {
    let text = RIGHT
        .replace("name = \"gw1\"", "nmae = \"gw1\"\nname = \"gw1\"")
        .replace("127.0.0.1:6432", "localhost")
        .replace("command_timeout_s = 5", "command_timeout_s = \"soon\"")
        .replace("{ file = \"billing.password\" }", "\"hunter2\"")
        .replace("last4", "lst4");
    assert_eq!(
        mistakes(&text),
        [
            "line 3: gateway.nmae: is not a known key. Did you mean `name`?",
            "line 7: listen.postgres: `localhost` is not an IP address and a port. \
             Write, for example, \"127.0.0.1:6432\" or \"[::]:6432\".",
            "line 10: limits.command_timeout_s: is a text. \
             It must be a whole number, without quotes.",
            "line 17: target[0].password: a secret must not stand in the settings file. Write \
             exactly one of { file = \"/path\" }, { env = \"NAME\" }, { credential = \"NAME\" }.",
            "line 21: target[0].mask[0].with: `lst4` is not a mask. Did you mean \"last4\"?",
        ]
    );
}

#[test]
fn each_mistake_names_its_key() {
    #[rustfmt::skip]
    let cases = [
        // what is written           what is written instead              key                  what the message says
        ("name = \"gw1\"",           "name = \"GW\"",                     "gateway.name",      "`GW` is not a name"),
        ("name = \"gw1\"\n",         "",                                  "gateway.name",      "is missing"),
        ("127.0.0.1:6432",           "0.0.0.0:6432",                      "listen.postgres",   "there is no TLS"),
        ("[limits]",                 "tls_certificate = \"c\"\n[limits]", "listen",            "one of two TLS files"),
        ("[limits]",                 "allow_plaintext = 1\n[limits]",     "listen.allow_plaintext", "is a whole number"),
        ("admin_uids = [1000]",      "admin_uids = [0, -1]",              "listen.admin_uids[1]", "out of bounds"),
        ("admin_uids = [1000]",      "admin_uids = 0",                    "listen.admin_uids", "numbers in brackets"),
        ("[limits]",                 "[limit]",                           "limit",             "Did you mean `limits`"),
        ("timeout_s = 5",            "timeout_s = 0",                     "limits.command_timeout_s", "from 1 to 86400"),
        ("timeout_s = 5",            "timeout_s = 99999999999999999999",  "limits.command_timeout_s", "out of bounds"),
        ("timeout_s = 5",            "timeout_s = -1",                    "limits.command_timeout_s", "out of bounds"),
        ("timeout_s = 5",            "timeout_s = 1.5",                   "limits.command_timeout_s", "is a number with a fraction"),
        ("name = \"ledger\"",        "name = \"billing\"",                "target[1]",         "two targets with the name"),
        ("\"ledger\"\nkind = \"postgres\"", "\"ledger\"\nkind = \"http\"", "target[1].kind",  "only kind so far"),
        ("port = 5433",              "port = 65536",                      "target[1].port",    "from 1 to 65535"),
        ("port = 5433",              "tls = \"verify-full\"",             "target[1].tls",     "a Unix socket has no TLS"),
        ("port = 5433",              "ca = \"ca.pem\"",                   "target[1].ca",      "without TLS"),
        ("tls = \"disable\"",        "tls = \"require\"",                 "target[0].tls",     "verify-full"),
        ("tls = \"disable\"",        "tls_negotiation = \"soon\"",        "target[0].tls_negotiation", "\"direct\""),
        ("tls = \"disable\"",        "channel_binding = \"yes\"",         "target[0].channel_binding", "\"require\""),
        ("port = 5433",              "channel_binding = \"require\"",     "target[1].channel_binding", "without TLS"),
        ("[limits]",                 "client_ca = \"ca.pem\"\n[limits]",  "listen.client_ca",  "without TLS"),
        ("tls = \"disable\"",        "tls = \"disable\"\nuser_name = 1",  "target[0].user_name", "is not a known key"),
        ("{ file = \"billing.password\" }", "{ file = \"a\", env = \"B\" }", "target[0].password", "exactly one of"),
        ("{ file = \"billing.password\" }", "{ credential = \"../x\" }",  "target[0].password.credential", "not the name of a credential"),
        ("customers.account_number", "account_number.",                   "target[0].mask[0].column", "does not name a column"),
        ("customers.note",           "customers.account_number",          "target[0].mask[1].column", "has a mask already"),
        ("value = \"n/a\"",          "",                                  "target[0].mask[1].with", "needs a value"),
        ("with = \"fixed\"",         "with = \"hash\"",                   "target[0].mask[1].value", "`fixed` only"),
        ("database = \"l\"",         "database = \"\"",                   "target[1].database", "is empty"),
    ];
    for (from, to, key, message) in cases {
        let text = RIGHT.replace(from, to);
        assert_ne!(text, RIGHT, "{from} stands in the settings");
        let problems = parsed(&text).unwrap_err();
        let all: Vec<String> = problems.iter().map(ToString::to_string).collect();
        assert_eq!(problems.len(), 1, "{to}: {all:?}");
        assert_eq!(problems[0].key, key, "{all:?}");
        assert!(all[0].contains(message), "{all:?}");
        assert!(problems[0].line > 1, "{all:?}");
    }
}

#[test]
fn text_that_is_not_toml_names_its_line_and_shows_no_secret() {
    let all = mistakes(&RIGHT.replace("password = {", "password = hunter2 {"));
    assert!(!all.is_empty() && all[0].starts_with("line 16: "), "{all:?}");
    assert!(!all.join("\n").contains("hunter2"), "{all:?}");
}

#[test]
fn an_empty_file_lists_what_is_needed() {
    let all = mistakes("").join("\n");
    for key in ["gateway", "listen", "target"] {
        assert!(all.contains(&format!("{key}: is missing")), "{all}");
    }
}

#[test]
fn an_empty_target_list_is_a_mistake() {
    let (head, _) = RIGHT.split_once("[[target]]").unwrap();
    let all = mistakes(&format!("target = []\n{head}"));
    assert_eq!(all, ["line 1: target: is empty. Write at least one [[target]]."]);
}

#[test]
fn a_target_list_that_is_no_list_says_how_to_write_it() {
    let all = mistakes("[target]\nname = \"x\"").join("\n");
    assert!(all.contains("write it as [[target]]"), "{all}");
}

#[test]
fn the_documentation_lists_every_limit_with_its_default_and_bounds() {
    let page = include_str!("../../../../docs/settings.md");
    for (name, default, low, high) in limits::TABLE {
        let row = format!("| `{name}` | {default} | {low} to {high} |");
        assert!(page.contains(&row), "docs/settings.md lacks: {row}");
    }
}

#[test]
fn client_certificates_need_their_authorities_and_tls() {
    let listen = |more: &str| {
        let lines = format!("tls_certificate = \"c\"\ntls_private_key = \"k\"\n{more}\n[limits]");
        parsed(&RIGHT.replace("[limits]", &lines))
    };
    let clients = |more: &str| listen(more).unwrap().listen.tls.unwrap().clients;
    let ca = PathBuf::from("/etc/countersign/ca.pem");
    assert_eq!(clients(""), ClientCertificates::Off);
    assert_eq!(clients("client_certificates = \"off\""), ClientCertificates::Off);
    let both = |mode: &str| format!("client_ca = \"ca.pem\"\nclient_certificates = \"{mode}\"");
    assert_eq!(clients(&both("optional")), ClientCertificates::Optional(ca.clone()));
    assert_eq!(clients(&both("required")), ClientCertificates::Required(ca));
    #[rustfmt::skip]
    let cases = [
        ("client_ca = \"ca.pem\"".to_owned(),             "listen.client_ca",           "does not say whether"),
        ("client_certificates = \"required\"".to_owned(), "listen.client_certificates", "needs the authorities"),
        (both("off"),                                     "listen.client_ca",           "no meaning"),
        (both("always"),                                  "listen.client_certificates", "not a way"),
    ];
    for (more, key, message) in cases {
        let problems = listen(&more).unwrap_err();
        let [problem] = problems.as_slice() else { panic!("{problems:?}") };
        assert_eq!(problem.key, key);
        assert!(problem.to_string().contains(message), "{problem}");
    }
}

#[test]
fn columns_of_free_text_name_what_is_looked_for() {
    let with = |lines: &str| {
        let free = format!("[[target.free_text]]\n{lines}\n[[target]]\nname = \"ledger\"");
        RIGHT.replace("[[target]]\nname = \"ledger\"", &free)
    };
    let body = "column = \"support.tickets.body\"";
    for (lines, detectors) in [
        (body.to_owned(), model::Detector::ALL.into()),
        (format!("{body}\ndetect = [\"card\"]"), model::Detectors::from([model::Detector::Card])),
    ] {
        let settings = parsed(&with(&lines)).unwrap();
        let read = settings.targets[0].masks.last().unwrap();
        assert_eq!(read.column, "support.tickets.body");
        assert_eq!(read.mask, model::Mask::Detect(detectors));
    }
    #[rustfmt::skip]
    let wrong = [
        ("",                                                      "column"),
        ("column = \"body\"",                                     "body"),
        ("column = \"s.t.body\"\ndetect = []",                    "names no detector"),
        ("column = \"s.t.body\"\ndetect = [\"cards\"]",           "`cards` is not a detector"),
        ("column = \"s.t.body\"\ndetect = \"card\"",              "texts in brackets"),
        ("column = \"s.t.body\"\ndetects = [\"card\"]",           "detects"),
        ("column = \"billing.customers.note\"",                   "is masked or free text already"),
    ];
    for (lines, expected) in wrong {
        let found = mistakes(&with(lines));
        assert_eq!(found.len(), 1, "{lines}: {found:?}");
        assert!(found[0].contains(expected), "{lines}: {found:?}");
    }
}
