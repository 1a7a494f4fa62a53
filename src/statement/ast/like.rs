//! LIKE among the columns of CREATE TABLE.

use super::ObjectName;

/// LIKE table: its columns, and what INCLUDING names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LikeTable {
    /// Before which of the columns that the statement defines itself.
    pub place: usize,
    pub table: ObjectName,
    pub including: LikeOptions,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LikeOptions {
    pub comments: bool,
    pub constraints: bool,
    pub defaults: bool,
    pub generated: bool,
    pub identity: bool,
    pub indexes: bool,
}
