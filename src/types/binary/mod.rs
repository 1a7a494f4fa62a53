//! PostgreSQL's binary formats, both ways: what `typsend` writes and `typreceive` reads.

mod decode;
mod encode;

pub(in crate::types) use decode::Reader;
pub use decode::{append_binary, decode_value};
pub use encode::write_binary;
pub(in crate::types) use encode::{put_date, put_number, put_timestamp};

#[cfg(test)]
mod tests;
