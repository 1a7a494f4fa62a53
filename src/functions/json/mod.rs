//! json and jsonb: reading, building and changing values. A value is its text; what jsonb functions make is brought
//! into jsonb's canonical form.

mod assignment;
mod building;
mod changing;
mod constructors;
mod ordering;
mod path;
mod populating;
mod reading;
mod scan;
mod writing;

use std::sync::Arc;

use datafusion::logical_expr::ScalarUDF;

pub(super) use assignment::{Step, with_member};
pub(super) use ordering::order_keys;
pub(super) use reading::subscripts;

pub(super) fn functions() -> Vec<Arc<ScalarUDF>> {
    [
        reading::functions(),
        building::functions(),
        changing::functions(),
        constructors::functions(),
        ordering::functions(),
        path::functions(),
        populating::functions(),
    ]
    .concat()
}
