"""LISTEN and NOTIFY by psycopg 3, its two sides, and by asyncpg. Arguments: DSN, and the driver's name.

Prints what it hears as `heard CHANNEL PAYLOAD PROCESS`, where PROCESS is `own` or a number, and `ready`
once others may notify. It ends after it has heard `end` on `orders`."""

import asyncio
import sys

import asyncpg
import psycopg

DSN, DRIVER = sys.argv[1:3]


def heard(channel, payload, process, own):
    print("heard", channel, payload, "own" if process == own else process, flush=True)
    return payload == "end"


def psycopg_sync():
    with psycopg.connect(DSN, autocommit=True) as conn:
        conn.execute('LISTEN orders; LISTEN "Mixed Case"')
        try:
            conn.execute("LISTEN other")
        except psycopg.errors.InsufficientPrivilege:
            print("denied other", flush=True)
        conn.execute("NOTIFY orders, 'by myself'")
        conn.execute("SELECT pg_notify('Mixed Case', %s)", ("with a parameter",))
        print("ready", flush=True)
        for notify in conn.notifies():
            if heard(notify.channel, notify.payload, notify.pid, conn.info.backend_pid):
                break


async def psycopg_async():
    async with await psycopg.AsyncConnection.connect(DSN, autocommit=True) as conn:
        await conn.execute("LISTEN orders")
        await conn.execute('LISTEN "Mixed Case"')
        try:
            await conn.execute("LISTEN other")
        except psycopg.errors.InsufficientPrivilege:
            print("denied other", flush=True)
        await conn.execute("SELECT pg_notify('orders', 'by myself')")
        await conn.execute("NOTIFY \"Mixed Case\", 'with a parameter'")
        print("ready", flush=True)
        async for notify in conn.notifies():
            if heard(notify.channel, notify.payload, notify.pid, conn.info.backend_pid):
                break


async def by_asyncpg():
    conn = await asyncpg.connect(DSN)
    end = asyncio.Event()

    def listener(connection, process, channel, payload):
        if heard(channel, payload, process, connection.get_server_pid()):
            end.set()

    await conn.add_listener("orders", listener)
    await conn.add_listener("Mixed Case", listener)
    try:
        await conn.add_listener("other", listener)
    except asyncpg.InsufficientPrivilegeError:
        print("denied other", flush=True)
    await conn.execute("NOTIFY orders, 'by myself'")
    await conn.execute("SELECT pg_notify('Mixed Case', $1)", "with a parameter")
    print("ready", flush=True)
    await asyncio.wait_for(end.wait(), 30)
    await conn.remove_listener("orders", listener)
    await conn.remove_listener("Mixed Case", listener)
    await conn.close()


if DRIVER == "psycopg":
    psycopg_sync()
elif DRIVER == "psycopg-async":
    asyncio.run(psycopg_async())
else:
    asyncio.run(by_asyncpg())
