// Drizzle over node-postgres: typed tables, queries with relations, prepared statements, transactions.

import assert from 'node:assert/strict'
import { and, eq, inArray, like, lte, relations, sql } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/node-postgres'
import { bigint, bigserial, boolean, integer, jsonb, numeric, pgSchema, smallint, text, timestamp, uuid } from 'drizzle-orm/pg-core'
import pg from 'pg'
import { BIG_ROWS, DSN, ENDLESS, ERRORS, Skip, TABLES, WRONG_DSN, ask, fails, isMasked, run, tag } from './scenarios.mjs'

const billing = pgSchema('billing')
const customers = billing.table('customers', {
  id: integer().primaryKey(), name: text().notNull(), plan: text().notNull(), account_number: text(), ssn: text(), email: text(),
})
const notes = billing.table('notes', {
  id: bigserial({ mode: 'number' }).primaryKey(), tag: text().notNull(), body: text(), amount: integer().notNull().default(0),
})
const numbers = billing.table('numbers', { n: integer().primaryKey(), label: text().notNull() })
const big = billing.table('big', { id: integer().primaryKey(), filler: text().notNull() })
const changing = billing.table('changing', { id: integer().primaryKey(), label: text().notNull() })
const kinds = billing.table('kinds', {
  id: integer().primaryKey(), b: boolean(), i2: smallint(), i8: bigint({ mode: 'bigint' }), n: numeric(), t: text(),
  tz: timestamp({ withTimezone: true }), u: uuid(), j: jsonb(), a: integer().array(),
})
const customersRelations = relations(customers, ({ one }) => ({ number: one(numbers, { fields: [customers.id], references: [numbers.n] }) }))

const pool = new pg.Pool({ connectionString: DSN, max: 2 })
pool.on('error', () => {})
const db = drizzle(pool, { schema: { customers, notes, numbers, customersRelations } })

await run({
  async connect() {
    assert.deepEqual((await db.execute(sql`SELECT 1 AS one`)).rows, [{ one: 1 }])
    const wrong = new pg.Pool({ connectionString: WRONG_DSN })
    await fails('28P01', drizzle(wrong).execute(sql`SELECT 1`))
    await wrong.end()
  },

  async parameters() {
    const found = await db.select({ id: customers.id, name: customers.name }).from(customers).where(and(eq(customers.id, 7), eq(customers.name, 'Customer 7')))
    assert.deepEqual(found, [{ id: 7, name: 'Customer 7' }])
    const [note] = await db.insert(notes).values({ tag: tag('recorded') }).returning()
    assert.ok(note.id > 0 && note.body === null && note.amount === 0, JSON.stringify(note))
    await db.update(notes).set({ amount: sql`${notes.amount} + 41` }).where(eq(notes.tag, tag('recorded')))
    await db.insert(notes).values(Array.from({ length: 50 }, (_, i) => ({ tag: tag(`many-${i}`), amount: i })))
    assert.equal(await db.$count(notes, like(notes.tag, tag('many-%'))), 50)
    await db.insert(notes).values({ tag: tag('many-1'), amount: 7 }).onConflictDoUpdate({ target: notes.tag, set: { amount: 7 } })
    const gone = await db.delete(notes).where(like(notes.tag, tag('many-%'))).returning({ tag: notes.tag })
    assert.equal(gone.length, 50)
    // Its relational queries: lateral joins and JSON.
    const [related] = await db.query.customers.findMany({ columns: { id: true, name: true }, with: { number: true }, where: eq(customers.id, 7) })
    assert.deepEqual(related, { id: 7, name: 'Customer 7', number: { n: 7, label: 'number 7' } })
  },

  async types() {
    const [row] = await db.select().from(kinds).where(eq(kinds.id, 1))
    assert.deepEqual(row, { id: 1, b: true, i2: -2, i8: 9007199254740993n, n: '12345.6789', t: 'naïve ☃ text',
      tz: new Date('2026-02-28T12:34:56Z'), u: '6f1c2d3e-0000-4000-8000-000000000001', j: { k: [1, null, 'x'] }, a: [1, 2, null] })
    const value = { ...row, id: 99, j: { k: 1 }, a: [4] }
    assert.deepEqual((await db.insert(kinds).values(value).returning())[0], value)
  },

  async masks() {
    isMasked((await db.select().from(customers).where(eq(customers.id, 7)))[0])
    isMasked(await db.query.customers.findFirst({ where: eq(customers.id, 7), columns: { account_number: true, ssn: true, email: true } }))
  },

  async transaction() {
    await db.transaction(async (tx) => {
      await tx.insert(notes).values({ tag: tag('outer') })
      await tx.transaction(async (inner) => {
        await inner.insert(notes).values({ tag: tag('inner') })
        inner.rollback()
      }).catch(() => {})
    }, { isolationLevel: 'serializable', accessMode: 'read write' })
    const found = await db.select({ tag: notes.tag }).from(notes).where(inArray(notes.tag, [tag('outer'), tag('inner')]))
    assert.deepEqual(found, [{ tag: tag('outer') }])
  },

  async rollback() {
    await assert.rejects(db.transaction(async (tx) => {
      await tx.insert(notes).values({ tag: tag('gone') })
      tx.rollback()
    }))
    await fails('42501', db.transaction(async (tx) => {
      await tx.insert(notes).values({ tag: tag('gone') })
      await tx.execute(sql`SELECT amount FROM hr.salaries`)
    }))
    assert.equal(await db.$count(notes, eq(notes.tag, tag('gone'))), 0)
  },

  async error() {
    await db.insert(notes).values({ tag: tag('unique') })
    for (const [text, sqlstate] of ERRORS) {
      await fails(sqlstate, db.execute(sql.raw(text)))
      assert.deepEqual((await db.execute(sql`SELECT 1 AS one`)).rows, [{ one: 1 }])
    }
  },

  async cancel() {
    // Drizzle has no cancel of its own; a deadline of the statement ends it, as its users do it.
    const began = Date.now()
    await fails('57014', db.transaction(async (tx) => {
      await tx.execute(sql`SET LOCAL statement_timeout = 300`)
      await tx.execute(sql.raw(ENDLESS))
    }))
    assert.ok(Date.now() - began < 5000)
    assert.deepEqual((await db.execute(sql`SELECT 1 AS one`)).rows, [{ one: 1 }])
  },

  async big() {
    const rows = await db.select().from(big)
    assert.equal(rows.length, BIG_ROWS)
    assert.equal(rows.reduce((size, row) => size + row.filler.length, 0), BIG_ROWS * 96)
  },

  async copy() {
    throw new Skip('Drizzle has no COPY')
  },

  async prepared() {
    // On one connection: a prepared statement belongs to it.
    const client = new pg.Client({ connectionString: DSN })
    client.on('error', () => {})
    await client.connect()
    const own = drizzle(client)
    const prepare = (name) => own.select().from(changing).where(eq(changing.id, sql.placeholder('id'))).prepare(name)
    let label = prepare('label')
    for (let id = 1; id <= 100; id++) assert.deepEqual(await label.execute({ id }), [{ id, label: `label ${id}` }])
    for (const change of ['add-column', 'change-type']) {
      await ask(change)
      for (let id = 1; id <= 20; id++) {
        try {
          assert.deepEqual(await label.execute({ id }), [{ id, label: `label ${id}` }])
        } catch (error) {
          assert.equal(error.cause?.code, '0A000', `${error} ${error.cause}`)
          label = prepare(`label-${change}`)
          assert.deepEqual(await label.execute({ id }), [{ id, label: `label ${id}` }])
        }
      }
    }
    await client.end()
  },

  async pool() {
    const found = await Promise.all(Array.from({ length: 40 }, (_, i) => db.select().from(numbers).where(lte(numbers.n, i + 1))))
    assert.deepEqual(found.map((rows) => rows.length), Array.from({ length: 40 }, (_, i) => i + 1))
    for (let i = 0; i < 4; i++) await fails('42501', db.execute(sql`SELECT amount FROM hr.salaries`))
    assert.ok(pool.totalCount <= 2)
  },

  async catalog() {
    const { rows } = await db.execute(sql`SELECT tablename FROM pg_catalog.pg_tables WHERE schemaname IN ('billing', 'hr') ORDER BY tablename`)
    assert.deepEqual(rows.map((row) => row.tablename), TABLES)
  },
})
await pool.end()
