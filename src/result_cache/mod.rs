//! Whole answers, encoded as they went to the socket. Exact by construction: the key holds the governed
//! plan as it applies to this principal, the parameters, every output setting and format, and the version
//! of every relation that was read. Filled only when the stream was drained. Beside them what aggregations
//! computed of single files, for statements that come again after a commit.

mod key;
mod partial;
mod store;

pub use key::{HashedKey, ResultKey};
pub use partial::{PartialAggregates, StateKey, States};
pub use store::{CacheFill, EncodedRows, ResultCache};
