//! The preflight: what a role with no right of its own would reach on the target, by what everybody
//! may do there.
//!
//! A role's own rights are those of its grants; what PUBLIC has comes on top, and so does what the
//! server shows to whoever asks. Each finding brings the SQL that closes it, for the target's owner
//! to run: the gateway closes nothing by itself.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::names::literal;
use super::preflight_sql::{self, Question};
use super::{Fence, FenceError};
use crate::asker::Row;
use crate::target::Target;

/// The code of a masked column by which rows are kept in order.
const MASKED_ORDER: &str = "masked_order";

/// Something that a role of the fence can reach beyond its grants, or that a fence lacks.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// What sort of thing it is, for example `definer_function`.
    pub code: String,
    /// What it is about, as SQL names it.
    pub object: String,
    /// What a role reaches by it.
    pub what: String,
    /// The SQL that closes it; empty if there is none.
    pub sql: String,
    /// Whether it must be closed, or accepted on record, before a grant is made.
    pub weight: Weight,
}

/// What a finding means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Weight {
    /// Data can be reached that no grant gives.
    Hole,
    /// The fence cannot do its work.
    Lack,
    /// Worth knowing; no grant depends on it.
    Note,
}

impl Finding {
    /// `CODE:OBJECT`, by which it is accepted.
    pub fn id(&self) -> String {
        format!("{}:{}", self.code, self.object)
    }
}

/// Which schemas a role will be able to look into.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Any: no grant is in question.
    Everywhere,
    /// Those that everybody may use, and these.
    Schemas(BTreeSet<String>),
}

impl Fence {
    /// Looks at the target as its roles would. Findings are in order, without repetition.
    pub(crate) async fn preflight(
        &self,
        target: &Arc<Target>,
        reach: &Reach,
    ) -> Result<Vec<Finding>, FenceError> {
        match self.server(target).await {
            Ok(_server) => {}
            Err(error @ (FenceError::Superuser(_) | FenceError::NoCreateRole(_))) => {
                return Ok(vec![self.wrong_account(&error)]);
            }
            Err(error) => return Err(error),
        }
        let mut findings = BTreeSet::new();
        for question in preflight_sql::questions() {
            let sql = self.fill(target, &question, reach);
            for row in self.ask(target, &sql).await? {
                findings.extend(finding(&question, row));
            }
        }
        Ok(findings.into_iter().collect())
    }

    /// Puts into a question what depends on the target.
    fn fill(&self, target: &Target, question: &Question, reach: &Reach) -> String {
        let reachable = match reach {
            Reach::Everywhere => "true".to_owned(),
            Reach::Schemas(schemas) => {
                let list: Vec<String> = schemas.iter().map(|name| literal(name)).collect();
                format!(
                    "(has_schema_privilege('public', n.oid, 'USAGE') \
                     OR n.nspname = ANY (ARRAY[{}]::name[]))",
                    list.join(", ")
                )
            }
        };
        let user_schema = format!(
            "(n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND n.nspname <> {} \
             AND {reachable})",
            literal(&self.names.schema())
        );
        let catalog = target.catalog();
        let masked = catalog.iter().flat_map(|catalog| catalog.shapes());
        let masked = masked.flat_map(|shape| {
            let columns = shape.columns.iter().filter(|column| column.mask.is_some());
            columns
                .map(|column| format!("({}::oid, {}::int2)", shape.oid, column.number))
                .collect::<Vec<_>>()
        });
        let masked: Vec<String> = masked.collect();
        // A list that is never empty and, without masks, matches nothing.
        let masked =
            if masked.is_empty() { "(0::oid, 0::int2)".to_owned() } else { masked.join(", ") };
        let has_partial = catalog.is_some_and(|c| !c.masked_views("s", "k").is_empty());
        question
            .sql
            .replace("{user_schema}", &user_schema)
            .replace("{masked}", &masked)
            .replace("{schema}", &literal(&self.names.schema()))
            .replace("{needs_views}", if has_partial { "true" } else { "false" })
    }

    fn wrong_account(&self, error: &FenceError) -> Finding {
        let user = super::names::identifier(self.pool.user());
        let (code, sql) = match error {
            FenceError::Superuser(_) => {
                ("provision_superuser", format!("ALTER ROLE {user} NOSUPERUSER CREATEROLE;"))
            }
            FenceError::NoCreateRole(_)
            | FenceError::Ask(_)
            | FenceError::Connect(_)
            | FenceError::NoCatalog
            | FenceError::Missing(_) => {
                ("provision_createrole", format!("ALTER ROLE {user} CREATEROLE;"))
            }
        };
        let (object, what) = (self.pool.user().to_owned(), error.to_string());
        Finding { code: code.to_owned(), object, what, sql, weight: Weight::Lack }
    }
}

/// The masked columns by which rows are kept in order. A grant that writes one has to accept it: who
/// sets a value and sees where the row then stands learns the values beside it.
pub(crate) fn masked_orders(target: &Target) -> Vec<Finding> {
    let catalog = target.catalog();
    let orders = catalog.iter().flat_map(|catalog| catalog.masked_orders());
    let finding = |sql::MaskedOrder { relation, column }| Finding {
        code: MASKED_ORDER.to_owned(),
        object: format!("{relation}.{column}"),
        what:
            "rows can come out in the order of this masked column, which stands in an index or a \
               partition key"
                .to_owned(),
        sql: String::new(),
        weight: Weight::Note,
    };
    orders.map(finding).collect()
}

fn finding(question: &Question, row: Row) -> Option<Finding> {
    let [object, what, sql] = <[Option<String>; 3]>::try_from(row).ok()?;
    Some(Finding {
        code: question.code.to_owned(),
        object: object?,
        what: what?,
        sql: sql.unwrap_or_default(),
        weight: question.weight,
    })
}
