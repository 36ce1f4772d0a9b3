// node-postgres: `pg` with `pg-pool`, `pg-cursor` and `pg-copy-streams`.

import assert from 'node:assert/strict'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import pg from 'pg'
import { from, to } from 'pg-copy-streams'
import Cursor from 'pg-cursor'
import Pool from 'pg-pool'
import { BIG_ROWS, BIG_SUM, DSN, ENDLESS, ERRORS, TABLES, WRONG_DSN, ask, fails, isMasked, run, sleep, tag } from './scenarios.mjs'

async function connected(work, more = {}) {
  const client = new pg.Client({ connectionString: DSN, ...more })
  await client.connect()
  try {
    return await work(client)
  } finally {
    await client.end()
  }
}

await run({
  async connect() {
    await connected(async (client) => {
      assert.deepEqual((await client.query('SELECT 1 AS one')).rows, [{ one: 1 }])
    })
    await fails('28P01', new pg.Client({ connectionString: WRONG_DSN }).connect())
  },

  async parameters() {
    await connected(async (client) => {
      const named = 'SELECT id, name FROM billing.customers WHERE id = $1 AND name = $2'
      assert.deepEqual((await client.query(named, [7, 'Customer 7'])).rows, [{ id: 7, name: 'Customer 7' }])
      const several = 'SELECT name FROM billing.customers WHERE id = ANY($1) ORDER BY id'
      assert.equal((await client.query(several, [[3, 1]])).rows.length, 2)
      const insert = 'INSERT INTO billing.notes (tag, body, amount) VALUES ($1, $2, $3) RETURNING tag, body, amount'
      const written = await client.query(insert, [tag('recorded'), null, 1])
      assert.deepEqual(written.rows, [{ tag: tag('recorded'), body: null, amount: 1 }])
      const changed = await client.query('UPDATE billing.notes SET amount = $1 WHERE tag = $2', [42, tag('recorded')])
      assert.deepEqual([changed.command, changed.rowCount], ['UPDATE', 1])
      const many = Array.from({ length: 100 }, (_, i) => client.query(insert, [tag(`many-${i}`), null, i]))
      await Promise.all(many)
      const gone = await client.query('DELETE FROM billing.notes WHERE tag LIKE $1', [tag('many-%')])
      assert.equal(gone.rowCount, 100)
    })
  },

  async types() {
    await connected(async (client) => {
      const sql = 'SELECT b, i2, i8, f4, f8, n, t, v, d::text, u, j, by, a FROM billing.kinds WHERE id = $1'
      const { rows } = await client.query({ text: sql, values: [1], rowMode: 'array' })
      assert.deepEqual(rows[0], [true, -2, '9007199254740993', 1.5, -2.25, '12345.6789', 'naïve ☃ text', 'short',
        '2026-02-28', '6f1c2d3e-0000-4000-8000-000000000001', { k: [1, null, 'x'] }, Buffer.from([0, 255, 16]), [1, 2, null]])
      await client.query('BEGIN')
      const values = [true, -2, '9007199254740993', { k: 1 }, Buffer.from([0, 255]), [1, null], new Date(0)]
      await client.query('INSERT INTO billing.kinds (id, b, i2, i8, j, by, a, tz) VALUES (99, $1, $2, $3, $4, $5, $6, $7)', values)
      const back = await client.query({ text: 'SELECT b, i2, i8, j, by, a, tz FROM billing.kinds WHERE id = 99', rowMode: 'array' })
      assert.deepEqual(back.rows[0], values)
      await client.query('ROLLBACK')
    })
  },

  async masks() {
    await connected(async (client) => {
      isMasked((await client.query('SELECT account_number, ssn, email FROM billing.customers WHERE id = 7')).rows[0])
      isMasked((await client.query('SELECT account_number, ssn, email FROM billing.customers WHERE id = $1', [7])).rows[0])
      isMasked((await client.query({ text: 'SELECT account_number, ssn, email FROM billing.customers WHERE id = $1', values: [7], binary: true })).rows[0])
    })
  },

  async transaction() {
    await connected(async (client) => {
      await client.query('BEGIN')
      await client.query('INSERT INTO billing.notes (tag) VALUES ($1)', [tag('outer')])
      await client.query('SAVEPOINT s')
      await client.query('INSERT INTO billing.notes (tag) VALUES ($1)', [tag('inner')])
      await client.query('ROLLBACK TO SAVEPOINT s')
      await client.query('COMMIT')
      const { rows } = await client.query('SELECT tag FROM billing.notes WHERE tag = ANY($1)', [[tag('outer'), tag('inner')]])
      assert.deepEqual(rows, [{ tag: tag('outer') }])
    })
  },

  async rollback() {
    await connected(async (client) => {
      await client.query('BEGIN')
      await client.query('INSERT INTO billing.notes (tag) VALUES ($1)', [tag('gone')])
      await client.query('ROLLBACK')
      await client.query('BEGIN')
      await client.query('INSERT INTO billing.notes (tag) VALUES ($1)', [tag('gone')])
      await fails('42501', client.query('SELECT amount FROM hr.salaries'))
      await fails('25P02', client.query('SELECT 1'))
      await client.query('ROLLBACK')
      const { rows } = await client.query('SELECT count(*)::int AS n FROM billing.notes WHERE tag = $1', [tag('gone')])
      assert.equal(rows[0].n, 0)
    })
  },

  async error() {
    await connected(async (client) => {
      await client.query('INSERT INTO billing.notes (tag) VALUES ($1)', [tag('unique')])
      for (const [sql, sqlstate] of ERRORS) {
        await fails(sqlstate, client.query(sql))
        const error = await fails(sqlstate, client.query({ text: sql, values: [] }))
        assert.equal(error.severity, 'ERROR')
        assert.equal((await client.query('SELECT 1 AS one')).rows[0].one, 1)
      }
    })
  },

  async cancel() {
    await connected(async (client) => {
      const began = Date.now()
      // node-postgres sends a CancelRequest with the key of the session over a connection of its own.
      const other = new pg.Client({ connectionString: DSN })
      const query = new pg.Query(ENDLESS)
      const ended = new Promise((_, reject) => query.on('error', reject))
      client.query(query)
      setTimeout(() => other.cancel(client, query), 300)
      await fails('57014', ended)
      assert.ok(Date.now() - began < 5000)
      assert.equal((await client.query('SELECT 1 AS one')).rows[0].one, 1)
    })
  },

  async big() {
    await connected(async (client) => {
      const cursor = client.query(new Cursor('SELECT id, filler FROM billing.big', [], { rowMode: 'array' }))
      let [rows, sum, size] = [0, 0, 0]
      for (;;) {
        const some = await cursor.read(5000)
        if (some.length === 0) break
        for (const [id, filler] of some) [rows, sum, size] = [rows + 1, sum + id, size + filler.length]
      }
      assert.deepEqual([rows, sum, size], [BIG_ROWS, BIG_SUM, BIG_ROWS * 96])
      // One that is closed before its end.
      const other = client.query(new Cursor('SELECT id FROM billing.big WHERE id > $1', [5]))
      assert.equal((await other.read(10)).length, 10)
      await other.close()
      assert.equal((await client.query('SELECT id, filler FROM billing.big')).rowCount, BIG_ROWS)
    })
  },

  async copy() {
    await connected(async (client) => {
      const lines = Array.from({ length: 1000 }, (_, i) => `${tag(`copy-${i}`)}\t\\N\t${i}\n`)
      const into = client.query(from('COPY billing.notes (tag, body, amount) FROM STDIN'))
      await pipeline(Readable.from(lines), into)
      assert.equal(into.rowCount, 1000)
      const out = client.query(to(`COPY (SELECT tag, amount FROM billing.notes WHERE tag LIKE '${tag('copy-')}%' ORDER BY amount) TO STDOUT (FORMAT csv)`))
      let text = ''
      for await (const chunk of out) text += chunk
      assert.deepEqual(text.trim().split('\n').slice(0, 2), [`${tag('copy-0')},0`, `${tag('copy-1')},1`])
      assert.equal(text.trim().split('\n').length, 1000)
      await fails('22P02', pipeline(Readable.from(['x\tnot a number\n']), client.query(from('COPY billing.notes (tag, amount) FROM STDIN'))))
      assert.equal((await client.query('SELECT 1 AS one')).rows[0].one, 1)
    })
  },

  async prepared() {
    await connected(async (client) => {
      let name = 'label-1'
      const label = async (id) =>
        (await client.query({ name, text: 'SELECT label FROM billing.changing WHERE id = $1', values: [id] })).rows[0].label
      for (let id = 1; id <= 100; id++) assert.equal(await label(id), `label ${id}`)
      for (const change of ['add-column', 'change-type']) {
        await ask(change)
        for (let id = 1; id <= 20; id++) {
          try {
            assert.equal(await label(id), `label ${id}`)
          } catch (error) {
            // As from PostgreSQL itself: the application prepares again, under another name.
            assert.equal(error.code, '0A000', `${error}`)
            name = `label-${change}`
            assert.equal(await label(id), `label ${id}`)
          }
        }
      }
    })
  },

  async pool() {
    const pool = new Pool({ connectionString: DSN, max: 2, Client: pg.Client })
    const work = async (_, i) => {
      const { rows } = await pool.query('SELECT n FROM billing.numbers WHERE n = $1', [i + 1])
      assert.equal(rows[0].n, i + 1)
    }
    await Promise.all(Array.from({ length: 20 }, work))
    for (let i = 0; i < 4; i++) {
      await fails('42501', pool.query('SELECT amount FROM hr.salaries'))
      const client = await pool.connect()
      await client.query('SET search_path TO billing')
      assert.equal((await client.query('SELECT count(*)::int AS n FROM changing')).rows[0].n, 100)
      await client.query('DISCARD ALL')
      assert.equal((await client.query('SHOW search_path')).rows[0].search_path, '"$user", public')
      client.release()
    }
    assert.ok(pool.totalCount <= 2)
    await sleep(10)
    await pool.end()
  },

  async catalog() {
    await connected(async (client) => {
      const { rows } = await client.query(
        "SELECT table_name FROM information_schema.tables WHERE table_schema IN ('billing', 'hr') ORDER BY table_name")
      assert.deepEqual(rows.map((row) => row.table_name), TABLES)
    })
  },
})
