"""Ordinary work of psycopg 3 through the gateway. Prints `ok NAME` per step; fails on the first
that differs. Arguments: host port user password database."""

import datetime
import decimal
import sys
import threading
import time
import uuid

import psycopg
from psycopg.types.json import Jsonb

host, port, user, password, database = sys.argv[1:6]
dsn = dict(host=host, port=port, user=user, password=password, dbname=database)


def step(work):
    work()
    print("ok", work.__name__, flush=True)


@step
def connects_and_knows_the_server():
    with psycopg.connect(**dsn) as conn:
        assert conn.info.server_version >= 150000, conn.info.server_version
        assert conn.info.encoding == "utf-8", conn.info.encoding


@step
def selects_with_parameters():
    with psycopg.connect(**dsn) as conn:
        row = conn.execute(
            "SELECT id, name FROM billing.customers WHERE id = %s AND name = %s", (7, "Customer 7")
        ).fetchone()
        assert row == (7, "Customer 7"), row
        assert conn.execute("SELECT name FROM billing.customers WHERE id = ANY(%s) ORDER BY id", ([3, 1],)).fetchall() == [
            ("Customer 1",),
            ("Customer 3",),
        ]


@step
def sees_masks_in_text_and_binary():
    with psycopg.connect(**dsn) as conn:
        for binary in (False, True):
            row = conn.execute(
                "SELECT account_number, ssn, email FROM billing.customers WHERE id = 7", binary=binary
            ).fetchone()
            assert row[0].endswith("0007") and "SECRET" not in row[0], row
            assert "900" not in row[1], row
            assert row[2].endswith("@mail.example") and "customer7" not in row[2], row


@step
def inserts_updates_deletes_and_commits():
    with psycopg.connect(**dsn) as conn:
        conn.execute("INSERT INTO billing.notes (tag, body, amount) VALUES (%s, %s, %s)", ("pg3-1", "one", 1))
        cur = conn.execute("UPDATE billing.notes SET amount = amount + %s WHERE tag = %s", (41, "pg3-1"))
        assert cur.rowcount == 1, cur.rowcount
    with psycopg.connect(**dsn) as conn:
        assert conn.execute("SELECT amount FROM billing.notes WHERE tag = 'pg3-1'").fetchone() == (42,)
        assert conn.execute("DELETE FROM billing.notes WHERE tag = %s", ("pg3-1",)).rowcount == 1


@step
def returns_what_it_inserted():
    with psycopg.connect(**dsn) as conn:
        row = conn.execute(
            "INSERT INTO billing.notes (tag, body) VALUES (%s, %s) RETURNING id, tag", ("pg3-returning", None)
        ).fetchone()
        assert isinstance(row[0], int) and row[1] == "pg3-returning", row


@step
def inserts_many_in_a_pipeline():
    with psycopg.connect(**dsn) as conn:
        with conn.cursor() as cur:
            cur.executemany(
                "INSERT INTO billing.notes (tag, amount) VALUES (%s, %s)", [(f"pg3-many-{i}", i) for i in range(100)]
            )
        assert conn.execute("SELECT count(*), sum(amount) FROM billing.notes WHERE tag LIKE 'pg3-many-%'").fetchone() == (
            100,
            4950,
        )
        with conn.pipeline():
            cursors = [conn.execute("SELECT n FROM billing.numbers WHERE n = %s", (i,)) for i in range(1, 51)]
        assert [cur.fetchone()[0] for cur in cursors] == list(range(1, 51))


@step
def rolls_back():
    with psycopg.connect(**dsn) as conn:
        conn.execute("INSERT INTO billing.notes (tag) VALUES ('pg3-rolled-back')")
        conn.rollback()
        assert conn.execute("SELECT count(*) FROM billing.notes WHERE tag = 'pg3-rolled-back'").fetchone() == (0,)


@step
def keeps_what_stands_before_a_savepoint():
    with psycopg.connect(**dsn) as conn:
        with conn.transaction():
            conn.execute("INSERT INTO billing.notes (tag) VALUES ('pg3-outer')")
            try:
                with conn.transaction():
                    conn.execute("INSERT INTO billing.notes (tag) VALUES ('pg3-inner')")
                    raise RuntimeError("undo the inner one")
            except RuntimeError:
                pass
        found = conn.execute("SELECT tag FROM billing.notes WHERE tag IN ('pg3-outer', 'pg3-inner')").fetchall()
        assert found == [("pg3-outer",)], found


@step
def reports_an_error_and_goes_on():
    with psycopg.connect(**dsn, autocommit=True) as conn:
        conn.execute("INSERT INTO billing.notes (tag) VALUES ('pg3-unique')")
        for sql, kind in [
            ("INSERT INTO billing.notes (tag) VALUES ('pg3-unique')", psycopg.errors.UniqueViolation),
            ("INSERT INTO billing.notes (tag, amount) VALUES ('pg3-check', -1)", psycopg.errors.CheckViolation),
            ("SELECT 1 / (n - n) FROM billing.numbers WHERE n = 1", psycopg.errors.DivisionByZero),
            ("SELEC 1", psycopg.errors.SyntaxError),
        ]:
            try:
                conn.execute(sql)
                raise AssertionError(f"no error: {sql}")
            except kind:
                pass
            assert conn.execute("SELECT 1").fetchone() == (1,)


@step
def a_denial_aborts_the_transaction_as_the_servers_own_error_would():
    with psycopg.connect(**dsn) as conn:
        conn.execute("INSERT INTO billing.notes (tag) VALUES ('pg3-before-denial')")
        try:
            conn.execute("SELECT amount FROM hr.salaries")
            raise AssertionError("hr.salaries is not granted")
        except psycopg.errors.InsufficientPrivilege:
            pass
        try:
            conn.execute("SELECT 1")
            raise AssertionError("the transaction is aborted")
        except psycopg.errors.InFailedSqlTransaction:
            pass
        conn.rollback()
        assert conn.execute("SELECT count(*) FROM billing.notes WHERE tag = 'pg3-before-denial'").fetchone() == (0,)


@step
def prepared_statements_run_again_and_again():
    with psycopg.connect(**dsn) as conn:
        for i in range(1, 30):
            row = conn.execute("SELECT label FROM billing.numbers WHERE n = %s", (i,), prepare=True).fetchone()
            assert row == (f"number {i}",), row


@step
def cancels_a_running_statement():
    with psycopg.connect(**dsn, autocommit=True) as conn:
        timer = threading.Timer(0.5, conn.cancel)
        timer.start()
        began = time.monotonic()
        try:
            conn.execute("SELECT count(*) FROM billing.numbers a CROSS JOIN billing.numbers b CROSS JOIN billing.numbers c")
            raise AssertionError("it cannot end so soon")
        except psycopg.errors.QueryCanceled:
            pass
        assert time.monotonic() - began < 5
        assert conn.execute("SELECT 1").fetchone() == (1,)


@step
def reads_a_big_result():
    with psycopg.connect(**dsn) as conn:
        for binary in (False, True):
            rows = conn.execute("SELECT n, label FROM billing.numbers ORDER BY n", binary=binary).fetchall()
            assert len(rows) == 50_000 and rows[49_999] == (50_000, "number 50000"), rows[-1]


@step
def streams_a_big_result():
    with psycopg.connect(**dsn) as conn:
        total = sum(n for (n,) in conn.cursor().stream("SELECT n FROM billing.numbers"))
        assert total == 50_000 * 50_001 // 2, total


@step
def reads_each_type_in_text_and_binary():
    expected = (
        True, -2, 9007199254740993, 1.5, -2.25, decimal.Decimal("12345.6789"), "naïve ☃ text", "short",
        datetime.date(2026, 2, 28), datetime.datetime(2026, 2, 28, 12, 34, 56, 789000),
        datetime.datetime(2026, 2, 28, 12, 34, 56, tzinfo=datetime.timezone.utc),
        datetime.timedelta(days=1, hours=2, minutes=3, seconds=4),
        uuid.UUID("6f1c2d3e-0000-4000-8000-000000000001"), {"k": [1, None, "x"]}, b"\x00\xff\x10", [1, 2, None],
    )
    with psycopg.connect(**dsn) as conn:
        for binary in (False, True):
            for number, row in ((1, expected), (2, (None,) * 16)):
                found = conn.execute(
                    "SELECT b, i2, i8, f4, f8, n, t, v, d, ts, tz, iv, u, j, by, a FROM billing.kinds WHERE id = %s",
                    (number,), binary=binary,
                ).fetchone()
                assert found == row, (binary, found)


@step
def writes_each_type():
    with psycopg.connect(**dsn) as conn:
        values = (True, 7, 2**40, 0.5, 1e300, decimal.Decimal("1.10"), "t'\\", "v", datetime.date(1999, 12, 31),
                  datetime.datetime(1999, 12, 31, 23, 59), datetime.datetime(1999, 12, 31, tzinfo=datetime.timezone.utc),
                  datetime.timedelta(hours=5), uuid.UUID(int=5), Jsonb([1]), b"\x01\x02", [4, None])
        conn.execute(
            "INSERT INTO billing.kinds (id, b, i2, i8, f4, f8, n, t, v, d, ts, tz, iv, u, j, by, a) "
            "VALUES (99, " + ", ".join(["%s"] * 16) + ")", values)
        found = conn.execute("SELECT b, i2, i8, t, u, by, a FROM billing.kinds WHERE id = 99").fetchone()
        assert found == (True, 7, 2**40, "t'\\", uuid.UUID(int=5), b"\x01\x02", [4, None]), found
        conn.rollback()
