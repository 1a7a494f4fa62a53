//! Lists of column names that are shorter than the relation: `t AS x(a)` renames the first column alone, and the planner
//! wants all.

use datafusion::sql::sqlparser::ast::{
    Ident, TableAlias, TableAliasColumnDef, TableFactor, TableWithJoins, WildcardAdditionalOptions,
};

use super::super::names;
use super::super::rewrite::COMPARED_ROWS;
use super::Expander;

impl Expander<'_> {
    /// Gives the other columns of each relation their own names.
    pub(super) fn complete_aliases(&self, from: &mut [TableWithJoins]) {
        for table in from {
            let joined = table.joins.iter_mut().map(|join| &mut join.relation);
            for factor in std::iter::once(&mut table.relation).chain(joined) {
                self.complete_alias(factor);
            }
        }
    }

    fn complete_alias(&self, factor: &mut TableFactor) {
        if let TableFactor::NestedJoin { table_with_joins, .. } = factor {
            return self.complete_aliases(std::slice::from_mut(table_with_joins.as_mut()));
        }
        let has_names = matches!(
            factor,
            TableFactor::Table { alias: Some(alias), args: None, .. } | TableFactor::Derived { alias: Some(alias), .. }
                if !alias.columns.is_empty() && alias.name.value != COMPARED_ROWS
        );
        if !has_names {
            return;
        }
        let columns = match &*factor {
            TableFactor::Derived { subquery, .. } => self.output(&subquery.body),
            TableFactor::Table { name, .. } => self.named(&names::parts(name)),
            _ => None,
        };
        if let TableFactor::Table { alias: Some(alias), .. } | TableFactor::Derived { alias: Some(alias), .. } = factor
        {
            complete(alias, columns);
        }
    }
}

/// Adds the names of the columns that the list does not name.
pub(super) fn complete(alias: &mut TableAlias, columns: Option<Vec<String>>) {
    let named = alias.columns.len();
    if named == 0 {
        return;
    }
    let others = columns.into_iter().flatten().skip(named);
    alias.columns.extend(others.map(|name| TableAliasColumnDef {
        name: Ident::with_quote('"', name),
        data_type: None,
    }));
}

/// What `*` means without the columns that it leaves out.
pub(super) fn kept(columns: Vec<String>, options: &WildcardAdditionalOptions) -> Vec<String> {
    let Some(except) = &options.opt_except else {
        return columns;
    };
    let left_out: Vec<String> = std::iter::once(&except.first_element)
        .chain(&except.additional_elements)
        .map(names::fold)
        .collect();
    columns
        .into_iter()
        .filter(|column| !left_out.contains(column))
        .collect()
}
