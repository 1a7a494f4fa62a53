//! The system columns of tables: tableoid, ctid, xmin and their like. A table in FROM whose columns the text names so gets
//! them behind its own, under names that no client can write and no other table has (`names`), so that `*`, NATURAL joins
//! and whole rows go without. Which ones the text reads travels in the table's name, like a version does; nobody else
//! computes them (`exec`).

mod exec;
mod names;

pub(super) use exec::{Source, SystemColumnsExec};
pub(super) use names::{Relation, expose, marked};

use datafusion::sql::sqlparser::ast::Query;

use super::{ColumnOrigin, ColumnSource};
use crate::catalog::{CTID, SystemColumn, system_column};
use crate::error::{Error, Result};

/// Between a table's name and the system columns that are read of it.
const SEPARATOR: char = '\u{2}';

/// The system columns that a text reads of one of its tables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SystemColumns {
    /// Which table of the text it is.
    number: String,
    pub columns: Vec<&'static SystemColumn>,
}

impl SystemColumns {
    /// What a column is called in the plan.
    pub fn hidden_name(&self, column: &SystemColumn) -> String {
        hidden_name(column.name, &self.number)
    }
}

fn hidden_name(column: &str, number: &str) -> String {
    format!("\u{0}{column} {number}")
}

/// The system column that one of the plan stands for.
pub(super) fn shown_by(hidden: &str) -> Option<&'static SystemColumn> {
    let (name, _) = hidden.strip_prefix('\u{0}')?.split_once(' ')?;
    system_column(name)
}

/// The name of a table of the text without the system columns that are read of it, and those.
pub(super) fn split(name: &[String]) -> (Vec<String>, Option<SystemColumns>) {
    let mut plain = name.to_vec();
    let Some(last) = plain.last_mut() else {
        return (plain, None);
    };
    let Some((table, read)) = last.split_once(SEPARATOR) else {
        return (plain, None);
    };
    let mut words = read.split(',');
    let system = SystemColumns {
        number: words.next().unwrap_or_default().to_string(),
        columns: words.filter_map(system_column).collect(),
    };
    *last = table.to_string();
    (plain, Some(system))
}

/// 0A000 for ctid beside FOR UPDATE: who asks for both changes the rows one by one, and the first change moves the others.
pub(super) fn refuse_with_locks(query: &Query, shown: &[ColumnSource]) -> Result<()> {
    let is_ctid = |origin: ColumnOrigin| system_column(CTID).is_some_and(|ctid| ctid.number == origin.column);
    let shows_ctid = shown.iter().filter_map(|column| column.origin).any(is_ctid);
    if query.locks.is_empty() || !shows_ctid {
        return Ok(());
    }
    let hint = "Name the rows by a key: changing one of them moves others.";
    Err(Error::unsupported("ctid in SELECT … FOR UPDATE").with_hint(hint))
}

/// A plan's text without what the names of its tables say of system columns.
pub fn without_marks(text: &str) -> String {
    let mut parts = text.split(SEPARATOR);
    let mut shown = parts.next().unwrap_or_default().to_string();
    for part in parts {
        shown.push_str(part.trim_start_matches(|next: char| next.is_ascii_alphanumeric() || next == ','));
    }
    shown
}
