// LISTEN and NOTIFY by node-postgres and postgres.js. Arguments: DSN, and the driver's name.
// Says what it hears as listen.py does.

import pg from 'pg'
import postgres from 'postgres'

const [DSN, DRIVER] = process.argv.slice(2)

function heard(channel, payload, process_) {
  console.log('heard', channel, payload, process_)
  return payload === 'end'
}

async function byNodePostgres() {
  const client = new pg.Client({ connectionString: DSN })
  await client.connect()
  const end = new Promise((resolve) => {
    client.on('notification', ({ channel, payload, processId }) => {
      if (heard(channel, payload, processId === client.processID ? 'own' : processId)) resolve()
    })
  })
  await client.query('LISTEN orders')
  await client.query('LISTEN "Mixed Case"')
  await client.query('LISTEN other').catch((error) => {
    if (error.code === '42501') console.log('denied other')
  })
  await client.query("NOTIFY orders, 'by myself'")
  await client.query("SELECT pg_notify('Mixed Case', $1)", ['with a parameter'])
  console.log('ready')
  await end
  await client.query('UNLISTEN *')
  await client.end()
}

async function byPostgresJs() {
  const sql = postgres(DSN, { max: 1, onnotice: () => {} })
  let end
  const ended = new Promise((resolve) => (end = resolve))
  // It does not tell which process notified, and its own NOTIFY is another connection's.
  const listener = (channel) => (payload) => {
    if (heard(channel, payload, 'untold')) end()
  }
  await sql.listen('orders', listener('orders'))
  await sql.listen('Mixed Case', listener('Mixed Case'))
  await sql`LISTEN other`.catch((error) => {
    if (error.code === '42501') console.log('denied other')
  })
  await sql`SELECT pg_notify('orders', ${'by myself'})`
  await sql`SELECT pg_notify('Mixed Case', ${'with a parameter'})`
  console.log('ready')
  await ended
  await sql.end()
}

await (DRIVER === 'node-postgres' ? byNodePostgres() : byPostgresJs())
