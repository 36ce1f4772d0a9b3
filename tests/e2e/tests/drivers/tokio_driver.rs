//! tokio-postgres: prepared statements and binary values everywhere, pipelining, COPY.

use std::pin::pin;
use std::time::{Duration, Instant};

use futures_util::{SinkExt as _, StreamExt as _, TryStreamExt as _, future};
use tokio_postgres::binary_copy::BinaryCopyInWriter;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Error, IsolationLevel, NoTls, Row};

use crate::matrix::Said;
use crate::scenario::{
    BIG_ROWS, BIG_SUM, CANCELLED_WITHIN, ENDLESS, ERRORS, Outcome, TABLES, is_masked, run, same,
};
use crate::world::World;

/// By when the gateway has surely read the catalog anew.
const CATALOG_SEEN: Duration = Duration::from_millis(1_500);

const LABEL: &str = "SELECT label FROM billing.changing WHERE id = $1";

pub(crate) fn work(world: &World) -> Vec<Said> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut said = Vec::new();
        run(&mut said, "connect", connect(world)).await;
        run(&mut said, "parameters", parameters(world)).await;
        run(&mut said, "types", types(world)).await;
        run(&mut said, "masks", masks(world)).await;
        run(&mut said, "transaction", transaction(world)).await;
        run(&mut said, "rollback", rollback(world)).await;
        run(&mut said, "error", error(world)).await;
        run(&mut said, "cancel", cancel(world)).await;
        run(&mut said, "big", big(world)).await;
        run(&mut said, "copy", copy(world)).await;
        run(&mut said, "prepared", prepared(world)).await;
        // It changed a table: what runs before the gateway has seen that is withheld.
        tokio::time::sleep(CATALOG_SEEN).await;
        run(&mut said, "pool", pool(world)).await;
        run(&mut said, "catalog", catalog(world)).await;
        said
    })
}

async fn connected(world: &World) -> Result<Client, Error> {
    let (client, connection) = tokio_postgres::connect(&world.dsn(), NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

fn tag(text: &str) -> String {
    format!("tokio-postgres-{text}")
}

fn code<T>(outcome: Result<T, Error>) -> String {
    match outcome {
        Ok(_) => "no error".to_owned(),
        Err(error) => match error.code() {
            Some(code) => code.code().to_owned(),
            None => error.to_string(),
        },
    }
}

async fn count(client: &Client, tag: &str) -> Result<i64, Error> {
    let sql = "SELECT count(*) FROM billing.notes WHERE tag LIKE $1";
    Ok(client.query_one(sql, &[&tag]).await?.get(0))
}

async fn note(client: &Client, tag: &str) -> Result<u64, Error> {
    client.execute("INSERT INTO billing.notes (tag) VALUES ($1)", &[&tag]).await
}

async fn connect(world: &World) -> Outcome {
    let client = connected(world).await?;
    same(client.query_one("SELECT 1", &[]).await?.get::<_, i32>(0), 1)?;
    let wrong = world.dsn().replace(&world.token, "cst_wrong");
    same(code(tokio_postgres::connect(&wrong, NoTls).await), "28P01")
}

async fn parameters(world: &World) -> Outcome {
    let client = connected(world).await?;
    let sql = "SELECT name FROM billing.customers WHERE id = $1 AND name = $2";
    same(client.query_one(sql, &[&7, &"Customer 7"]).await?.get::<_, &str>(0), "Customer 7")?;
    let sql = "SELECT name FROM billing.customers WHERE id = ANY($1) ORDER BY id";
    same(client.query(sql, &[&vec![3, 1]]).await?.len(), 2)?;
    let sql = "INSERT INTO billing.notes (tag, body, amount) VALUES ($1, $2, $3) RETURNING amount";
    let row = client.query_one(sql, &[&tag("recorded"), &None::<String>, &1]).await?;
    same(row.get::<_, i32>(0), 1)?;
    let sql = "UPDATE billing.notes SET amount = amount + $1 WHERE tag = $2";
    same(client.execute(sql, &[&41, &tag("recorded")]).await?, 1)?;
    // Pipelined: futures that are polled at once.
    let insert = client.prepare("INSERT INTO billing.notes (tag) VALUES ($1)").await?;
    let tags: Vec<String> = (0..100).map(|i| tag(&format!("many-{i}"))).collect();
    let values: Vec<[&(dyn ToSql + Sync); 1]> = tags.iter().map(|tag| [tag as _]).collect();
    future::try_join_all(values.iter().map(|values| client.execute(&insert, values))).await?;
    same(count(&client, &tag("many-%")).await?, 100)?;
    let sql = "DELETE FROM billing.notes WHERE tag LIKE $1";
    same(client.execute(sql, &[&tag("many-%")]).await?, 100)
}

async fn types(world: &World) -> Outcome {
    let client = connected(world).await?;
    let sql = "SELECT b, i2, i8, f4, f8, t, v, by, a FROM billing.kinds WHERE id = $1";
    let row = client.query_one(sql, &[&1]).await?;
    same(row.get::<_, bool>(0), true)?;
    same((row.get::<_, i16>(1), row.get::<_, i64>(2)), (-2, 9_007_199_254_740_993))?;
    same((row.get::<_, f32>(3), row.get::<_, f64>(4)), (1.5, -2.25))?;
    same((row.get::<_, &str>(5), row.get::<_, &str>(6)), ("naïve ☃ text", "short"))?;
    same(row.get::<_, &[u8]>(7), &[0, 255, 16][..])?;
    same(row.get::<_, Vec<Option<i32>>>(8), vec![Some(1), Some(2), None])?;
    let row = client.query_one(sql, &[&2]).await?;
    same(row.get::<_, Option<bool>>(0), None)?;
    let sql = "INSERT INTO billing.kinds (id, b, i8, by, a) VALUES (99, $1, $2, $3, $4)";
    client.execute(sql, &[&true, &5_i64, &&[1_u8, 2][..], &vec![Some(4), None]]).await?;
    let row = client.query_one("SELECT i8, by FROM billing.kinds WHERE id = 99", &[]).await?;
    same((row.get::<_, i64>(0), row.get::<_, &[u8]>(1)), (5, &[1, 2][..]))
}

async fn masks(world: &World) -> Outcome {
    let client = connected(world).await?;
    let sql = "SELECT account_number, ssn, email FROM billing.customers WHERE id = $1";
    let row = client.query_one(sql, &[&7]).await?;
    is_masked(row.get(0), row.get(1), row.get(2))
}

async fn transaction(world: &World) -> Outcome {
    let mut client = connected(world).await?;
    let build = client.build_transaction().isolation_level(IsolationLevel::Serializable);
    let mut outer = build.read_only(false).deferrable(false).start().await?;
    let sql = "INSERT INTO billing.notes (tag) VALUES ($1)";
    outer.execute(sql, &[&tag("outer")]).await?;
    let inner = outer.savepoint("inner_one").await?;
    inner.execute(sql, &[&tag("inner")]).await?;
    inner.rollback().await?;
    outer.commit().await?;
    same((count(&client, &tag("outer")).await?, count(&client, &tag("inner")).await?), (1, 0))
}

async fn rollback(world: &World) -> Outcome {
    let mut client = connected(world).await?;
    let transaction = client.transaction().await?;
    let sql = "INSERT INTO billing.notes (tag) VALUES ($1)";
    transaction.execute(sql, &[&tag("gone")]).await?;
    transaction.rollback().await?;
    let transaction = client.transaction().await?;
    transaction.execute(sql, &[&tag("gone")]).await?;
    same(code(transaction.query("SELECT amount FROM hr.salaries", &[]).await), "42501")?;
    same(code(transaction.query("SELECT 1", &[]).await), "25P02")?;
    // Dropped: the driver rolls it back by itself.
    drop(transaction);
    same(count(&client, &tag("gone")).await?, 0)
}

async fn error(world: &World) -> Outcome {
    let client = connected(world).await?;
    note(&client, &tag("unique")).await?;
    same(code(note(&client, &tag("unique")).await), "23505")?;
    for (sql, sqlstate) in ERRORS {
        same(code(client.query(sql, &[]).await), sqlstate)?;
        same(code(client.batch_execute(sql).await), sqlstate)?;
        same(client.query_one("SELECT 1", &[]).await?.get::<_, i32>(0), 1)?;
    }
    Ok(())
}

async fn cancel(world: &World) -> Outcome {
    let client = connected(world).await?;
    let token = client.cancel_token();
    let began = Instant::now();
    let cancel = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        token.cancel_query(NoTls).await
    };
    let (ended, cancelled) = tokio::join!(client.query(ENDLESS, &[]), cancel);
    cancelled?;
    same(code(ended), "57014")?;
    same(began.elapsed() < CANCELLED_WITHIN, true)?;
    same(client.query_one("SELECT 1", &[]).await?.get::<_, i32>(0), 1)
}

async fn big(world: &World) -> Outcome {
    let mut client = connected(world).await?;
    let nothing: [&(dyn ToSql + Sync); 0] = [];
    let stream = client.query_raw("SELECT id, filler FROM billing.big", nothing).await?;
    let add = |(rows, sum, size): (i64, i64, usize), row: Row| {
        let next = (rows + 1, sum + i64::from(row.get::<_, i32>(0)), size);
        future::ok((next.0, next.1, next.2 + row.get::<_, &str>(1).len()))
    };
    let seen = pin!(stream).try_fold((0, 0, 0), add).await?;
    same(seen, (BIG_ROWS, BIG_SUM, 19_200_000))?;
    // In portions, over a portal.
    let transaction = client.transaction().await?;
    let portal = transaction.bind("SELECT n FROM billing.numbers", &[]).await?;
    let mut count = 0;
    loop {
        let rows = transaction.query_portal(&portal, 7_000).await?;
        count += rows.len();
        if rows.is_empty() {
            break;
        }
    }
    same(count, 50_000)
}

async fn copy(world: &World) -> Outcome {
    let client = connected(world).await?;
    let sink = client.copy_in("COPY billing.notes (tag, body, amount) FROM STDIN").await?;
    let mut sink = pin!(sink);
    for i in 0..500 {
        let line = format!("{}\t\\N\t{i}\n", tag(&format!("copy-{i}")));
        sink.send(bytes::Bytes::from(line)).await?;
    }
    same(sink.finish().await?, 500)?;
    let sql = "COPY billing.notes (tag, amount) FROM STDIN (FORMAT binary)";
    let writer = BinaryCopyInWriter::new(client.copy_in(sql).await?, &[Type::TEXT, Type::INT4]);
    let mut writer = pin!(writer);
    for i in 500..1_000 {
        writer.as_mut().write(&[&tag(&format!("copy-{i}")), &i]).await?;
    }
    same(writer.finish().await?, 500)?;
    same(count(&client, &tag("copy-%")).await?, 1_000)?;
    let sql = "COPY (SELECT n, label FROM billing.numbers WHERE n <= 3 ORDER BY n) TO STDOUT";
    let parts: Vec<bytes::Bytes> = client.copy_out(sql).await?.try_collect().await?;
    same(parts.concat(), b"1\tnumber 1\n2\tnumber 2\n3\tnumber 3\n")?;
    // A reader that goes away in the middle.
    let mut stream = Box::pin(client.copy_out("COPY billing.big TO STDOUT").await?);
    same(stream.next().await.is_some(), true)?;
    drop(stream);
    same(client.query_one("SELECT 1", &[]).await?.get::<_, i32>(0), 1)
}

async fn prepared(world: &World) -> Outcome {
    let client = connected(world).await?;
    let mut statement = client.prepare(LABEL).await?;
    for id in 1..=100 {
        let row = client.query_one(&statement, &[&id]).await?;
        same(row.get::<_, String>(0), format!("label {id}"))?;
    }
    for change in ["add-column", "change-type"] {
        world.change(change);
        for id in 1..=20 {
            let mut found = client.query_one(&statement, &[&id]).await;
            if let Err(error) = &found
                && error.code().is_some_and(|code| code.code() == "0A000")
            {
                // As from PostgreSQL itself: the application prepares again.
                statement = client.prepare(LABEL).await?;
                found = client.query_one(&statement, &[&id]).await;
            }
            same(found?.get::<_, String>(0), format!("label {id}"))?;
        }
    }
    Ok(())
}

/// tokio-postgres has no pool; these are the checks that its usual pools make between two uses.
async fn pool(world: &World) -> Outcome {
    let client = connected(world).await?;
    for id in 1..=20 {
        client.simple_query("").await?;
        let row = client.query_one("SELECT n FROM billing.numbers WHERE n = $1", &[&id]).await?;
        same(row.get::<_, i32>(0), id)?;
        client.batch_execute("SET search_path TO billing").await?;
        let row = client.query_one("SELECT count(*) FROM changing", &[]).await?;
        same(row.get::<_, i64>(0), 100)?;
        // The whole cleaning of a popular pool, but for what drops its prepared statements.
        let clean = "CLOSE ALL; SET SESSION AUTHORIZATION DEFAULT; RESET ALL; UNLISTEN *; \
                     SELECT pg_advisory_unlock_all(); DISCARD TEMP; DISCARD SEQUENCES;";
        client.batch_execute(clean).await?;
        let row = client.query_one("SHOW search_path", &[]).await?;
        same(row.get::<_, &str>(0), "\"$user\", public")?;
        client.batch_execute("DISCARD ALL").await?;
    }
    Ok(())
}

async fn catalog(world: &World) -> Outcome {
    let client = connected(world).await?;
    let sql = "SELECT table_name::text FROM information_schema.tables \
               WHERE table_schema IN ('billing', 'hr') ORDER BY table_name";
    let rows = client.query(sql, &[]).await?;
    let names: Vec<&str> = rows.iter().map(|row| row.get(0)).collect();
    same(names, TABLES)?;
    // A type that it does not know: it asks pg_type, pg_enum, pg_range, pg_attribute.
    let row =
        client.query_one("SELECT oid::regtype::text FROM pg_type WHERE typname = 'int4'", &[]);
    same(row.await?.get::<_, &str>(0), "integer")
}
