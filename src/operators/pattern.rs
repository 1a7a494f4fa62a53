//! LIKE with `%` only, on the rows that are left: each piece between two signs is looked for where the one before ended.

use std::sync::Arc;

use datafusion::arrow::array::{Array, StringViewArray};
use datafusion::arrow::datatypes::{DataType, Schema};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::{Column, LikeExpr, Literal};

/// A column of texts and a pattern without `_` and without escapes.
#[derive(Debug, Clone)]
pub struct ColumnPattern {
    pub column: usize,
    negated: bool,
    prefix: String,
    /// In their order, none empty.
    middle: Vec<String>,
    suffix: String,
}

impl ColumnPattern {
    /// The condition, if it is such a LIKE with two pieces at least; DataFusion finds a single one as fast.
    pub fn of(condition: &Arc<dyn PhysicalExpr>, schema: &Schema) -> Option<ColumnPattern> {
        let like = condition.downcast_ref::<LikeExpr>()?;
        let column = like.expr().downcast_ref::<Column>()?.index();
        let literal = like.pattern().downcast_ref::<Literal>()?.value();
        let pattern = literal.try_as_str()??;
        if like.case_insensitive()
            || *schema.field(column).data_type() != DataType::Utf8View
            || pattern.contains(['_', '\\'])
        {
            return None;
        }
        let (prefix, rest) = pattern.split_once('%')?;
        let (middle, suffix) = rest.rsplit_once('%').unwrap_or(("", rest));
        let middle: Vec<String> = middle
            .split('%')
            .filter(|piece| !piece.is_empty())
            .map(str::to_string)
            .collect();
        let pieces = middle.len() + usize::from(!prefix.is_empty()) + usize::from(!suffix.is_empty());
        (pieces > 1).then(|| ColumnPattern {
            column,
            negated: like.negated(),
            prefix: prefix.into(),
            middle,
            suffix: suffix.into(),
        })
    }

    fn matches(&self, text: &str) -> bool {
        let Some(rest) = text.strip_prefix(self.prefix.as_str()) else {
            return false;
        };
        let Some(mut rest) = rest.strip_suffix(self.suffix.as_str()) else {
            return false;
        };
        // `contains` is vectorized, `find` is not: most texts lack the first piece.
        if self.middle.first().is_some_and(|first| !rest.contains(first.as_str())) {
            return false;
        }
        for piece in &self.middle {
            match rest.find(piece.as_str()) {
                Some(at) => rest = &rest[at + piece.len()..],
                None => return false,
            }
        }
        true
    }

    /// Whether the row is kept.
    pub fn keeps(&self, texts: &StringViewArray, row: usize) -> bool {
        texts.is_valid(row) && self.matches(texts.value(row)) != self.negated
    }
}
