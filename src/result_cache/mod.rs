//! Whole answers, encoded as they went to the socket. Exact by construction: the key holds the governed
//! plan as it applies to this principal, the parameters, every output setting and format, and the version
//! of every relation that was read. Filled only when the stream was drained.

mod key;
mod store;

pub use key::ResultKey;
pub use store::{CacheFill, EncodedRows, ResultCache};
