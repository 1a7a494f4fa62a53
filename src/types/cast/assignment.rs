//! INSERT's last step: the rows of a statement become rows as the table stores them.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, RecordBatch, RecordBatchOptions, new_null_array};
use datafusion::arrow::compute::{CastOptions, cast_with_options};
use datafusion::arrow::datatypes::{Field, Schema, SchemaRef};

use super::{CastContext, cast_array, check_assignable, check_not_null};
use crate::error::{Error, Result};
use crate::types::SqlType;
use crate::types::format::FormatSettings;

/// A column of the table and where its values come from.
#[derive(Debug, Clone)]
pub struct TargetColumn {
    /// The column of the rows; `None` is null.
    pub source: Option<usize>,
    pub name: String,
    pub sql_type: SqlType,
    pub nullable: bool,
}

/// How the rows of one statement become a table's.
#[derive(Debug, Clone)]
pub struct Assignment {
    table: String,
    targets: Vec<TargetColumn>,
    stored: SchemaRef,
    /// The declared types and NOT NULLs, which `stored` need not know.
    declared: SchemaRef,
    settings: FormatSettings,
}

impl Assignment {
    /// `stored` has one field for each target, in order.
    pub fn new(
        table: &str,
        targets: Vec<TargetColumn>,
        stored: &SchemaRef,
        settings: &FormatSettings,
    ) -> Result<Assignment> {
        if targets.len() != stored.fields().len() {
            return Err(Error::internal(
                "the columns of a table and of its files differ in number",
            ));
        }
        let declared: Vec<Field> = targets
            .iter()
            .map(|target| target.sql_type.to_field(&target.name, target.nullable))
            .collect();
        Ok(Assignment {
            table: table.to_string(),
            targets,
            stored: Arc::clone(stored),
            declared: Arc::new(Schema::new(declared)),
            settings: settings.clone(),
        })
    }

    /// Casts a batch, and checks it for NULL where the table has none.
    pub fn apply(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        let mut columns = Vec::with_capacity(self.targets.len());
        for (target, stored) in self.targets.iter().zip(self.stored.fields()) {
            columns.push(match target.source {
                None => new_null_array(stored.data_type(), batch.num_rows()),
                Some(position) => self.assign(batch, position, target, stored)?,
            });
        }
        let nullable: Vec<Field> = self
            .stored
            .fields()
            .iter()
            .map(|field| field.as_ref().clone().with_nullable(true))
            .collect();
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        let unchecked = Arc::new(Schema::new(nullable));
        let rows = RecordBatch::try_new_with_options(unchecked, columns, &options)?;
        check_not_null(&rows, &self.declared, &self.table, &self.settings)?;
        Ok(RecordBatch::try_new_with_options(
            Arc::clone(&self.stored),
            rows.columns().to_vec(),
            &options,
        )?)
    }

    fn assign(&self, batch: &RecordBatch, position: usize, target: &TargetColumn, stored: &Field) -> Result<ArrayRef> {
        let schema = batch.schema();
        let field = schema
            .fields()
            .get(position)
            .ok_or_else(|| Error::internal("an INSERT assigns a column that its rows do not have"))?;
        let array = batch.column(position);
        let source = SqlType::from_field(field);
        if source == target.sql_type && array.data_type() == stored.data_type() {
            return Ok(Arc::clone(array));
        }
        let source = open_text(source);
        check_assignable(&target.name, &source, &target.sql_type)?;
        let cast = cast_array(
            array,
            &source,
            &target.sql_type,
            CastContext::Assignment,
            &self.settings,
        )?;
        if cast.data_type() == stored.data_type() {
            return Ok(cast);
        }
        let options = CastOptions {
            safe: false,
            ..Default::default()
        };
        Ok(cast_with_options(&cast, stored.data_type(), &options)?)
    }
}

/// Plans do not tell a literal that nothing typed, or a value whose type they lost, from a text: all may be read.
fn open_text(source: SqlType) -> SqlType {
    match source {
        SqlType::Text => SqlType::Unknown,
        SqlType::Array(element) => SqlType::Array(Box::new(open_text(*element))),
        other => other,
    }
}
