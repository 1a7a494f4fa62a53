//! SHOW setting, and Databricks' SHOW TABLES | SCHEMAS | DATABASES | CATALOGS.

use super::ast::{ShowTarget, Statement};
use super::dialect::is_word;
use super::reader::Reader;
use super::set::setting_name;
use crate::error::{Error, Result};

pub(super) fn show(reader: &mut Reader) -> Result<Statement> {
    reader.expect(&["show"])?;
    let setting = |name: &str| ShowTarget::Setting(name.to_string());
    let name = if reader.accept(&["all"]) {
        ShowTarget::All
    } else if reader.accept(&["time", "zone"]) {
        setting("timezone")
    } else if reader.accept(&["transaction", "isolation", "level"]) {
        setting("transaction_isolation")
    } else if reader.accept(&["session", "authorization"]) {
        setting("session_authorization")
    } else if reader.accept(&["tables"]) {
        let schema = match reader.accept_any(&["in", "from"]) {
            Some(_) => Some(reader.object_name()?),
            None => None,
        };
        refuse_pattern(reader)?;
        ShowTarget::Tables { schema }
    } else if reader.accept(&["schemas"]) {
        refuse_pattern(reader)?;
        ShowTarget::Schemas
    } else if reader.accept_any(&["databases", "catalogs"]).is_some() {
        refuse_pattern(reader)?;
        ShowTarget::Databases
    } else if reader.peek_words(&["columns"]) && ["in", "from"].iter().any(|word| is_word(reader.peek_nth(1), word)) {
        reader.advance();
        reader.advance();
        return Ok(Statement::DescribeTable {
            name: reader.object_name()?,
        });
    } else if let Some(
        word @ ("columns" | "create" | "grants" | "functions" | "views" | "partitions" | "tblproperties"),
    ) = reader.peek_word()
    {
        return Err(Error::unsupported(format!("SHOW {}", word.to_uppercase()))
            .with_hint("Ask information_schema, or use DESCRIBE table."));
    } else {
        ShowTarget::Setting(setting_name(reader)?)
    };
    Ok(Statement::Show { name })
}

fn refuse_pattern(reader: &Reader) -> Result<()> {
    if reader.peek_words(&["like"]) || reader.peek_words(&["in"]) {
        return Err(Error::unsupported("SHOW … LIKE").with_hint("Ask information_schema with a WHERE clause."));
    }
    Ok(())
}
