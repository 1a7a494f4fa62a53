//! The rows of a virtual table while they are made: values go in by column name, rows come out shared, or as arrays.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use datafusion::arrow::array::RecordBatchOptions;
use datafusion::arrow::datatypes::{Schema, SchemaRef};
use datafusion::arrow::record_batch::RecordBatch;

use crate::error::{Error, Result};
use crate::functions::builtin::BuiltinRelation;
use crate::functions::{Datum, to_array};

/// A row: the relation's columns, then its OID, which `tableoid` reads.
pub type SharedRow = Arc<[Datum]>;

/// Rows of one table.
pub(crate) struct Rows {
    relation: &'static BuiltinRelation,
    positions: HashMap<&'static str, usize>,
    rows: Vec<SharedRow>,
}

impl Rows {
    pub fn new(relation: &'static BuiltinRelation) -> Rows {
        let positions = relation
            .columns
            .iter()
            .enumerate()
            .map(|(index, column)| (column.name, index))
            .collect();
        Rows {
            relation,
            positions,
            rows: vec![],
        }
    }

    /// Adds one row; columns that are not given are NULL.
    pub fn add<const N: usize>(&mut self, values: [(&'static str, Datum); N]) -> Result<()> {
        let width = self.relation.columns.len();
        let mut row = vec![Datum::Null; width + 1];
        for (name, value) in values {
            let column = self.positions.get(name).and_then(|position| row.get_mut(*position));
            let Some(column) = column else {
                return Err(Error::internal(format!("{} has no column {name}", self.relation.name)));
            };
            *column = value;
        }
        row[width] = self.relation.oid.into();
        self.rows.push(row.into());
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
