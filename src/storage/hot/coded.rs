//! A column of strings as codes, for an operator that asked for them. Strings that come without a dictionary are a
//! dictionary of their own rows: that costs next to nothing, and finding the equal ones is left to the reader.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, DictionaryArray, PrimitiveArray, RecordBatch};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Schema, UInt16Type};
use datafusion::common::{Result, internal_err};
use datafusion::logical_expr::ColumnarValue;
use datafusion::physical_expr::PhysicalExpr;

/// The type of codes.
pub(super) fn coded_type() -> DataType {
    DataType::Dictionary(Box::new(DataType::UInt16), Box::new(DataType::Utf8View))
}

/// A column's strings as codes.
#[derive(Debug, Eq)]
pub(super) struct CodedStrings {
    pub(super) column: Arc<dyn PhysicalExpr>,
}

impl PartialEq for CodedStrings {
    fn eq(&self, other: &Self) -> bool {
        self.column.eq(&other.column)
    }
}

impl Hash for CodedStrings {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.column.hash(state);
    }
}

impl fmt::Display for CodedStrings {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "codes({})", self.column)
    }
}

impl PhysicalExpr for CodedStrings {
    fn data_type(&self, _input: &Schema) -> Result<DataType> {
        Ok(coded_type())
    }

    fn nullable(&self, input: &Schema) -> Result<bool> {
        self.column.nullable(input)
    }

    fn evaluate(&self, batch: &RecordBatch) -> Result<ColumnarValue> {
        let strings = self.column.evaluate(batch)?.into_array(batch.num_rows())?;
        Ok(ColumnarValue::Array(coded(strings)?))
    }

    fn children(&self) -> Vec<&Arc<dyn PhysicalExpr>> {
        vec![&self.column]
    }

    fn with_new_children(self: Arc<Self>, mut children: Vec<Arc<dyn PhysicalExpr>>) -> Result<Arc<dyn PhysicalExpr>> {
        match children.pop() {
            Some(column) => Ok(Arc::new(CodedStrings { column })),
            None => internal_err!("a column of codes needs its column"),
        }
    }

    fn fmt_sql(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.column.fmt_sql(formatter)
    }
}

/// Each string its own code, as long as there are codes enough.
pub(super) fn coded(strings: ArrayRef) -> Result<ArrayRef> {
    if strings.data_type() != &DataType::Utf8View || strings.len() > usize::from(u16::MAX) {
        return Ok(cast(&strings, &coded_type())?);
    }
    let keys: PrimitiveArray<UInt16Type> = (0..strings.len() as u16).collect::<Vec<_>>().into();
    Ok(Arc::new(DictionaryArray::try_new(keys, strings)?))
}

/// The one string of all these rows.
pub(super) fn constant(string: ArrayRef, rows: usize) -> Result<ArrayRef> {
    let keys: PrimitiveArray<UInt16Type> = vec![0; rows].into();
    Ok(Arc::new(DictionaryArray::try_new(keys, string)?))
}
