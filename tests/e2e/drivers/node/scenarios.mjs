// What the JavaScript programs share: scenarios run one by one, each ending in one line of output.
//
// `ok NAME`, `FAIL NAME why`, or `skip NAME why` for what the driver cannot do by its own design.
// Arguments of a program: DSN and the name under which it works.

import assert from 'node:assert/strict'
import { createInterface } from 'node:readline'

export const [DSN, NAME] = process.argv.slice(2)
const address = new URL(DSN)
address.password = 'cst_wrong'
export const WRONG_DSN = address.href

// It takes minutes, unless somebody ends it.
export const ENDLESS =
  'SELECT count(*) FROM billing.numbers a CROSS JOIN billing.numbers b CROSS JOIN billing.numbers c'

export const tag = (text) => `${NAME}-${text}`

// SQLSTATE by statement: what PostgreSQL refuses, and what the gateway denies.
export const ERRORS = [
  [`INSERT INTO billing.notes (tag) VALUES ('${tag('unique')}')`, '23505'],
  ["INSERT INTO billing.notes (tag, amount) VALUES ('check', -1)", '23514'],
  ['SELECT 1 / (n - n) FROM billing.numbers WHERE n = 1', '22012'],
  ['SELEC 1', '42601'],
  ['SELECT nothing FROM billing.notes', '42703'],
  ['SELECT amount FROM hr.salaries', '42501'],
  ["SELECT name FROM billing.customers WHERE ssn = '900-55-0007'", '42501'],
]
export const BIG_ROWS = 200_000
export const BIG_SUM = (BIG_ROWS * (BIG_ROWS + 1)) / 2
export const TABLES = ['big', 'changing', 'customers', 'kinds', 'notes', 'numbers']

export class Skip extends Error {}

export async function run(scenarios) {
  for (const [name, scenario] of Object.entries(scenarios)) {
    let said = `ok ${name}`
    try {
      await withDeadline(scenario())
    } catch (error) {
      const words = `${error.stack ?? error}`.replace(/\s+/g, ' ').slice(0, 600)
      said = error instanceof Skip ? `skip ${name} ${error.message}` : `FAIL ${name} ${error.code ?? ''} ${words}`
    }
    console.log(said)
  }
  lines?.close()
  // A connection that a failed scenario left behind must not keep the program.
  setTimeout(() => process.exit(0), 2_000).unref()
}

async function withDeadline(work) {
  let timer
  const late = new Promise((_, reject) => (timer = setTimeout(() => reject(new Error('no end after 30 s')), 30_000)))
  try {
    await Promise.race([work, late])
  } finally {
    clearTimeout(timer)
  }
}

let lines
let answers

// Has the harness do what the program itself may not.
export async function ask(what) {
  lines ??= createInterface({ input: process.stdin })
  answers ??= lines[Symbol.asyncIterator]()
  console.log(`ask ${what}`)
  assert.equal((await answers.next()).value, 'done')
}

// Awaits a failure with this SQLSTATE; a driver that wraps its errors keeps the first as cause.
export async function fails(sqlstate, promise) {
  let error
  try {
    await promise
  } catch (caught) {
    error = caught
  }
  assert.ok(error, `no error, expected ${sqlstate}`)
  assert.equal(error.code ?? error.cause?.code, sqlstate, `${error}`)
  return error
}

export function isMasked(row) {
  assert.match(row.account_number, /0007$/)
  assert.ok(!row.account_number.includes('SECRET'), row.account_number)
  assert.equal(row.ssn, '********')
  assert.match(row.email, /@mail\.example$/)
  assert.ok(!row.email.includes('customer7'), row.email)
}

// What nobody awaits must not end the program: the scenario that meant it fails by itself.
process.on('unhandledRejection', () => {})
process.on('uncaughtException', () => {})

export const sleep = (ms) => new Promise((done) => setTimeout(done, ms))
