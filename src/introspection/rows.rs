//! The rows of a virtual table while they are made: values go in by column name, columns come out as arrays.

use std::collections::HashMap;
use std::sync::Arc;

use datafusion::arrow::array::RecordBatchOptions;
use datafusion::arrow::datatypes::{Schema, SchemaRef};
use datafusion::arrow::record_batch::RecordBatch;

use crate::error::{Error, Result};
use crate::functions::builtin::BuiltinRelation;
use crate::functions::{Datum, to_array};

/// Rows of one table, column by column.
pub(crate) struct Rows {
    relation: &'static BuiltinRelation,
    positions: HashMap<&'static str, usize>,
    columns: Vec<Vec<Datum>>,
    count: usize,
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
            columns: vec![vec![]; relation.columns.len()],
            count: 0,
        }
    }

    /// Adds one row; columns that are not given are NULL.
    pub fn add<const N: usize>(&mut self, values: [(&'static str, Datum); N]) -> Result<()> {
        for (name, value) in values {
            let column = self
                .positions
                .get(name)
                .and_then(|position| self.columns.get_mut(*position));
            let Some(column) = column.filter(|column| column.len() == self.count) else {
                return Err(Error::internal(format!(
                    "{} has no column {name} left to set",
                    self.relation.name
                )));
            };
            column.push(value);
        }
        self.count += 1;
        for column in &mut self.columns {
            column.resize(self.count, Datum::Null);
        }
        Ok(())
    }

    /// The wanted columns as one batch.
    pub fn into_batch(self, projection: Option<&Vec<usize>>) -> Result<RecordBatch> {
        let schema = schema(self.relation);
        let wanted: Vec<usize> = match projection {
            Some(projection) => projection.clone(),
            None => (0..self.columns.len()).collect(),
        };
        let mut arrays = vec![];
        for index in &wanted {
            let (Some(column), field) = (self.columns.get(*index), schema.field(*index)) else {
                return Err(Error::internal(format!("{} has no column {index}", self.relation.name)));
            };
            arrays.push(to_array(field.data_type(), column)?);
        }
        let options = RecordBatchOptions::new().with_row_count(Some(self.count));
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
