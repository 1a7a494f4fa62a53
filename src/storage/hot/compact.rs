//! Compact output: columns in narrower Arrow types than the scan's own, for operators that ask for it. In the scan's
//! projection it is a cast, or `CodedStrings`; hot columns are emitted in the type at once.

use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Schema};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::{CastExpr, Column};
use datafusion::physical_expr::projection::{ProjectionExpr, ProjectionExprs};

use super::coded::{CodedStrings, coded_type};
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
        DataType::Utf8View => coded_type(),
        other => other.clone(),
    }
}

/// The column and the type, where the expression is a column in its compact type.
pub(super) fn compact_column<'e>(expression: &'e dyn PhysicalExpr, schema: &Schema) -> Option<(&'e Column, DataType)> {
    if let Some(codes) = expression.downcast_ref::<CodedStrings>() {
        return Some((codes.column.downcast_ref()?, coded_type()));
    }
    let cast = expression.downcast_ref::<CastExpr>()?;
    let column = cast.expr().downcast_ref::<Column>()?;
    let compact = compact_type(schema.field(column.index()).data_type());
    (*cast.cast_type() == compact).then_some((column, compact))
}

/// These columns of the scan's schema, under their names, in these types.
pub(in crate::storage) fn compact_projection(columns: &[(usize, DataType)], schema: &Schema) -> ProjectionExprs {
    ProjectionExprs::new(columns.iter().map(|(position, data_type)| {
        let field = schema.field(*position);
        let column = Column::new(field.name(), *position);
        let expression: Arc<dyn PhysicalExpr> = match data_type {
            _ if field.data_type() == data_type => Arc::new(column),
            DataType::Dictionary(..) => Arc::new(CodedStrings {
                column: Arc::new(column),
            }),
            _ => Arc::new(CastExpr::new(Arc::new(column), data_type.clone(), None)),
        };
        ProjectionExpr::new(expression, field.name())
    }))
}
