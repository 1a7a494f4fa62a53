//! LIKE with `%` only: each piece between two signs is looked for where the one before ended. As a condition of a scan it takes
//! the place of DataFusion's, which makes a regular expression of such a pattern for each batch.

use std::fmt::{self, Display, Formatter};
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use datafusion::arrow::array::{Array, AsArray, BooleanArray, RecordBatch};
use datafusion::arrow::buffer::BooleanBuffer;
use datafusion::arrow::datatypes::{DataType, FieldRef, Schema};
use datafusion::common::Result as PlanResult;
use datafusion::logical_expr::ColumnarValue;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::{LikeExpr, Literal};

/// A pattern without `_` and without escapes.
#[derive(Debug, Clone)]
pub struct LikePieces {
    negated: bool,
    prefix: String,
    /// In their order, none empty.
    middle: Vec<String>,
    suffix: String,
}

impl LikePieces {
    /// The pieces of such a pattern, if there are two at least; DataFusion finds a single one as fast.
    pub fn of(like: &LikeExpr) -> Option<LikePieces> {
        let literal = like.pattern().downcast_ref::<Literal>()?.value();
        let pattern = literal.try_as_str()??;
        if like.case_insensitive() || pattern.contains(['_', '\\']) {
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
        (pieces > 1).then(|| LikePieces {
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

    /// What the condition says of a text.
    pub fn holds(&self, text: &str) -> bool {
        self.matches(text) != self.negated
    }
}

/// A LIKE that looks for pieces.
#[derive(Debug)]
pub(super) struct PiecewiseLike {
    like: Arc<dyn PhysicalExpr>,
    text: Arc<dyn PhysicalExpr>,
    pieces: LikePieces,
}

impl PiecewiseLike {
    pub(super) fn of(condition: &Arc<dyn PhysicalExpr>) -> Option<PiecewiseLike> {
        let like = condition.downcast_ref::<LikeExpr>()?;
        Some(PiecewiseLike {
            like: Arc::clone(condition),
            text: Arc::clone(like.expr()),
            pieces: LikePieces::of(like)?,
        })
    }
}

impl PhysicalExpr for PiecewiseLike {
    fn data_type(&self, schema: &Schema) -> PlanResult<DataType> {
        self.like.data_type(schema)
    }

    fn nullable(&self, schema: &Schema) -> PlanResult<bool> {
        self.like.nullable(schema)
    }

    fn evaluate(&self, batch: &RecordBatch) -> PlanResult<ColumnarValue> {
        let texts = self.text.evaluate(batch)?.into_array(batch.num_rows())?;
        let Some(texts) = texts.as_string_view_opt() else {
            return self.like.evaluate(batch);
        };
        let is_valid = |row| texts.is_valid(row);
        let holds =
            BooleanBuffer::collect_bool(texts.len(), |row| is_valid(row) && self.pieces.holds(texts.value(row)));
        let outcome = BooleanArray::new(holds, texts.nulls().cloned());
        Ok(ColumnarValue::Array(Arc::new(outcome)))
    }

    fn return_field(&self, schema: &Schema) -> PlanResult<FieldRef> {
        self.like.return_field(schema)
    }

    fn children(&self) -> Vec<&Arc<dyn PhysicalExpr>> {
        self.like.children()
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn PhysicalExpr>>) -> PlanResult<Arc<dyn PhysicalExpr>> {
        let like = Arc::clone(&self.like).with_new_children(children)?;
        Ok(match PiecewiseLike::of(&like) {
            Some(piecewise) => Arc::new(piecewise),
            None => like,
        })
    }

    fn fmt_sql(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        self.like.fmt_sql(formatter)
    }
}

impl Display for PiecewiseLike {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.like)
    }
}

impl PartialEq for PiecewiseLike {
    fn eq(&self, other: &PiecewiseLike) -> bool {
        self.like.eq(&other.like)
    }
}

impl Eq for PiecewiseLike {}

impl Hash for PiecewiseLike {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.like.hash(state);
    }
}
