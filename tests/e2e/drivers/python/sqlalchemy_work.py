"""SQLAlchemy over psycopg (`sqlalchemy-psycopg`) or over asyncpg (`sqlalchemy-asyncpg`): Core, ORM,
pool and reflection. The same code runs over both: with asyncpg inside `run_sync`."""

import asyncio
import threading
import time
import uuid

from sqlalchemy import BigInteger, MetaData, String, Table as SqlTable, bindparam, create_engine, exc, func, inspect, make_url, select, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column
from sqlalchemy.util import await_only

from scenarios import BIG_ROWS, BIG_SUM, DSN, ENDLESS, ERRORS, KINDS, KINDS_ROW, NAME, WRONG_DSN, Table, ask, is_masked, same, tag

scenario = Table()
OVER_ASYNCPG = NAME == "sqlalchemy-asyncpg"
DIALECT = "postgresql+asyncpg" if OVER_ASYNCPG else "postgresql+psycopg"
LOOP = asyncio.new_event_loop()


def make(dsn, **more):
    create = create_async_engine if OVER_ASYNCPG else create_engine
    return create(make_url(dsn).set(drivername=DIALECT), pool_size=2, max_overflow=0, pool_pre_ping=True, **more)


def on(engine, work):
    """Calls `work` with a connection of the engine's pool."""
    if not OVER_ASYNCPG:
        with engine.connect() as conn:
            return work(conn)

    async def run():
        async with engine.connect() as conn:
            return await conn.run_sync(work)

    return LOOP.run_until_complete(run())


ENGINE = make(DSN)


def dispose(engine):
    if OVER_ASYNCPG:
        LOOP.run_until_complete(engine.dispose())
    else:
        engine.dispose()


class Base(DeclarativeBase):
    pass


class Customer(Base):
    __tablename__ = "customers"
    __table_args__ = {"schema": "billing"}
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String)
    plan: Mapped[str] = mapped_column(String)
    account_number: Mapped[str] = mapped_column(String)
    ssn: Mapped[str] = mapped_column(String)
    email: Mapped[str] = mapped_column(String)


class Note(Base):
    __tablename__ = "notes"
    __table_args__ = {"schema": "billing"}
    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    tag: Mapped[str] = mapped_column(String)
    body: Mapped[str | None] = mapped_column(String)
    amount: Mapped[int] = mapped_column(default=0)


@scenario
def connect():
    # Also what the dialect itself asks first: version, standard_conforming_strings, hstore, …
    same(on(ENGINE, lambda conn: conn.scalar(text("SELECT 1"))), 1)
    assert ENGINE.dialect.server_version_info >= (15,), ENGINE.dialect.server_version_info
    wrong = make(WRONG_DSN)
    try:
        on(wrong, lambda conn: None)
    except Exception as error:
        assert "password authentication failed" in str(error), error
    else:
        raise AssertionError("a wrong password is accepted")


@scenario
def parameters():
    def work(conn):
        with Session(conn) as session:
            found = session.execute(
                select(Customer.plan, func.count()).where(Customer.id <= 30).group_by(Customer.plan).order_by(Customer.plan)).all()
            same([tuple(row) for row in found], [("enterprise", 10), ("free", 10), ("pro", 10)])
            note = Note(tag=tag("recorded"), body=None, amount=1)
            session.add(note)
            session.commit()
            assert note.id > 0
            note.amount = 2
            session.commit()
            same(session.scalar(select(Note.amount).where(Note.tag == tag("recorded"))), 2)
            session.add_all(Note(tag=tag(f"many-{i}"), amount=i) for i in range(50))
            session.commit()
            same(session.scalar(select(func.sum(Note.amount)).where(Note.tag.like(tag("many-%")))), 1225)
            for note in session.scalars(select(Note).where(Note.tag.in_([tag("many-1"), tag("many-2")]))):
                session.delete(note)
            session.commit()
            same(session.scalar(select(func.count()).where(Note.tag.like(tag("many-%")))), 48)

    on(ENGINE, work)


@scenario
def types():
    def work(conn):
        same(tuple(conn.execute(text(f"SELECT {KINDS} FROM billing.kinds WHERE id = :id"), {"id": 1}).one()), KINDS_ROW)
        names = KINDS.split(", ")
        values = dict(zip(names, KINDS_ROW), u=uuid.UUID(int=5))
        sql = text(f"INSERT INTO billing.kinds (id, {KINDS}) VALUES (99, {', '.join(':' + name for name in names)})")
        conn.execute(sql.bindparams(bindparam("j", type_=postgresql.JSONB)), values)
        same(tuple(conn.execute(text(f"SELECT {KINDS} FROM billing.kinds WHERE id = 99")).one()), tuple(values.values()))
        conn.rollback()

    on(ENGINE, work)


@scenario
def masks():
    def work(conn):
        with Session(conn) as session:
            customer = session.get(Customer, 7)
            is_masked((customer.account_number, customer.ssn, customer.email))

    on(ENGINE, work)


@scenario
def transaction():
    def work(conn):
        with conn.begin():
            conn.execute(Note.__table__.insert(), {"tag": tag("outer")})
            nested = conn.begin_nested()
            conn.execute(Note.__table__.insert(), {"tag": tag("inner")})
            nested.rollback()
        conn = conn.execution_options(isolation_level="SERIALIZABLE", postgresql_readonly=True)
        same(conn.scalars(select(Note.tag).where(Note.tag.in_([tag("outer"), tag("inner")]))).all(), [tag("outer")])
        same(conn.scalar(text("SHOW transaction_isolation")), "serializable")

    on(ENGINE, work)


def fails(sqlstate, conn, sql):
    try:
        conn.execute(sql if not isinstance(sql, str) else text(sql))
    except exc.DBAPIError as error:
        same(error.orig.sqlstate, sqlstate)
    else:
        raise AssertionError(f"no error: {sql}")


@scenario
def rollback():
    def work(conn):
        conn.execute(Note.__table__.insert(), {"tag": tag("gone")})
        conn.rollback()
        conn.execute(Note.__table__.insert(), {"tag": tag("gone")})
        fails("42501", conn, "SELECT amount FROM hr.salaries")
        fails("25P02", conn, "SELECT 1")
        conn.rollback()
        same(conn.scalar(select(func.count()).where(Note.tag == tag("gone"))), 0)

    on(ENGINE, work)


@scenario
def error():
    def work(conn):
        conn.execute(Note.__table__.insert(), {"tag": tag("unique")})
        conn.commit()
        for sql, sqlstate in [(f"INSERT INTO billing.notes (tag) VALUES ('{tag('unique')}')", "23505"), *ERRORS]:
            fails(sqlstate, conn, sql)
            conn.rollback()
            same(conn.scalar(text("SELECT 1")), 1)
        with Session(conn) as session:
            session.add(Note(tag=tag("unique")))
            try:
                session.commit()
                raise AssertionError("the tag is taken")
            except exc.IntegrityError:
                session.rollback()

    on(ENGINE, work)


@scenario
def cancel():
    began = time.monotonic()
    if OVER_ASYNCPG:
        async def run():
            async with ENGINE.connect() as conn:
                await asyncio.wait_for(conn.execute(text(ENDLESS)), 0.3)

        try:
            LOOP.run_until_complete(run())
            raise AssertionError("it cannot end so soon")
        except asyncio.TimeoutError:
            pass
    else:
        with ENGINE.connect() as conn:
            threading.Timer(0.3, conn.connection.driver_connection.cancel).start()
            fails("57014", conn, ENDLESS)
            conn.rollback()
            same(conn.scalar(text("SELECT 1")), 1)
    assert time.monotonic() - began < 5
    same(on(ENGINE, lambda conn: conn.scalar(text("SELECT 1"))), 1)


@scenario
def big():
    def work(conn):
        rows = total = size = 0
        # Over psycopg a cursor of the server (DECLARE, FETCH), over asyncpg a portal.
        result = conn.execution_options(yield_per=5000).execute(text("SELECT id, filler FROM billing.big"))
        for n, filler in result:
            rows, total, size = rows + 1, total + n, size + len(filler)
        same((rows, total, size), (BIG_ROWS, BIG_SUM, BIG_ROWS * 96))

    on(ENGINE, work)


@scenario
def copy():
    def work(conn):
        raw = conn.connection.driver_connection
        records = [(tag(f"copy-{i}"), None, i) for i in range(1000)]
        columns = ["tag", "body", "amount"]
        if OVER_ASYNCPG:
            await_only(raw.copy_records_to_table("notes", schema_name="billing", columns=columns, records=records))
        else:
            with raw.cursor() as cur, cur.copy("COPY billing.notes (tag, body, amount) FROM STDIN") as copy:
                for record in records:
                    copy.write_row(record)
        same(conn.scalar(select(func.sum(Note.amount)).where(Note.tag.like(tag("copy-%")))), 499_500)

    on(ENGINE, work)


@scenario
def prepared():
    def work(conn):
        sql = text("SELECT label FROM billing.changing WHERE id = :id")
        for i in range(1, 101):
            same(conn.scalar(sql, {"id": i}), f"label {i}")
        for change in ("add-column", "change-type"):
            conn.rollback()
            ask(change)
            for i in range(1, 21):
                try:
                    label = conn.scalar(sql, {"id": i})
                except exc.DBAPIError as error:
                    # Over asyncpg the first failure throws its cached statements away.
                    assert "cached" in str(error), error
                    conn.rollback()
                    if not OVER_ASYNCPG:
                        conn.execute(text("DEALLOCATE ALL"))
                    label = conn.scalar(sql, {"id": i})
                same(label, f"label {i}")

    on(ENGINE, work)


@scenario
def pool():
    for i in range(1, 21):
        same(on(ENGINE, lambda conn: conn.scalar(text("SELECT n FROM billing.numbers WHERE n = :n"), {"n": i})), i)
    for _ in range(4):
        on(ENGINE, lambda conn: fails("42501", conn, "SELECT amount FROM hr.salaries"))
        # What was open when the connection came back is rolled back.
        on(ENGINE, lambda conn: conn.execute(Note.__table__.insert(), {"tag": tag("pooled")}))
    same(on(ENGINE, lambda conn: conn.scalar(select(func.count()).where(Note.tag == tag("pooled")))), 0)
    assert ENGINE.pool.checkedin() <= 2, ENGINE.pool.status()


@scenario
def catalog():
    def work(conn):
        found = inspect(conn)
        same(set(found.get_table_names("billing")), {"customers", "notes", "numbers", "big", "kinds", "changing"})
        assert "billing" in found.get_schema_names(), found.get_schema_names()
        columns = found.get_columns("customers", "billing")
        same([column["name"] for column in columns], ["id", "name", "plan", "account_number", "ssn", "email"])
        same(found.get_pk_constraint("notes", "billing")["constrained_columns"], ["id"])
        same(found.has_table("salaries", "hr"), False)
        notes = SqlTable("notes", MetaData(), schema="billing", autoload_with=conn)
        same([column.name for column in notes.columns], ["id", "tag", "body", "amount"])
        same(conn.scalar(select(func.count()).select_from(notes).where(notes.c.tag == tag("recorded"))), 1)

    on(ENGINE, work)


scenario.run()
dispose(ENGINE)
