//! How a client comes in: TLS asked for or direct, channel binding, certificates, protocol 3.2. With
//! PostgreSQL's own client libraries, old and new.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::fmt::Write as _;
use std::time::Duration;

use e2e::certificate::{self, Certificates, ClientFiles, ClientNames};
use e2e::wire::{Stop, message};
use e2e::{Cluster, Database, Gateway, Login, Settings, Target, Wire, ledger, python, scratch};
use serde_json::Value;

const AGENT: &str = "spiffe://example.org/agent";

struct World {
    /// Kept, for the target's sake.
    database: Database,
    gateway: Gateway,
    files: Certificates,
    token: String,
}

impl World {
    /// `clients` is the value of `client_certificates`.
    fn new(clients: &str) -> Self {
        let database = Cluster::shared().billing();
        let files = certificate::make(&scratch::new_directory("login"));
        let mut settings = Settings::new(vec![Target::billing(&database)]);
        settings.listen = format!(
            "tls_certificate = \"{}\"\ntls_private_key = \"{}\"\nclient_certificates = \"{clients}\"\n",
            files.certificate.display(),
            files.key.display()
        );
        if clients != "off" {
            let authority = files.authority.display();
            writeln!(settings.listen, "client_ca = \"{authority}\"").unwrap();
        }
        let gateway = Gateway::start(&settings);
        let token = gateway.identity("agent");
        gateway.grant(
            "agent",
            "billing",
            &["select:billing.customers(id,name)", "select:billing.numbers"],
        );
        Self { database, gateway, files, token }
    }

    /// What libpq 18 makes of a connection, and of statements over it.
    fn libpq(&self, options: &str, password: &str, work: &[&str]) -> Value {
        let conninfo = format!(
            "host=127.0.0.1 port={} dbname=billing sslrootcert={} {options}{}",
            self.gateway.address.port(),
            self.files.authority.display(),
            if options.contains("user=") { "" } else { " user=agent" }
        );
        let arguments: Vec<&str> =
            [conninfo.as_str()].into_iter().chain(work.iter().copied()).collect();
        let output = python::DRIVERS.run("libpq_transport.py", &arguments, password);
        assert!(output.status.success(), "{output:?}");
        serde_json::from_slice(&output.stdout).unwrap()
    }

    fn certificate(&self, file: &str, names: &ClientNames) -> String {
        let ClientFiles { certificate, key } = self.files.client(file, names);
        format!("sslcert={} sslkey={}", certificate.display(), key.display())
    }

    /// Accepts certificates of the SPIFFE ID for `agent`, and returns the credential.
    fn accept_spiffe(&self) -> String {
        let added =
            self.gateway.admin(&["identity", "certificate", "add", "agent", "--spiffe", AGENT]);
        added["id"].as_str().unwrap().to_owned()
    }

    fn last_opened(&self) -> Value {
        let opened = ledger::of_kind(&self.gateway, "session_opened");
        opened.last().unwrap().leaf.clone()
    }

    fn last_refusal(&self) -> Value {
        let failed = ledger::of_kind(&self.gateway, "authentication_failed");
        failed.last().map_or(Value::Null, |record| record.leaf["reason"].clone())
    }
}

fn spiffe(id: &str) -> ClientNames {
    ClientNames { uris: vec![id.to_owned()], ..ClientNames::default() }
}

const NAME: &str = "SELECT name FROM billing.customers WHERE id = 7";

#[test]
fn libpq_begins_tls_directly_binds_its_log_in_and_speaks_3_2() {
    let world = World::new("off");
    #[rustfmt::skip]
    let cases = [
        // options                                                             protocol  recorded as
        ("sslmode=verify-full",                                                30000, "scram-sha-256-plus"),
        ("sslmode=verify-full channel_binding=require",                        30000, "scram-sha-256-plus"),
        ("sslmode=verify-full channel_binding=disable",                        30000, "scram-sha-256"),
        ("sslmode=verify-full sslnegotiation=direct channel_binding=require",  30000, "scram-sha-256-plus"),
        ("sslmode=verify-full ssl_max_protocol_version=TLSv1.2 channel_binding=require", 30000, "scram-sha-256-plus"),
        ("sslmode=verify-full max_protocol_version=3.2",                       30002, "scram-sha-256-plus"),
        ("sslmode=verify-full max_protocol_version=3.2 min_protocol_version=3.2", 30002, "scram-sha-256-plus"),
        ("sslmode=verify-full max_protocol_version=latest sslnegotiation=direct", 30002, "scram-sha-256-plus"),
        ("sslmode=disable",                                                    30000, "scram-sha-256"),
    ];
    for (options, protocol, login) in cases {
        let answer = world.libpq(options, &world.token, &[NAME, "cancel"]);
        assert!(answer["libpq"].as_u64().unwrap() >= 180_000, "{answer}");
        assert_eq!(answer["value"], "Customer 7", "{options}: {answer}");
        assert_eq!(answer["protocol"], protocol, "{options}: {answer}");
        // The key of the session cancels, whatever its length.
        assert_eq!(answer["cancelled"], "57014", "{options}: {answer}");
        let opened = world.last_opened();
        assert_eq!(opened["login"], login, "{options}");
        assert_eq!(opened["tls"], options != "sslmode=disable", "{options}");
        assert!(opened["credential"].as_str().unwrap().starts_with("crd_"), "{opened}");
    }
    let refused = world.libpq("sslmode=disable channel_binding=require", &world.token, &[]);
    assert!(refused["error"].as_str().unwrap().contains("channel binding"), "{refused}");
    let wrong = world.libpq("sslmode=verify-full channel_binding=require", "cst_wrong", &[]);
    assert!(wrong["error"].as_str().unwrap().contains("password authentication failed"), "{wrong}");
}

#[test]
fn each_negotiation_is_answered_once_in_libpqs_order() {
    let world = World::new("off");
    let (ssl, gssenc) = (80_877_103_i32, 80_877_104_i32);
    let request = |code: i32| [8_i32.to_be_bytes(), code.to_be_bytes()].concat();
    let limit = Duration::from_secs(10);

    // As libpq with gssencmode=prefer does: GSSENC, no; TLS. Here the test goes on in plaintext.
    let mut wire = Wire::connect(world.gateway.address).unwrap();
    wire.send(&request(gssenc));
    assert_eq!(wire.read_byte(limit), Ok(b'N'));
    wire.send(&request(ssl));
    assert_eq!(wire.read_byte(limit), Ok(b'S'));

    // Without TLS on offer, both are answered no, in either order, and the log-in goes on.
    let plain = Gateway::start(&Settings::new(vec![Target::billing(&world.database)]));
    let token = plain.identity("agent");
    plain.grant("agent", "billing", &["select:billing.customers(id,name)"]);
    for order in [[gssenc, ssl], [ssl, gssenc]] {
        let mut wire = Wire::connect(plain.address).unwrap();
        for code in order {
            wire.send(&request(code));
            assert_eq!(wire.read_byte(limit), Ok(b'N'));
        }
        wire.send(&Login::new("agent", "billing", &token).packet());
        wire.authenticate(&token).unwrap();
        assert_eq!(wire.simple(NAME).rows().len(), 1);
    }
    // A second time, or with something behind it, neither is.
    for bytes in [
        [request(gssenc), request(gssenc)].concat(),
        [request(ssl), Login::new("agent", "billing", &token).packet()].concat(),
        [request(gssenc), message(b'X', b"")].concat(),
    ] {
        let mut wire = Wire::connect(plain.address).unwrap();
        wire.send(&bytes);
        let (_, stop) = wire.read_until(b"Z", limit);
        assert_eq!(stop, Stop::Closed, "{bytes:?}");
    }
}

#[test]
fn a_certificate_takes_the_place_of_a_token_if_it_is_the_identitys() {
    let world = World::new("optional");
    world.accept_spiffe();
    world.gateway.identity("other");
    let own = world.certificate("own", &spiffe(AGENT));
    let strange = world.certificate("strange", &spiffe("spiffe://example.org/stranger"));
    let expired =
        world.certificate("expired", &ClientNames { lives_s: Some(-60), ..spiffe(AGENT) });
    let foreign = certificate::make(&scratch::new_directory("login-other"));
    let ClientFiles { certificate, key } = foreign.client("foreign", &spiffe(AGENT));
    let foreign = format!("sslcert={} sslkey={}", certificate.display(), key.display());
    let token = world.token.as_str();
    let (full, direct) = ("sslmode=verify-full", "sslmode=verify-full sslnegotiation=direct");
    #[rustfmt::skip]
    let cases = [
        // options                          password     recorded as, or what the client reads
        (format!("{full} {own}"),             "none",      Ok("certificate")),
        (format!("{direct} {own}"),           "none",      Ok("certificate")),
        (format!("{full} {own} require_auth=none"), "none", Ok("certificate")),
        (format!("{full} {strange}"),         token,       Ok("scram-sha-256-plus")),
        (full.to_owned(),                     token,       Ok("scram-sha-256-plus")),
        ("sslmode=disable".to_owned(),        token,       Ok("scram-sha-256")),
        (format!("{full} {strange}"),         "none",      Err("password authentication failed")),
        (format!("{full} {own} user=other"),  "none",      Err("password authentication failed")),
        (format!("{full} {own} user=nobody"), "none",      Err("password authentication failed")),
        (format!("{full} {expired}"),         token,       Err("certificate")),
        (format!("{full} {foreign}"),         token,       Err("alert")),
    ];
    for (options, password, expected) in cases {
        let answer = world.libpq(&options, password, &[NAME]);
        match expected {
            Ok(login) => {
                assert_eq!(answer["value"], "Customer 7", "{options}: {answer}");
                let opened = world.last_opened();
                assert_eq!(opened["login"], login, "{options}");
                assert_eq!(opened["certificate"].is_string(), login == "certificate", "{opened}");
            }
            Err(said) => {
                let error = answer["error"].as_str().unwrap();
                assert!(error.contains(said), "{options}: {error}");
            }
        }
    }
    assert_eq!(world.last_refusal(), "certificate_refused");
}

#[test]
fn where_certificates_are_required_nothing_else_comes_in() {
    let world = World::new("required");
    let subject = ["identity", "certificate", "add", "agent", "--subject", "CN=agent"];
    world.gateway.admin(&subject);
    world.gateway.identity("other");
    let named =
        |name: &str| ClientNames { common_name: Some(name.into()), ..ClientNames::default() };
    let own = world.certificate("own", &named("agent"));
    let strange = world.certificate("strange", &named("stranger"));
    let token = world.token.as_str();
    let full = "sslmode=verify-full";
    let no = "certificate authentication failed";
    #[rustfmt::skip]
    let cases = [
        (format!("{full} {own}"),              None,                 Value::Null),
        (format!("{full} {strange}"),          Some(no),             "wrong_certificate".into()),
        (format!("{full} {own} user=other"),   Some(no),             "wrong_certificate".into()),
        (format!("{full} {own} user=nobody"),  Some(no),             "wrong_certificate".into()),
        (format!("{full} {own} user=Nobody"),  Some(no),             "wrong_certificate".into()),
        ("sslmode=disable".to_owned(),         Some("by TLS only"),  "tls_required".into()),
        (full.to_owned(),                      Some("certificate"),  "certificate_refused".into()),
    ];
    for (options, refused, reason) in cases {
        let answer = world.libpq(&options, token, &[NAME]);
        match refused {
            None => assert_eq!(answer["value"], "Customer 7", "{options}: {answer}"),
            Some(said) => {
                let error = answer["error"].as_str().unwrap();
                assert!(error.contains(said), "{options}: {error}");
                assert_eq!(world.last_refusal(), reason, "{options}");
            }
        }
    }
}

#[test]
fn a_certificate_that_is_revoked_or_expires_ends_its_session_within_a_second() {
    let world = World::new("optional");
    let credential = world.accept_spiffe();
    let sleeper = |options: String| {
        let (port, authority) = (world.gateway.address.port(), world.files.authority.clone());
        std::thread::spawn(move || {
            let conninfo = format!(
                "host=127.0.0.1 port={port} dbname=billing user=agent sslmode=verify-full \
                 sslrootcert={} {options}",
                authority.display()
            );
            let long =
                "SELECT count(*) FROM billing.numbers a, billing.numbers b WHERE a.n + b.n < 0";
            let output = python::DRIVERS.run("libpq_transport.py", &[&conninfo, long], "");
            serde_json::from_slice::<Value>(&output.stdout).unwrap()
        })
    };
    let is_running = || {
        let running = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' \
                       AND application_name LIKE 'countersign ses_%' \
                       AND datname = current_database() AND usename = 'svc'";
        e2e::wait::until("the statement runs", || {
            (world.database.value(running) == "1").then_some(())
        });
    };
    // By the records' own times, for the client's process takes its time to end.
    let ended_after = |at: &str, number: usize| -> f64 {
        let closed = ledger::of_kind(&world.gateway, "session_closed");
        let closed = &closed[number].leaf;
        assert_eq!(closed["reason"], "authority_ended", "{closed}");
        let closed = closed["at"].as_str().unwrap();
        let between =
            format!("SELECT extract(epoch FROM '{closed}'::timestamptz - '{at}'::timestamptz)");
        world.database.value(&between).parse().unwrap()
    };

    let lasting = sleeper(world.certificate("lasting", &spiffe(AGENT)));
    is_running();
    let revoke = ["identity", "certificate", "revoke", &credential, "--reason", "test"];
    let revoked = world.gateway.admin(&revoke);
    let answer = lasting.join().unwrap();
    assert!(answer["error"].as_str().unwrap().contains("has ended"), "{answer}");
    let after = ended_after(revoked["revoked"]["at"].as_str().unwrap(), 0);
    assert!((0.0..1.0).contains(&after), "{after} s");
    let again = format!("sslmode=verify-full {}", world.certificate("again", &spiffe(AGENT)));
    let again = world.libpq(&again, "none", &[]);
    assert!(again["error"].as_str().unwrap().contains("password authentication failed"), "{again}");

    world.accept_spiffe();
    // On a busy machine a client may need longer to come in than a short certificate lives.
    let end = [4_i64, 8, 16, 32].into_iter().find_map(|lives_s| {
        let names = ClientNames { lives_s: Some(lives_s), ..spiffe(AGENT) };
        let options = world.certificate(&format!("short-{lives_s}"), &names);
        let end = format!(
            "SELECT to_char((now() + interval '{lives_s} s') AT TIME ZONE 'UTC', \
             'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"')"
        );
        let end = world.database.value(&end);
        let answer = sleeper(options).join().unwrap();
        assert!(answer["error"].is_string(), "{answer}");
        answer["tls"].is_boolean().then_some(end)
    });
    // The certificate holds its end in whole seconds, and is still good in the last one.
    let after = ended_after(&end.expect("the client came in"), 1);
    assert!((-1.1..2.1).contains(&after), "{after} s");
}

#[test]
fn a_log_in_in_the_middle_is_refused_and_recorded() {
    let world = World::new("off");
    let by_hand = |how: &str| -> Value {
        let port = world.gateway.address.port().to_string();
        let output = python::DRIVERS.run("tls_by_hand.py", &[&port, how], "");
        assert!(output.status.success(), "{output:?}");
        serde_json::from_slice(&output.stdout).unwrap()
    };
    // Who says that binding was not offered has been lied to; who is bound to another certificate
    // speaks to somebody else.
    for how in ["downgrade", "other_channel"] {
        let answer = by_hand(how);
        let offered = serde_json::json!(["SCRAM-SHA-256-PLUS", "SCRAM-SHA-256"]);
        assert_eq!(answer["offered"], offered, "{how}");
        assert_eq!(answer["error"]["C"], "28000", "{how}: {answer}");
        assert_eq!(world.last_refusal(), "channel_binding_failed", "{how}");
    }
    // The right channel with a wrong proof is a wrong token and no more.
    for how in ["right_channel", "late_alpn", "direct"] {
        let answer = by_hand(how);
        assert_eq!(answer["error"]["C"], "28P01", "{how}: {answer}");
        assert_eq!(answer["alpn"], "postgresql", "{how}: {answer}");
        assert_eq!(world.last_refusal(), "wrong_token", "{how}");
    }
    // TLS that begins by itself must name the protocol within.
    let answer = by_hand("no_alpn");
    assert_eq!(answer["error"]["C"], "08P01", "{answer}");
    assert_eq!(world.last_refusal(), "no_alpn");
    let answer = by_hand("wrong_alpn");
    assert!(answer.get("ssl").is_some() && answer.get("alpn").is_none(), "{answer}");
}
