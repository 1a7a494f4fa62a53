//! A scan that policies may concern, as binding left it in the plan.

use std::sync::Arc;

use datafusion::catalog::TableProvider;
use datafusion::common::config::ConfigOptions;
use datafusion::logical_expr::{Expr, TableSource};

use super::policy::AppliedPolicies;
use crate::binding::{RelationVersion, bound_table};
use crate::catalog::model::{Oid, Table};
use crate::error::{Error, Result};

/// Where a table's files lie, as the scans of storage name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub store: String,
    pub folder: String,
}

impl Place {
    /// Whether this file of this store belongs to the table.
    pub fn holds(&self, store: &str, path: &str) -> bool {
        let below = match self.folder.as_str() {
            "" => Some(path),
            folder => path.strip_prefix(folder).and_then(|rest| rest.strip_prefix('/')),
        };
        self.store == store && below.is_some()
    }
}

/// A scan of a catalog table.
#[derive(Debug, Clone)]
pub(crate) struct Subject {
    pub table: Arc<Table>,
    pub provider: Arc<dyn TableProvider>,
    /// For each field of the provider's schema, the catalog's column.
    pub column_ids: Vec<Option<i16>>,
    /// Positions from here on in the provider's schema locate the rows of a statement's target; reading them shows
    /// nothing of a row.
    pub locators_from: usize,
    /// Whether the scan shows where its rows are among all of the table.
    pub tells_places: bool,
    pub row_filter: Option<Expr>,
    /// For each field of the provider's schema.
    pub masks: Vec<Option<Expr>>,
    /// The role whose privileges the scan needs.
    pub checked_as: Oid,
    pub version: RelationVersion,
    pub place: Place,
}

/// Finds the catalog table behind a scan; `None` for sources that are not tables of the catalog.
pub(crate) type Recognise = fn(&Arc<dyn TableSource>) -> Option<Subject>;

/// The scans that binding makes: everything else is no table of the catalog.
pub(crate) fn recognise_bound_table(source: &Arc<dyn TableSource>) -> Option<Subject> {
    let bound = bound_table(source)?;
    let (store, folder) = bound.snapshot.root();
    let fields = bound.schema().fields().len();
    let column_ids: Vec<Option<i16>> = (0..fields).map(|index| bound.column_id(index)).collect();
    let masks = column_ids
        .iter()
        .map(|id| bound.policies.masks.get(&(*id)?).cloned())
        .collect();
    Some(Subject {
        table: Arc::clone(&bound.table),
        column_ids,
        locators_from: (0..fields).find(|index| bound.is_locator(*index)).unwrap_or(fields),
        tells_places: bound.tells_places(),
        row_filter: bound.policies.row_filter.clone(),
        masks,
        checked_as: bound.checked_as,
        version: bound.relation_version(),
        place: Place { store, folder },
        provider: bound,
    })
}

impl Subject {
    /// The policies as they apply, or a refusal: a policy of the catalog that binding did not resolve, or
    /// that governs a column which is not there, opens nothing.
    pub fn applied_policies(&self, options: &Arc<ConfigOptions>) -> Result<AppliedPolicies> {
        let unresolved = |what: &str| {
            Error::denied("table", &self.table.name).with_detail(format!("A {what} of the table cannot be resolved."))
        };
        if self.table.row_filter.is_some() && self.row_filter.is_none() {
            return Err(unresolved("row filter"));
        }
        for column in self.table.columns.iter().filter(|column| column.mask.is_some()) {
            let index = self.column_ids.iter().position(|id| *id == Some(column.id));
            if index
                .and_then(|index| self.masks.get(index))
                .is_none_or(Option::is_none)
            {
                return Err(unresolved("column mask"));
            }
        }
        let masks: Vec<_> = self.masks.iter().map(Option::as_ref).collect();
        let applied = AppliedPolicies::compile(
            self.table.id,
            &self.provider.schema(),
            self.row_filter.as_ref(),
            &masks,
            options,
        )?;
        // Numbers of rows tell how many others are between them, and who else's rows were written when.
        if self.tells_places && applied.row_filter.is_some() {
            let name = &self.table.name;
            let message = format!("naming rows of table \"{name}\", which a row filter covers, by ctid or xmin");
            let hint = "Name rows by a key: their places would tell of the rows that the filter hides.";
            return Err(Error::unsupported(message).with_hint(hint));
        }
        Ok(applied)
    }

    /// Whether the catalog governs rows or columns of this table, for whomever.
    pub fn is_governed(&self) -> bool {
        self.table.row_filter.is_some() || self.table.columns.iter().any(|column| column.mask.is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_holds_its_own_files_only() {
        let place = Place {
            store: "s3://bucket".into(),
            folder: "tables/a".into(),
        };
        let cases = [
            ("s3://bucket", "tables/a/part-0.parquet", true),
            ("s3://bucket", "tables/a/region=x/part-0.parquet", true),
            ("s3://bucket", "tables/ab/part-0.parquet", false),
            ("s3://bucket", "tables/b/tables/a/part-0.parquet", false),
            ("s3://other", "tables/a/part-0.parquet", false),
        ];
        for (store, path, held) in cases {
            assert_eq!(place.holds(store, path), held, "{store} {path}");
        }
    }
}
