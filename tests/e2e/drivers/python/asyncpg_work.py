"""asyncpg: binary format and prepared statements everywhere, its own pool and its own reset."""

import asyncio
import io
import json
import time

import asyncpg

from scenarios import BIG_ROWS, BIG_SUM, DSN, ENDLESS, ERRORS, KINDS, KINDS_ROW, WRONG_DSN, Table, ask, is_masked, same, tag

scenario = Table()


class Connected:
    async def __aenter__(self):
        self.conn = await asyncpg.connect(DSN)
        return self.conn

    async def __aexit__(self, *_):
        await self.conn.close()


async def fails(sqlstate, conn, sql):
    try:
        await conn.execute(sql)
    except asyncpg.PostgresError as error:
        same(error.sqlstate, sqlstate)
    else:
        raise AssertionError(f"no error: {sql}")


@scenario
async def connect():
    async with Connected() as conn:
        assert conn.get_server_version().major >= 15, conn.get_server_version()
        same(conn.get_settings().client_encoding, "UTF8")
        same(await conn.fetchval("SELECT 1"), 1)
    try:
        await asyncpg.connect(WRONG_DSN)
    except asyncpg.InvalidPasswordError as error:
        same(error.sqlstate, "28P01")
    else:
        raise AssertionError("a wrong password is accepted")


@scenario
async def parameters():
    async with Connected() as conn:
        row = await conn.fetchrow("SELECT id, name FROM billing.customers WHERE id = $1 AND name = $2", 7, "Customer 7")
        same(tuple(row), (7, "Customer 7"))
        row = await conn.fetchrow(
            "INSERT INTO billing.notes (tag, body, amount) VALUES ($1, $2, $3) RETURNING tag, body, amount", tag("recorded"), None, 1)
        same(tuple(row), (tag("recorded"), None, 1))
        same(await conn.execute("UPDATE billing.notes SET amount = 42 WHERE tag = $1", tag("recorded")), "UPDATE 1")
        await conn.executemany("INSERT INTO billing.notes (tag, amount) VALUES ($1, $2)", [(tag(f"many-{i}"), i) for i in range(200)])
        same(await conn.fetchval("SELECT count(*) FROM billing.notes WHERE tag LIKE $1", tag("%")), 201)
        same(await conn.execute("DELETE FROM billing.notes WHERE tag LIKE $1", tag("many-%")), "DELETE 200")


@scenario
async def types():
    async with Connected() as conn:
        same(tuple(await conn.fetchrow("SELECT b, i2, i8, f4, f8, n, t, v, d, ts, tz, iv, u, by FROM billing.kinds WHERE id = $1", 1)),
             KINDS_ROW[:13] + KINDS_ROW[14:15])
        # An array: asyncpg asks the catalog for its codec.
        same(await conn.fetchval("SELECT a FROM billing.kinds WHERE id = 1"), [1, 2, None])
        same(json.loads(await conn.fetchval("SELECT j FROM billing.kinds WHERE id = 1")), {"k": [1, None, "x"]})
        values = list(KINDS_ROW)
        values[13] = "[1]"
        await conn.execute(f"INSERT INTO billing.kinds (id, {KINDS}) VALUES (99, {', '.join(f'${i}' for i in range(1, 17))})", *values)
        same(tuple(await conn.fetchrow(f"SELECT {KINDS} FROM billing.kinds WHERE id = 99")), tuple(values))


@scenario
async def masks():
    async with Connected() as conn:
        is_masked(await conn.fetchrow("SELECT account_number, ssn, email FROM billing.customers WHERE id = $1", 7))


@scenario
async def transaction():
    async with Connected() as conn:
        async with conn.transaction():
            await conn.execute("INSERT INTO billing.notes (tag) VALUES ($1)", tag("outer"))
            try:
                async with conn.transaction():
                    await conn.execute("INSERT INTO billing.notes (tag) VALUES ($1)", tag("inner"))
                    raise RuntimeError("undo the inner one")
            except RuntimeError:
                pass
    async with Connected() as conn, conn.transaction(isolation="serializable", readonly=True, deferrable=True):
        found = await conn.fetch("SELECT tag FROM billing.notes WHERE tag = ANY($1::text[])", [tag("outer"), tag("inner")])
        same([row["tag"] for row in found], [tag("outer")])


@scenario
async def rollback():
    async with Connected() as conn:
        try:
            async with conn.transaction():
                await conn.execute("INSERT INTO billing.notes (tag) VALUES ($1)", tag("gone"))
                raise RuntimeError("undo")
        except RuntimeError:
            pass
        transaction = conn.transaction()
        await transaction.start()
        await conn.execute("INSERT INTO billing.notes (tag) VALUES ($1)", tag("gone"))
        await fails("42501", conn, "SELECT amount FROM hr.salaries")
        await fails("25P02", conn, "SELECT 1")
        await transaction.rollback()
        same(await conn.fetchval("SELECT count(*) FROM billing.notes WHERE tag = $1", tag("gone")), 0)


@scenario
async def error():
    async with Connected() as conn:
        await conn.execute("INSERT INTO billing.notes (tag) VALUES ($1)", tag("unique"))
        for sql, sqlstate in [(f"INSERT INTO billing.notes (tag) VALUES ('{tag('unique')}')", "23505"), *ERRORS]:
            await fails(sqlstate, conn, sql)
            try:
                await conn.fetch(sql)
                raise AssertionError(f"no error: {sql}")
            except asyncpg.PostgresError as error:
                same(error.sqlstate, sqlstate)
            same(await conn.fetchval("SELECT 1"), 1)


@scenario
async def cancel():
    async with Connected() as conn:
        began = time.monotonic()
        try:
            await conn.fetchval(ENDLESS, timeout=0.3)
            raise AssertionError("it cannot end so soon")
        except asyncio.TimeoutError:
            pass
        assert time.monotonic() - began < 5
        same(await conn.fetchval("SELECT 1"), 1)
        running = asyncio.create_task(conn.fetchval(ENDLESS))
        await asyncio.sleep(0.3)
        running.cancel()
        try:
            await running
            raise AssertionError("it cannot end so soon")
        except asyncio.CancelledError:
            pass
        same(await conn.fetchval("SELECT 1"), 1)


@scenario
async def big():
    async with Connected() as conn:
        async with conn.transaction():
            rows = total = size = 0
            async for n, filler in conn.cursor("SELECT id, filler FROM billing.big", prefetch=5000):
                rows, total, size = rows + 1, total + n, size + len(filler)
        same((rows, total, size), (BIG_ROWS, BIG_SUM, BIG_ROWS * 96))
        same(len(await conn.fetch("SELECT id, filler FROM billing.big")), BIG_ROWS)


@scenario
async def copy():
    async with Connected() as conn:
        await conn.copy_records_to_table(
            "notes", schema_name="billing", columns=["tag", "body", "amount"],
            records=[(tag(f"copy-{i}"), None if i % 2 else "a\tb", i) for i in range(1000)])
        out = io.BytesIO()
        said = await conn.copy_from_query(
            "SELECT tag, body, amount FROM billing.notes WHERE tag LIKE $1 ORDER BY amount", tag("copy-%"), output=out, format="csv")
        same(said, "COPY 1000")
        same(out.getvalue().decode().splitlines()[1], f"{tag('copy-1')},,1")
        out = io.BytesIO()
        await conn.copy_from_table("customers", schema_name="billing", columns=["id", "ssn"], output=out)
        assert out.getvalue().count(b"\n") == 500 and b"900-" not in out.getvalue()


@scenario
async def prepared():
    async with Connected() as conn:
        statement = await conn.prepare("SELECT label FROM billing.changing WHERE id = $1")
        for i in range(1, 101):
            same(await statement.fetchval(i), f"label {i}")
        for change in ("add-column", "change-type"):
            ask(change)
            for i in range(1, 21):
                try:
                    label = await statement.fetchval(i)
                except (asyncpg.FeatureNotSupportedError, asyncpg.InvalidCachedStatementError):
                    statement = await conn.prepare("SELECT label FROM billing.changing WHERE id = $1")
                    label = await statement.fetchval(i)
                same(label, f"label {i}")
                same(await conn.fetchval("SELECT label FROM billing.changing WHERE id = $1", i), f"label {i}")


@scenario
async def pool():
    async with asyncpg.create_pool(DSN, min_size=2, max_size=2) as pool:
        async def work(i):
            async with pool.acquire() as conn:
                same(await conn.fetchval("SELECT n FROM billing.numbers WHERE n = $1", i), i)
        await asyncio.gather(*(work(i) for i in range(1, 21)))
        async with pool.acquire() as conn:
            await conn.execute("SET search_path TO billing")
            await conn.execute("SET TimeZone TO 'Asia/Tokyo'")
            same(await conn.fetchval("SELECT count(*) FROM changing"), 100)
            await fails("42501", conn, "SELECT amount FROM hr.salaries")
        for _ in range(4):
            async with pool.acquire() as conn:
                # The pool's own reset: RESET ALL among others.
                same(await conn.fetchval("SHOW search_path"), '"$user", public')
                assert await conn.fetchval("SHOW TimeZone") != "Asia/Tokyo"
        same(pool.get_size(), 2)


@scenario
async def catalog():
    async with Connected() as conn:
        found = await conn.fetch("SELECT table_name FROM information_schema.tables WHERE table_schema IN ('billing', 'hr')")
        same({row["table_name"] for row in found}, {"customers", "notes", "numbers", "big", "kinds", "changing"})
        await conn.set_type_codec("jsonb", encoder=json.dumps, decoder=json.loads, schema="pg_catalog")
        same(await conn.fetchval("SELECT j FROM billing.kinds WHERE id = 1"), {"k": [1, None, "x"]})
        await conn.reload_schema_state()


scenario.run()
