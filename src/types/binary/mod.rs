//! PostgreSQL's binary formats, both ways: what `typsend` writes and `typreceive` reads.

mod decode;
mod encode;

pub use decode::{append_binary, decode_value};
pub use encode::write_binary;

#[cfg(test)]
mod tests;
