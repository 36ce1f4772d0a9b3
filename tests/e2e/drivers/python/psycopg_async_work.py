"""psycopg 3, its asynchronous side."""

import asyncio
import time

import psycopg
import psycopg_pool
from psycopg.types.json import Jsonb

from scenarios import BIG_ROWS, BIG_SUM, DSN, ENDLESS, ERRORS, KINDS, KINDS_ROW, WRONG_DSN, Table, ask, is_masked, same, tag

scenario = Table()


async def connected(**more):
    return await psycopg.AsyncConnection.connect(DSN, **more)


async def one(conn, sql, values=None, **more):
    return await (await conn.execute(sql, values, **more)).fetchone()


async def fails(sqlstate, conn, sql):
    try:
        await conn.execute(sql)
    except psycopg.Error as error:
        same(error.sqlstate, sqlstate)
    else:
        raise AssertionError(f"no error: {sql}")


@scenario
async def connect():
    async with await connected() as conn:
        same(await one(conn, "SELECT 1"), (1,))
    try:
        await psycopg.AsyncConnection.connect(WRONG_DSN)
    except psycopg.OperationalError as error:
        assert "password authentication failed" in str(error), error
    else:
        raise AssertionError("a wrong password is accepted")


@scenario
async def parameters():
    async with await connected() as conn:
        row = await one(conn, "SELECT id, name FROM billing.customers WHERE id = %s AND name = %s", (7, "Customer 7"))
        same(row, (7, "Customer 7"))
        row = await one(conn, "INSERT INTO billing.notes (tag, body, amount) VALUES (%s, %s, %s) RETURNING tag, body, amount",
                        (tag("recorded"), None, 1))
        same(row, (tag("recorded"), None, 1))
        async with conn.cursor() as cur:
            await cur.executemany("INSERT INTO billing.notes (tag, amount) VALUES (%s, %s)", [(tag(f"many-{i}"), i) for i in range(100)])
    async with await connected() as conn:
        same(await one(conn, "SELECT count(*), sum(amount) FROM billing.notes WHERE tag LIKE %s", (tag("%"),)), (101, 4951))
        same((await conn.execute("DELETE FROM billing.notes WHERE tag LIKE %s", (tag("many-%"),))).rowcount, 100)


@scenario
async def types():
    async with await connected() as conn:
        for binary in (False, True):
            for number, row in ((1, KINDS_ROW), (2, (None,) * 16)):
                same(await one(conn, f"SELECT {KINDS} FROM billing.kinds WHERE id = %s", (number,), binary=binary), row)
        values = [Jsonb([1]) if isinstance(value, dict) else value for value in KINDS_ROW]
        await conn.execute(f"INSERT INTO billing.kinds (id, {KINDS}) VALUES (99, {', '.join(['%s'] * 16)})", values)
        values[13] = [1]
        same(await one(conn, f"SELECT {KINDS} FROM billing.kinds WHERE id = 99"), tuple(values))
        await conn.rollback()


@scenario
async def masks():
    async with await connected() as conn:
        for binary in (False, True):
            is_masked(await one(conn, "SELECT account_number, ssn, email FROM billing.customers WHERE id = %s", (7,), binary=binary))


@scenario
async def transaction():
    async with await connected() as conn:
        async with conn.transaction():
            await conn.execute("INSERT INTO billing.notes (tag) VALUES (%s)", (tag("outer"),))
            try:
                async with conn.transaction():
                    await conn.execute("INSERT INTO billing.notes (tag) VALUES (%s)", (tag("inner"),))
                    raise RuntimeError("undo the inner one")
            except RuntimeError:
                pass
    async with await connected() as conn:
        row = await one(conn, "SELECT string_agg(tag, ',') FROM billing.notes WHERE tag IN (%s, %s)", (tag("outer"), tag("inner")))
        same(row, (tag("outer"),))


@scenario
async def rollback():
    async with await connected() as conn:
        await conn.execute("INSERT INTO billing.notes (tag) VALUES (%s)", (tag("gone"),))
        await conn.rollback()
        await conn.execute("INSERT INTO billing.notes (tag) VALUES (%s)", (tag("gone"),))
        await fails("42501", conn, "SELECT amount FROM hr.salaries")
        await fails("25P02", conn, "SELECT 1")
        await conn.rollback()
        same(await one(conn, "SELECT count(*) FROM billing.notes WHERE tag = %s", (tag("gone"),)), (0,))


@scenario
async def error():
    async with await connected(autocommit=True) as conn:
        await conn.execute("INSERT INTO billing.notes (tag) VALUES (%s)", (tag("unique"),))
        for sql, sqlstate in [(f"INSERT INTO billing.notes (tag) VALUES ('{tag('unique')}')", "23505"), *ERRORS]:
            await fails(sqlstate, conn, sql)
            same(await one(conn, "SELECT 1"), (1,))


@scenario
async def cancel():
    async with await connected(autocommit=True) as conn:
        for end in (conn.cancel_safe(), None):
            began = time.monotonic()
            running = asyncio.create_task(conn.execute(ENDLESS))
            await asyncio.sleep(0.3)
            if end is None:
                # As a web server does when its client has gone.
                running.cancel()
            else:
                await end
            try:
                await running
                raise AssertionError("it cannot end so soon")
            except (psycopg.errors.QueryCanceled, asyncio.CancelledError):
                pass
            assert time.monotonic() - began < 5
            same(await one(conn, "SELECT 1"), (1,))


@scenario
async def big():
    async with await connected() as conn:
        rows = total = size = 0
        async for n, filler in conn.cursor().stream("SELECT id, filler FROM billing.big"):
            rows, total, size = rows + 1, total + n, size + len(filler)
        same((rows, total, size), (BIG_ROWS, BIG_SUM, BIG_ROWS * 96))


@scenario
async def copy():
    async with await connected() as conn, conn.cursor() as cur:
        async with cur.copy("COPY billing.notes (tag, body, amount) FROM STDIN (FORMAT csv, HEADER)") as copy:
            await copy.write("tag,body,amount\n")
            for i in range(1000):
                await copy.write(f'{tag(f"copy-{i}")},"a ""b"", c",{i}\n')
        same(cur.rowcount, 1000)
        async with cur.copy(f"COPY (SELECT tag, body FROM billing.notes WHERE tag LIKE '{tag('copy-')}%' ORDER BY amount) TO STDOUT (FORMAT csv)") as copy:
            text = "".join([bytes(block).decode() async for block in copy])
        same(text.splitlines()[0], f'{tag("copy-0")},"a ""b"", c"')
        same(text.count("\n"), 1000)


@scenario
async def prepared():
    async with await connected(autocommit=True) as conn:
        sql = "SELECT label FROM billing.changing WHERE id = %s"
        for i in range(1, 101):
            same(await one(conn, sql, (i,), prepare=True), (f"label {i}",))
        for change in ("add-column", "change-type"):
            ask(change)
            for i in range(1, 21):
                try:
                    row = await one(conn, sql, (i,), prepare=True)
                except psycopg.errors.FeatureNotSupported as error:
                    assert "cached plan" in str(error), error
                    await conn.execute("DEALLOCATE ALL")
                    row = await one(conn, sql, (i,), prepare=True)
                same(row, (f"label {i}",))


@scenario
async def pool():
    async with psycopg_pool.AsyncConnectionPool(
        DSN, min_size=2, max_size=2, open=False, check=psycopg_pool.AsyncConnectionPool.check_connection
    ) as pool:
        async def work(i):
            async with pool.connection() as conn:
                same(await one(conn, "SELECT n FROM billing.numbers WHERE n = %s", (i,)), (i,))
        await asyncio.gather(*(work(i) for i in range(1, 21)))
        for _ in range(4):
            try:
                async with pool.connection() as conn:
                    await conn.execute("SELECT amount FROM hr.salaries")
            except psycopg.errors.InsufficientPrivilege:
                pass
        await work(1)
        same(pool.get_stats()["connections_num"], 2)


@scenario
async def catalog():
    async with await connected() as conn:
        found = await (await conn.execute(
            "SELECT column_name FROM information_schema.columns WHERE table_schema = 'billing' AND table_name = %s ORDER BY ordinal_position",
            ("customers",))).fetchall()
        same([name for (name,) in found], ["id", "name", "plan", "account_number", "ssn", "email"])


scenario.run()
