//! Whole queries: set operations, VALUES, recursion, ORDER BY and LIMIT.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::collections::HashSet;
use std::sync::Arc;

use super::super::node::{Query, QueryBody, SetOperator, SortKey};
use super::{Executor, Frame, Row, compare, key};
use crate::error::{Error, Result, SqlState};
use crate::functions::Datum;

impl Executor<'_> {
    /// The rows of a query; one that reads nothing around it runs once.
    pub fn query(&self, query: &Query, parent: Option<&Frame<'_>>) -> Result<Arc<Vec<Row>>> {
        if query.is_correlated {
            return self.rows_of(query, parent).map(Arc::new);
        }
        if let Some(rows) = self.results.borrow().get(&query.id) {
            return Ok(Arc::clone(rows));
        }
        let reads_working_table = !self.working.borrow().is_empty();
        let rows = Arc::new(self.rows_of(query, parent)?);
        // Inside a recursive query it may read the working table, which changes.
        if !reads_working_table {
            self.results.borrow_mut().insert(query.id, Arc::clone(&rows));
        }
        Ok(rows)
    }

    fn rows_of(&self, query: &Query, parent: Option<&Frame<'_>>) -> Result<Vec<Row>> {
        let mut rows = match &query.body {
            QueryBody::Select(select) => self.select(select, &query.order, parent)?,
            QueryBody::Values(rows) => {
                let frame = Frame { tuple: &[], parent };
                rows.iter()
                    .map(|row| {
                        let values = row.iter().map(|node| self.evaluate(node, &frame));
                        values.collect::<Result<Vec<_>>>().map(Row::from)
                    })
                    .collect::<Result<_>>()?
            }
            QueryBody::Set {
                operator,
                all,
                left,
                right,
            } => {
                let left = self.query(left, parent)?;
                let right = self.query(right, parent)?;
                combined(*operator, *all, &left, &right)
            }
            QueryBody::Recursive { table, base, term, all } => self.recursive(*table, base, term, *all, parent)?,
        };
        if !query.order.is_empty() && !matches!(query.body, QueryBody::Select(_)) {
            sort(&mut rows, &query.order);
        }
        let frame = Frame { tuple: &[], parent };
        let count = |node: &Option<super::super::node::Node>, name: &str| -> Result<Option<usize>> {
            let Some(node) = node else { return Ok(None) };
            match self.evaluate(node, &frame)?.as_int() {
                None => Ok(None),
                Some(number) => usize::try_from(number)
                    .map(Some)
                    .map_err(|_| Error::new(SqlState::InvalidParameterValue, format!("{name} must not be negative"))),
            }
        };
        if let Some(offset) = count(&query.offset, "OFFSET")? {
            rows.drain(..offset.min(rows.len()));
        }
        if let Some(limit) = count(&query.limit, "LIMIT")? {
            rows.truncate(limit);
        }
        let width = query.columns.len();
        if rows.first().is_some_and(|row| row.len() > width) {
            for row in &mut rows {
                *row = row[..width].into();
            }
        }
        Ok(rows)
    }

    /// The rows of the base, then of the term over what the last step added, until nothing is.
    fn recursive(
        &self,
        table: usize,
        base: &Query,
        term: &Query,
        all: bool,
        parent: Option<&Frame<'_>>,
    ) -> Result<Vec<Row>> {
        let mut seen = HashSet::new();
        let mut keep = |row: &Row| all || seen.insert(row_key(row));
        let mut step: Vec<Row> = self.rows_of(base, parent)?.into_iter().filter(&mut keep).collect();
        let mut rows = step.clone();
        while !step.is_empty() {
            self.working
                .borrow_mut()
                .insert(table, Arc::new(std::mem::take(&mut step)));
            let added = self.rows_of(term, parent);
            let added = match added {
                Ok(added) => added,
                Err(error) => {
                    self.working.borrow_mut().remove(&table);
                    return Err(error);
                }
            };
            step = added.into_iter().filter(&mut keep).collect();
            for _ in &step {
                self.count_row(rows.len())?;
            }
            rows.extend(step.iter().cloned());
        }
        self.working.borrow_mut().remove(&table);
        Ok(rows)
    }

    /// The rows that a recursive query's last step added.
    pub(super) fn working_table(&self, table: usize) -> Arc<Vec<Row>> {
        self.working.borrow().get(&table).cloned().unwrap_or_default()
    }
}

pub(super) fn row_key(row: &[Datum]) -> Vec<super::compare::Key> {
    row.iter().map(key).collect()
}

fn combined(operator: SetOperator, all: bool, left: &[Row], right: &[Row]) -> Vec<Row> {
    if operator == SetOperator::Union {
        let mut seen = HashSet::new();
        let both = left.iter().chain(right).cloned();
        return both.filter(|row| all || seen.insert(row_key(row))).collect();
    }
    let mut counts: HashMap<Vec<super::compare::Key>, usize> = HashMap::new();
    for row in right {
        *counts.entry(row_key(row)).or_default() += 1;
    }
    let mut given = HashSet::new();
    let mut rows = vec![];
    for row in left {
        let found = row_key(row);
        let other = counts.get_mut(&found);
        let is_in_both = other.as_ref().is_some_and(|count| **count > 0);
        if all && let Some(count) = other {
            *count = count.saturating_sub(1);
        }
        let wanted = is_in_both == (operator == SetOperator::Intersect);
        if wanted && (all || given.insert(found)) {
            rows.push(row.clone());
        }
    }
    rows
}

/// Sorts rows by their columns; equal rows keep their order.
pub(super) fn sort(rows: &mut [Row], keys: &[SortKey]) {
    rows.sort_by(|left, right| {
        for key in keys {
            let order = ordered(&left[key.column], &right[key.column], key.descending, key.nulls_first);
            if order.is_ne() {
                return order;
            }
        }
        Ordering::Equal
    });
}

/// The order of two values of a sort key.
pub(super) fn ordered(left: &Datum, right: &Datum, descending: bool, nulls_first: bool) -> Ordering {
    match (left.is_null(), right.is_null()) {
        (true, true) => Ordering::Equal,
        (true, false) if nulls_first => Ordering::Less,
        (true, false) => Ordering::Greater,
        (false, true) if nulls_first => Ordering::Greater,
        (false, true) => Ordering::Less,
        (false, false) if descending => compare(right, left),
        (false, false) => compare(left, right),
    }
}
