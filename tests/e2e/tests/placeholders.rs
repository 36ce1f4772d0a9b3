//! Whoever reads a masked row and writes it back does not overwrite what the masks hide.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::collections::BTreeMap;

use e2e::ledger::{self, Commands};
use e2e::wire::{ANSWER_TIMEOUT, bind, c_string, execute, message, parse};
use e2e::{Answer, Cluster, Database, Gateway, Settings, Target, Wire, python};

const SCHEMA: &str = "
CREATE TABLE billing.vault(
  id int PRIMARY KEY, note text, ssn text, card text, digest text, mail text, balance numeric(12,2), visits bigint,
  active bool, born date, seen timestamptz, token uuid, doc jsonb, tier text, secret bytea, code int, body text
);
INSERT INTO billing.vault VALUES
 (1, 'a', '900-55-0001', 'ACCT-SECRET-0001', 'd', 'ada@mail.example', 12.5, 7, true, '1980-05-06', '2020-01-02 03:04:05+00',
  '7b1f2c3d-0000-4000-8000-000000000001', '{\"k\": 1}', 'gold', '\\x0102', 41, 'card 4111111111111111'),
 (2, 'b', '900-55-0002', 'ACCT-SECRET-0002', 'e', 'bob@mail.example', 13.5, 8, true, '1981-05-06', '2021-01-02 03:04:05+00',
  '7b1f2c3d-0000-4000-8000-000000000002', '{\"k\": 2}', 'iron', '\\x0103', 42, 'nothing');
CREATE TABLE billing.archive(id int, words text);
GRANT ALL ON billing.vault, billing.archive TO svc;
";
const MASKS: [(&str, &str); 14] = [
    ("ssn", "full"),
    ("card", "last4"),
    ("digest", "hash"),
    ("mail", "email"),
    ("balance", "full"),
    ("visits", "full"),
    ("active", "full"),
    ("born", "full"),
    ("seen", "full"),
    ("token", "full"),
    ("doc", "full"),
    ("tier", "null"),
    ("secret", "full"),
    ("code", "fixed\"\nvalue = \"-1"),
];
/// All that the masks hide.
const HIDDEN: &str = "SELECT md5(string_agg(to_jsonb(v)::text, ' ' ORDER BY id)) FROM (SELECT ssn, card, digest, mail, \
                      balance, visits, active, born, seen, token, doc, tier, secret, code, body, id FROM billing.vault) v";
const REFUSED: &str = "22023";
const REASON: &str = "mask_placeholder_written";

struct World {
    database: Database,
    gateway: Gateway,
    token: String,
    hidden: String,
}

impl World {
    fn new(make: impl Fn(&Database) -> Target) -> Self {
        let database = Cluster::shared().billing();
        database.run(SCHEMA);
        let masks = MASKS.map(|(name, with)| (format!("billing.vault.{name}"), with.to_owned()));
        let after = "[[target.free_text]]\ncolumn = \"billing.vault.body\"".to_owned();
        let target = Target { masks: masks.into(), after, ..make(&database) };
        let gateway = Gateway::start(&Settings::new(vec![target]));
        let token = gateway.identity("agent");
        let scope = ["select,insert,update:billing.vault", "select,insert:billing.archive"];
        gateway.grant("agent", "billing", &scope);
        let hidden = database.value(HIDDEN);
        Self { database, gateway, token, hidden }
    }

    fn connect(&self) -> Wire {
        self.gateway.connect("agent", "billing", &self.token).unwrap()
    }

    fn is_unchanged(&self) {
        assert_eq!(self.database.value(HIDDEN), self.hidden, "what the masks hide has changed");
        let rows = "SELECT (SELECT count(*) FROM billing.vault) || '/' || (SELECT count(*) FROM billing.archive)";
        assert_eq!(self.database.value(rows), "2/0");
    }

    /// How many denials have this reason.
    fn denials(&self) -> usize {
        let denied = ledger::of_kind(&self.gateway, "command_denied");
        denied.iter().filter(|record| record.leaf["reason"] == REASON).count()
    }
}

fn refused(answer: &Answer, what: &str) {
    assert_eq!(answer.sqlstate().as_deref(), Some(REFUSED), "{what}: {:?}", answer.errors());
}

/// A Bind with one parameter in binary format.
fn bind_binary(value: &[u8]) -> Vec<u8> {
    let mut body = [c_string(""), c_string(""), vec![0, 1, 0, 1, 0, 1]].concat();
    body.extend_from_slice(&u32::try_from(value.len()).unwrap().to_be_bytes());
    body.extend_from_slice(value);
    body.extend_from_slice(&[0, 0]);
    message(b'B', &body)
}

#[test]
fn a_row_that_is_read_and_written_back_stays_as_it_is() {
    let world = World::new(Target::billing);
    let mut wire = world.connect();
    let mut tried = 0;
    for (column, _) in MASKS.into_iter().chain([("body", "")]) {
        for format in [0, 1] {
            let read = format!("SELECT {column} FROM billing.vault WHERE id = 1");
            let answer = wire.extended(&read, &[], format);
            let shown = answer.rows().remove(0).remove(0);
            let update = format!("UPDATE billing.vault SET {column} = $1 WHERE id = 1");
            let bound = match (&shown, format) {
                (Some(value), 1) => bind_binary(value),
                (value, _) => bind("", "", &[value.as_deref()], 0),
            };
            let sync = message(b'S', b"");
            wire.send(&[parse("", &update), bound, execute("", 0), sync].concat());
            refused(&wire.answer(ANSWER_TIMEOUT), &format!("{update} in format {format}"));
            tried += 1;
            if format == 1 {
                continue;
            }
            let literal = shown.map_or_else(
                || "NULL".to_owned(),
                |value| format!("'{}'", String::from_utf8(value).unwrap()),
            );
            let kind = if column == "seen" { "timestamptz" } else { "text" };
            for sql in [
                format!("UPDATE billing.vault SET {column} = {literal} WHERE id = 1"),
                format!(
                    "PREPARE p_{column} AS UPDATE billing.vault SET {column} = $1 WHERE id = 1; EXECUTE p_{column}({literal})"
                ),
                format!(
                    "MERGE INTO billing.vault v USING (VALUES (1)) n(id) ON v.id = n.id WHEN MATCHED THEN UPDATE SET {column} = {literal}"
                ),
                format!(
                    "UPDATE billing.vault v SET {column} = n.x FROM (VALUES ({literal}::{kind})) n(x) WHERE v.id = 1"
                ),
            ] {
                let answer = wire.simple(&sql);
                // What is not of the column's type fails anyway; what is, is refused.
                assert!(answer.sqlstate().is_some(), "{sql}");
                if !sql.contains(" FROM (VALUES") && !sql.contains("PREPARE") {
                    refused(&answer, &sql);
                }
                tried += 1;
            }
        }
    }
    assert_eq!(tried, MASKS.len() * 6 + 6);
    world.is_unchanged();
    assert!(world.denials() > MASKS.len() * 5, "{} denials", world.denials());
    // What detectors leave is not written elsewhere either; and other values are.
    refused(
        &wire.simple("INSERT INTO billing.archive VALUES (1, 'paid with [card]')"),
        "elsewhere",
    );
    assert_eq!(wire.simple("UPDATE billing.vault SET note = '********' WHERE id = 1").errors(), []);
    assert_eq!(
        wire.simple("UPDATE billing.vault SET tier = DEFAULT, ssn = 'x' WHERE id = 2").errors(),
        []
    );
    assert_eq!(world.database.value("SELECT tier IS NULL FROM billing.vault WHERE id = 2"), "t");
    assert_eq!(ledger::verify(&world.gateway, "access")["ok"], true);
}

#[test]
fn an_execute_of_sql_is_refused_and_its_transaction_fails() {
    let world = World::new(Target::billing);
    let mut wire = world.connect();
    wire.simple("PREPARE p AS UPDATE billing.vault SET ssn = $2, balance = $3 WHERE id = $1");
    wire.simple("BEGIN");
    refused(&wire.simple("EXECUTE p(1, '********', 5)"), "EXECUTE");
    assert_eq!(wire.status, b'E');
    wire.simple("ROLLBACK");
    refused(&wire.simple("EXECUTE p(1, 'x', 0)"), "EXECUTE");
    world.is_unchanged();
    assert_eq!(wire.simple("EXECUTE p(1, 'x', 5)").errors(), []);
    assert_eq!(world.database.value("SELECT ssn FROM billing.vault WHERE id = 1"), "x");
}

#[test]
fn copied_data_with_a_placeholder_leave_nothing_behind() {
    let world = World::new(Target::billing);
    let mut wire = world.connect();
    let header = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
    let row = b"\0\x02\0\0\0\x04\0\0\0\x09\0\0\0\x08********";
    let binary = [header.as_slice(), row, b"\xff\xff"].concat();
    #[rustfmt::skip]
    let cases: [(&str, &[u8]); 6] = [
        ("COPY billing.vault (id, ssn) FROM STDIN",                          b"8\tx\n9\t********\n"),
        ("COPY billing.vault (id, ssn) FROM STDIN",                          b"8\tx\n9\t********"),
        ("COPY billing.vault (id, ssn) FROM STDIN (FORMAT csv, HEADER)",     b"id,ssn\n8,\"x\ny\"\n9,\"********\"\n"),
        ("COPY billing.vault (id, balance) FROM STDIN (FORMAT csv)",         b"8,1\n9,0.00\n"),
        ("COPY billing.archive FROM STDIN",                                  b"9\tpaid with [card]\n"),
        ("COPY billing.vault (id, ssn) FROM STDIN (FORMAT binary)",          &binary),
    ];
    for (sql, data) in cases {
        for piece in [1, 7, 4_096] {
            let pieces = data.chunks(piece).flat_map(|piece| message(b'd', piece));
            let data: Vec<u8> = pieces.chain(message(b'c', b"")).collect();
            wire.send(&message(b'Q', &c_string(sql)));
            wire.read_until(b"GE", ANSWER_TIMEOUT);
            wire.send(&data);
            refused(&wire.answer(ANSWER_TIMEOUT), &format!("{sql} in pieces of {piece}"));
            // As drivers do it: the Sync is behind the data.
            wire.send(
                &[parse("", sql), bind("", "", &[], 0), execute("", 0), message(b'H', b"")]
                    .concat(),
            );
            wire.read_until(b"GE", ANSWER_TIMEOUT);
            wire.send(&[data.as_slice(), &message(b'S', b"")].concat());
            refused(&wire.answer(ANSWER_TIMEOUT), &format!("{sql} in pieces of {piece}, extended"));
        }
    }
    world.is_unchanged();
    let commands = Commands::read(&world.gateway);
    assert_eq!(commands.with_result("cut").len(), cases.len() * 6);
    wire.send(&message(b'Q', &c_string("COPY billing.archive FROM STDIN")));
    wire.read_until(b"G", ANSWER_TIMEOUT);
    wire.send(&[message(b'd', b"1\t********\n"), message(b'c', b"")].concat());
    assert_eq!(wire.answer(ANSWER_TIMEOUT).tags(), ["COPY 1"]);
    assert_eq!(ledger::verify(&world.gateway, "access")["ok"], true);
}

#[test]
fn a_mask_that_a_fence_shows_is_not_written_back_by_the_target_itself() {
    let world = World::new(Target::fenced);
    let mut wire = world.connect();
    for sql in [
        "UPDATE billing.vault v SET card = o.card FROM billing.vault o WHERE v.id = o.id",
        "UPDATE billing.vault v SET ssn = lower(o.card) FROM billing.vault o WHERE v.id = o.id",
        "UPDATE billing.vault v SET card = (SELECT o.card FROM billing.vault o WHERE o.id = 1)",
        "INSERT INTO billing.vault (id, card) SELECT id + 10, card FROM billing.vault",
        "INSERT INTO billing.vault (id, card) SELECT id + 10, c FROM (SELECT id, card AS c FROM billing.vault) s",
        "WITH s AS (SELECT id, card FROM billing.vault) UPDATE billing.vault v SET card = s.card FROM s WHERE s.id = v.id",
        "UPDATE billing.vault SET card = '****0001' WHERE id = 1",
    ] {
        let answer = wire.simple(sql);
        assert!(
            answer.sqlstate().is_some_and(|code| code == REFUSED || code == "42501"),
            "{sql}: {:?}",
            answer.errors()
        );
    }
    world.is_unchanged();
    assert!(world.denials() >= 5, "{} denials", world.denials());
}

#[test]
fn psycopg_reads_and_writes_back_and_changes_nothing_hidden() {
    let world = World::new(Target::billing);
    let address = world.gateway.address;
    let dsn = format!(
        "host={} port={} user=agent dbname=billing sslmode=disable",
        address.ip(),
        address.port()
    );
    let output = python::DRIVERS.run("write_back.py", &[&dsn], &world.token);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    let mut by_way: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for line in said.lines() {
        let (what, came) = line.rsplit_once(' ').unwrap();
        let way = what.split(' ').next().unwrap();
        let expected = if way == "honest" { "done" } else { REFUSED };
        assert_eq!(came, expected, "{line}");
        by_way.entry(way).or_default().push(came);
    }
    let counts: Vec<(&str, usize)> = by_way.iter().map(|(way, came)| (*way, came.len())).collect();
    #[rustfmt::skip]
    let expected = [
        ("copy-binary", 14), ("copy-text", 14), ("honest", 1), ("many-binary", 1), ("many-text", 1),
        ("update-binary", 15), ("update-text", 15), ("upsert-binary", 15), ("upsert-text", 15),
    ];
    assert_eq!(counts, expected);
    world.is_unchanged();
    assert_eq!(world.database.value("SELECT note FROM billing.vault WHERE id = 1"), "changed");
}
