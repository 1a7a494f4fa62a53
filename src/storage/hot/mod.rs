//! Hot columns: columns of row groups that queries read again and again stay decoded and narrow in memory, within
//! a byte budget. `morsels` decides for each file of a scan whether it is served from here or through Parquet;
//! both ways give the same rows, filtered and projected alike.

mod cache;
mod coded;
mod cold;
mod column;
mod compact;
mod dictionary;
mod encode;
mod fill;
mod filter;
mod layout;
mod mask;
mod morsels;
mod output;
mod rows;
mod source;
mod split;

#[cfg(test)]
mod tests;

pub(super) use cache::HotCache;
pub(super) use compact::{compact_projection, compact_type};
pub(super) use morsels::HotScan;
pub(super) use source::{Reading, morselizer};
pub(super) use split::Decision;
