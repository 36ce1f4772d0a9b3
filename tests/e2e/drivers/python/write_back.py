"""Reads rows of a table with masked columns and writes them back in every way that psycopg has.

Says one line per attempt: what was tried, and the SQLSTATE that came of it. Leaves the verdict to
the test that runs it.
"""

import sys

import psycopg
from psycopg import sql
from psycopg.types.json import Jsonb

MASKED = [
    "ssn", "card", "digest", "mail", "balance", "visits", "active", "born", "seen", "token", "doc",
    "tier", "secret", "code", "body",
]


def attempt(connection, what, work):
    try:
        with connection.transaction():
            work()
    except psycopg.Error as error:
        print(what, error.sqlstate, flush=True)
    else:
        print(what, "done", flush=True)


def written(value):
    """A value as a program would write it that has just read it."""
    return Jsonb(value) if isinstance(value, (str, dict)) else value


def write_back(connection, binary):
    name = "binary" if binary else "text"
    cursor = connection.cursor(binary=binary)
    columns = sql.SQL(", ").join(map(sql.Identifier, MASKED))
    row = cursor.execute(
        sql.SQL("SELECT {} FROM billing.vault WHERE id = 1").format(columns), binary=binary
    ).fetchone()
    values = dict(zip(MASKED, row))
    values["doc"] = written(values["doc"])
    place = "%b" if binary else "%t"
    for column, value in values.items():
        statement = sql.SQL("UPDATE billing.vault SET {} = {} WHERE id = 1").format(
            sql.Identifier(column), sql.SQL(place)
        )
        attempt(connection, f"update-{name} {column}", lambda: cursor.execute(statement, [value]))
        upsert = sql.SQL(
            "INSERT INTO billing.vault (id, note) VALUES (1, 'x') ON CONFLICT (id) DO UPDATE SET {} = {}"
        ).format(sql.Identifier(column), sql.SQL(place))
        attempt(connection, f"upsert-{name} {column}", lambda: cursor.execute(upsert, [value]))
    everything = sql.SQL(", ").join(
        sql.SQL("{} = {}").format(sql.Identifier(column), sql.SQL(place)) for column in MASKED
    )
    many = sql.SQL("UPDATE billing.vault SET {} WHERE id = 1").format(everything)
    rows = [list(values.values())]
    attempt(connection, f"many-{name} all", lambda: cursor.executemany(many, rows))


def copy_back(connection, form):
    cursor = connection.cursor()
    for column in MASKED:
        # NULL is no placeholder in a new row.
        if column == "tier":
            continue
        value = cursor.execute(
            sql.SQL("SELECT {} FROM billing.vault WHERE id = 1").format(sql.Identifier(column))
        ).fetchone()[0]
        types = cursor.description[0].type_code
        value = written(value) if column == "doc" else value
        into = sql.SQL("COPY billing.vault (id, note, {}) FROM STDIN (FORMAT {})").format(
            sql.Identifier(column), sql.SQL(form)
        )

        def work():
            with cursor.copy(into) as copy:
                copy.set_types(["int4", "text", types])
                copy.write_row([100, "fine", value])

        attempt(connection, f"copy-{form} {column}", work)


def main():
    with psycopg.connect(sys.argv[1], autocommit=True) as connection:
        for binary in (False, True):
            write_back(connection, binary)
        for form in ("text", "binary"):
            copy_back(connection, form)
        cursor = connection.cursor()
        attempt(
            connection,
            "honest all",
            lambda: cursor.execute("UPDATE billing.vault SET note = %s WHERE id = 1", ["changed"]),
        )


main()
