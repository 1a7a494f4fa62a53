//! What keeps tables in order: ANALYZE, VACUUM, OPTIMIZE and RESTORE.

use datafusion::sql::sqlparser::ast as sql;

use super::ObjectName;

/// ANALYZE.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Analyze {
    /// None: all that the role owns. Each with its columns, if any are named.
    pub tables: Vec<(ObjectName, Vec<String>)>,
    pub verbose: bool,
}

/// VACUUM.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Vacuum {
    /// None: all that the role owns. Each with its columns, if any are named, which count for `analyze` only.
    pub tables: Vec<(ObjectName, Vec<String>)>,
    pub verbose: bool,
    /// Whether an ANALYZE follows.
    pub analyze: bool,
    /// RETAIN … HOURS.
    pub retain_hours: Option<u64>,
}

/// OPTIMIZE.
#[derive(Debug, Clone, PartialEq)]
pub struct Optimize {
    pub table: ObjectName,
    /// WHERE, over partition columns.
    pub condition: Option<sql::Expr>,
    /// ZORDER BY.
    pub near: Vec<String>,
}

/// RESTORE.
#[derive(Debug, Clone, PartialEq)]
pub struct Restore {
    pub table: ObjectName,
    pub version: sql::TableVersion,
}
