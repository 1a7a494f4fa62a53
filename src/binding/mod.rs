//! Statement → LogicalPlan. Here so far: rewrites of the syntax tree before planning (`rewrite_query`, for
//! expressions `rewrite_expression`) and of the plan after it (`unnest_subqueries`).

mod correlation;
mod rewrite;

pub use correlation::unnest_subqueries;
pub use rewrite::{output_name, rewrite as rewrite_query, rewrite_expression};
