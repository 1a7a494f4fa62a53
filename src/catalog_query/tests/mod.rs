//! The evaluator over a small catalog with policies, grants and a view.

mod fixture;
mod psql;
mod semantics;
