//! `min` and `max` of DataFusion, which promise that a frame that only grows has them in order. Their first answers may be
//! NULL, and stand before the others wherever NULLs are to be: a sort by such a column must not be left out.

use std::sync::Arc;

use datafusion::functions_aggregate::min_max;
use datafusion::logical_expr::AggregateUDF;

use super::adjusted_aggregate::{Adjustment, adjusted};

pub(super) fn functions() -> Vec<Arc<AggregateUDF>> {
    [min_max::min_udaf(), min_max::max_udaf()]
        .map(|inner| adjusted(inner, Adjustment::PromisesNoOrder))
        .to_vec()
}
