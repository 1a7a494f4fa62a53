//! Calls by which a rewrite of the text tells binding something; binding takes them away.

use std::sync::Arc;

use datafusion::logical_expr::{ScalarUDF, Volatility};

use crate::error::Error;

use super::overload::{OverloadedFunction, kernel};

/// Holds of all rows of a WITH query that is computed once, whose number it takes.
pub const WITH_PART: &str = "with_part";

/// Stand among a window's keys for EXCLUDE of its frame.
pub const EXCLUDING_CURRENT_ROW: &str = "excluding_current_row";
/// See [`EXCLUDING_CURRENT_ROW`].
pub const EXCLUDING_GROUP: &str = "excluding_group";
/// See [`EXCLUDING_CURRENT_ROW`].
pub const EXCLUDING_TIES: &str = "excluding_ties";

/// In RETURNING of MERGE, what became of the row.
pub const MERGE_ACTION: &str = "merge_action";

pub(super) fn functions() -> Vec<Arc<ScalarUDF>> {
    let exclusion = |name| {
        let misplaced = kernel("() bool", |_| {
            Err(Error::internal("a mark of a window's frame was left in the plan"))
        });
        OverloadedFunction::immutable(name, vec![misplaced])
    };
    vec![
        exclusion(EXCLUDING_CURRENT_ROW),
        exclusion(EXCLUDING_GROUP),
        exclusion(EXCLUDING_TIES),
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
        OverloadedFunction::with_volatility(
            MERGE_ACTION,
            Volatility::Volatile,
            vec![kernel("() text", |_| {
                let message = "MERGE_ACTION() can only be used in the RETURNING list of a MERGE command";
                Err(Error::syntax(message))
            })],
        ),
        OverloadedFunction::immutable(
            WITH_PART,
            vec![kernel("(int8) bool", |_| {
                Err(Error::internal("a mark of a WITH query was left in the plan"))
            })],
        ),
    ]
}
