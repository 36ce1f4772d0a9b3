//! An ordinary MCP server with three tools over a billing database, speaking MCP on its standard
//! input and output.
//!
//! It knows nothing of Countersign. Its only knowledge of a database is the environment variable
//! `DATABASE_URL`, a PostgreSQL connection string, and its driver is the unmodified
//! `tokio-postgres`.

use anyhow::Context as _;
use rmcp::handler::server::wrapper::Parameters;
use rmcp::model::{CallToolResult, ContentBlock};
use rmcp::schemars::{self, JsonSchema};
use rmcp::transport::stdio;
use rmcp::{ErrorData, ServerHandler, ServiceExt as _, tool, tool_handler, tool_router};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, NoTls, SimpleQueryMessage};

/// More rows are of no use to a model.
const ROWS_MAX: i64 = 20;

const FIND_BY_ID: &str = "SELECT id, name, email, phone, ssn, date_of_birth, account_number, \
    card_number, plan FROM billing.customers WHERE id = $1";

const FIND_BY_NAME: &str = "SELECT id, name, email, phone, ssn, date_of_birth, account_number, \
    card_number, plan FROM billing.customers \
    WHERE strpos(lower(name), lower($1)) > 0 ORDER BY id LIMIT $2";

const OPEN_INVOICES: &str = "SELECT number, issued_on, due_on, amount_cents, status \
    FROM billing.invoices WHERE customer_id = $1 AND status <> 'paid' ORDER BY due_on";

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    #[expect(clippy::disallowed_methods, reason = "this is the server's only setting")]
    let database_url =
        std::env::var("DATABASE_URL").context("DATABASE_URL must say where the database is")?;
    let running = BillingServer { database_url }.serve(stdio()).await?;
    running.waiting().await?;
    Ok(())
}

#[derive(Clone)]
struct BillingServer {
    database_url: String,
}

/// What `lookup_customer` takes.
#[derive(Deserialize, JsonSchema)]
struct Lookup {
    /// The customer's number, or a part of the name.
    name_or_id: String,
}

/// What `open_invoices` takes.
#[derive(Deserialize, JsonSchema)]
struct OpenInvoices {
    /// The customer's number.
    customer_id: i64,
}

/// What `run_sql` takes.
#[derive(Deserialize, JsonSchema)]
struct RunSql {
    /// One SQL statement.
    sql: String,
}

#[tool_handler(router = Self::tool_router())]
impl ServerHandler for BillingServer {}

#[tool_router]
impl BillingServer {
    #[tool(description = "Looks up a customer by number or by a part of the name.")]
    async fn lookup_customer(
        &self,
        Parameters(Lookup { name_or_id }): Parameters<Lookup>,
    ) -> Result<CallToolResult, ErrorData> {
        Ok(answer(self.find_customers(&name_or_id).await))
    }

    #[tool(description = "Lists the invoices that a customer has not paid yet.")]
    async fn open_invoices(
        &self,
        Parameters(OpenInvoices { customer_id }): Parameters<OpenInvoices>,
    ) -> Result<CallToolResult, ErrorData> {
        Ok(answer(self.find_invoices(customer_id).await))
    }

    #[tool(description = "Runs one SQL statement on the billing database.")]
    async fn run_sql(
        &self,
        Parameters(RunSql { sql }): Parameters<RunSql>,
    ) -> Result<CallToolResult, ErrorData> {
        Ok(answer(self.run(&sql).await))
    }
}

impl BillingServer {
    async fn find_customers(&self, name_or_id: &str) -> anyhow::Result<Value> {
        let client = self.connect().await?;
        let rows = if let Ok(id) = name_or_id.parse::<i64>() {
            client.query(FIND_BY_ID, &[&id]).await?
        } else {
            let parameters: [&(dyn ToSql + Sync); 2] = [&name_or_id, &ROWS_MAX];
            client.query(FIND_BY_NAME, &parameters).await?
        };
        let customers: Result<Vec<Value>, tokio_postgres::Error> =
            rows.iter().map(customer).collect();
        Ok(json!({ "customers": customers? }))
    }

    async fn find_invoices(&self, customer_id: i64) -> anyhow::Result<Value> {
        let client = self.connect().await?;
        let rows = client.query(OPEN_INVOICES, &[&customer_id]).await?;
        let invoices: Result<Vec<Value>, tokio_postgres::Error> =
            rows.iter().map(invoice).collect();
        Ok(json!({ "invoices": invoices? }))
    }

    async fn run(&self, sql: &str) -> anyhow::Result<Value> {
        let messages = self.connect().await?.simple_query(sql).await?;
        let mut rows = Vec::new();
        let mut affected = 0;
        for message in &messages {
            if let SimpleQueryMessage::Row(row) = message {
                rows.push(text_of(row));
            } else if let SimpleQueryMessage::CommandComplete(count) = message {
                affected = *count;
            }
        }
        Ok(json!({ "rows": rows, "count": affected }))
    }

    /// One connection for each call, so that no call sees what another left behind.
    async fn connect(&self) -> anyhow::Result<Client> {
        let (client, connection) = tokio_postgres::connect(&self.database_url, NoTls).await?;
        // The client reports a broken connection at its next use.
        tokio::spawn(connection);
        Ok(client)
    }
}

fn customer(row: &tokio_postgres::Row) -> Result<Value, tokio_postgres::Error> {
    let born: Option<jiff::civil::Date> = row.try_get("date_of_birth")?;
    Ok(json!({
        "id": row.try_get::<_, i64>("id")?,
        "name": row.try_get::<_, String>("name")?,
        "email": row.try_get::<_, Option<String>>("email")?,
        "phone": row.try_get::<_, Option<String>>("phone")?,
        "ssn": row.try_get::<_, Option<String>>("ssn")?,
        "date_of_birth": born.map(|date| date.to_string()),
        "account_number": row.try_get::<_, Option<String>>("account_number")?,
        "card_number": row.try_get::<_, Option<String>>("card_number")?,
        "plan": row.try_get::<_, String>("plan")?,
    }))
}

fn invoice(row: &tokio_postgres::Row) -> Result<Value, tokio_postgres::Error> {
    Ok(json!({
        "number": row.try_get::<_, String>("number")?,
        "issued_on": row.try_get::<_, jiff::civil::Date>("issued_on")?.to_string(),
        "due_on": row.try_get::<_, jiff::civil::Date>("due_on")?.to_string(),
        "amount_cents": row.try_get::<_, i64>("amount_cents")?,
        "status": row.try_get::<_, String>("status")?,
    }))
}

fn text_of(row: &tokio_postgres::SimpleQueryRow) -> Value {
    let cells = row.columns().iter().enumerate().map(|(place, column)| {
        let value = row.try_get(place).ok().flatten().map_or(Value::Null, Value::from);
        (column.name().to_owned(), value)
    });
    Value::Object(cells.collect::<Map<_, _>>())
}

/// The model reads the error: it is the tool's answer, not the protocol's.
fn answer(result: anyhow::Result<Value>) -> CallToolResult {
    match result {
        Ok(value) => CallToolResult::structured(value),
        Err(error) => CallToolResult::error(vec![ContentBlock::text(explain(&error))]),
    }
}

/// What the database said, where it said something.
fn explain(error: &anyhow::Error) -> String {
    let said = error.downcast_ref::<tokio_postgres::Error>().and_then(|error| error.as_db_error());
    match said {
        Some(said) => {
            let hint = said.hint().map(|hint| format!("\nHint: {hint}")).unwrap_or_default();
            format!("{}: {}{hint}", said.code().code(), said.message())
        }
        None => format!("{error:#}"),
    }
}
