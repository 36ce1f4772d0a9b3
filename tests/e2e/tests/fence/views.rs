//! Partial masks of a fenced target come from views that the gateway owns there.

use e2e::{Cluster, Gateway, Settings, Target};

use super::World;

const MASKED: [&str; 1] = ["select,update:billing.customers(id,name,account_number,ssn,email)"];

fn world() -> World {
    World::with(&MASKED, |target| {
        let mask = |column: &str, with: &str| (format!("billing.customers.{column}"), with.into());
        target.masks =
            vec![mask("account_number", "last4"), mask("ssn", "hash"), mask("email", "email")];
    })
}

fn cells(row: &[&str]) -> Vec<Option<String>> {
    row.iter().map(|cell| Some((*cell).to_owned())).collect()
}

#[test]
fn partial_masks_are_what_they_are_without_a_fence_and_can_be_computed_with() {
    let world = world();
    let mut wire = world.connect();

    let answer =
        wire.simple("SELECT id, account_number, email FROM billing.customers WHERE id = 7");
    assert_eq!(answer.texts(), [cells(&["7", "****0007", "****@mail.example"])], "{answer:?}");
    // Alone, starred, by alias, and by every way to name it.
    for sql in [
        "SELECT c.account_number FROM billing.customers c WHERE c.id = 7",
        "SELECT billing.customers.account_number FROM billing.customers WHERE billing.customers.id = 7",
        "SELECT account_number FROM (SELECT * FROM billing.customers) q WHERE id = 7",
        "SELECT account_number FROM billing.customers WHERE account_number = '****0007'",
        "SELECT min(account_number) FROM billing.customers GROUP BY id HAVING id = 7",
        "SELECT a.account_number FROM billing.customers a JOIN billing.customers b USING (account_number) WHERE b.id = 7",
    ] {
        let answer = wire.simple(sql);
        assert_eq!(answer.texts(), [cells(&["****0007"])], "{sql}: {answer:?}");
    }
    let none = wire.simple("SELECT id FROM billing.customers WHERE ssn = '900-55-0007'");
    assert_eq!(none.texts().len(), 0, "the condition sees the hash: {none:?}");
    // A write reads the table itself, as far as the grant goes; what is masked comes by a read.
    let tag =
        wire.simple("UPDATE billing.customers SET name = 'Seven' WHERE id = 7 RETURNING name");
    assert_eq!(tag.texts(), [cells(&["Seven"])], "{tag:?}");
    let refused = wire.simple("UPDATE billing.customers SET name = 'x' WHERE id = 7 RETURNING ssn");
    assert!(refused.errors()[0].message.contains("masked by a view"), "{refused:?}");
    let refused = wire.simple("UPDATE billing.customers SET name = 'x' WHERE ssn = 'x'");
    assert_eq!(refused.errors()[0].sqlstate, "42501");

    let finished = e2e::ledger::of_kind(&world.gateway, "command_finished");
    let redacted = finished.iter().filter(|record| record.leaf["redactions"].is_array()).count();
    assert!(redacted >= 4, "redactions stand in the record: {redacted}");
}

#[test]
fn the_role_can_read_neither_a_masked_column_nor_the_key_of_the_hash() {
    let world = world();
    let _wire = world.connect();
    let role = world.role();
    let may = |sql: &str| world.database.value(&sql.replace("ROLE", &format!("'{role}'")));
    for column in ["account_number", "ssn", "email", "balance"] {
        let sql =
            format!("SELECT has_column_privilege(ROLE, 'billing.customers', '{column}', 'SELECT')");
        assert_eq!(may(&sql), "f", "{column}");
    }
    let schema = world.database.value(
        "SELECT nspname FROM pg_namespace WHERE nspname LIKE 'countersign@_gw1@_%' ESCAPE '@'",
    );
    let view = format!("{schema}.\"billing.customers\"");
    let of_view = |column: &str| {
        may(&format!("SELECT has_column_privilege(ROLE, '{view}', '{column}', 'SELECT')"))
    };
    assert_eq!((of_view("ssn").as_str(), of_view("balance").as_str()), ("t", "f"));
    let key = format!("SELECT has_any_column_privilege(ROLE, '{schema}.mask_key', 'SELECT')");
    assert_eq!(may(&key), "f");
    assert_eq!(world.database.value(&format!("SELECT count(*) FROM {schema}.mask_key")), "1");
    let barrier = format!("SELECT reloptions::text FROM pg_class WHERE oid = '{view}'::regclass");
    assert_eq!(world.database.value(&barrier), "{security_barrier=true}");
    // The key is in no statement that the target saw.
    let inner =
        world.database.value(&format!("SELECT encode(inner_key, 'hex') FROM {schema}.mask_key"));
    let log = std::fs::read_to_string(world.database.cluster.log_file()).unwrap();
    assert!(inner.len() == 128 && !log.contains(&inner));
}

#[test]
fn the_hash_is_the_same_with_and_without_a_fence() {
    let database = Cluster::shared().billing();
    let mut fenced = Target::fenced(&database);
    fenced.masks = vec![("billing.customers.ssn".into(), "hash".into())];
    let open = Target { name: "open".into(), is_fenced: false, ..fenced.clone() };
    let gateway = Gateway::start(&Settings::new(vec![fenced, open]));
    let token = gateway.identity("agent");
    let hash = |target: &str| {
        gateway.grant("agent", target, &["select:billing.customers(id,ssn)"]);
        let mut wire = gateway.connect("agent", target, &token).unwrap();
        // The fence has just given privileges on the table, which the other target sees as a change.
        e2e::wait::until("no answer is withheld any more", || {
            let answer = wire.simple("SELECT ssn FROM billing.customers WHERE id = 7");
            let withheld = answer.errors().iter().any(|error| error.sqlstate == "40001");
            (!withheld).then(|| answer.texts()[0][0].clone().unwrap())
        })
    };
    let (one, other) = (hash("billing"), hash("open"));
    assert_eq!(one.len(), 64);
    assert_eq!(one, other);

    // Looking up by a value that the client never sees: its hash is made beside the gateway.
    let mut command = std::process::Command::new(e2e::programs::countersign())
        .arg("--config")
        .arg(gateway.settings_file())
        .args(["mask", "hash"])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    std::io::Write::write_all(&mut command.stdin.take().unwrap(), b"900-55-0007").unwrap();
    let made = String::from_utf8(command.wait_with_output().unwrap().stdout).unwrap();
    assert_eq!(made.trim(), one);
    let mut wire = gateway.connect("agent", "billing", &token).unwrap();
    let sql = format!("SELECT id FROM billing.customers WHERE ssn = '{one}'");
    assert_eq!(wire.simple(&sql).texts(), [cells(&["7"])]);
}

#[test]
fn views_follow_the_catalog_and_the_settings() {
    let mut world = world();
    let mut wire = world.connect();
    let sql = "SELECT account_number, note FROM billing.customers WHERE id = 7";
    world.database.run("ALTER TABLE billing.customers ADD COLUMN note text DEFAULT 'n'");
    e2e::wait::until("the new column can be granted", || {
        let arguments = [
            "grant",
            "create",
            "--identity",
            "agent",
            "--target",
            "billing",
            "--task",
            "t",
            "--purpose",
            "p",
            "--for",
            "15m",
            "--allow",
            "select:billing.customers(id,account_number,note)",
        ];
        world.gateway.command_line(&arguments).status.success().then_some(())
    });
    e2e::wait::until("the view has it", || {
        (wire.simple(sql).texts() == [cells(&["****0007", "n"])]).then_some(())
    });
    drop(wire);

    // Another mask in the settings: the old view must not serve once more.
    world.gateway.stop();
    let settings = world.gateway.settings_file();
    let text = std::fs::read_to_string(&settings).unwrap();
    std::fs::write(&settings, text.replace("with = \"last4\"", "with = \"hash\"")).unwrap();
    world.gateway.run().unwrap();
    let mut wire = world.connect();
    let shown = wire.simple(sql).texts()[0][0].clone().unwrap();
    assert_eq!(shown.len(), 64, "{shown}");
}

#[test]
fn a_table_with_row_security_shows_no_partial_mask_through_a_fence() {
    let database = Cluster::shared().billing();
    database.run(
        "ALTER TABLE billing.customers ENABLE ROW LEVEL SECURITY; \
         CREATE POLICY everyone ON billing.customers USING (true)",
    );
    let gateway = Gateway::start(&Settings::new(vec![Target::fenced(&database)]));
    let token = gateway.identity("agent");
    gateway.grant("agent", "billing", &["select:billing.customers(id,account_number)"]);
    let mut wire = gateway.connect("agent", "billing", &token).unwrap();
    let answer = wire.simple("SELECT id FROM billing.customers WHERE id = 7");
    assert!(answer.errors()[0].message.contains("row security"), "{answer:?}");
}
