//! Declared keys as PostgreSQL would keep them: each PRIMARY KEY and UNIQUE with an index of its name. There is no index;
//! clients read keys from pg_index.

use super::builtin::index_of_constraint;
use super::lookup::{Lookup, quote_identifier};
use crate::catalog::model::{Constraint, ConstraintRule, Object, Oid, Table};

/// A key of a table that the principal may know of.
#[derive(Clone, Copy)]
pub struct Key<'a> {
    pub table: &'a Table,
    pub constraint: &'a Constraint,
    pub columns: &'a [i16],
}

impl<'a> Key<'a> {
    /// pg_class.oid of its index.
    pub fn index(&self) -> Oid {
        index_of_constraint(self.constraint.id)
    }

    pub fn is_primary(&self) -> bool {
        matches!(self.constraint.rule, ConstraintRule::PrimaryKey { .. })
    }

    /// Position of each column in pg_attribute's numbering, names quoted.
    pub fn column_names(&self) -> Vec<String> {
        column_names(self.table, self.columns)
    }
}

/// Names of columns by their ids, quoted.
pub fn column_names(table: &Table, ids: &[i16]) -> Vec<String> {
    ids.iter()
        .filter_map(|id| table.columns.iter().find(|column| column.id == *id))
        .map(|column| quote_identifier(&column.name))
        .collect()
}

impl<'a> Lookup<'a> {
    /// Tables of the connected database that the principal may know of.
    pub fn tables(&self) -> impl Iterator<Item = &'a Table> + '_ {
        self.relations().filter_map(|object| match object {
            Object::Table(table) => Some(table),
            _ => None,
        })
    }

    /// The keys of these tables.
    pub fn keys(&self) -> impl Iterator<Item = Key<'a>> + '_ {
        self.tables().flat_map(|table| {
            table.keys().map(move |(constraint, columns)| Key {
                table,
                constraint,
                columns,
            })
        })
    }

    /// The constraint of this OID with its table.
    pub fn constraint(&self, oid: Oid) -> Option<(&'a Table, &'a Constraint)> {
        self.tables().find_map(|table| {
            let constraint = table.constraints.iter().find(|constraint| constraint.id == oid)?;
            Some((table, constraint))
        })
    }
}
