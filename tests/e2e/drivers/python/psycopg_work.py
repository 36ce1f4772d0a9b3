"""psycopg 3, its synchronous side. Its name says in which way it works: `psycopg` in text format,
`psycopg-binary` with parameters and results in binary, `psycopg-pipeline` in pipeline mode."""

import contextlib
import threading
import time
import uuid

import psycopg
import psycopg_pool
from psycopg.types.json import Jsonb

from scenarios import BIG_ROWS, BIG_SUM, DSN, ENDLESS, ERRORS, KINDS, KINDS_ROW, NAME, WRONG_DSN, Table, ask, is_masked, same, tag

scenario = Table()
BINARY = NAME == "psycopg-binary"
PIPELINE = NAME == "psycopg-pipeline"
P = "%b" if BINARY else "%s"


@contextlib.contextmanager
def connected(**more):
    with psycopg.connect(DSN, cursor_factory=BinaryCursor if BINARY else psycopg.Cursor, **more) as conn:
        with conn.pipeline() if PIPELINE else contextlib.nullcontext() as conn.batch:
            yield conn


def synced(conn):
    """In pipeline mode nothing is sure before a Sync, and until then a transaction is open."""
    if PIPELINE:
        conn.batch.sync()


class BinaryCursor(psycopg.Cursor):
    def execute(self, query, params=None, *, prepare=None, binary=None):
        return super().execute(query, params, prepare=prepare, binary=True if params is not None else binary)


@scenario
def connect():
    with connected() as conn:
        assert conn.info.server_version >= 150000, conn.info.server_version
        same(conn.info.encoding, "utf-8")
        same(conn.info.parameter_status("integer_datetimes"), "on")
        same(conn.execute("SELECT 1").fetchone(), (1,))
    try:
        psycopg.connect(WRONG_DSN)
    except psycopg.OperationalError as error:
        assert "password authentication failed" in str(error), error
    else:
        raise AssertionError("a wrong password is accepted")


@scenario
def parameters():
    with connected() as conn:
        row = conn.execute(f"SELECT id, name FROM billing.customers WHERE id = {P} AND name = {P}", (7, "Customer 7")).fetchone()
        same(row, (7, "Customer 7"))
        found = conn.execute(f"SELECT name FROM billing.customers WHERE id = ANY({P}) ORDER BY id", ([3, 1],)).fetchall()
        same(found, [("Customer 1",), ("Customer 3",)])
        row = conn.execute(
            f"INSERT INTO billing.notes (tag, body, amount) VALUES ({P}, {P}, {P}) RETURNING tag, body, amount",
            (tag("recorded"), None, 1)).fetchone()
        same(row, (tag("recorded"), None, 1))
        changed = conn.execute(f"UPDATE billing.notes SET amount = amount + {P} WHERE tag = {P}", (41, tag("recorded")))
        synced(conn)
        same(changed.rowcount, 1)
        with conn.cursor() as cur:
            cur.executemany(f"INSERT INTO billing.notes (tag, amount) VALUES ({P}, {P})", [(tag(f"many-{i}"), i) for i in range(100)])
    with connected() as conn:
        row = conn.execute(f"SELECT count(*), sum(amount) FROM billing.notes WHERE tag LIKE {P}", (tag("%"),)).fetchone()
        same(row, (101, 4992))
        gone = conn.execute(f"DELETE FROM billing.notes WHERE tag LIKE {P}", (tag("many-%"),))
        synced(conn)
        same(gone.rowcount, 100)
        if PIPELINE:
            cursors = [conn.execute("SELECT n FROM billing.numbers WHERE n = %s", (i,)) for i in range(1, 51)]
            same([cur.fetchone()[0] for cur in cursors], list(range(1, 51)))


@scenario
def types():
    with connected() as conn:
        for number, row in ((1, KINDS_ROW), (2, (None,) * 16)):
            same(conn.execute(f"SELECT {KINDS} FROM billing.kinds WHERE id = {P}", (number,)).fetchone(), row)
        values = [Jsonb([1]) if isinstance(value, dict) else value for value in KINDS_ROW]
        values[12] = uuid.UUID(int=5)
        conn.execute(f"INSERT INTO billing.kinds (id, {KINDS}) VALUES (99, {', '.join([P] * 16)})", values)
        values[13] = [1]
        same(conn.execute(f"SELECT {KINDS} FROM billing.kinds WHERE id = {P}", (99,)).fetchone(), tuple(values))
        conn.rollback()


@scenario
def masks():
    with connected() as conn:
        is_masked(conn.execute(f"SELECT account_number, ssn, email FROM billing.customers WHERE id = {P}", (7,)).fetchone())
        is_masked(conn.execute("SELECT account_number, ssn, email FROM billing.customers WHERE id = 7").fetchone())


@scenario
def transaction():
    with connected() as conn:
        with conn.transaction():
            conn.execute(f"INSERT INTO billing.notes (tag) VALUES ({P})", (tag("outer"),))
            try:
                with conn.transaction():
                    conn.execute(f"INSERT INTO billing.notes (tag) VALUES ({P})", (tag("inner"),))
                    raise RuntimeError("undo the inner one")
            except RuntimeError:
                pass
    with connected() as conn:
        conn.isolation_level = psycopg.IsolationLevel.SERIALIZABLE
        conn.read_only = True
        found = conn.execute(f"SELECT tag FROM billing.notes WHERE tag = ANY({P})", ([tag("outer"), tag("inner")],)).fetchall()
        same(found, [(tag("outer"),)])
        same(conn.execute("SHOW transaction_isolation").fetchone(), ("serializable",))
        fails("25006", conn, "DELETE FROM billing.notes WHERE tag = 'nothing'")


def fails(sqlstate, conn, sql):
    try:
        conn.execute(sql)
        synced(conn)
    except psycopg.Error as error:
        same(error.sqlstate, sqlstate)
    else:
        raise AssertionError(f"no error: {sql}")


@scenario
def rollback():
    with connected() as conn:
        conn.execute(f"INSERT INTO billing.notes (tag) VALUES ({P})", (tag("gone"),))
        conn.rollback()
        conn.execute(f"INSERT INTO billing.notes (tag) VALUES ({P})", (tag("gone"),))
        fails("42501", conn, "SELECT amount FROM hr.salaries")
        if not PIPELINE:
            fails("25P02", conn, "SELECT 1")
        conn.rollback()
        same(conn.execute(f"SELECT count(*) FROM billing.notes WHERE tag = {P}", (tag("gone"),)).fetchone(), (0,))


@scenario
def error():
    with connected(autocommit=True) as conn:
        conn.execute(f"INSERT INTO billing.notes (tag) VALUES ({P})", (tag("unique"),))
        for sql, sqlstate in [(f"INSERT INTO billing.notes (tag) VALUES ('{tag('unique')}')", "23505"), *ERRORS]:
            fails(sqlstate, conn, sql)
            same(conn.execute("SELECT 1").fetchone(), (1,))


@scenario
def cancel():
    for end in (psycopg.Connection.cancel, psycopg.Connection.cancel_safe):
        with connected(autocommit=True) as conn:
            began = time.monotonic()
            # Again and again: a cancel that comes before the statement is there cancels nothing.
            timers = [threading.Timer(0.3 * i, end, [conn]) for i in range(1, 12)]
            [timer.start() for timer in timers]
            try:
                conn.execute(ENDLESS).fetchone()
                raise AssertionError("it cannot end so soon")
            except psycopg.errors.QueryCanceled:
                pass
            [timer.cancel() for timer in timers]
            assert time.monotonic() - began < 5
            synced(conn)
            same(conn.execute("SELECT 1").fetchone(), (1,))


@scenario
def big():
    with psycopg.connect(DSN) as conn:
        rows = total = size = 0
        for n, filler in conn.cursor().stream("SELECT id, filler FROM billing.big", binary=BINARY):
            rows, total, size = rows + 1, total + n, size + len(filler)
        same((rows, total, size), (BIG_ROWS, BIG_SUM, BIG_ROWS * 96))
        # A server-side cursor: DECLARE and FETCH.
        with conn.cursor("portions", binary=BINARY) as cur:
            cur.itersize = 1000
            cur.execute("SELECT n FROM billing.numbers ORDER BY n")
            same(sum(n for (n,) in cur), 50_000 * 50_001 // 2)


@scenario
def copy():
    with psycopg.connect(DSN) as conn, conn.cursor() as cur:
        how = "(FORMAT BINARY)" if BINARY else ""
        with cur.copy(f"COPY billing.notes (tag, body, amount) FROM STDIN {how}") as copy:
            if BINARY:
                copy.set_types(["text", "text", "int4"])
            for i in range(1000):
                copy.write_row((tag(f"copy-{i}"), None if i % 2 else "a\tb\\\n", i))
        same(cur.rowcount, 1000)
        with cur.copy(f"COPY (SELECT tag, body, amount FROM billing.notes WHERE tag LIKE '{tag('copy-')}%' ORDER BY amount) TO STDOUT {how}") as copy:
            copy.set_types(["text", "text", "int4"])
            rows = list(copy.rows())
        same(len(rows), 1000)
        same(rows[:2], [(tag("copy-0"), "a\tb\\\n", 0), (tag("copy-1"), None, 1)])
        with cur.copy("COPY billing.customers (id, ssn) TO STDOUT") as copy:
            text = b"".join(copy).decode()
        assert text.count("\n") == 500 and "900-" not in text, text[:200]
        conn.commit()
        try:
            with cur.copy("COPY billing.notes (tag, amount) FROM STDIN") as copy:
                copy.write_row((tag("copy-bad"), "not a number"))
            raise AssertionError("not a number is accepted")
        except psycopg.errors.InvalidTextRepresentation:
            conn.rollback()
        same(conn.execute("SELECT 1").fetchone(), (1,))


@scenario
def prepared():
    with connected(autocommit=True) as conn:
        sql = f"SELECT label FROM billing.changing WHERE id = {P}"
        for i in range(1, 101):
            same(conn.execute(sql, (i,), prepare=True).fetchone(), (f"label {i}",))
        for change in ("add-column", "change-type"):
            synced(conn)
            ask(change)
            for i in range(1, 21):
                try:
                    row = conn.execute(sql, (i,), prepare=True).fetchone()
                except psycopg.errors.FeatureNotSupported as error:
                    # As from PostgreSQL itself: the application prepares again.
                    assert "cached plan" in str(error), error
                    synced(conn)
                    conn.execute("DEALLOCATE ALL")
                    synced(conn)
                    row = conn.execute(sql, (i,), prepare=True).fetchone()
                same(row, (f"label {i}",))


@scenario
def pool():
    with psycopg_pool.ConnectionPool(DSN, min_size=2, max_size=2, check=psycopg_pool.ConnectionPool.check_connection) as pool:
        def work(i):
            with pool.connection() as conn:
                same(conn.execute(f"SELECT n FROM billing.numbers WHERE n = {P}", (i,)).fetchone(), (i,))
        threads = [threading.Thread(target=work, args=[i]) for i in range(1, 21)]
        [thread.start() for thread in threads]
        [thread.join() for thread in threads]
        same(pool.get_stats().get("requests_errors", 0), 0)
        for _ in range(4):
            try:
                with pool.connection() as conn:
                    conn.execute("SELECT amount FROM hr.salaries")
            except psycopg.errors.InsufficientPrivilege:
                pass
        # What an application's reset callback sends.
        for _ in range(4):
            with pool.connection() as conn:
                conn.execute("SET search_path TO billing")
                same(conn.execute("SELECT count(*) FROM changing").fetchone(), (100,))
                conn.commit()
                conn.autocommit = True
                conn.execute("DISCARD ALL")
                same(conn.execute("SHOW search_path").fetchone(), ('"$user", public',))
                conn.autocommit = False
        same(pool.get_stats()["connections_num"], 2)


@scenario
def catalog():
    with connected() as conn:
        found = conn.execute("SELECT table_name FROM information_schema.tables WHERE table_schema IN ('billing', 'hr')").fetchall()
        same({name for (name,) in found}, {"customers", "notes", "numbers", "big", "kinds", "changing"})
        # Looks up the type's OID in pg_type.
        info = psycopg.types.TypeInfo.fetch(conn, "int4")
        same((info.oid, info.array_oid), (23, 1007))


scenario.run()
