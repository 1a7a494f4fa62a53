//! The columns that every table has besides its own: what they are called, their numbers in pg_attribute and their types.

use crate::error::{Error, Result, SqlState};
use crate::types::{Spelled, SqlType};

/// A column that no definition names and `*` does not show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SystemColumn {
    pub name: &'static str,
    /// pg_attribute.attnum.
    pub number: i16,
    pub sql_type: SqlType,
}

pub const CTID: &str = "ctid";
pub const XMIN: &str = "xmin";
pub const TABLEOID: &str = "tableoid";

pub static SYSTEM_COLUMNS: [SystemColumn; 6] = [
    column(CTID, -1, SqlType::Spelled(Spelled::Tid)),
    column(XMIN, -2, SqlType::Spelled(Spelled::Xid)),
    column("cmin", -3, SqlType::Spelled(Spelled::Cid)),
    column("xmax", -4, SqlType::Spelled(Spelled::Xid)),
    column("cmax", -5, SqlType::Spelled(Spelled::Cid)),
    column(TABLEOID, -6, SqlType::Oid),
];

const fn column(name: &'static str, number: i16, sql_type: SqlType) -> SystemColumn {
    SystemColumn { name, number, sql_type }
}

/// The system's column of this name.
pub fn system_column(name: &str) -> Option<&'static SystemColumn> {
    SYSTEM_COLUMNS.iter().find(|column| column.name == name)
}

/// 42701 for a name that a table's own column cannot have.
pub fn refuse_system_name(name: &str) -> Result<()> {
    match system_column(name) {
        None => Ok(()),
        Some(_) => {
            let message = format!("column name \"{name}\" conflicts with a system column name");
            Err(Error::new(SqlState::DuplicateColumn, message))
        }
    }
}
