//! The rows of a virtual table while they are made: values go in by column name, rows come out shared, or as arrays.

use std::sync::{Arc, OnceLock};

use datafusion::arrow::array::RecordBatchOptions;
use datafusion::arrow::datatypes::{Schema, SchemaRef};
use datafusion::arrow::record_batch::RecordBatch;

use crate::error::{Error, Result};
use crate::functions::builtin::BuiltinRelation;
use crate::functions::{Datum, to_array};
use crate::introspection::pg_catalog::counter;

/// A row: the relation's columns, then its OID, which `tableoid` reads.
pub type SharedRow = Arc<[Datum]>;

/// Rows of one table.
pub(crate) struct Rows {
    relation: &'static BuiltinRelation,
    rows: Vec<SharedRow>,
}

impl Rows {
    pub fn new(relation: &'static BuiltinRelation) -> Rows {
        Rows { relation, rows: vec![] }
    }

    /// Adds one row; columns that are not given are NULL.
    pub fn add<const N: usize>(&mut self, values: [(&'static str, Datum); N]) -> Result<()> {
        let columns = &self.relation.columns;
        let width = columns.len();
        let mut row = vec![Datum::Null; width + 1];
        let mut next = 0;
        for (name, value) in values {
            // They are given in the columns' order, but for gaps.
            let mut places = (next..width).chain(0..next);
            let Some(place) = places.find(|place| columns[*place].name == name) else {
                return Err(Error::internal(format!("{} has no column {name}", self.relation.name)));
            };
            row[place] = value;
            next = place + 1;
        }
        row[width] = self.relation.oid.into();
        self.rows.push(row.into());
        Ok(())
    }

    /// Adds one row of statistics: the columns that are not given are counters.
    pub fn add_counters<const N: usize>(&mut self, values: [(&'static str, Datum); N]) -> Result<()> {
        self.add(values)?;
        let Some(row) = self.rows.last_mut().and_then(Arc::get_mut) else {
            return Err(Error::internal("a row that was added is shared"));
        };
        for (value, column) in row.iter_mut().zip(&self.relation.columns) {
            if value.is_null() {
                *value = counter(column.name, &column.sql_type);
            }
        }
        Ok(())
    }

    /// The relation that the rows are of.
    pub fn relation(&self) -> &'static BuiltinRelation {
        self.relation
    }

    /// Adds rows that are the same in every database, made at the first use.
    pub fn add_once(
        &mut self,
        kept: &'static OnceLock<Vec<SharedRow>>,
        make: impl FnOnce(&mut Rows) -> Result<()>,
    ) -> Result<()> {
        if kept.get().is_none() {
            let mut own = Rows::new(self.relation);
            make(&mut own)?;
            // Another thread may have been first; its rows are the same.
            let _ = kept.set(own.rows);
        }
        self.add_shared(kept.get().map_or(&[], Vec::as_slice));
        Ok(())
    }

    /// Adds rows that are the same for everybody.
    pub fn add_shared(&mut self, rows: &[SharedRow]) {
        self.rows.extend(rows.iter().cloned());
    }

    pub fn into_shared(self) -> Vec<SharedRow> {
        self.rows
    }

    /// The wanted columns as one batch.
    pub fn into_batch(self, projection: Option<&Vec<usize>>) -> Result<RecordBatch> {
        let schema = schema(self.relation);
        let wanted: Vec<usize> = match projection {
            Some(projection) => projection.clone(),
            None => (0..self.relation.columns.len()).collect(),
        };
        let mut arrays = vec![];
        for index in &wanted {
            let column: Vec<Datum> = self
                .rows
                .iter()
                .map(|row| row.get(*index).cloned().unwrap_or(Datum::Null))
                .collect();
            arrays.push(to_array(schema.field(*index).data_type(), &column)?);
        }
        let options = RecordBatchOptions::new().with_row_count(Some(self.rows.len()));
        Ok(RecordBatch::try_new_with_options(
            Arc::new(schema.project(&wanted)?),
            arrays,
            &options,
        )?)
    }
}

/// The table's Arrow schema, with the SQL types in the fields' metadata.
pub(crate) fn schema(relation: &BuiltinRelation) -> SchemaRef {
    let fields: Vec<_> = relation
        .columns
        .iter()
        .map(|column| column.sql_type.to_field(column.name, true))
        .collect();
    Arc::new(Schema::new(fields))
}
