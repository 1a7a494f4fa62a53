//! Compact output: columns in narrower Arrow types than the scan's own, for operators that ask for it. The
//! expression is a cast as far as anybody else sees; hot columns are emitted in the type at once.

use std::fmt;
use std::hash::Hash;
use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::{DataType, Schema};
use datafusion::common::{Result, internal_err};
use datafusion::logical_expr::ColumnarValue;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::projection::{ProjectionExpr, ProjectionExprs};

use super::dictionary::fit;
use super::encode::NARROW_DECIMAL;

/// Decimals of at most this many digits fit 32 bits.
const NARROWEST_DECIMAL: u8 = 9;

/// The compact type of a column: decimals as 32 or 64 bits, strings as 16-bit codes, others as they are.
pub(in crate::storage) fn compact_type(data_type: &DataType) -> DataType {
    match data_type {
        DataType::Decimal128(precision, scale) if *precision <= NARROWEST_DECIMAL => {
            DataType::Decimal32(*precision, *scale)
        }
        DataType::Decimal128(precision, scale) if *precision <= NARROW_DECIMAL => {
            DataType::Decimal64(*precision, *scale)
        }
        DataType::Utf8View => DataType::Dictionary(Box::new(DataType::UInt16), Box::new(DataType::Utf8View)),
        other => other.clone(),
    }
}

/// These columns of the scan's schema, under their names, in these types.
pub(in crate::storage) fn compact_projection(columns: &[(usize, DataType)], schema: &Schema) -> ProjectionExprs {
    ProjectionExprs::new(columns.iter().map(|(position, data_type)| {
        let field = schema.field(*position);
        let column = Column::new(field.name(), *position);
        let expression: Arc<dyn PhysicalExpr> = match field.data_type() == data_type {
            true => Arc::new(column),
            false => Arc::new(Compact {
                column: Arc::new(column),
                data_type: data_type.clone(),
            }),
        };
        ProjectionExpr::new(expression, field.name())
    }))
}

/// A column in its compact type.
#[derive(Debug, Clone, Eq)]
pub(super) struct Compact {
    pub(super) column: Arc<dyn PhysicalExpr>,
    pub(super) data_type: DataType,
}

impl PartialEq for Compact {
    fn eq(&self, other: &Self) -> bool {
        self.column.eq(&other.column) && self.data_type == other.data_type
    }
}

impl Hash for Compact {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.column.hash(state);
        self.data_type.hash(state);
    }
}

impl fmt::Display for Compact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "compact({})", self.column)
    }
}

impl PhysicalExpr for Compact {
    fn data_type(&self, _input: &Schema) -> Result<DataType> {
        Ok(self.data_type.clone())
    }

    fn nullable(&self, input: &Schema) -> Result<bool> {
        self.column.nullable(input)
    }

    fn evaluate(&self, batch: &RecordBatch) -> Result<ColumnarValue> {
        let values = self.column.evaluate(batch)?.into_array(batch.num_rows())?;
        Ok(ColumnarValue::Array(fit(values, &self.data_type)?))
    }

    fn children(&self) -> Vec<&Arc<dyn PhysicalExpr>> {
        vec![&self.column]
    }

    fn with_new_children(self: Arc<Self>, mut children: Vec<Arc<dyn PhysicalExpr>>) -> Result<Arc<dyn PhysicalExpr>> {
        match children.pop() {
            Some(column) => Ok(Arc::new(Compact {
                column,
                data_type: self.data_type.clone(),
            })),
            None => internal_err!("a compact column needs its column"),
        }
    }

    fn fmt_sql(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.column.fmt_sql(f)
    }
}
