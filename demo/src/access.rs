//! Steps 3 to 5: what the tool may see, what it may not, and how its permission ends.

use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use serde_json::{Value, json};
use tokio_postgres::SimpleQueryMessage;

use crate::agent::Answer;
use crate::clock;
use crate::cluster::SERVICE_USER;
use crate::gateway::{FIXED_PHONE, MASKS};
use crate::screen::Screen;
use crate::stage::Stage;

/// Whom the demo asks about.
const CUSTOMER: i64 = 42;
/// Within what time a revocation must end what runs (promise P8), in milliseconds.
const CUT_MS_MAX: u128 = 1_000;
/// How long the long query may take to appear on, or vanish from, the database, in milliseconds.
const OBSERVE_TIMEOUT_MS: u64 = 10_000;
/// Pause between two looks at the database, in milliseconds.
const OBSERVE_POLL_MS: u64 = 10;

/// The columns of `billing.customers`, in their order.
const COLUMNS: [&str; 9] = [
    "id",
    "name",
    "plan",
    "email",
    "phone",
    "ssn",
    "date_of_birth",
    "account_number",
    "card_number",
];

/// How much is shown of a forwarded statement, in characters.
const FORWARDED_CHARACTERS: usize = 250;

/// Joins the invoices with themselves twice: hours of work.
const LONG_QUERY: &str = "SELECT count(*) FROM billing.invoices a, billing.invoices b, \
    billing.invoices c WHERE a.amount_cents < b.amount_cents AND b.amount_cents < c.amount_cents";

/// Step 3: the tool's answer beside the row in the database.
pub async fn show_masks(screen: &mut Screen, stage: &Stage) -> anyhow::Result<()> {
    screen.step("The tool answers, and what is sensitive is masked");
    let raw = raw_customer(stage).await?;
    let name = raw.get("name").and_then(Value::as_str).context("the customer has no name")?;
    screen.asks(&format!("lookup_customer({{\"name_or_id\": \"{name}\"}})"));
    let answer = stage.agent.call("lookup_customer", json!({ "name_or_id": name })).await?;
    let Answer::Found(found) = answer else { bail!("the tool failed: {answer:?}") };
    let seen = found.pointer("/customers/0").context("the tool found nobody")?;

    let rows = COLUMNS.map(|column| {
        let mask = MASKS.iter().find(|(masked, _)| *masked == column).map_or("", |(_, with)| with);
        let of = |row: &Value| row.get(column).map(plain).unwrap_or_default();
        [column.to_owned(), of(&raw), shorten(&of(seen)), mask.to_owned()]
    });
    screen.table(["column", "in the database", "as the model sees it", "mask"], &rows);

    check_masks(&raw, seen)?;
    let all = found.to_string();
    for (column, _mask) in MASKS {
        let value = raw.get(column).map(plain).unwrap_or_default();
        ensure!(!all.contains(&value), "{column} is in the tool's answer");
    }
    screen.holds("none of the six masked values is anywhere in the tool's answer");
    show_forwarded(screen, stage)?;

    screen.asks(&format!("open_invoices({{\"customer_id\": {CUSTOMER}}})"));
    let answer = stage.agent.call("open_invoices", json!({ "customer_id": CUSTOMER })).await?;
    let Answer::Found(found) = answer else { bail!("the tool failed: {answer:?}") };
    let invoices =
        found.get("invoices").and_then(Value::as_array).context("no list of invoices")?;
    ensure!(!invoices.is_empty(), "customer {CUSTOMER} has no open invoice in the made-up data");
    screen.holds(&format!("{} open invoices, in the clear: the grant covers them", invoices.len()));
    Ok(())
}

/// The mask is part of what the database was asked, so the value did not leave it.
fn show_forwarded(screen: &Screen, stage: &Stage) -> anyhow::Result<()> {
    let asked = stage.cluster.asked_by_sessions()?;
    let asked = asked.last().context("the database's log knows of no statement")?;
    let is_masked = !asked.contains("customers.ssn") && asked.contains(FIXED_PHONE);
    ensure!(is_masked, "the database was asked for masked values: {asked}");
    screen.say("The values did not even leave the database. Its own log shows what it was asked:");
    let begin = asked.find(&format!("'{FIXED_PHONE}'")).unwrap_or_default();
    let excerpt = asked.get(begin..).unwrap_or_default();
    let excerpt: String = excerpt.chars().take(FORWARDED_CHARACTERS).collect();
    screen.forwarded(&format!("… {excerpt} …"));
    Ok(())
}

/// The customer as the database's administrator sees it, past the gateway.
async fn raw_customer(stage: &Stage) -> anyhow::Result<Value> {
    let client = stage.cluster.connect().await?;
    let row = client
        .query_one(
            "SELECT id, name, email, phone, ssn, date_of_birth::text, account_number, \
             card_number, plan FROM billing.customers WHERE id = $1",
            &[&CUSTOMER],
        )
        .await?;
    let mut customer = serde_json::Map::new();
    customer.insert("id".into(), row.try_get::<_, i64>(0)?.into());
    for (place, column) in row.columns().iter().enumerate().skip(1) {
        customer.insert(column.name().into(), row.try_get::<_, String>(place)?.into());
    }
    Ok(Value::Object(customer))
}

/// Each mask does what its name says, and what has no mask is untouched.
fn check_masks(raw: &Value, seen: &Value) -> anyhow::Result<()> {
    let of = |row: &Value, column| row.get(column).map(plain).unwrap_or_default();
    for column in ["id", "name", "plan"] {
        ensure!(raw.get(column) == seen.get(column), "{column} is not masked but differs");
    }
    for (column, mask) in MASKS {
        let (value, shown) = (of(raw, column), of(seen, column));
        let last4: String = value.chars().skip(value.chars().count().saturating_sub(4)).collect();
        let domain = value.split_once('@').map(|(_, domain)| domain).unwrap_or_default();
        let is_right = match mask {
            "full" => shown == "********",
            "null" => seen.get(column) == Some(&Value::Null),
            "fixed" => shown == FIXED_PHONE,
            "last4" => shown.ends_with(&last4),
            "hash" => shown.len() == 64 && shown.bytes().all(|b| b.is_ascii_hexdigit()),
            "email" => shown.ends_with(&format!("@{domain}")),
            other => bail!("the demo knows no mask `{other}`"),
        };
        ensure!(is_right && shown != value, "mask {mask} made `{shown}` of {column}");
    }
    Ok(())
}

/// Step 4: what the grant does not cover.
pub async fn show_refusals(screen: &mut Screen, stage: &Stage) -> anyhow::Result<()> {
    screen.step("What the grant does not cover is refused");
    screen.say("The gateway's own login may read and write every table. The grant decides.");
    let asked = [
        ("another table", "SELECT method, amount_cents FROM billing.payments"),
        ("a filter on a masked column", "SELECT id FROM billing.customers WHERE ssn LIKE '90%'"),
        (
            "a value computed from a masked column",
            "SELECT name, substr(account_number, 1, 8) FROM billing.customers",
        ),
        ("an order by a masked column", "SELECT name FROM billing.customers ORDER BY ssn"),
        ("a change of data", "UPDATE billing.customers SET plan = 'enterprise' WHERE id = 42"),
    ];
    let before = (raw_customer(stage).await?, stage.cluster.asked_by_sessions()?);
    for (what, sql) in asked {
        screen.say(&format!("{what}:"));
        screen.asks(sql);
        match stage.agent.call("run_sql", json!({ "sql": sql })).await? {
            Answer::Failed(why) => {
                // The rest is a hint to the model, long and mostly the same.
                screen.refused(why.lines().next().unwrap_or_default());
                ensure!(is_refusal(&why), "this is an error, but no refusal: {why}");
            }
            Answer::Found(found) => bail!("{what} was not refused: {found}"),
        }
    }
    let after = (raw_customer(stage).await?, stage.cluster.asked_by_sessions()?);
    ensure!(after == before, "something reached the database: {after:?}, before it {before:?}");
    screen.holds("the model reads each refusal as the tool's answer; none reached the database");
    Ok(())
}

/// True if the error is one with which the gateway refuses: the privilege is missing (42501), or
/// what was named looks as if it did not exist (42P01).
fn is_refusal(error: &str) -> bool {
    ["42501:", "42P01:"].iter().any(|code| error.starts_with(code))
}

/// Step 5: the grant is revoked while a long query runs under it.
pub async fn show_revocation(screen: &mut Screen, stage: &Stage) -> anyhow::Result<()> {
    screen.step("The grant is revoked while a long query runs");
    screen.asks(LONG_QUERY);
    let running = stage.agent.begin("run_sql", json!({ "sql": LONG_QUERY }));
    observe(stage, Busy::Yes).await.context("the long query did not start")?;
    screen.say("The database is working on it. Now an administrator revokes the grant:");
    let command = ["grant", "revoke", &stage.grant, "--reason", "the ticket was closed"];
    screen.quote(&format!(
        "countersign grant revoke {} --reason \"the ticket was closed\"",
        stage.grant
    ));

    let begin = clock::instant();
    stage.gateway.cli().ask(&command).await?;
    let answer = running.await??;
    let told_ms = begin.elapsed().as_millis();
    observe(stage, Busy::No).await.context("the database still works on the query")?;
    let idle_ms = begin.elapsed().as_millis();
    let Answer::Failed(why) = answer else { bail!("the long query ended well: {answer:?}") };
    screen.refused(&why);
    screen.holds(&format!(
        "cut: {told_ms} ms after the command was typed the tool had its error, \
         {idle_ms} ms after it the database was idle"
    ));
    ensure!(told_ms <= CUT_MS_MAX, "the tool had its error only after {told_ms} ms");
    ensure!(idle_ms <= CUT_MS_MAX, "the database was idle only after {idle_ms} ms");

    screen.asks("lookup_customer({\"name_or_id\": \"42\"})");
    match stage.agent.call("lookup_customer", json!({ "name_or_id": "42" })).await? {
        Answer::Failed(why) => screen.refused(why.lines().next().unwrap_or_default()),
        Answer::Found(found) => bail!("a tool still reads after the grant has ended: {found}"),
    }
    screen.holds("and from now on the same tool gets nothing");
    Ok(())
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Busy {
    Yes,
    No,
}

/// Waits until the database works for the gateway, or no longer does.
async fn observe(stage: &Stage, wanted: Busy) -> anyhow::Result<()> {
    let client = stage.cluster.connect().await?;
    let sql = format!(
        "SELECT 1 FROM pg_stat_activity WHERE usename = '{SERVICE_USER}' \
         AND state = 'active' AND query LIKE '%amount_cents%'"
    );
    for _ in 0..OBSERVE_TIMEOUT_MS / OBSERVE_POLL_MS {
        let messages = client.simple_query(&sql).await?;
        let is_busy = messages.iter().any(|m| matches!(m, SimpleQueryMessage::Row(_)));
        if is_busy == (wanted == Busy::Yes) {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(OBSERVE_POLL_MS)).await;
    }
    bail!("waited {OBSERVE_TIMEOUT_MS} ms")
}

/// A JSON value as a person writes it.
fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// A hash is long; its beginning shows what it is.
fn shorten(text: &str) -> String {
    if text.chars().count() <= 24 {
        return text.to_owned();
    }
    let head: String = text.chars().take(20).collect();
    format!("{head}…")
}
