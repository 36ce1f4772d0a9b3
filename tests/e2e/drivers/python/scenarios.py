"""What the Python programs share: scenarios run one by one, each ending in one line of output.

`ok NAME`, `FAIL NAME why`, or `skip NAME why` for what the driver cannot do by its own design.
Arguments of a program: DSN and the name under which it works."""

import asyncio
import datetime
import decimal
import inspect
import sys
import traceback
import uuid
from urllib.parse import urlsplit

DSN, NAME = sys.argv[1:3]
PARTS = urlsplit(DSN)
WRONG_DSN = DSN.replace(PARTS.password, "cst_wrong")

# It takes minutes, unless somebody ends it.
ENDLESS = "SELECT count(*) FROM billing.numbers a CROSS JOIN billing.numbers b CROSS JOIN billing.numbers c"
# SQLSTATE by statement: what PostgreSQL refuses, and what the gateway denies.
ERRORS = [
    ("INSERT INTO billing.notes (tag, amount) VALUES ('check', -1)", "23514"),
    ("SELECT 1 / (n - n) FROM billing.numbers WHERE n = 1", "22012"),
    ("SELEC 1", "42601"),
    ("SELECT nothing FROM billing.notes", "42703"),
    ("SELECT amount FROM hr.salaries", "42501"),
    ("SELECT name FROM billing.customers WHERE ssn = '900-55-0007'", "42501"),
]
KINDS = "b, i2, i8, f4, f8, n, t, v, d, ts, tz, iv, u, j, by, a"
KINDS_ROW = (
    True, -2, 9007199254740993, 1.5, -2.25, decimal.Decimal("12345.6789"), "naïve ☃ text", "short",
    datetime.date(2026, 2, 28), datetime.datetime(2026, 2, 28, 12, 34, 56, 789000),
    datetime.datetime(2026, 2, 28, 12, 34, 56, tzinfo=datetime.timezone.utc),
    datetime.timedelta(days=1, hours=2, minutes=3, seconds=4),
    uuid.UUID("6f1c2d3e-0000-4000-8000-000000000001"), {"k": [1, None, "x"]}, b"\x00\xff\x10", [1, 2, None],
)
BIG_ROWS = 200_000
BIG_SUM = BIG_ROWS * (BIG_ROWS + 1) // 2


class Skip(Exception):
    """The driver cannot do this, by its own design."""


class Table:
    """Collects scenarios under their names, and runs them in the order of their definition."""

    def __init__(self):
        self.scenarios = []

    def __call__(self, scenario):
        self.scenarios.append(scenario)
        return scenario

    def run(self):
        for scenario in self.scenarios:
            try:
                outcome = scenario()
                if inspect.isawaitable(outcome):
                    asyncio.run(outcome)
                said = f"ok {scenario.__name__}"
            except Skip as reason:
                said = f"skip {scenario.__name__} {reason}"
            except Exception as error:
                where = traceback.extract_tb(error.__traceback__)
                line = next((frame.lineno for frame in reversed(where) if frame.filename == sys.argv[0]), "?")
                words = " ".join(f"{type(error).__name__}: {error}".split())
                said = f"FAIL {scenario.__name__} line {line}: {words}"
            print(said, flush=True)


def ask(what):
    """Has the harness do what the program itself may not."""
    print("ask", what, flush=True)
    assert sys.stdin.readline() == "done\n"


def tag(text):
    return f"{NAME}-{text}"


def same(found, expected):
    assert found == expected, f"found {found!r}, expected {expected!r}"


def is_masked(row):
    account_number, ssn, email = row
    assert account_number.endswith("0007") and "SECRET" not in account_number, row
    assert ssn == "********", row
    assert email.endswith("@mail.example") and "customer7" not in email, row
