//! A column's LIKE that looks for pieces, on the rows that are left.

use std::sync::Arc;

use datafusion::arrow::array::{Array, StringViewArray};
use datafusion::arrow::datatypes::{DataType, Schema};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::{Column, LikeExpr};

use crate::storage::LikePieces;

/// A column of texts and what they are to contain.
#[derive(Debug, Clone)]
pub struct ColumnPattern {
    pub column: usize,
    pieces: LikePieces,
}

impl ColumnPattern {
    /// The condition, if it is of this kind.
    pub fn of(condition: &Arc<dyn PhysicalExpr>, schema: &Schema) -> Option<ColumnPattern> {
        let like = condition.downcast_ref::<LikeExpr>()?;
        let column = like.expr().downcast_ref::<Column>()?.index();
        let is_text = *schema.field(column).data_type() == DataType::Utf8View;
        let pieces = LikePieces::of(like).filter(|_| is_text)?;
        Some(ColumnPattern { column, pieces })
    }

    /// Whether the row is kept.
    pub fn keeps(&self, texts: &StringViewArray, row: usize) -> bool {
        texts.is_valid(row) && self.pieces.holds(texts.value(row))
    }
}
