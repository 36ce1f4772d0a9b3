//! A snapshot of the target's catalog: what exists, and which of its columns are masked.

use model::MaskDeclaration;

/// One of the questions that [`catalog_queries`] asks the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum CatalogQuery {
    /// Tables, views and the like.
    Relations,
    /// Their columns.
    Columns,
    /// Which table inherits from which, partitions included.
    Inheritance,
    /// Types: PostgreSQL's own, and the target's enums and domains.
    Types,
    /// The texts of views.
    Views,
    /// Which columns the generated columns are computed from.
    Generated,
}

/// The rows that the target answered.
#[derive(Clone, Debug, Default)]
pub struct CatalogRows {}

/// A catalog that cannot be used, with what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CatalogError {
    /// The target answered a catalog query with a row of another form.
    #[error("the target answered the catalog query {query:?} with an unexpected row")]
    MalformedRow {
        /// Which query.
        query: CatalogQuery,
    },
}

/// What exists on the target, and which of it is masked.
#[derive(Clone, Debug)]
pub struct Catalog {
    version: u64,
}

/// The queries whose answers make a [`Catalog`]: run each in simple protocol, in text format.
pub fn catalog_queries() -> Vec<(CatalogQuery, &'static str)> {
    Vec::new()
}

impl CatalogRows {
    /// Takes one row of an answer.
    ///
    /// # Errors
    ///
    /// [`CatalogError::MalformedRow`] if it has not the form that the query asks for.
    pub fn push(
        &mut self,
        query: CatalogQuery,
        _cells: &[Option<&str>],
    ) -> Result<(), CatalogError> {
        Err(CatalogError::MalformedRow { query })
    }
}

impl Catalog {
    /// Builds the catalog from all rows of all queries, and lays the masks over it.
    ///
    /// # Errors
    ///
    /// Every mistake, not only the first.
    pub fn build(
        _rows: CatalogRows,
        _masks: &[MaskDeclaration],
        version: u64,
    ) -> Result<Self, Vec<CatalogError>> {
        Ok(Self { version })
    }

    /// The number under which records name this snapshot.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// A cheap query with one row of one text that changes whenever the catalog changes.
    pub fn fingerprint_query() -> &'static str {
        "SELECT ''"
    }
}
