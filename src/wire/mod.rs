//! PostgreSQL's protocol, whole: from the first byte of a connection to the last. Everything above the
//! bytes is asked of a `Service` and its sessions; nothing here knows SQL.

pub mod backend;
pub mod message;

mod authenticate;
mod client;
mod client_stream;
mod connection;
mod connections;
mod copy;
mod expectation;
mod extended_query;
mod function_call;
mod interruption;
mod placement;
mod repetition;
mod reply;
mod rows;
mod scram_exchange;
mod simple_query;
mod session_backend;
mod socket;
mod startup;
mod tls;
mod translation;
mod transport;

pub use client_stream::ClientStream;
pub use connection::{Gate, Rules, converse};
pub use connections::Connections;
pub use session_backend::EngineService;
pub use tls::Certificate;

#[cfg(test)]
pub(crate) mod tests;
