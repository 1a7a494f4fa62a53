//! Functions of text and bytea with PostgreSQL's argument types, counted in characters.

mod bytes;
mod casing;
mod pieces;
mod printing;
mod unicode;

use std::sync::Arc;

use datafusion::logical_expr::ScalarUDF;

pub(super) fn functions() -> Vec<Arc<ScalarUDF>> {
    [
        bytes::functions(),
        casing::functions(),
        pieces::functions(),
        printing::functions(),
        unicode::functions(),
    ]
    .concat()
}
