//! Queries that read the system's relations only, or none, answered a row at a time with PostgreSQL's semantics:
//! analyzer (syntax tree → typed nodes, by pg_proc, pg_operator and pg_cast) and executor. Rows come from
//! `introspection` alone, which shows a principal what it may see. What is not covered here, 0A000, is left to
//! DataFusion's path.

mod aggregates;
mod analyzer;
mod answer;
mod bodies;
mod calls;
mod candidates;
mod coercion;
mod concerns;
mod data_type;
mod evaluate;
mod expressions;
mod from_clause;
mod grouping;
mod node;
mod operators;
mod origins;
mod polymorphic;
mod queries;
mod reads;
mod selects;
mod sets;
mod special_calls;
mod value_type;

pub use answer::{Asked, Described, answer, describe};
pub use concerns::concerns_catalog;

#[cfg(test)]
mod tests;
