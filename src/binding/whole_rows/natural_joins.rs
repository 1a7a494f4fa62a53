//! NATURAL joins as joins USING the columns that both sides have, so that the columns are merged as these are. The planner takes the
//! left side's value for the merged column whatever the join is, and finds its bare name ambiguous in conditions; it is left to
//! it where the columns are not known.

use datafusion::sql::sqlparser::ast::{
    Expr, Ident, Join, JoinConstraint, ObjectName, Select, TableFactor, TableWithJoins, Value,
};

use super::super::rewrite::{constraint_of, is_waiting, merge_columns};
use super::{Expander, names};
use crate::error::{Error, Result, SqlState};

impl Expander<'_> {
    /// Names the columns of such joins.
    pub(super) fn name_natural_columns(&self, select: &mut Select) -> Result<()> {
        let waits = |table: &TableWithJoins| table.joins.iter().any(is_waiting);
        let mut found = false;
        for table in &mut select.from {
            let mut named = table.clone();
            if !named.joins.iter_mut().any(is_natural) {
                continue;
            }
            match self.name_columns(&mut named) {
                Ok(()) if waits(table) || !named.joins.iter_mut().any(merges_nothing) => {
                    *table = named;
                    found = true;
                }
                Err(error) if waits(table) => return Err(error),
                _ => {}
            }
        }
        if found { merge_columns(select) } else { Ok(()) }
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

fn is_natural(join: &mut Join) -> bool {
    matches!(constraint_of(join), Some(JoinConstraint::Natural))
}

fn merges_nothing(join: &mut Join) -> bool {
    matches!(constraint_of(join), Some(JoinConstraint::Using(columns)) if columns.is_empty())
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
