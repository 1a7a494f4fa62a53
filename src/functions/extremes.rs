//! Aggregates of DataFusion without promises that they do not keep. `min` and `max` say that a frame that only grows has them in
//! order; but their first answers may be NULL, and stand before the others wherever NULLs are to be: a sort by such a column must
//! not be left out. `array_agg` says that it can be read backwards; with DISTINCT its values then come in the other order.

use std::sync::Arc;

use datafusion::functions_aggregate::{array_agg, min_max};
use datafusion::logical_expr::AggregateUDF;

use super::adjusted_aggregate::{Adjustment, adjusted};

pub(super) fn functions() -> Vec<Arc<AggregateUDF>> {
    [min_max::min_udaf(), min_max::max_udaf(), array_agg::array_agg_udaf()]
        .map(|inner| adjusted(inner, Adjustment::PromisesNoOrder))
        .to_vec()
}
