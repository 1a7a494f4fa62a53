//! Statements that change rows: INSERT, UPDATE, DELETE and MERGE. Each holds the query of the rows that it is about.

use datafusion::sql::sqlparser::ast as sql;

use super::ObjectName;

#[derive(Debug, Clone)]
pub struct Insert {
    pub table: ObjectName,
    /// The character where the table is named.
    pub position: usize,
    /// What ON CONFLICT and RETURNING call the table.
    pub alias: String,
    /// Empty: all columns in order.
    pub columns: Vec<String>,
    /// The character where each of `columns` is named.
    pub positions: Vec<usize>,
    /// Where a value goes below each of `columns`: the names of fields in fields, or nothing.
    pub fields: Vec<Vec<String>>,
    /// VALUES or a query; `None` is DEFAULT VALUES.
    pub source: Option<Box<sql::Query>>,
    /// Row and column of each DEFAULT in VALUES, which is NULL in `source`.
    pub defaults: Vec<(usize, usize)>,
    /// INSERT OVERWRITE replaces the table's content.
    pub overwrite: bool,
    pub overriding: Overriding,
    pub on_conflict: Option<OnConflict>,
    pub returning: Vec<sql::SelectItem>,
}

/// What an INSERT says of the values that it gives for identity columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Overriding {
    Nothing,
    /// OVERRIDING SYSTEM VALUE: columns GENERATED ALWAYS take them, too.
    SystemValue,
    /// OVERRIDING USER VALUE: none takes them.
    UserValue,
}

/// INSERT … ON CONFLICT.
#[derive(Debug, Clone)]
pub struct OnConflict {
    pub target: ConflictTarget,
    pub action: ConflictAction,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConflictTarget {
    /// Every declared key.
    Any,
    Columns(Vec<String>),
    Constraint(String),
}

#[derive(Debug, Clone)]
pub enum ConflictAction {
    Nothing,
    Update {
        columns: Vec<AssignedColumn>,
        /// One for each of `columns`.
        values: Vec<sql::SelectItem>,
        condition: Option<Box<sql::Expr>>,
    },
}

/// MERGE INTO target USING source ON … WHEN … [RETURNING …].
#[derive(Debug, Clone)]
pub struct Merge {
    pub table: ObjectName,
    /// The character where the table is named.
    pub position: usize,
    /// SELECT each clause's condition and values, then RETURNING's items, FROM source JOIN target ON ….
    pub rows: Box<sql::Query>,
    pub clauses: Vec<MergeClause>,
    pub returning: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MergeClause {
    pub when: MergeWhen,
    pub action: MergeAction,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MergeWhen {
    Matched,
    /// WHEN NOT MATCHED [BY TARGET].
    NotInTarget,
    /// WHEN NOT MATCHED BY SOURCE.
    NotInSource,
}

/// The items of `rows` that belong to an action follow its condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MergeAction {
    Update(Vec<AssignedColumn>),
    Delete,
    /// The columns; without a list, all of the table's, in order. `None`: DEFAULT VALUES.
    Insert {
        columns: Vec<String>,
        values: Vec<bool>,
        overriding: Overriding,
    },
    Nothing,
}

/// UPDATE target SET … [FROM …] [WHERE …] [RETURNING …].
#[derive(Debug, Clone)]
pub struct Update {
    pub table: ObjectName,
    /// The character where the table is named.
    pub position: usize,
    /// The columns that the first items of `rows` are assigned to.
    pub columns: Vec<AssignedColumn>,
    /// SELECT values, RETURNING's items FROM target, further tables WHERE ….
    pub rows: Box<sql::Query>,
    pub returning: bool,
}

/// A column that SET or a list of columns names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AssignedColumn {
    pub name: String,
    /// The value is the column's default; the item is NULL.
    pub default: bool,
    /// The character where it is named.
    pub position: usize,
}

/// DELETE FROM target [USING …] [WHERE …] [RETURNING …].
#[derive(Debug, Clone)]
pub struct Delete {
    pub table: ObjectName,
    /// The character where the table is named.
    pub position: usize,
    /// SELECT RETURNING's items FROM target, further tables WHERE ….
    pub rows: Box<sql::Query>,
    pub returning: bool,
}
