//! The protocol from a client's side, over an in-memory stream, against a scripted session.

mod authentication;
mod copying;
mod endings;
mod extended;
mod raw_client;
mod repeating;
pub mod scripted;
mod simple;
mod starting;
