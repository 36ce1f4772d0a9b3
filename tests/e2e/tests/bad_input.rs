//! What clients, operators, disks and targets get wrong: each is a clear error, nothing is lost.

#![expect(
    clippy::unwrap_used,
    clippy::string_slice,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and some measure time"
)]

use std::fs;
use std::time::{Duration, Instant};

use e2e::ledger;
use e2e::wire::{self, Stop};
use e2e::{Cluster, Database, Gateway, Login, Message, Settings, Target, Wire};

struct World {
    database: Database,
    gateway: Gateway,
    token: String,
}

impl World {
    fn new(limits: &str) -> Self {
        let database = Cluster::shared().billing();
        let mut settings = Settings::new(vec![Target::billing(&database)]);
        settings.limits = limits.into();
        Self::with(database, &settings)
    }

    fn with(database: Database, settings: &Settings) -> Self {
        let gateway = Gateway::start(settings);
        let token = gateway.identity("agent");
        gateway.grant("agent", "billing", &["select:billing.numbers", "select:billing.customers"]);
        Self { database, gateway, token }
    }

    fn connect(&self) -> Wire {
        self.gateway.connect("agent", "billing", &self.token).unwrap()
    }

    fn still_serves(&self) {
        let answer = self.connect().simple("SELECT label FROM billing.numbers WHERE n = 1");
        assert_eq!(answer.rows().len(), 1, "{answer:?}");
    }
}

#[test]
fn malformed_messages_end_the_session_with_an_error_and_a_record() {
    let world = World::new("");
    let long = i32::MAX.to_be_bytes();
    #[rustfmt::skip]
    let cases: [(&str, Vec<u8>); 12] = [
        ("length zero",              [b"Q".as_slice(), &0_i32.to_be_bytes()].concat()),
        ("length three",             [b"Q".as_slice(), &3_i32.to_be_bytes()].concat()),
        ("length negative",          [b"Q".as_slice(), &(-1_i32).to_be_bytes()].concat()),
        ("length of two gigabytes",  [b"Q".as_slice(), &long].concat()),
        ("unknown type",             wire::message(b'z', b"")),
        ("a server's message",       wire::message(b'T', b"\0\0")),
        ("no terminator",            wire::message(b'Q', b"SELECT 1")),
        ("NUL inside",               wire::message(b'Q', b"SELECT 1\0SELECT 2\0")),
        ("not UTF-8",                wire::message(b'Q', b"SELECT '\xff'\0")),
        ("bytes behind a Sync",      wire::message(b'S', b"x")),
        ("bind of more than it has", wire::message(b'B', b"\0\0\0\0\0\x01\x00\x00\x03\xe8abc\0\0")),
        ("password after the login", wire::message(b'p', b"x\0")),
    ];
    for (what, bytes) in cases {
        let mut wire = world.connect();
        wire.send(&bytes);
        let (messages, stop) = wire.read_until(b"", Duration::from_secs(5));
        assert!(messages.iter().any(|message| message.kind == b'E'), "{what}: {messages:?}");
        // PostgreSQL itself goes on after wrong text; all else ends the session.
        let goes_on = what == "not UTF-8";
        assert!(stop == Stop::Closed || goes_on, "{what}: {stop:?}");
        assert!(messages.iter().all(|message| message.kind != b'D'), "{what}");
    }
    let ends = ledger::of_kind(&world.gateway, "session_closed");
    let violations =
        ends.iter().filter(|record| record.leaf["reason"] == "protocol_violation").count();
    assert!(violations >= 11, "{violations} of the sessions ended for that reason");
    world.still_serves();
}

#[test]
fn oversized_statements_are_refused_and_not_cut() {
    let world = World::new("");
    let sql = format!("SELECT 1 --{}", "x".repeat(1_600_000));
    let answer = world.connect().simple(&sql);
    assert!(answer.rows().is_empty() && !answer.errors().is_empty(), "{:?}", answer.kinds());
    let deep = format!("SELECT {}1{}", "(".repeat(20_000), ")".repeat(20_000));
    let answer = world.connect().simple(&deep);
    assert!(answer.rows().is_empty() && !answer.errors().is_empty(), "{:?}", answer.kinds());
    let joins = format!("SELECT 1 FROM billing.numbers {}", "JOIN billing.numbers ".repeat(2000));
    assert!(!world.connect().simple(&joins).errors().is_empty());
    world.still_serves();
}

#[test]
fn a_client_that_does_not_finish_its_login_is_let_go() {
    let world = World::new("handshake_timeout_s = 1");
    let login = Login::new("agent", "billing", "");
    let packet = login.packet();
    for (what, bytes) in [
        ("silence", &packet[..0]),
        ("half a packet", &packet[..9]),
        ("no answer to SASL", &packet[..]),
    ] {
        let started = Instant::now();
        let mut wire = Wire::connect(world.gateway.address).unwrap();
        wire.send(bytes);
        let (_, stop) = wire.read_until(b"", Duration::from_secs(10));
        assert_eq!(stop, Stop::Closed, "{what}");
        assert!(started.elapsed() < Duration::from_secs(4), "{what}: {:?}", started.elapsed());
    }
    world.still_serves();
}

#[test]
fn a_half_open_client_leaves_nothing_behind() {
    let world = World::new("");
    let mut wire = world.connect();
    wire.send_message(b'Q', b"SELECT count(*) FROM billing.numbers a CROSS JOIN billing.numbers b CROSS JOIN billing.numbers c\0");
    std::thread::sleep(Duration::from_millis(300));
    wire.half_close();
    drop(wire);
    world.database.wait_until_idle(Duration::from_secs(5));
    e2e::wait::within(Duration::from_secs(5), "the target's session ends", || {
        // The gateway's own two: one reads the catalog, one looks whether it still holds.
        (world.database.service_sessions() <= 2).then_some(())
    });
    world.still_serves();
}

/// What a client sees of a failed login, but for the nonces.
fn failed_login(world: &World, user: &str, token: &str) -> (Vec<Message>, Duration) {
    let started = Instant::now();
    let mut wire = Wire::connect(world.gateway.address).unwrap();
    wire.send(&Login::new(user, "billing", token).packet());
    wire.authenticate(token).unwrap_err();
    let took = started.elapsed();
    let mut bytes = std::mem::take(&mut wire.received);
    let mut messages = Vec::new();
    while let Some(mut message) = Message::take(&mut bytes) {
        if message.kind == b'R' && message.body.starts_with(&[0, 0, 0, 11]) {
            let text = String::from_utf8(message.body).unwrap();
            let fields = text.split(',').map(|field| match field.trim_start_matches('\0') {
                field if field.starts_with("s=") => format!("s={}", field.len()),
                field if field.contains("r=") => format!("r={}", field.len()),
                field => field.to_owned(),
            });
            message.body = fields.collect::<Vec<_>>().join(",").into_bytes();
        }
        messages.push(message);
    }
    (messages, took)
}

#[test]
fn an_unknown_user_and_a_wrong_token_look_alike() {
    let world = World::new("");
    world.gateway.identity("disabled");
    world.gateway.admin(&["identity", "disable", "disabled", "--reason", "end-to-end test"]);
    let expected = failed_login(&world, "agent", "cst_wrong").0;
    assert_eq!(expected.last().map(|message| message.kind), Some(b'E'));
    for user in ["nobody", "disabled", "Not A Name", "postgres"] {
        let seen = failed_login(&world, user, "cst_wrong").0;
        let say = |messages: &[Message]| {
            format!("{messages:?}").replace(user, "USER").replace("agent", "USER")
        };
        assert_eq!(say(&seen), say(&expected), "{user}");
    }
    // The salt of a user is the same at each attempt, also of one that does not exist.
    let salt = |user: &str| {
        let mut wire = Wire::connect(world.gateway.address).unwrap();
        wire.send(&Login::new(user, "billing", "x").packet());
        drop(wire.authenticate("x"));
        let text = String::from_utf8_lossy(&wire.received).into_owned();
        let start = text.find(",s=").unwrap();
        text[start..start + 20].to_owned()
    };
    assert_eq!([salt("agent"), salt("nobody")], [salt("agent"), salt("nobody")]);
    assert_ne!(salt("nobody"), salt("nobody2"));
    let failures = ledger::of_kind(&world.gateway, "authentication_failed");
    assert!(failures.len() >= 5, "{} failures on record", failures.len());
}

#[test]
fn an_unknown_user_and_a_wrong_token_take_alike_long() {
    let world = World::new("");
    let mut times: [Vec<Duration>; 2] = Default::default();
    for _ in 0..60 {
        for (user, times) in ["agent", "nobody"].into_iter().zip(&mut times) {
            times.push(failed_login(&world, user, "cst_wrong").1);
        }
    }
    let median = |times: &mut Vec<Duration>| {
        times.sort();
        times[times.len() / 2]
    };
    let [known, unknown] = &mut times;
    let (known, unknown) = (median(known), median(unknown));
    let ratio = known.as_secs_f64() / unknown.as_secs_f64();
    e2e::say!("wrong token {known:?}, unknown user {unknown:?}");
    // Loose: the machine is shared. A missing key derivation alone would be a factor of several.
    assert!((0.5..2.0).contains(&ratio), "wrong token {known:?}, unknown user {unknown:?}");
}

#[test]
fn a_settings_file_with_five_mistakes_names_all_five() {
    let world = World::new("");
    let file = world.gateway.directory.join("wrong.toml");
    let text = "
[gateway]
name = \"gw1\"
state_dir = \"relative/dir\"
colour = \"blue\"
[listen]
postgres = \"nowhere\"
[limits]
command_timeout_s = 0
[[target]]
name = \"Not A Name\"
kind = \"postgres\"
host = \"127.0.0.1\"
port = 5432
database = \"billing\"
user = \"svc\"
tls = \"disable\"
[[target.mask]]
column = \"billing.customers.ssn\"
with = \"blur\"
";
    fs::write(&file, text).unwrap();
    for command in ["serve", "config check"] {
        let arguments: Vec<&str> = command.split(' ').collect();
        let output = std::process::Command::new(e2e::programs::countersign())
            .arg("--config")
            .arg(&file)
            .args(arguments)
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(2), "{command}: {output:?}");
        let said = format!(
            "{}{}",
            String::from_utf8_lossy(&output.stderr),
            String::from_utf8_lossy(&output.stdout)
        );
        for key in ["colour", "nowhere", "command_timeout_s", "Not A Name", "blur"] {
            assert!(said.contains(key), "{command} does not name `{key}`:\n{said}");
        }
    }
}

#[test]
fn a_tampered_ledger_refuses_to_start_and_says_where() {
    for name in ["access", "control"] {
        let mut world = World::new("");
        world.still_serves();
        world.gateway.stop();
        let log = world.gateway.state().join(name).join("log");
        let mut bytes = fs::read(&log).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(&log, bytes).unwrap();

        let said = world.gateway.run().unwrap_err();
        assert!(said.contains("exit status: 3") || said.contains("exit status: 1"), "{said}");
        assert!(said.contains(name) && said.contains("record"), "{said}");
        assert!(said.contains("verif") || said.contains("restore"), "it says what to do: {said}");
    }
}

#[test]
fn a_second_gateway_on_the_same_state_is_refused() {
    let world = World::new("");
    let output = world.gateway.command_line(&["serve"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("another") || said.contains("in use") || said.contains("lock"), "{said}");
    world.still_serves();
}

#[test]
fn a_target_that_is_down_is_a_clear_error_and_on_record() {
    let database = Cluster::shared().billing();
    let door = Doorway::open(database.cluster.address);
    let mut behind = Target::billing(&database);
    behind.more = vec![("port".into(), door.address.port().to_string())];
    let world = World::with(database, &Settings::new(vec![behind]));
    let mut open = world.connect();
    assert!(open.simple("SELECT 1").errors().is_empty());

    let port = door.address.port().to_string();
    door.shut();
    let answer = open.simple("SELECT n, 'while-down' FROM billing.numbers WHERE n = 1");
    assert!(answer.rows().is_empty(), "{answer:?}");
    let error = e2e::wait::until("the gateway notices", || {
        world.gateway.connect("agent", "billing", &world.token).err()
    });
    assert!(error.sqlstate.starts_with("08") && !error.message.is_empty(), "{error}");
    assert!(!error.message.contains(&port), "the client is not told where the target is: {error}");
    let records = ledger::records(&world.gateway, "access");
    let is_noted = |record: &ledger::Record| {
        record.kind() == "authentication_failed" || record.leaf["reason"] == "target_lost"
    };
    assert!(records.iter().any(is_noted), "nothing on record");
    world.gateway.wait_until_it_says("billing");
}

#[test]
fn a_target_that_goes_away_ends_the_session_and_the_outcome_is_not_success() {
    let world = World::new("");
    let mut wire = world.connect();
    wire.send_message(b'Q', b"SELECT count(*) FROM billing.numbers a CROSS JOIN billing.numbers b CROSS JOIN billing.numbers c\0");
    std::thread::sleep(Duration::from_millis(300));
    world.database.run(&format!(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{}' AND usename = 'svc'",
        world.database.name
    ));
    let answer = wire.answer(Duration::from_secs(5));
    assert!(!answer.errors().is_empty() && answer.tags().is_empty(), "{answer:?}");
    let commands = ledger::Commands::read(&world.gateway);
    let (name, _) = commands.intent_with("CROSS JOIN").unwrap();
    let result = commands.finished[name].leaf["result"].as_str().unwrap();
    assert!(["failed", "unknown"].contains(&result), "{result}");
    world.still_serves();
}

#[test]
fn many_connections_that_say_nothing_do_not_keep_others_out() {
    let world = World::new("handshake_timeout_s = 2");
    let idle: Vec<Wire> =
        (0..200).filter_map(|_| Wire::connect(world.gateway.address).ok()).collect();
    world.still_serves();
    drop(idle);
}

/// A way to an address that can be shut: what a network or a host that fails looks like.
struct Doorway {
    address: std::net::SocketAddr,
    is_shut: std::sync::Arc<std::sync::atomic::AtomicBool>,
    guests: std::sync::Arc<std::sync::Mutex<Vec<std::net::TcpStream>>>,
}

impl Doorway {
    fn open(to: std::net::SocketAddr) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let door = Self {
            address: listener.local_addr().unwrap(),
            is_shut: std::sync::Arc::default(),
            guests: std::sync::Arc::default(),
        };
        let (is_shut, guests) = (door.is_shut.clone(), door.guests.clone());
        std::thread::spawn(move || {
            for inner in listener.incoming().map_while(Result::ok) {
                if is_shut.load(std::sync::atomic::Ordering::SeqCst) {
                    return;
                }
                let outer = std::net::TcpStream::connect(to).unwrap();
                for (mut from, mut into) in [(&inner, &outer), (&outer, &inner)]
                    .map(|(from, into)| (from.try_clone().unwrap(), into.try_clone().unwrap()))
                {
                    std::thread::spawn(move || {
                        drop(std::io::copy(&mut from, &mut into));
                        drop(into.shutdown(std::net::Shutdown::Both));
                    });
                }
                guests.lock().unwrap().extend([inner, outer]);
            }
        });
        door
    }

    fn shut(self) {
        self.is_shut.store(true, std::sync::atomic::Ordering::SeqCst);
        // The listener is closed by the thread that waits on it.
        drop(std::net::TcpStream::connect(self.address));
        for guest in self.guests.lock().unwrap().drain(..) {
            drop(guest.shutdown(std::net::Shutdown::Both));
        }
    }
}
