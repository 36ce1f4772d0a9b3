"""Ordinary work of asyncpg (binary format, prepared statements everywhere) through the gateway.
Prints `ok NAME` per step; fails on the first that differs. Arguments: host port user password database."""

import asyncio
import sys

import asyncpg

host, port, user, password, database = sys.argv[1:6]


async def connect():
    return await asyncpg.connect(host=host, port=int(port), user=user, password=password, database=database)


async def selects_with_parameters(conn):
    row = await conn.fetchrow("SELECT id, name FROM billing.customers WHERE id = $1", 7)
    assert tuple(row) == (7, "Customer 7"), row


async def sees_masks(conn):
    row = await conn.fetchrow("SELECT account_number, ssn, email FROM billing.customers WHERE id = 7")
    assert row["account_number"].endswith("0007") and "SECRET" not in row["account_number"], row
    assert "900" not in row["ssn"] and "customer7" not in row["email"], row


async def transactions_commit_and_roll_back(conn):
    async with conn.transaction():
        await conn.execute("INSERT INTO billing.notes (tag, amount) VALUES ($1, $2)", "apg-kept", 5)
    try:
        async with conn.transaction():
            await conn.execute("INSERT INTO billing.notes (tag) VALUES ($1)", "apg-gone")
            raise RuntimeError("undo")
    except RuntimeError:
        pass
    found = await conn.fetch("SELECT tag, amount FROM billing.notes WHERE tag LIKE 'apg-%'")
    assert [tuple(row) for row in found] == [("apg-kept", 5)], found


async def many_in_one_batch(conn):
    await conn.executemany("INSERT INTO billing.notes (tag, amount) VALUES ($1, $2)", [(f"apgm-{i}", i) for i in range(200)])
    assert await conn.fetchval("SELECT count(*) FROM billing.notes WHERE tag LIKE 'apgm-%'") == 200


async def an_error_leaves_the_connection_usable(conn):
    for sql, kind in [
        ("INSERT INTO billing.notes (tag) VALUES ('apg-kept')", asyncpg.UniqueViolationError),
        ("SELECT amount FROM hr.salaries", asyncpg.InsufficientPrivilegeError),
        ("SELEC 1", asyncpg.PostgresSyntaxError),
    ]:
        try:
            await conn.execute(sql)
            raise AssertionError(f"no error: {sql}")
        except kind:
            pass
        assert await conn.fetchval("SELECT 1") == 1


async def prepared_statements_run_again(conn):
    statement = await conn.prepare("SELECT label FROM billing.numbers WHERE n = $1")
    for i in range(1, 20):
        assert await statement.fetchval(i) == f"number {i}"


async def cursors_read_in_portions(conn):
    async with conn.transaction():
        total = 0
        async for row in conn.cursor("SELECT n FROM billing.numbers WHERE n <= 1000", prefetch=50):
            total += row["n"]
        assert total == 500_500, total


async def a_timeout_cancels(conn):
    try:
        await conn.fetchval(
            "SELECT count(*) FROM billing.numbers a CROSS JOIN billing.numbers b CROSS JOIN billing.numbers c", timeout=0.5)
        raise AssertionError("it cannot end so soon")
    except asyncio.TimeoutError:
        pass
    assert await conn.fetchval("SELECT 1") == 1


async def reads_a_big_result(conn):
    rows = await conn.fetch("SELECT n, label FROM billing.numbers ORDER BY n")
    assert len(rows) == 50_000 and tuple(rows[-1]) == (50_000, "number 50000")


async def reads_types(conn):
    # No array: to decode one, asyncpg reads the system catalogs.
    row = await conn.fetchrow("SELECT b, i2, i8, f8, n, t, d, ts, tz, iv, u, by FROM billing.kinds WHERE id = 1")
    assert (row["b"], row["i2"], row["i8"], row["t"], row["by"]) == (
        True, -2, 9007199254740993, "naïve ☃ text", b"\x00\xff\x10"), row


async def main():
    conn = await connect()
    for work in (selects_with_parameters, sees_masks, transactions_commit_and_roll_back, many_in_one_batch,
                 an_error_leaves_the_connection_usable, prepared_statements_run_again, cursors_read_in_portions,
                 a_timeout_cancels, reads_a_big_result, reads_types):
        await work(conn)
        print("ok", work.__name__, flush=True)
    await conn.close()


asyncio.run(main())
