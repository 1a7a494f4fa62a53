//! Calls by which a rewrite of the text tells binding something; binding takes them away.

use std::sync::Arc;

use datafusion::logical_expr::ScalarUDF;

use super::overload::{OverloadedFunction, kernel};

pub(super) fn functions() -> Vec<Arc<ScalarUDF>> {
    vec![
        // One cast of an argument, told from another.
        OverloadedFunction::immutable(
            "typed_as",
            vec![kernel("(text, any) $2", |args| Ok(Arc::clone(args.array(1))))],
        ),
        // A number of rows that stands for more where they tie.
        OverloadedFunction::immutable(
            "with_ties",
            vec![kernel("(int8) int8", |args| Ok(Arc::clone(args.array(0))))],
        ),
    ]
}
