//! Makes the billing database of the demo: customers, invoices and payments, as SQL.
//!
//! **Invariant:** [`generate`] is a pure function of its seed, so every run shows the same people.
//!
//! **Invariant:** nothing in it can be taken for real. Mail goes to `.test` (RFC 2606), telephone
//! numbers are of the fictional 555-01xx range, social security numbers begin with 9 and have group
//! 01 to 09 (never issued), card numbers fail the Luhn check.

use std::fmt::Write as _;

/// How many customers there are. Names are unique up to 1,600.
pub const CUSTOMERS: u64 = 1_200;

/// The seed with which customer 42 has open invoices to show.
pub const SEED: u64 = 20_261_123;

/// The database as SQL text, and how many rows it makes.
#[derive(Debug)]
pub struct Billing {
    /// Statements that make schema `billing` and fill it.
    pub sql: String,
    /// Rows of `billing.invoices`.
    pub invoices: u64,
    /// Rows of `billing.payments`.
    pub payments: u64,
}

const SCHEMA: &str = "
CREATE SCHEMA billing;
CREATE TABLE billing.customers (
    id             bigint PRIMARY KEY,
    name           text NOT NULL,
    email          text NOT NULL,
    phone          text NOT NULL,
    ssn            text NOT NULL,
    date_of_birth  date NOT NULL,
    account_number text NOT NULL,
    card_number    text NOT NULL,
    plan           text NOT NULL
);
CREATE TABLE billing.invoices (
    id           bigint PRIMARY KEY,
    customer_id  bigint NOT NULL REFERENCES billing.customers,
    number       text NOT NULL,
    issued_on    date NOT NULL,
    due_on       date NOT NULL,
    amount_cents bigint NOT NULL,
    status       text NOT NULL
);
CREATE INDEX ON billing.invoices (customer_id);
CREATE TABLE billing.payments (
    id           bigint PRIMARY KEY,
    invoice_id   bigint NOT NULL REFERENCES billing.invoices,
    paid_on      date NOT NULL,
    amount_cents bigint NOT NULL,
    method       text NOT NULL
);
";

#[rustfmt::skip]
const FIRST_NAMES: [&str; 40] = [
    "Ada", "Bela", "Carla", "Dario", "Edda", "Falk", "Gita", "Hugo", "Ines", "Jonas",
    "Kaja", "Leon", "Mira", "Nils", "Olga", "Paul", "Quinn", "Rosa", "Sven", "Tara",
    "Udo", "Vera", "Wim", "Xenia", "Yann", "Zora", "Alma", "Bruno", "Clio", "Dora",
    "Emil", "Flora", "Gero", "Hedda", "Ivo", "Juna", "Kurt", "Lotte", "Malte", "Nora",
];

#[rustfmt::skip]
const LAST_NAMES: [&str; 40] = [
    "Abel", "Birch", "Cole", "Dunn", "Elm", "Frost", "Gray", "Holt", "Irons", "Jarvis",
    "Keel", "Lark", "Marsh", "North", "Oakes", "Pike", "Quill", "Reed", "Stone", "Thorn",
    "Underhill", "Vale", "West", "Yarrow", "Zeller", "Ashby", "Brook", "Croft", "Dale", "Eaves",
    "Field", "Glen", "Heath", "Isle", "Jewel", "Knoll", "Lake", "Moor", "Nash", "Orchard",
];

const PLANS: [&str; 3] = ["starter", "team", "enterprise"];
const DOMAINS: [&str; 3] = ["mail.example.test", "post.example.test", "corp.example.test"];
const METHODS: [&str; 3] = ["card", "transfer", "debit"];

/// Makes the database.
pub fn generate(seed: u64) -> Billing {
    let mut random = Random(seed);
    let mut customers = Rows::of("billing.customers");
    let mut invoices = Rows::of("billing.invoices");
    let mut payments = Rows::of("billing.payments");
    for id in 1..=CUSTOMERS {
        customers.push(&customer(id, &mut random));
        for _ in 0..random.between(1, 5) {
            let invoice = Invoice::make(invoices.count.saturating_add(1), id, &mut random);
            invoices.push(&invoice.row());
            if invoice.status == "paid" {
                let payment = payments.count.saturating_add(1);
                payments.push(&invoice.payment_row(payment, &mut random));
            }
        }
    }
    let mut sql = SCHEMA.to_owned();
    for rows in [&customers, &invoices, &payments] {
        sql.push_str(&rows.sql);
        sql.push_str(";\n");
    }
    sql.push_str("ANALYZE;\n");
    Billing { sql, invoices: invoices.count, payments: payments.count }
}

fn customer(id: u64, random: &mut Random) -> String {
    // 487 and 1,600 have no common divisor, so no two customers have the same name.
    let name = id.wrapping_mul(487) % 1_600;
    let first = pick(&FIRST_NAMES, name / 40);
    let last = pick(&LAST_NAMES, name % 40);
    let email = format!(
        "{}.{}@{}",
        first.to_lowercase(),
        last.to_lowercase(),
        pick(&DOMAINS, random.between(0, 2))
    );
    let phone = format!("+1-202-555-01{:02}", random.between(0, 99));
    let ssn = format!(
        "9{:02}-0{}-{:04}",
        random.between(0, 99),
        random.between(1, 9),
        random.between(0, 9_999)
    );
    let born = date(random.between(1950, 2004), random);
    let account = format!("{:012}", random.between(100_000_000_000, 999_999_999_999));
    let card = card_number(random);
    let plan = pick(&PLANS, random.between(0, 2));
    format!(
        "{id},'{first} {last}','{email}','{phone}','{ssn}','{born}','{account}','{card}','{plan}'"
    )
}

struct Invoice {
    id: u64,
    customer: u64,
    issued_on: String,
    due_on: String,
    amount_cents: u64,
    status: &'static str,
}

impl Invoice {
    fn make(id: u64, customer: u64, random: &mut Random) -> Self {
        let month = random.between(1, 11);
        let day = random.between(1, 28);
        Self {
            id,
            customer,
            issued_on: format!("2026-{month:02}-{day:02}"),
            due_on: format!("2026-{:02}-{day:02}", month.saturating_add(1)),
            amount_cents: random.between(900, 250_000),
            status: pick(&["paid", "paid", "paid", "open", "overdue"], random.between(0, 4)),
        }
    }

    fn row(&self) -> String {
        let Self { id, customer, issued_on, due_on, amount_cents, status } = self;
        format!("{id},{customer},'INV-{id:06}','{issued_on}','{due_on}',{amount_cents},'{status}'")
    }

    fn payment_row(&self, payment: u64, random: &mut Random) -> String {
        let method = pick(&METHODS, random.between(0, 2));
        format!("{payment},{},'{}',{},'{method}'", self.id, self.due_on, self.amount_cents)
    }
}

/// Sixteen digits whose Luhn sum is not a multiple of ten.
fn card_number(random: &mut Random) -> String {
    let body = format!("999900{:09}", random.between(0, 999_999_999));
    let passes = |check: &u64| luhn_sum(&format!("{body}{check}")).is_multiple_of(10);
    let right = (0..10).find(passes).unwrap_or(0);
    let wrong = right.saturating_add(random.between(1, 9)) % 10;
    format!("{body}{wrong}")
}

/// The sum of ISO/IEC 7812-1 Annex B: every second digit from the right counts double.
fn luhn_sum(digits: &str) -> u64 {
    let values = digits.bytes().rev().map(|digit| u64::from(digit.wrapping_sub(b'0')));
    let counted = values.enumerate().map(|(place, value)| match (place % 2, value) {
        (0, _) => value,
        (_, 0..=4) => value.wrapping_mul(2),
        (_, _) => value.wrapping_mul(2).wrapping_sub(9),
    });
    counted.fold(0, u64::wrapping_add)
}

fn date(year: u64, random: &mut Random) -> String {
    format!("{year}-{:02}-{:02}", random.between(1, 12), random.between(1, 28))
}

fn pick(list: &[&'static str], place: u64) -> &'static str {
    usize::try_from(place).ok().and_then(|place| list.get(place)).copied().unwrap_or_default()
}

/// One INSERT statement that grows.
struct Rows {
    sql: String,
    count: u64,
}

impl Rows {
    fn of(table: &str) -> Self {
        Self { sql: format!("INSERT INTO {table} VALUES"), count: 0 }
    }

    fn push(&mut self, row: &str) {
        let comma = if self.count == 0 { "" } else { "," };
        // Writing into a String does not fail.
        _ = write!(self.sql, "{comma}\n({row})");
        self.count = self.count.saturating_add(1);
    }
}

/// `SplitMix64` (Steele, Lea, Flood 2014): small, and the same on every machine. Not for secrets.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number from `low` to `high`, both included.
    fn between(&mut self, low: u64, high: u64) -> u64 {
        let count = high.saturating_sub(low).saturating_add(1);
        low.saturating_add(self.next().checked_rem(count).unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn equal_seeds_make_equal_databases() {
        assert_eq!(generate(7).sql, generate(7).sql);
        assert_ne!(generate(7).sql, generate(8).sql);
    }

    #[test]
    fn no_two_customers_have_the_same_name() {
        let mut random = Random(1);
        let names: BTreeSet<String> = (1..=CUSTOMERS)
            .map(|id| customer(id, &mut random).split('\'').nth(1).unwrap().to_owned())
            .collect();
        assert_eq!(names.len() as u64, CUSTOMERS);
    }

    #[test]
    fn no_card_number_passes_the_luhn_check() {
        assert_eq!(luhn_sum("4111111111111111") % 10, 0, "the check itself is right");
        let mut random = Random(2);
        for _ in 0..5_000 {
            let card = card_number(&mut random);
            assert_eq!(card.len(), 16);
            assert_ne!(luhn_sum(&card) % 10, 0, "{card}");
        }
    }

    #[test]
    fn no_value_breaks_out_of_its_quotes() {
        let names = FIRST_NAMES.iter().chain(&LAST_NAMES).chain(&DOMAINS).chain(&PLANS);
        for name in names {
            assert!(name.bytes().all(|b| b.is_ascii_alphabetic() || b == b'.'), "{name}");
        }
    }
}
