//! NATURAL RIGHT and NATURAL FULL joins as joins USING the columns that both sides have, so that the columns are merged as
//! these are. The planner takes the left side's value for the merged column whatever the join is.

use datafusion::sql::sqlparser::ast::{
    Expr, Ident, JoinConstraint, ObjectName, Select, TableFactor, TableWithJoins, Value,
};

use super::super::rewrite::{constraint_of, is_waiting, merge_columns};
use super::{Expander, names};
use crate::error::{Error, Result, SqlState};

impl Expander<'_> {
    /// Names the columns of such joins, and of the natural ones beside them.
    pub(super) fn name_natural_columns(&self, select: &mut Select) -> Result<()> {
        let waits = |table: &TableWithJoins| table.joins.iter().any(is_waiting);
        if !select.from.iter().any(waits) {
            return Ok(());
        }
        for table in select.from.iter_mut().filter(|table| waits(table)) {
            self.name_columns(table)?;
        }
        merge_columns(select)
    }

    fn name_columns(&self, table: &mut TableWithJoins) -> Result<()> {
        let mut left = self.own_columns(&table.relation)?;
        for join in &mut table.joins {
            let right = self.own_columns(&join.relation)?;
            let merged: Vec<String> = match constraint_of(join) {
                Some(constraint @ JoinConstraint::Natural) => {
                    let common: Vec<String> = left.iter().filter(|column| right.contains(column)).cloned().collect();
                    check_once(&common, &left, "left")?;
                    check_once(&common, &right, "right")?;
                    let named = |column: &String| ObjectName::from(vec![Ident::with_quote('"', column)]);
                    *constraint = match common.is_empty() {
                        true => JoinConstraint::On(Expr::value(Value::Boolean(true))),
                        false => JoinConstraint::Using(common.iter().map(named).collect()),
                    };
                    common
                }
                Some(JoinConstraint::Using(columns)) => {
                    columns.iter().filter_map(|column| names::parts(column).pop()).collect()
                }
                _ => vec![],
            };
            left.retain(|column| !merged.contains(column));
            let others = right.into_iter().filter(|column| !merged.contains(column));
            left = merged.iter().cloned().chain(left).chain(others).collect();
        }
        Ok(())
    }

    fn own_columns(&self, factor: &TableFactor) -> Result<Vec<String>> {
        match self.factor(factor).as_slice() {
            [relation] => Ok(relation.columns.clone()),
            _ => Err(Error::unsupported(
                "NATURAL RIGHT or FULL JOIN of relations whose columns the query does not name",
            )),
        }
    }
}

fn check_once(common: &[String], side: &[String], name: &str) -> Result<()> {
    let repeated = |column: &&String| side.iter().filter(|own| own == column).count() > 1;
    match common.iter().find(repeated) {
        None => Ok(()),
        Some(column) => {
            let message = format!("common column name \"{column}\" appears more than once in {name} table");
            Err(Error::new(SqlState::AmbiguousColumn, message))
        }
    }
}
