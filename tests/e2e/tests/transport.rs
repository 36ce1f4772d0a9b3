//! TLS to the client and to the target, and who may use the administrator's socket.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Output};

use e2e::{Cluster, Gateway, Settings, Target, certificate, ledger, programs, python, scratch};

fn psql(gateway: &Gateway, token: &str, options: &str) -> Output {
    Command::new(programs::postgres("psql"))
        .args([
            "--no-psqlrc",
            "--no-align",
            "--tuples-only",
            "-c",
            "SELECT name FROM billing.customers WHERE id = 7",
        ])
        .arg(format!(
            "host=127.0.0.1 port={} user=agent dbname=billing {options}",
            gateway.address.port()
        ))
        .env("PGPASSWORD", token)
        // Nothing of the account that runs the tests.
        .env("HOME", &gateway.directory)
        .output()
        .unwrap()
}

#[test]
fn a_client_may_insist_on_tls_and_check_the_gateways_name() {
    let database = Cluster::shared().billing();
    let directory = scratch::new_directory("tls");
    let files = certificate::make(&directory);
    let strangers = certificate::make(&scratch::new_directory("tls-other"));
    let mut settings = Settings::new(vec![Target::billing(&database)]);
    settings.listen = format!(
        "tls_certificate = \"{}\"\ntls_private_key = \"{}\"\n",
        files.certificate.display(),
        files.key.display()
    );
    let gateway = Gateway::start(&settings);
    let token = gateway.identity("agent");
    gateway.grant("agent", "billing", &["select:billing.customers(id,name)"]);
    let full = |authority: &std::path::Path| {
        format!("sslmode=verify-full sslrootcert={}", authority.display())
    };
    #[rustfmt::skip]
    let cases = [
        ("sslmode=require".to_owned(),  true),
        ("sslmode=require channel_binding=require".to_owned(),  true),
        (full(&files.authority),        true),
        (full(&strangers.authority),    false),
    ];
    for (options, works) in cases {
        let output = psql(&gateway, &token, &options);
        assert_eq!(output.status.success(), works, "{options}: {output:?}");
        if works {
            assert_eq!(output.stdout, b"Customer 7\n");
        }
    }
    let opened = ledger::of_kind(&gateway, "session_opened");
    assert!(
        !opened.is_empty() && opened.iter().all(|record| record.leaf["tls"] == true),
        "{opened:?}"
    );
}

#[test]
fn the_gateway_checks_the_targets_certificate() {
    let cluster = Cluster::shared();
    let database = cluster.billing();
    let strangers = certificate::make(&scratch::new_directory("tls-stranger"));
    let target = |name: &str, authority: &std::path::Path| {
        let mut target = Target::billing(&database);
        target.name = name.into();
        target.more = vec![
            ("tls".into(), "\"verify-full\"".into()),
            ("ca".into(), format!("\"{}\"", authority.display())),
        ];
        target
    };
    let targets = vec![
        target("right", &cluster.certificates.authority),
        target("wrong", &strangers.authority),
    ];
    let gateway = Gateway::start(&Settings::new(targets));
    let token = gateway.identity("agent");
    gateway.grant("agent", "right", &["select:billing.customers(id,name)"]);
    let mut wire = gateway.connect("agent", "right", &token).unwrap();
    assert_eq!(wire.simple("SELECT name FROM billing.customers WHERE id = 7").rows().len(), 1);
    let uses_tls = "SELECT bool_and(ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE usename = 'svc' \
                    AND datname = current_database()";
    assert_eq!(database.value(uses_tls), "t");

    // Of a target that is not what it should be, not even the columns are known.
    gateway.wait_until_it_says("certificate");
    let grant = [
        "grant",
        "create",
        "--identity",
        "agent",
        "--target",
        "wrong",
        "--allow",
        "select:billing.customers",
    ];
    let more = ["--for", "1h", "--task", "T", "--purpose", "P"];
    assert_eq!(gateway.command_line(&[&grant[..], &more].concat()).status.code(), Some(1));
    assert!(gateway.connect("agent", "wrong", &token).is_err());
}

#[test]
fn a_target_may_have_to_bind_the_log_in_and_to_take_tls_directly() {
    let cluster = Cluster::shared();
    let database = cluster.billing();
    let files = &cluster.certificates;
    let terminator = |alpn: &str| {
        let port = cluster.address.port().to_string();
        let paths = [&files.certificate, &files.key].map(|path| path.to_str().unwrap());
        let (child, line) =
            python::DRIVERS.start("tls_terminator.py", &[paths[0], paths[1], &port, alpn]);
        (child, line.parse::<u16>().unwrap())
    };
    let ((mut one, direct), (mut other, silent)) = (terminator("postgresql"), terminator(""));
    let target = |name: &str, more: &[(&str, String)]| {
        let mut target = Target::billing(&database);
        target.name = name.into();
        let tls = [
            ("tls", "\"verify-full\"".to_owned()),
            ("ca", format!("\"{}\"", files.authority.display())),
        ];
        let more = tls.iter().chain(more);
        target.more = more.map(|(key, value)| ((*key).to_owned(), value.clone())).collect();
        target
    };
    let require = || ("channel_binding", "\"require\"".to_owned());
    let directly = || ("tls_negotiation", "\"direct\"".to_owned());
    let port = |port: u16| ("port", port.to_string());
    let targets = vec![
        target("bound", &[require()]),
        target("direct", &[directly(), port(direct)]),
        // Behind something that ends TLS, the log-in cannot be bound to it.
        target("unbound", &[directly(), port(direct), require()]),
        target("silent", &[directly(), port(silent)]),
        target("old", &[directly()]),
    ];
    let gateway = Gateway::start(&Settings::new(targets));
    let token = gateway.identity("agent");
    for name in ["bound", "direct"] {
        gateway.grant("agent", name, &["select:billing.customers(id,name)"]);
        let mut wire = gateway.connect("agent", name, &token).unwrap();
        assert_eq!(wire.simple("SELECT name FROM billing.customers WHERE id = 7").rows().len(), 1);
    }
    gateway.wait_until_it_says("does not bind the log-in");
    gateway.wait_until_it_says("does not take TLS without being asked");
    for name in ["unbound", "silent", "old"] {
        assert!(gateway.connect("agent", name, &token).is_err(), "{name}");
    }
    for child in [&mut one, &mut other] {
        drop(child.stdin.take());
        child.wait().unwrap();
    }
}

#[test]
fn plain_listening_beyond_this_machine_must_be_asked_for() {
    let database = Cluster::shared().billing();
    let mut settings = Settings::new(vec![Target::billing(&database)]);
    settings.listen = "postgres = \"0.0.0.0:0\"".into();
    let said = Gateway::prepare(&settings).run().unwrap_err();
    assert!(said.contains("exit status: 2") && said.contains("allow_plaintext"), "{said}");
    settings.listen.push_str("\nallow_plaintext = true\n");
    Gateway::prepare(&settings).run().unwrap();
}

#[test]
fn secrets_in_the_state_directory_are_the_owners_alone() {
    let database = Cluster::shared().billing();
    let gateway = Gateway::start(&Settings::new(vec![Target::billing(&database)]));
    for file in ["keys/ledger.key", "keys/mask.key", "keys/mock.key", "access/log", "control/log"] {
        let mode = std::fs::metadata(gateway.state().join(file)).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{file}: {mode:o}");
    }
}

/// Only root can try it as someone else.
#[test]
fn another_account_may_not_administer_the_gateway() {
    let own = Command::new("id").arg("-u").output().unwrap();
    if own.stdout != b"0\n" {
        e2e::say!("not tried: only root can run a program as another account");
        return;
    }
    let database = Cluster::shared().billing();
    let gateway = Gateway::start(&Settings::new(vec![Target::billing(&database)]));
    // Reachable in the file system, so that only the check of the peer is left.
    for directory in [&gateway.directory, &gateway.state()] {
        std::fs::set_permissions(directory, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    let socket = gateway.state().join("admin.sock");
    std::fs::set_permissions(&socket, std::fs::Permissions::from_mode(0o666)).unwrap();
    let stranger = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--"];
    let program = programs::countersign().to_str().unwrap().to_owned();
    // The program's own directory may be closed to others, so it is copied.
    let copy = std::path::Path::new("/tmp").join(format!("cs-e2e-{}-program", std::process::id()));
    std::fs::copy(&program, &copy).unwrap();
    let output = Command::new(stranger[0])
        .args(&stranger[1..])
        .arg(&copy)
        .args(["--config", gateway.settings_file().to_str().unwrap(), "--json", "identity", "list"])
        .output()
        .unwrap();
    std::fs::remove_file(&copy).unwrap();
    assert!(!output.status.success(), "{output:?}");
    let said = String::from_utf8_lossy(&output.stderr) + String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("may not use the admin socket"), "{said}");
    gateway.identity("still-works");
}
