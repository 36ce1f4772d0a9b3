"""Opens one connection with libpq, as the options say, and prints what came of it as JSON.

The password comes by the environment variable PGPASSWORD.
"""

import json
import sys

import psycopg
from psycopg import pq

conninfo, *work = sys.argv[1:]
answer = {"libpq": pq.version()}
try:
    with psycopg.connect(conninfo, autocommit=True) as connection:
        answer["protocol"] = connection.pgconn.full_protocol_version
        answer["tls"] = connection.pgconn.ssl_in_use
        answer["used_password"] = connection.pgconn.used_password
        for text in work:
            if text == "cancel":
                # The long statement is cancelled by libpq's own request, which names the cancel key.
                import threading

                timer = threading.Timer(0.5, connection.cancel_safe)
                timer.start()
                try:
                    connection.execute(
                        "SELECT count(*) FROM billing.numbers a, billing.numbers b"
                        " WHERE a.n + b.n < 0"
                    )
                except psycopg.errors.QueryCanceled as error:
                    answer["cancelled"] = error.sqlstate
                timer.join()
            else:
                answer["value"] = connection.execute(text).fetchone()[0]
except psycopg.Error as error:
    answer["error"] = str(error)
print(json.dumps(answer))
