//! PostgreSQL's protocol, whole: from the first byte of a connection to the last.

pub mod message;
