//! One SELECT: join, filter, group, windows, sets, the select list, DISTINCT, order.

use std::collections::HashSet;
use std::sync::Arc;

use super::super::node::{Distinct, Select, SetCall, SortKey};
use super::join::Joining;
use super::query::{row_key, sort};
use super::{Executor, Frame, Row, Tuple};
use crate::error::Result;
use crate::functions::Datum;

impl Executor<'_> {
    /// The rows of the select list, sorted, before LIMIT.
    pub(super) fn select(&self, select: &Select, order: &[SortKey], parent: Option<&Frame<'_>>) -> Result<Vec<Row>> {
        let places = select.items.len();
        // After the items: aggregates, window functions, sets.
        let base: Tuple = vec![None; places + 3];
        let joining = Joining {
            items: &select.items,
            parent,
        };
        let mut tuples = match &select.source {
            Some(source) => {
                let (unread, read): (Vec<_>, Vec<_>) = select.filter.iter().partition(|conjunct| conjunct.reads == 0);
                let frame = Frame { tuple: &base, parent };
                let mut holds = true;
                for conjunct in unread {
                    holds = holds && self.is_true(&conjunct.node, &frame)?;
                }
                match holds {
                    true => self.source(&joining, source, read, &base)?,
                    false => vec![],
                }
            }
            None => {
                let mut tuples = vec![base.clone()];
                self.keep(&mut tuples, parent, |executor, frame| {
                    for conjunct in &select.filter {
                        if !executor.is_true(&conjunct.node, frame)? {
                            return Ok(false);
                        }
                    }
                    Ok(true)
                })?;
                tuples
            }
        };
        if let Some(group) = &select.group {
            tuples = self.group(group, tuples, &base, places, parent)?;
        }
        if !select.windows.is_empty() {
            self.windows(&select.windows, &mut tuples, places + 1, parent)?;
        }
        if !select.sets.is_empty() {
            tuples = self.expand(&select.sets, tuples, places + 2, parent)?;
        }
        let mut rows = Vec::with_capacity(tuples.len());
        for tuple in &tuples {
            self.count_row(rows.len())?;
            let frame = Frame { tuple, parent };
            let values = select.targets.iter().map(|target| self.evaluate(target, &frame));
            rows.push(Row::from(values.collect::<Result<Vec<Datum>>>()?));
        }
        if let Distinct::All = select.distinct {
            let mut seen = HashSet::new();
            rows.retain(|row| seen.insert(row_key(row)));
        }
        sort(&mut rows, order);
        if let Distinct::On(columns) = &select.distinct {
            let mut seen = HashSet::new();
            rows.retain(|row| {
                let values: Vec<Datum> = columns.iter().map(|column| row[*column].clone()).collect();
                seen.insert(row_key(&values))
            });
        }
        Ok(rows)
    }

    pub(super) fn keep(
        &self,
        tuples: &mut Vec<Tuple>,
        parent: Option<&Frame<'_>>,
        wanted: impl Fn(&Self, &Frame<'_>) -> Result<bool>,
    ) -> Result<()> {
        let mut kept = Vec::with_capacity(tuples.len());
        for tuple in tuples.drain(..) {
            if wanted(self, &Frame { tuple: &tuple, parent })? {
                kept.push(tuple);
            }
        }
        *tuples = kept;
        Ok(())
    }

    /// Set-returning functions of the select list: as many rows as the longest gives.
    fn expand(
        &self,
        calls: &[SetCall],
        tuples: Vec<Tuple>,
        place: usize,
        parent: Option<&Frame<'_>>,
    ) -> Result<Vec<Tuple>> {
        let mut expanded = vec![];
        for tuple in tuples {
            let mut sets: Vec<Vec<Datum>> = vec![];
            let mut tuple = tuple;
            for call in calls {
                // A call may read those before it.
                let frame = Frame { tuple: &tuple, parent };
                let set = self.set(call, &frame)?;
                sets.push(set);
                let first: Vec<Datum> = sets
                    .iter()
                    .map(|set| set.first().cloned().unwrap_or(Datum::Null))
                    .collect();
                tuple[place] = Some(Row::from(first));
            }
            let length = sets.iter().map(Vec::len).max().unwrap_or(0);
            for position in 0..length {
                self.count_row(expanded.len())?;
                let values: Vec<Datum> = sets
                    .iter()
                    .map(|set| set.get(position).cloned().unwrap_or(Datum::Null))
                    .collect();
                let mut row = tuple.clone();
                row[place] = Some(Arc::from(values));
                expanded.push(row);
            }
        }
        Ok(expanded)
    }
}
