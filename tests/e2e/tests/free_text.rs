//! Columns of free text: whatever way their values take, what the detectors find does not leave,
//! and nothing that a client reads depends on it.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use e2e::ledger::{self, Commands};
use e2e::wire::{ANSWER_TIMEOUT, bind, execute, message, parse};
use e2e::{Cluster, Database, Gateway, Settings, Target, Wire};

const SCHEMA: &str = r#"
CREATE TABLE billing.tickets(id int PRIMARY KEY, subject text NOT NULL, body text, meta jsonb, raw json, short varchar(40));
INSERT INTO billing.tickets VALUES
 (1, 'refund', 'Card 4111 1111 1111 1111, mail ada@mail.example — äöü', '{"ssn": "123456789", "n": 1}', '["+49 30 1234567"]', 'tel 030 1234567'),
 (2, 'hello', 'nothing to see', '{"a": [1, null]}', '{"k": "v"}', ''),
 (3, 'null', NULL, NULL, NULL, NULL);
INSERT INTO billing.tickets SELECT 4, 'large', repeat('x', 1048577), '{}', '{}', 'x';
INSERT INTO billing.tickets SELECT 5, 'long', repeat('äöü card 5555555555554444 ', 1500), '{}', '{}', 'y';
CREATE VIEW billing.ticket_view WITH (security_barrier) AS SELECT id, body AS words FROM billing.tickets;
CREATE TABLE billing.fill(id int, filler text);
INSERT INTO billing.fill SELECT 1, repeat('z', 1000000);
CREATE TABLE billing.copies(id int, body text);
GRANT ALL ON billing.tickets, billing.ticket_view, billing.copies, billing.fill TO svc;
"#;
/// The same texts with other secrets in them, of other lengths too.
const ROLLED: &str = r#"
UPDATE billing.tickets SET body = 'Card 5105105105105100, mail m.grace@other.example — äöü',
 meta = '{"ssn": "234-56-7890", "n": 1}', raw = '["+1 212 555 0187"]', short = 'tel 0301 76543210' WHERE id = 1;
UPDATE billing.tickets SET body = repeat('äöü card 4111111111111111 ', 1500) WHERE id = 5;
"#;
/// What may not leave, of either.
const SECRETS: [&str; 10] =
    ["4111", "ada@", "123456789", "1234567", "5555", "5105", "grace", "234-56", "555 0187", "7654"];
/// All columns.
const ALL: &str = "SELECT id, body, meta, raw, short FROM billing.tickets WHERE id < 4 ORDER BY id";
const COLUMNS: [&str; 4] = ["body", "meta", "raw", "short"];
const TWINS: [&str; 2] = ["billing", "twin"];

/// Two databases that differ only in what is to be found, behind one gateway.
struct World {
    twins: [Database; 2],
    gateway: Gateway,
    token: String,
}

impl World {
    fn new() -> Self {
        Self::with(Target::billing, "select,update:billing.tickets")
    }

    fn with(make: impl Fn(&Database) -> Target, tickets: &str) -> Self {
        let cluster = Cluster::shared();
        let first = cluster.billing();
        first.run(SCHEMA);
        let second = cluster.copy_of(&first.name, &format!("{}_twin", first.name));
        second.run(ROLLED);
        let twins = [first, second];
        let free = COLUMNS
            .map(|name| format!("[[target.free_text]]\ncolumn = \"billing.tickets.{name}\""));
        let targets = TWINS.iter().zip(&twins).map(|(name, database)| {
            let name = (*name).to_owned();
            Target { name, after: free.join("\n"), ..make(database) }
        });
        let gateway = Gateway::start(&Settings::new(targets.collect()));
        let token = gateway.identity("agent");
        for name in TWINS {
            let more = ["select:billing.fill", "select,insert:billing.copies"];
            let scope = [&[tickets, "select:billing.ticket_view"], more.as_slice()].concat();
            gateway.grant("agent", name, &scope);
        }
        Self { twins, gateway, token }
    }

    fn connect(&self, twin: &str) -> Wire {
        self.gateway.connect("agent", twin, &self.token).unwrap()
    }

    /// Lets both twins run the same, and returns every byte that the client reads.
    fn both(&self, mut run: impl FnMut(&mut Wire)) -> [String; 2] {
        let read = TWINS.map(|twin| {
            let mut wire = self.connect(twin);
            run(&mut wire);
            String::from_utf8_lossy(&wire.received).into_owned()
        });
        for secret in SECRETS {
            assert!(!read.iter().any(|text| text.contains(secret)), "{secret} left");
        }
        read
    }

    /// As [`Self::both`]; the bytes are the same.
    fn compare(&self, run: impl FnMut(&mut Wire)) -> String {
        let [one, other] = self.both(run);
        let place = one.bytes().zip(other.bytes()).position(|(one, other)| one != other);
        let around = |text: &str| {
            let start = place.unwrap_or(text.len()).saturating_sub(200);
            String::from_utf8_lossy(text.as_bytes().get(start..).unwrap_or_default())
                .chars()
                .take(400)
                .collect::<String>()
        };
        assert!(one == other, "the twins differ:\n{}\n{}", around(&one), around(&other));
        one
    }
}

#[test]
fn what_is_found_leaves_in_no_way() {
    let world = World::new();
    let rows = world.connect("billing").simple(ALL).texts();
    let text = |text: &str| Some(text.to_owned());
    assert_eq!(
        rows[0],
        [
            text("1"),
            text("Card [card], mail [email] — äöü"),
            text("{\"n\": 1, \"ssn\": \"[ssn]\"}"),
            text("[\"[phone]\"]"),
            text("tel [phone]"),
        ]
    );
    assert_eq!(
        rows[1][1..],
        [text("nothing to see"), text("{\"a\": [1, null]}"), text("{\"k\": \"v\"}"), text("")]
    );
    assert_eq!(rows[2][1..], [None, None, None, None]);
    let bytes = world.compare(read_in_every_way);
    assert!(bytes.matches("[card]").count() >= 4_500, "findings are marked");
}

/// All ways in which free text may be read.
fn read_in_every_way(wire: &mut Wire) {
    let sync = message(b'S', b"");
    for format in [0, 1] {
        let portal = [parse("", ALL), bind("", "", &[], format), execute("", 2), execute("", 0)];
        wire.send(&[portal.concat(), sync.clone()].concat());
        assert_eq!(wire.answer(ANSWER_TIMEOUT).errors(), []);
    }
    for sql in [
        "SELECT words FROM billing.ticket_view WHERE id = 1",
        "SELECT t.x FROM (SELECT id AS i, body AS x FROM billing.tickets) t WHERE i = 1",
        "WITH q AS (SELECT id, body, meta FROM billing.tickets) SELECT * FROM q ORDER BY id",
        "SELECT t.body, f.id FROM billing.fill f LEFT JOIN billing.tickets t USING (id)",
        "UPDATE billing.tickets SET subject = 'x' WHERE id = 1 RETURNING body, raw",
        "WITH u AS (UPDATE billing.tickets SET subject = 'x' RETURNING id, meta) SELECT meta FROM u",
        "SELECT id, body FROM billing.tickets WHERE body IS NOT NULL ORDER BY id",
        "SELECT id, meta IS NULL FROM billing.tickets ORDER BY id",
        // A value in many reads of the socket.
        "SELECT body FROM billing.tickets WHERE id = 5",
        "SELECT body FROM billing.tickets WHERE id = 1; SELECT short, raw FROM billing.tickets WHERE id = 1",
        "PREPARE p AS SELECT body, meta FROM billing.tickets WHERE id = $1; EXECUTE p(1)",
    ] {
        let answer = wire.simple(sql);
        assert_eq!(answer.errors(), [], "{sql}");
        assert!(!answer.rows().is_empty(), "{sql}");
    }
    for sql in [
        "BEGIN",
        &format!("DECLARE b BINARY CURSOR FOR {ALL}"),
        "FETCH 1 FROM b",
        "FETCH ALL FROM b",
        "COMMIT",
        // Where a value is rejected, PostgreSQL would quote the row.
        "UPDATE billing.tickets SET subject = NULL WHERE id = 1",
        "EXPLAIN SELECT body FROM billing.tickets",
    ] {
        wire.simple(sql);
    }
}

#[test]
fn free_text_answers_no_question_and_is_not_copied() {
    let world = World::new();
    let asked = [
        "SELECT substr(body, 1, 9) FROM billing.tickets",
        "SELECT body || '' FROM billing.tickets",
        "SELECT md5(body) FROM billing.tickets",
        "SELECT meta->>'ssn' FROM billing.tickets",
        "SELECT body LIKE '%4111%' FROM billing.tickets",
        "SELECT string_agg(body, '') FROM billing.tickets",
        "SELECT (SELECT body FROM billing.tickets LIMIT 1)",
        "SELECT body FROM billing.tickets UNION SELECT 'x'",
        "SELECT DISTINCT body FROM billing.tickets",
        "SELECT body FROM billing.tickets ORDER BY body",
        "SELECT body FROM billing.tickets ORDER BY 1",
        "SELECT id, body FROM billing.tickets ORDER BY length(body)",
        "SELECT count(*) FROM billing.tickets GROUP BY body",
        "SELECT id FROM billing.tickets WHERE body LIKE '%4111%'",
        "SELECT id FROM billing.tickets WHERE (body || '') IS NULL",
        "SELECT id FROM billing.tickets WHERE (meta->'ssn') IS NULL",
        "SELECT id FROM billing.tickets WHERE body::int = 1",
        "SELECT t.x FROM (SELECT body AS x FROM billing.tickets) t WHERE x LIKE '%4111%'",
        "SELECT count(*) FILTER (WHERE body ~ '41') FROM billing.tickets",
        "SELECT upper(words) FROM billing.ticket_view",
        "SELECT id FROM billing.ticket_view WHERE words ~ '4111'",
        "SELECT t FROM billing.tickets t",
        "SELECT row_to_json(t) FROM billing.tickets t",
        "SELECT a.id FROM billing.tickets a JOIN billing.tickets b USING (body)",
        "UPDATE billing.tickets SET subject = 'x' WHERE body LIKE '%4111%'",
        "INSERT INTO billing.copies SELECT id, body FROM billing.tickets",
        "UPDATE billing.tickets SET subject = body",
        "SELECT id FROM billing.tickets WHERE id IN (SELECT length(body) FROM billing.tickets)",
        "COPY billing.tickets TO STDOUT",
        "COPY billing.tickets (id, body) TO STDOUT WITH (FORMAT binary)",
        "COPY (SELECT id, meta FROM billing.tickets) TO STDOUT",
        "COPY (UPDATE billing.tickets SET subject = 'x' RETURNING body) TO STDOUT",
        "COPY (SELECT words FROM billing.ticket_view) TO STDOUT",
    ];
    world.compare(|wire| {
        for sql in asked {
            let answer = wire.simple(sql);
            assert_eq!(answer.sqlstate().as_deref(), Some("42501"), "{sql}");
            assert_eq!(answer.rows(), Vec::<Vec<_>>::new(), "{sql}");
        }
        let copied =
            wire.simple("COPY (SELECT id, subject FROM billing.tickets ORDER BY id) TO STDOUT");
        assert_eq!(copied.errors(), []);
    });
    assert_eq!(world.twins[0].value("SELECT count(*) FROM billing.copies"), "0");
}

#[test]
fn a_fence_shows_free_text_through_a_view_of_the_gateway() {
    let fenced = |database: &Database| {
        let mut target = Target::fenced(database);
        target.masks.retain(|(column, _)| column.ends_with("ssn"));
        target
    };
    let world = World::with(fenced, "select,update:billing.tickets");
    let mut seen = Vec::new();
    // The views have other numbers in each database, so rows are compared.
    let [bytes, _] = world.both(|wire| {
        for sql in [
            ALL,
            "SELECT words FROM billing.ticket_view WHERE id = 1",
            "SELECT id FROM billing.tickets WHERE body IS NULL",
            "WITH q AS (SELECT id, body FROM billing.tickets) SELECT * FROM q WHERE id < 3 ORDER BY id",
            "UPDATE billing.tickets SET subject = 'x' WHERE id = 1 RETURNING id, subject",
        ] {
            let answer = wire.simple(sql);
            assert_eq!(answer.errors(), [], "{sql}");
            assert!(!answer.rows().is_empty(), "{sql}");
            seen.push(answer.texts());
        }
        for sql in [
            "UPDATE billing.tickets SET subject = 'x' WHERE id = 1 RETURNING body",
            "UPDATE billing.tickets SET subject = 'x' WHERE body IS NULL",
            "SELECT id FROM billing.tickets WHERE body LIKE '%4111%'",
            "COPY billing.tickets TO STDOUT",
        ] {
            assert_eq!(wire.simple(sql).sqlstate().as_deref(), Some("42501"), "{sql}");
        }
    });
    assert!(bytes.contains("[card]"));
    let (one, other) = seen.split_at(seen.len() / 2);
    assert_eq!(one, other);
    let table = "SELECT count(*) FROM information_schema.column_privileges WHERE grantee LIKE 'cs%' \
                 AND table_name = 'tickets' AND column_name IN ('body', 'meta', 'raw', 'short') \
                 AND privilege_type = 'SELECT'";
    assert_eq!(world.twins[0].value(table), "0", "no role may read the table's own columns");
}

#[test]
fn findings_are_counted_and_large_values_are_withheld() {
    let world = World::new();
    let mut wire = world.connect("billing");
    wire.simple("SELECT body AS counted FROM billing.tickets WHERE id = 1");
    let large = wire.simple("SELECT body FROM billing.tickets WHERE id = 4").texts();
    assert_eq!(large, [[Some("[withheld]".to_owned())]]);
    let commands = Commands::read(&world.gateway);
    let (name, _) = commands.intent_with("AS counted").unwrap();
    let redactions = commands.finished[name].leaf["redactions"].as_array().unwrap().clone();
    let counted: Vec<(String, u64)> = redactions
        .iter()
        .map(|one| (one["column"]["value"].to_string(), one["values"].as_u64().unwrap()))
        .collect();
    assert_eq!(counted.len(), 2, "{redactions:?}");
    assert!(redactions.iter().all(|one| one["values"] == 1), "{redactions:?}");
    assert_eq!(ledger::verify(&world.gateway, "access")["ok"], true);
}

#[test]
fn a_row_of_more_than_16_mib_ends_its_command_and_shows_nothing() {
    let world = World::new();
    let mut wire = world.connect("billing");
    let with = |columns: usize| {
        let fillers = vec!["f.filler"; columns].join(", ");
        format!("SELECT t.body, {fillers} FROM billing.tickets t, billing.fill f WHERE t.id = 1")
    };
    let answer = wire.simple(&with(16));
    assert_eq!((answer.errors(), answer.rows().len()), (Vec::new(), 1));
    let answer = wire.simple(&with(17));
    assert_eq!(answer.sqlstate().as_deref(), Some("54000"));
    assert_eq!(answer.rows(), Vec::<Vec<_>>::new());
    assert!(!String::from_utf8_lossy(&wire.received).contains("4111"));
    let again = wire.simple("SELECT body FROM billing.tickets WHERE id = 2").texts();
    assert_eq!(again, [[Some("nothing to see".to_owned())]]);
}
