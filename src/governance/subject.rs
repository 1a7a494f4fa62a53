//! A scan that policies may concern, as binding left it in the plan.

use std::sync::Arc;

use datafusion::catalog::TableProvider;
use datafusion::logical_expr::{Expr, TableSource};

use super::policy::AppliedPolicies;
use crate::catalog::model::{Oid, Table};
use crate::error::{Error, Result};

/// A relation that a plan reads, at one version.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RelationVersion {
    pub table: Oid,
    pub version: u64,
}

/// A scan of a catalog table.
#[derive(Debug, Clone)]
pub(crate) struct Subject {
    pub table: Arc<Table>,
    pub provider: Arc<dyn TableProvider>,
    /// For each field of the provider's schema, the catalog's column.
    pub column_ids: Vec<Option<i16>>,
    pub row_filter: Option<Expr>,
    /// For each field of the provider's schema.
    pub masks: Vec<Option<Expr>>,
    /// The role whose privileges the scan needs.
    pub checked_as: Oid,
    pub version: RelationVersion,
}

/// Finds the catalog table behind a scan; `None` for sources that are not tables of the catalog.
pub(crate) type Recognise = fn(&Arc<dyn TableSource>) -> Option<Subject>;

impl Subject {
    /// The policies as they apply, or a refusal: a policy of the catalog that binding did not resolve, or
    /// that governs a column which is not there, opens nothing.
    pub fn applied_policies(&self) -> Result<AppliedPolicies> {
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
        AppliedPolicies::compile(self.table.id, &self.provider.schema(), self.row_filter.as_ref(), &masks)
    }

    /// Whether the catalog governs rows or columns of this table, for whomever.
    pub fn is_governed(&self) -> bool {
        self.table.row_filter.is_some() || self.table.columns.iter().any(|column| column.mask.is_some())
    }
}
