// postgres.js: prepared statements and pipelining everywhere, types fetched from the catalog, a pool inside.

import assert from 'node:assert/strict'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import postgres from 'postgres'
import { BIG_ROWS, BIG_SUM, DSN, ENDLESS, ERRORS, TABLES, WRONG_DSN, ask, fails, isMasked, run, tag } from './scenarios.mjs'

async function connected(work, more = {}) {
  const sql = postgres(DSN, { max: 1, onnotice: () => {}, ...more })
  try {
    return await work(sql)
  } finally {
    await sql.end({ timeout: 5 })
  }
}

await run({
  async connect() {
    await connected(async (sql) => assert.deepEqual([...(await sql`SELECT 1 AS one`)], [{ one: 1 }]))
    await connected(async (sql) => assert.deepEqual([...(await sql`SELECT 1 AS one`)], [{ one: 1 }]), { prepare: false, fetch_types: false })
    const wrong = postgres(WRONG_DSN, { max: 1 })
    await fails('28P01', wrong`SELECT 1`)
    await wrong.end()
  },

  async parameters() {
    await connected(async (sql) => {
      assert.deepEqual([...(await sql`SELECT id, name FROM billing.customers WHERE id = ${7} AND name = ${'Customer 7'}`)], [{ id: 7, name: 'Customer 7' }])
      assert.equal((await sql`SELECT name FROM billing.customers WHERE id = ANY(${[3, 1]}) ORDER BY id`).length, 2)
      assert.equal((await sql`SELECT name FROM billing.customers WHERE id IN ${sql([3, 1])}`).length, 2)
      const note = { tag: tag('recorded'), body: null, amount: 1 }
      assert.deepEqual([...(await sql`INSERT INTO billing.notes ${sql(note)} RETURNING tag, body, amount`)], [note])
      const changed = await sql`UPDATE billing.notes SET ${sql({ amount: 42 })} WHERE tag = ${note.tag}`
      assert.deepEqual([changed.command, changed.count], ['UPDATE', 1])
      const many = Array.from({ length: 100 }, (_, i) => ({ tag: tag(`many-${i}`), amount: i }))
      await sql`INSERT INTO billing.notes ${sql(many, 'tag', 'amount')}`
      assert.equal((await sql`DELETE FROM billing.notes WHERE tag LIKE ${tag('many-%')}`).count, 100)
      // All at once over one connection: it pipelines.
      const found = await Promise.all(Array.from({ length: 50 }, (_, i) => sql`SELECT n FROM billing.numbers WHERE n = ${i + 1}`))
      assert.deepEqual(found.map((rows) => rows[0].n), Array.from({ length: 50 }, (_, i) => i + 1))
    })
  },

  async types() {
    await connected(async (sql) => {
      const [row] = await sql`SELECT b, i2, i8, f4, f8, n, t, v, u, j, by, a FROM billing.kinds WHERE id = ${1}`.values()
      assert.deepEqual(row, [true, -2, '9007199254740993', 1.5, -2.25, '12345.6789', 'naïve ☃ text', 'short',
        '6f1c2d3e-0000-4000-8000-000000000001', { k: [1, null, 'x'] }, Buffer.from([0, 255, 16]), [1, 2, null]])
      const values = { id: 99, b: true, i8: '9007199254740993', j: sql.json({ k: 1 }), by: Buffer.from([0, 255]), a: [1, null], tz: new Date(0) }
      await sql`INSERT INTO billing.kinds ${sql(values)}`
      const [back] = await sql`SELECT b, i8, j, by, a, tz FROM billing.kinds WHERE id = 99`.values()
      assert.deepEqual(back, [true, '9007199254740993', { k: 1 }, Buffer.from([0, 255]), [1, null], new Date(0)])
    })
  },

  async masks() {
    await connected(async (sql) => {
      isMasked((await sql`SELECT account_number, ssn, email FROM billing.customers WHERE id = ${7}`)[0])
      isMasked((await sql`SELECT account_number, ssn, email FROM billing.customers WHERE id = 7`.simple())[0])
    })
  },

  async transaction() {
    await connected(async (sql) => {
      await sql.begin('isolation level serializable', async (tx) => {
        await tx`INSERT INTO billing.notes (tag) VALUES (${tag('outer')})`
        await tx.savepoint(async (inner) => {
          await inner`INSERT INTO billing.notes (tag) VALUES (${tag('inner')})`
          throw new Error('undo the inner one')
        }).catch(() => {})
      })
      const rows = await sql`SELECT tag FROM billing.notes WHERE tag = ANY(${[tag('outer'), tag('inner')]})`
      assert.deepEqual([...rows], [{ tag: tag('outer') }])
    })
  },

  async rollback() {
    await connected(async (sql) => {
      for (const wrong of [async () => { throw new Error('undo') }, (tx) => tx`SELECT amount FROM hr.salaries`]) {
        await assert.rejects(sql.begin(async (tx) => {
          await tx`INSERT INTO billing.notes (tag) VALUES (${tag('gone')})`
          await wrong(tx)
        }))
      }
      assert.equal((await sql`SELECT count(*)::int AS n FROM billing.notes WHERE tag = ${tag('gone')}`)[0].n, 0)
    })
  },

  async error() {
    await connected(async (sql) => {
      await sql`INSERT INTO billing.notes (tag) VALUES (${tag('unique')})`
      for (const [text, sqlstate] of ERRORS) {
        await fails(sqlstate, sql.unsafe(text))
        const error = await fails(sqlstate, sql.unsafe(text, [], { prepare: true }))
        assert.equal(error.severity, 'ERROR')
        assert.equal((await sql`SELECT 1 AS one`)[0].one, 1)
      }
      // An error in the middle of a pipeline leaves its neighbours alone.
      const three = await Promise.allSettled([sql`SELECT 1 AS one`, sql`SELECT amount FROM hr.salaries`, sql`SELECT 3 AS three`])
      assert.deepEqual(three.map((each) => each.status), ['fulfilled', 'rejected', 'fulfilled'])
    })
  },

  async cancel() {
    await connected(async (sql) => {
      const began = Date.now()
      const query = sql.unsafe(ENDLESS)
      setTimeout(() => query.cancel(), 300)
      await fails('57014', query)
      assert.ok(Date.now() - began < 5000)
      assert.equal((await sql`SELECT 1 AS one`)[0].one, 1)
    })
  },

  async big() {
    await connected(async (sql) => {
      let [rows, sum, size] = [0, 0, 0]
      for await (const some of sql`SELECT id, filler FROM billing.big`.cursor(5000)) {
        for (const { id, filler } of some) [rows, sum, size] = [rows + 1, sum + id, size + filler.length]
      }
      assert.deepEqual([rows, sum, size], [BIG_ROWS, BIG_SUM, BIG_ROWS * 96])
      let each = 0
      await sql`SELECT id FROM billing.big`.forEach(() => each++)
      assert.equal(each, BIG_ROWS)
    })
  },

  async copy() {
    await connected(async (sql) => {
      const into = await sql`COPY billing.notes (tag, body, amount) FROM STDIN`.writable()
      await pipeline(Readable.from(Array.from({ length: 1000 }, (_, i) => `${tag(`copy-${i}`)}\t\\N\t${i}\n`)), into)
      const out = await sql`COPY (SELECT tag, amount FROM billing.notes WHERE amount >= 0 ORDER BY tag) TO STDOUT`.readable()
      let text = ''
      for await (const chunk of out) text += chunk
      assert.equal(text.split('\n').filter((line) => line.startsWith(tag('copy-'))).length, 1000)
    })
  },

  async prepared() {
    await connected(async (sql) => {
      const label = async (id) => (await sql`SELECT label FROM billing.changing WHERE id = ${id}`)[0].label
      for (let id = 1; id <= 100; id++) assert.equal(await label(id), `label ${id}`)
      for (const change of ['add-column', 'change-type']) {
        await ask(change)
        // It prepares again by itself.
        for (let id = 1; id <= 20; id++) assert.equal(await label(id), `label ${id}`)
      }
    })
  },

  async pool() {
    await connected(async (sql) => {
      const found = await Promise.all(Array.from({ length: 40 }, (_, i) => sql`SELECT n FROM billing.numbers WHERE n = ${i + 1}`))
      assert.deepEqual(found.map((rows) => rows[0].n), Array.from({ length: 40 }, (_, i) => i + 1))
      const reserved = await sql.reserve()
      await fails('42501', reserved`SELECT amount FROM hr.salaries`)
      reserved.release()
      assert.equal((await sql`SELECT 1 AS one`)[0].one, 1)
    }, { max: 2 })
  },

  async catalog() {
    await connected(async (sql) => {
      // It has fetched the array types from pg_type by now.
      const rows = await sql`SELECT table_name FROM information_schema.tables WHERE table_schema IN ('billing', 'hr') ORDER BY table_name`
      assert.deepEqual(rows.map((row) => row.table_name), TABLES)
    })
  },
})
