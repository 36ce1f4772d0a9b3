"""Drivers ask the catalogs for types and tables, each in its own way."""

import asyncio
import sys

import asyncpg
import psycopg
import sqlalchemy
from psycopg.types import TypeInfo
from psycopg.types.composite import CompositeInfo
from psycopg.types.enum import EnumInfo

host, port, user, password, database = sys.argv[1:6]
url = f"postgresql://{user}:{password}@{host}:{port}/{database}"


def ask_psycopg():
    with psycopg.connect(url) as connection:
        print("psycopg int4", TypeInfo.fetch(connection, "int4").oid)
        print("psycopg mood", EnumInfo.fetch(connection, "billing.mood").labels)
        print("psycopg place", list(CompositeInfo.fetch(connection, "billing.place").field_names))
        assert TypeInfo.fetch(connection, "hstore") is None


async def ask_asyncpg():
    connection = await asyncpg.connect(url)
    row = await connection.fetchrow("SELECT m, ms, p FROM billing.typed")
    print("asyncpg", row["ms"], row["p"]["street"])
    await connection.set_type_codec("json", schema="pg_catalog", encoder=str, decoder=str)
    await connection.close()


def ask_sqlalchemy():
    engine = sqlalchemy.create_engine(url.replace("postgresql", "postgresql+psycopg"))
    inspector = sqlalchemy.inspect(engine)
    columns = inspector.get_columns("customers", schema="billing")
    print("sqlalchemy columns", [column["name"] for column in columns])
    key = inspector.get_pk_constraint("customers", schema="billing")
    print("sqlalchemy key", key["constrained_columns"])
    indexes = inspector.get_indexes("notes", schema="billing")
    print("sqlalchemy index", [index["name"] for index in indexes])
    print("sqlalchemy tables", sorted(inspector.get_table_names("billing")))
    print("sqlalchemy enums", [enum["name"] for enum in inspector.get_enums("billing")])
    metadata = sqlalchemy.MetaData()
    metadata.reflect(engine, schema="billing")
    assert "billing.notes" in metadata.tables
    inspector.get_foreign_keys("notes", schema="billing")
    inspector.get_unique_constraints("notes", schema="billing")
    inspector.get_check_constraints("notes", schema="billing")
    inspector.get_table_comment("notes", schema="billing")
    assert not inspector.has_table("salaries", schema="hr")


ask_psycopg()
asyncio.run(ask_asyncpg())
ask_sqlalchemy()
