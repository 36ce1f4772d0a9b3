//! sqlx: its pool, its cache of prepared statements, its transactions, COPY.

use std::time::{Duration, Instant};

use futures_util::TryStreamExt as _;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions, PgQueryResult};
use sqlx::{Connection as _, Error, Executor as _, PgConnection, Row as _};

use crate::matrix::Said;
use crate::scenario::{
    BIG_ROWS, BIG_SUM, CANCELLED_WITHIN, ENDLESS, ERRORS, Outcome, TABLES, is_masked, run, same,
};
use crate::world::World;

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
        run(&mut said, "pool", pool(world)).await;
        run(&mut said, "catalog", catalog(world)).await;
        said
    })
}

async fn connected(world: &World) -> Result<PgConnection, Error> {
    PgConnection::connect(&world.dsn()).await
}

fn tag(text: &str) -> String {
    format!("sqlx-{text}")
}

fn code<T>(outcome: Result<T, Error>) -> String {
    match outcome {
        Ok(_) => "no error".to_owned(),
        Err(Error::Database(error)) => error.code().unwrap_or_default().into_owned(),
        Err(error) => error.to_string(),
    }
}

async fn count(client: &mut PgConnection, tag: &str) -> Result<i64, Error> {
    let sql = "SELECT count(*) FROM billing.notes WHERE tag LIKE $1";
    sqlx::query_scalar(sql).bind(tag).fetch_one(client).await
}

async fn note(client: &mut PgConnection, tag: &str) -> Result<PgQueryResult, Error> {
    sqlx::query("INSERT INTO billing.notes (tag) VALUES ($1)").bind(tag).execute(client).await
}

async fn one(client: &mut PgConnection) -> Outcome {
    same(sqlx::query_scalar::<_, i32>("SELECT 1").fetch_one(client).await?, 1)
}

async fn connect(world: &World) -> Outcome {
    let mut client = connected(world).await?;
    one(&mut client).await?;
    client.ping().await?;
    client.close().await?;
    let wrong = world.dsn().replace(&world.token, "cst_wrong");
    same(code(PgConnection::connect(&wrong).await), "28P01")
}

async fn parameters(world: &World) -> Outcome {
    let mut client = connected(world).await?;
    let sql = "SELECT name FROM billing.customers WHERE id = $1 AND name = $2";
    let query = sqlx::query_scalar::<_, String>(sql).bind(7).bind("Customer 7");
    same(query.fetch_one(&mut client).await?, "Customer 7")?;
    let sql = "SELECT name FROM billing.customers WHERE id = ANY($1) ORDER BY id";
    let rows = sqlx::query(sql).bind(vec![3, 1]).fetch_all(&mut client).await?;
    same(rows.len(), 2)?;
    let sql = "INSERT INTO billing.notes (tag, body, amount) VALUES ($1, $2, $3) RETURNING amount";
    let query = sqlx::query_scalar::<_, i32>(sql).bind(tag("recorded")).bind(None::<String>);
    same(query.bind(1).fetch_one(&mut client).await?, 1)?;
    let sql = "UPDATE billing.notes SET amount = amount + $1 WHERE tag = $2";
    let done = sqlx::query(sql).bind(41).bind(tag("recorded")).execute(&mut client).await?;
    same(done.rows_affected(), 1)?;
    // Many rows by one statement, as its users do it.
    let tags: Vec<String> = (0..100).map(|i| tag(&format!("many-{i}"))).collect();
    let sql = "INSERT INTO billing.notes (tag) SELECT * FROM unnest($1::text[])";
    sqlx::query(sql).bind(&tags).execute(&mut client).await?;
    same(count(&mut client, &tag("many-%")).await?, 100)?;
    let sql = "DELETE FROM billing.notes WHERE tag LIKE $1";
    let done = sqlx::query(sql).bind(tag("many-%")).execute(&mut client).await?;
    same(done.rows_affected(), 100)
}

async fn types(world: &World) -> Outcome {
    let mut client = connected(world).await?;
    let sql = "SELECT b, i2, i8, f4, f8, t, v, by, a FROM billing.kinds WHERE id = $1";
    let row = sqlx::query(sql).bind(1).fetch_one(&mut client).await?;
    same(row.get::<bool, _>(0), true)?;
    same((row.get::<i16, _>(1), row.get::<i64, _>(2)), (-2, 9_007_199_254_740_993))?;
    same((row.get::<f32, _>(3), row.get::<f64, _>(4)), (1.5, -2.25))?;
    same((row.get::<&str, _>(5), row.get::<&str, _>(6)), ("naïve ☃ text", "short"))?;
    same(row.get::<&[u8], _>(7), &[0, 255, 16][..])?;
    same(row.get::<Vec<Option<i32>>, _>(8), vec![Some(1), Some(2), None])?;
    let sql = "INSERT INTO billing.kinds (id, b, i8, by, a) VALUES (99, $1, $2, $3, $4)";
    let query = sqlx::query(sql).bind(true).bind(5_i64).bind(vec![1_u8, 2]);
    query.bind(vec![Some(4), None]).execute(&mut client).await?;
    let sql = "SELECT i8, by FROM billing.kinds WHERE id = 99";
    let row = sqlx::query(sql).fetch_one(&mut client).await?;
    same((row.get::<i64, _>(0), row.get::<&[u8], _>(1)), (5, &[1, 2][..]))
}

async fn masks(world: &World) -> Outcome {
    let mut client = connected(world).await?;
    let sql = "SELECT account_number, ssn, email FROM billing.customers WHERE id = $1";
    let row = sqlx::query(sql).bind(7).fetch_one(&mut client).await?;
    is_masked(row.get(0), row.get(1), row.get(2))
}

async fn transaction(world: &World) -> Outcome {
    let mut client = connected(world).await?;
    let mut outer = client.begin_with("BEGIN ISOLATION LEVEL SERIALIZABLE").await?;
    note(&mut outer, &tag("outer")).await?;
    let mut inner = outer.begin().await?;
    note(&mut inner, &tag("inner")).await?;
    inner.rollback().await?;
    outer.commit().await?;
    let left = (count(&mut client, &tag("outer")).await?, count(&mut client, &tag("inner")).await?);
    same(left, (1, 0))
}

async fn rollback(world: &World) -> Outcome {
    let mut client = connected(world).await?;
    let mut transaction = client.begin().await?;
    note(&mut transaction, &tag("gone")).await?;
    transaction.rollback().await?;
    let mut transaction = client.begin().await?;
    note(&mut transaction, &tag("gone")).await?;
    same(code(transaction.execute("SELECT amount FROM hr.salaries").await), "42501")?;
    same(code(sqlx::query("SELECT 1").execute(&mut *transaction).await), "25P02")?;
    // Dropped: the driver rolls it back by itself.
    drop(transaction);
    same(count(&mut client, &tag("gone")).await?, 0)
}

async fn error(world: &World) -> Outcome {
    let mut client = connected(world).await?;
    note(&mut client, &tag("unique")).await?;
    same(code(note(&mut client, &tag("unique")).await), "23505")?;
    for (sql, sqlstate) in ERRORS {
        same(code(sqlx::query(sql).fetch_all(&mut client).await), sqlstate)?;
        same(code(client.execute(sql).await), sqlstate)?;
        one(&mut client).await?;
    }
    Ok(())
}

/// sqlx sends no cancel: its users bound a statement's time, or drop its connection.
async fn cancel(world: &World) -> Outcome {
    let mut client = connected(world).await?;
    let began = Instant::now();
    client.execute("SET statement_timeout = 300").await?;
    same(code(sqlx::query(ENDLESS).fetch_all(&mut client).await), "57014")?;
    same(began.elapsed() < CANCELLED_WITHIN, true)?;
    one(&mut client).await?;
    let mut other = connected(world).await?;
    let running = sqlx::query(ENDLESS).fetch_all(&mut other);
    same(tokio::time::timeout(Duration::from_millis(300), running).await.is_err(), true)?;
    drop(other);
    world.database.wait_until_idle(CANCELLED_WITHIN);
    Ok(())
}

async fn big(world: &World) -> Outcome {
    let mut client = connected(world).await?;
    let mut rows = sqlx::query("SELECT id, filler FROM billing.big").fetch(&mut client);
    let (mut count, mut sum, mut size) = (0, 0, 0);
    while let Some(row) = rows.try_next().await? {
        count += 1;
        sum += i64::from(row.get::<i32, _>(0));
        size += row.get::<&str, _>(1).len();
    }
    drop(rows);
    same((count, sum, size), (BIG_ROWS, BIG_SUM, 19_200_000))?;
    one(&mut client).await
}

async fn copy(world: &World) -> Outcome {
    let mut client = connected(world).await?;
    let sql = "COPY billing.notes (tag, body, amount) FROM STDIN (FORMAT csv)";
    let mut sink = client.copy_in_raw(sql).await?;
    for i in 0..1_000 {
        sink.send(format!("{},,{i}\n", tag(&format!("copy-{i}"))).into_bytes()).await?;
    }
    same(sink.finish().await?, 1_000)?;
    same(count(&mut client, &tag("copy-%")).await?, 1_000)?;
    let sql = "COPY (SELECT n, label FROM billing.numbers WHERE n <= 2 ORDER BY n) TO STDOUT";
    let parts: Vec<_> = client.copy_out_raw(sql).await?.try_collect().await?;
    same(parts.concat(), b"1\tnumber 1\n2\tnumber 2\n")
}

async fn prepared(world: &World) -> Outcome {
    let mut client = connected(world).await?;
    labels(&mut client, 100).await?;
    for change in ["add-column", "change-type"] {
        world.change(change);
        let outcome = labels(&mut client, 20).await;
        if let Err(error) = outcome {
            // As from PostgreSQL itself: the application forgets what it had prepared.
            same(error.to_string().contains("cached plan must not change result type"), true)?;
            client.clear_cached_statements().await?;
            labels(&mut client, 20).await?;
        }
    }
    Ok(())
}

async fn labels(client: &mut PgConnection, count: i32) -> Outcome {
    for id in 1..=count {
        let sql = "SELECT label FROM billing.changing WHERE id = $1";
        let label: String = sqlx::query_scalar(sql).bind(id).fetch_one(&mut *client).await?;
        same(label, format!("label {id}"))?;
    }
    Ok(())
}

async fn pool(world: &World) -> Outcome {
    let options: PgConnectOptions = world.dsn().parse()?;
    let pool: PgPool = PgPoolOptions::new().max_connections(2).connect_with(options).await?;
    let each = (1..=20).map(|id| {
        let sql = "SELECT n FROM billing.numbers WHERE n = $1";
        sqlx::query_scalar::<_, i32>(sql).bind(id).fetch_one(&pool)
    });
    let found = futures_util::future::try_join_all(each).await?;
    same(found, (1..=20).collect::<Vec<i32>>())?;
    for _ in 0..4 {
        let denied = sqlx::query("SELECT amount FROM hr.salaries").fetch_all(&pool).await;
        same(code(denied), "42501")?;
        // A transaction that is left open is rolled back when its connection goes home.
        let mut transaction = pool.begin().await?;
        note(&mut transaction, &tag("pooled")).await?;
    }
    let mut client = pool.acquire().await?;
    same(count(&mut client, &tag("pooled")).await?, 0)?;
    same(pool.size() <= 2, true)
}

async fn catalog(world: &World) -> Outcome {
    let mut client = connected(world).await?;
    let sql = "SELECT table_name::text FROM information_schema.tables \
               WHERE table_schema IN ('billing', 'hr') ORDER BY table_name";
    let names: Vec<String> = sqlx::query_scalar(sql).fetch_all(&mut client).await?;
    same(names, TABLES.map(str::to_owned).to_vec())
}
