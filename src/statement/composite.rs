//! CREATE TYPE … AS (…) and the attributes of ALTER TYPE.

use datafusion::sql::sqlparser::tokenizer::Token;

use super::ast::{Alter, AlterAttributes, CreateComposite, ObjectName, Statement};
use super::domain::collation;
use super::reader::Reader;
use crate::catalog::changes::AttributeChange;
use crate::error::Result;
use crate::types::SqlType;

/// The fields of CREATE TYPE.
pub(super) fn create(reader: &mut Reader, name: ObjectName) -> Result<Statement> {
    let mut fields = vec![];
    if *reader.peek_nth(1) == Token::RParen {
        reader.expect_token(&Token::LParen)?;
        reader.expect_token(&Token::RParen)?;
    } else {
        fields = reader.parenthesized(field)?;
    }
    Ok(Statement::CreateComposite(CreateComposite { name, fields }))
}

fn field(reader: &mut Reader) -> Result<(String, SqlType)> {
    let field = (reader.name()?, reader.data_type()?);
    if reader.accept(&["collate"]) {
        collation(reader)?;
    }
    Ok(field)
}

/// Whether ALTER TYPE is about attributes.
pub(super) fn alters_attributes(reader: &Reader) -> bool {
    let actions = ["add", "drop", "alter", "rename"];
    actions.iter().any(|action| reader.peek_words(&[action, "attribute"]))
}

/// The actions of ALTER TYPE on attributes.
pub(super) fn alter(reader: &mut Reader, name: ObjectName) -> Result<Alter> {
    let changes = reader.list(|reader| {
        let action = reader.accept_any(&["add", "drop", "alter", "rename"]);
        reader.expect(&["attribute"])?;
        let change = match action {
            Some("add") => {
                let (name, sql_type) = field(reader)?;
                AttributeChange::Add { name, sql_type }
            }
            Some("drop") => AttributeChange::Drop {
                if_exists: reader.if_exists(),
                name: reader.name()?,
            },
            Some("alter") => {
                let name = reader.name()?;
                reader.accept(&["set", "data"]);
                reader.expect(&["type"])?;
                let sql_type = reader.data_type()?;
                AttributeChange::SetType { name, sql_type }
            }
            _ => {
                let from = reader.name()?;
                reader.expect(&["to"])?;
                AttributeChange::Rename {
                    from,
                    to: reader.name()?,
                }
            }
        };
        reader.cascade();
        Ok(change)
    })?;
    Ok(Alter::Attributes(AlterAttributes { name, changes }))
}
