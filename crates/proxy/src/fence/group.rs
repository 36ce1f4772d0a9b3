//! Groups: a role without log-in for each distinct set of privileges, shared by the sessions whose
//! grants give the same.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use tokio::sync::Mutex;

use super::names::{identifier, literal};
use super::privileges::Privileges;
use super::removal::texts;
use super::{Fence, FenceError, Server};
use crate::asker::AskError;
use crate::target::Target;

/// The groups that are there, by name. Whoever uses one holds a clone of its name.
pub(super) type Groups = Mutex<BTreeMap<String, Arc<str>>>;

impl Fence {
    /// The group with these privileges, made if it is not there. It stays as long as the returned
    /// name is held.
    ///
    /// # Errors
    ///
    /// [`FenceError::Missing`] if the account may not pass all of it on. Then there is no group.
    pub(super) async fn group(
        &self,
        target: &Arc<Target>,
        privileges: &Privileges,
    ) -> Result<Arc<str>, FenceError> {
        let server = self.server(target).await?;
        let database = &target.settings.database;
        let name = self.names.group(&privileges.hash(database));
        // Held while one is made: a second session must not find half of it.
        let mut groups = self.groups.lock().await;
        if let Some(known) = groups.get(&name) {
            return Ok(Arc::clone(known));
        }
        self.make_group(target, (&name, server), privileges).await?;
        let held: Arc<str> = Arc::from(name.as_str());
        groups.insert(name, Arc::clone(&held));
        Ok(held)
    }

    async fn make_group(
        &self,
        target: &Arc<Target>,
        (name, server): (&str, Server),
        privileges: &Privileges,
    ) -> Result<(), FenceError> {
        let database = &target.settings.database;
        // An earlier run may have left one of this name, with whatever privileges it has now.
        self.drop_group(target, name).await?;
        let mut sql = format!(
            "CREATE ROLE {role} NOLOGIN;\nCOMMENT ON ROLE {role} IS {comment};\n",
            role = identifier(name),
            comment = literal(&self.names.comment("privileges of grants")),
        );
        sql.push_str(&self.adopt(name, server));
        sql.push_str(&privileges.statements(database, name));
        if let Some(question) = privileges.sequences() {
            for row in self.ask(target, &question).await? {
                if let [Some(schema), Some(sequence)] = row.as_slice() {
                    let sequence = format!("{}.{}", identifier(schema), identifier(sequence));
                    // Writing to a String cannot fail.
                    _ = writeln!(
                        sql,
                        "GRANT USAGE ON SEQUENCE {sequence} TO {};",
                        identifier(name)
                    );
                }
            }
        }
        self.ask(target, &sql).await?;
        let lacks = self.ask(target, &privileges.missing(database, name)).await?;
        let lacks: Vec<String> =
            lacks.into_iter().filter_map(|row| row.into_iter().next().flatten()).collect();
        if lacks.is_empty() {
            return Ok(());
        }
        self.drop_group(target, name).await?;
        Err(FenceError::Missing(lacks))
    }

    /// Removes a group, if it is there. Only sessions of a role that is its member could use it.
    pub(super) async fn drop_group(
        &self,
        target: &Arc<Target>,
        name: &str,
    ) -> Result<(), AskError> {
        let role = identifier(name);
        // One by one: DROP OWNED wants a right on every column of a table to take one from one.
        let given = GIVEN.replace("{role}", &literal(name));
        let mut sql = texts(self.ask(target, &given).await?).join("");
        // Writing to a String cannot fail.
        _ = write!(sql, "DROP OWNED BY {role};\nDROP ROLE {role};\n");
        match self.ask(target, &sql).await {
            Ok(_no_rows) => Ok(()),
            Err(AskError::Refused { sqlstate, .. }) if sqlstate == UNDEFINED_OBJECT => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// The statements that take back what a role was given on relations and their columns.
const GIVEN: &str = "\
SELECT format(E'REVOKE %s ON %s %I.%I FROM %I;\\n', string_agg(x.privilege_type, ', '), \
CASE c.relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END, n.nspname, c.relname, r.rolname) \
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
CROSS JOIN LATERAL aclexplode(c.relacl) x JOIN pg_roles r ON r.oid = x.grantee \
WHERE r.rolname = {role} GROUP BY c.relkind, n.nspname, c.relname, r.rolname \
UNION ALL SELECT format(E'REVOKE %s (%I) ON TABLE %I.%I FROM %I;\\n', x.privilege_type, \
a.attname, n.nspname, c.relname, r.rolname) FROM pg_attribute a \
JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace \
CROSS JOIN LATERAL aclexplode(a.attacl) x JOIN pg_roles r ON r.oid = x.grantee \
WHERE r.rolname = {role}";

/// SQLSTATE for a role that does not exist.
pub(super) const UNDEFINED_OBJECT: &str = "42704";
