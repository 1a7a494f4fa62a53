//! json and jsonb: reading, building and changing values. A value is its text; what jsonb functions make is brought
//! into jsonb's canonical form.

mod building;
mod changing;
mod path;
mod reading;
mod scan;
mod writing;

use std::sync::Arc;

use datafusion::logical_expr::ScalarUDF;

pub(super) fn functions() -> Vec<Arc<ScalarUDF>> {
    [
        reading::functions(),
        building::functions(),
        changing::functions(),
        path::functions(),
    ]
    .concat()
}
