//! The integration tests: a real server process, reached over the wire by real client libraries.
//! One binary, because each would link the whole engine again.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod binary_spelled;
mod binary_value;
mod client;
mod postgres;
mod server;
mod sql_driver;
mod sql_tests;
mod storage_s3;
mod wire_fuzz;
