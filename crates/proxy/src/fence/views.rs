//! The views that show masks, in a schema that the fence owns on the target.
//!
//! They are made from the catalog and the settings, and made anew when either changes. Their key
//! table can be read by their owner only; the key never stands in a statement.
//!
//! **Invariant:** a view is used only after it was compared with what it must be, in this run.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::{Arc, PoisonError};

use mask::{HASH_INNER_COLUMN, HASH_INNER_SETTING, HASH_OUTER_COLUMN, HASH_OUTER_SETTING};
use sql::{Catalog, FenceViews, MaskedView};

use super::names::{digits, identifier, literal};
use super::removal::texts;
use super::{Fence, FenceError};
use crate::target::Target;

/// The table that holds the key of the `hash` mask.
const KEY_TABLE: &str = "mask_key";

/// Whether the views were as they must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ViewsWere {
    /// They are as the catalog knows them.
    Sound,
    /// Something was made or removed: the catalog must be read again.
    Changed,
}

impl Fence {
    /// The views that are known to be sound.
    pub(crate) fn views(&self) -> FenceViews {
        self.views.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Makes the target's views what the catalog and the settings ask for.
    ///
    /// # Errors
    ///
    /// [`FenceError`]; no view is then taken for sound.
    pub(crate) async fn make_views(
        &self,
        target: &Arc<Target>,
        catalog: &Catalog,
    ) -> Result<ViewsWere, FenceError> {
        let made = self.try_make_views(target, catalog).await;
        let sound = match &made {
            Ok(sound) => sound.clone(),
            Err(_) => BTreeSet::new(),
        };
        let mut views = self.views.lock().unwrap_or_else(PoisonError::into_inner);
        let is_changed = views.sound != sound;
        views.sound = sound;
        made.map(|_sound| if is_changed { ViewsWere::Changed } else { ViewsWere::Sound })
    }

    /// Returns the names of the views that are there, each with a mark of its definition.
    async fn try_make_views(
        &self,
        target: &Arc<Target>,
        catalog: &Catalog,
    ) -> Result<BTreeSet<String>, FenceError> {
        self.server(target).await?;
        let schema = self.names.schema();
        let key_table = format!("{}.{}", identifier(&schema), identifier(KEY_TABLE));
        let wanted: BTreeMap<String, MaskedView> = catalog
            .masked_views(&schema, &key_table)
            .into_iter()
            .map(|view| (view.name.clone(), view))
            .collect();
        let found = self.found_views(target, &schema).await?;
        if wanted.is_empty() && found.is_empty() {
            return Ok(BTreeSet::new());
        }
        self.make_schema(target, &schema, &key_table).await?;
        let mut sql = String::new();
        for (name, mark) in &found {
            if wanted.get(name).is_none_or(|view| self.mark(view) != *mark) {
                // Writing to a String cannot fail.
                _ = writeln!(sql, "DROP VIEW {}.{};", identifier(&schema), identifier(name));
            }
        }
        for (name, view) in &wanted {
            let mark = self.mark(view);
            if found.get(name) != Some(&mark) {
                let shown = format!("{}.{}", identifier(&schema), identifier(name));
                let (sql_of_view, mark) = (&view.sql, literal(&mark));
                _ = write!(
                    sql,
                    "{sql_of_view};\nREVOKE ALL ON {shown} FROM PUBLIC;\nCOMMENT ON VIEW {shown} IS {mark};\n"
                );
            }
        }
        if !sql.is_empty() {
            self.ask(target, &sql).await?;
            tracing::info!(target = %target.name, schema, "the views that show masks were made");
        }
        Ok(wanted.into_keys().collect())
    }

    /// The views in the schema, each with the mark of its definition.
    async fn found_views(
        &self,
        target: &Arc<Target>,
        schema: &str,
    ) -> Result<BTreeMap<String, String>, FenceError> {
        let question = format!(
            "SELECT c.relname, COALESCE(obj_description(c.oid, 'pg_class'), '') FROM pg_class c \
             WHERE c.relkind = 'v' AND c.relnamespace = \
             (SELECT oid FROM pg_namespace WHERE nspname = {})",
            literal(schema)
        );
        let rows = self.ask(target, &question).await?;
        let pair = |row: Vec<Option<String>>| match <[Option<String>; 2]>::try_from(row) {
            Ok([Some(name), Some(mark)]) => Some((name, mark)),
            Ok(_) | Err(_) => None,
        };
        Ok(rows.into_iter().filter_map(pair).collect())
    }

    /// Makes the schema and the table of the key, unless they are there, and keeps the key in it.
    async fn make_schema(
        &self,
        target: &Arc<Target>,
        schema: &str,
        key_table: &str,
    ) -> Result<(), FenceError> {
        let name = literal(schema);
        let question = format!("SELECT nspname FROM pg_namespace WHERE nspname = {name}");
        // CREATE SCHEMA IF NOT EXISTS would ask for a right that need not be there.
        if texts(self.ask(target, &question).await?).is_empty() {
            let (schema, comment) =
                (identifier(schema), literal(&self.names.comment("views that show masks")));
            let sql = format!("CREATE SCHEMA {schema};\nCOMMENT ON SCHEMA {schema} IS {comment}");
            self.ask(target, &sql).await?;
        }
        // Not at each look: it would rewrite the table's row in the catalog, and so make a new version
        // of the catalog out of nothing.
        let question = format!(
            "SELECT 1::text FROM pg_class c WHERE c.oid = to_regclass({}) \
             AND NOT EXISTS (SELECT 1 FROM aclexplode(COALESCE(c.relacl, acldefault('r', c.relowner))) a \
             WHERE a.grantee <> c.relowner)",
            literal(key_table)
        );
        if texts(self.ask(target, &question).await?).is_empty() {
            self.ask(
                target,
                &format!(
                    "CREATE TABLE IF NOT EXISTS {key_table} \
                 ({HASH_INNER_COLUMN} bytea NOT NULL, {HASH_OUTER_COLUMN} bytea NOT NULL);\n\
                 REVOKE ALL ON {key_table} FROM PUBLIC"
                ),
            )
            .await?;
        }
        let part = |setting: &str| format!("decode(current_setting('{setting}'), 'hex')");
        let (inner, outer) = (part(HASH_INNER_SETTING), part(HASH_OUTER_SETTING));
        let sql = format!(
            "DELETE FROM {key_table} WHERE {HASH_INNER_COLUMN} <> {inner};\n\
             INSERT INTO {key_table} SELECT {inner}, {outer} \
             WHERE NOT EXISTS (SELECT 1 FROM {key_table})"
        );
        self.pool.ask_with_key(target, &sql).await?;
        Ok(())
    }

    /// What tells two definitions apart. It stands as the view's comment.
    fn mark(&self, view: &MaskedView) -> String {
        let hash = crypto::sha256(&[view.sql.as_bytes()]);
        let digits = digits(&hash, 32);
        self.names.comment(&format!("masks of a relation, definition {digits}"))
    }
}
