//! The rows of one item of FROM, and indexes over them.

use std::collections::HashMap;
use std::sync::Arc;

use super::super::node::{Item, ItemKind, SetCall};
use super::compare::joined_key;
use super::{Executor, Frame, Index, Row};
use crate::error::Result;
use crate::functions::Datum;
use crate::functions::builtin::BuiltinRelation;
use crate::introspection::relation_rows;

impl Executor<'_> {
    /// The rows of an item that reads no sibling; `frame` is the query's own, with nothing joined yet.
    pub(super) fn item_rows(&self, item: &Item, frame: &Frame<'_>) -> Result<Arc<Vec<Row>>> {
        match &item.kind {
            ItemKind::Relation(relation) => self.relation(relation),
            ItemKind::Query(query) => self.query(query, Some(frame)),
            ItemKind::Shared(query) => self.query(query, None),
            ItemKind::Working(table) => Ok(self.working_table(*table)),
            ItemKind::Functions { calls, ordinality } => self.function_rows(calls, *ordinality, frame).map(Arc::new),
        }
    }

    /// The rows of a system relation, made once a statement.
    pub fn relation(&self, relation: &'static BuiltinRelation) -> Result<Arc<Vec<Row>>> {
        if let Some(rows) = self.relations.borrow().get(&relation.oid) {
            return Ok(Arc::clone(rows));
        }
        let rows = Arc::new(relation_rows(relation, self.environment, self.monitoring)?);
        self.relations.borrow_mut().insert(relation.oid, Arc::clone(&rows));
        Ok(rows)
    }

    /// What an item's index is kept under; `None` where its rows change from frame to frame.
    fn stable_id(&self, item: &Item) -> Option<usize> {
        const RELATIONS: usize = 1 << 40;
        match &item.kind {
            ItemKind::Relation(relation) => Some(RELATIONS + relation.oid as usize),
            ItemKind::Query(query) | ItemKind::Shared(query) => {
                (!query.is_correlated && self.working.borrow().is_empty()).then_some(query.id)
            }
            ItemKind::Working(_) => None,
            ItemKind::Functions { .. } => (!item.is_dependent).then_some(item.id),
        }
    }

    /// Where the values of the columns stand in the item's rows.
    pub(super) fn index(&self, item: &Item, columns: Vec<usize>, rows: &[Row]) -> Arc<Index> {
        let name = self.stable_id(item).map(|id| (id, columns.clone()));
        if let Some(name) = &name
            && let Some(index) = self.indexes.borrow().get(name)
        {
            return Arc::clone(index);
        }
        let mut index: Index = HashMap::with_capacity(rows.len());
        for (number, row) in rows.iter().enumerate() {
            let values = columns.iter().map(|column| row.get(*column).unwrap_or(&Datum::Null));
            if let Some(key) = joined_key(values) {
                index.entry(key).or_default().push(number);
            }
        }
        let index = Arc::new(index);
        if let Some(name) = name {
            self.indexes.borrow_mut().insert(name, Arc::clone(&index));
        }
        index
    }

    /// Functions of FROM side by side; shorter ones are filled with NULLs.
    pub(super) fn function_rows(&self, calls: &[SetCall], ordinality: bool, frame: &Frame<'_>) -> Result<Vec<Row>> {
        let mut sets = vec![];
        for call in calls {
            sets.push(self.set(call, frame)?);
        }
        let length = sets.iter().map(Vec::len).max().unwrap_or(0);
        let mut rows = Vec::with_capacity(length);
        for position in 0..length {
            let mut row = vec![];
            for (set, call) in sets.iter().zip(calls) {
                let value = set.get(position).cloned().unwrap_or(Datum::Null);
                match (&call.result.fields, value) {
                    (None, value) => row.push(value),
                    (Some(_), Datum::List(fields)) => row.extend(fields),
                    (Some(fields), _) => row.extend(fields.iter().map(|_| Datum::Null)),
                }
            }
            if ordinality {
                row.push((position as i64 + 1).into());
            }
            rows.push(Row::from(row));
        }
        Ok(rows)
    }

    /// The values of one set-returning call; of a NULL argument, none.
    pub(super) fn set(&self, call: &SetCall, frame: &Frame<'_>) -> Result<Vec<Datum>> {
        if let Some(scalar) = &call.scalar {
            let value = self.evaluate(scalar, frame)?;
            return (call.body)(self, call, &[value]);
        }
        let mut values = vec![];
        for argument in &call.arguments {
            let value = self.evaluate(argument, frame)?;
            if value.is_null() {
                return Ok(vec![]);
            }
            values.push(value);
        }
        (call.body)(self, call, &values)
    }
}
