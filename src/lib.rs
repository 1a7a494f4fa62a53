#![doc = include_str!("../ARCHITECTURE.md")]
// Modules in reading order: the life of a query from the socket to the bucket. A module imports only
// from modules below it; `tidy` holds that.
#![deny(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::todo,
    clippy::unimplemented
)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

pub mod demo;
pub mod server;
pub mod wire;
pub mod session;
pub mod query;
pub mod engine;
pub mod catalog_query;
pub mod introspection;
pub mod execution;
pub mod result_cache;
pub mod planning;
pub mod operators;
pub mod governance;
pub mod binding;
pub mod statement;
pub mod functions;
pub mod context;
pub mod catalog;
pub mod storage;
pub mod types;
pub mod telemetry;
pub mod config;
pub mod error;

#[cfg(test)]
mod tidy;
