//! CREATE DOMAIN and ALTER DOMAIN.

use datafusion::sql::sqlparser::ast::Expr;
use datafusion::sql::sqlparser::tokenizer::Token;

use super::alter::{object_action, unsupported_action};
use super::ast::{Alter, CreateDomain, DomainAction, ObjectKind, Statement};
use super::create_table::without_not_null;
use super::reader::Reader;
use crate::error::{Error, Result, SqlState};

/// CREATE DOMAIN, after these words.
pub(super) fn create(reader: &mut Reader) -> Result<Statement> {
    let name = reader.object_name()?;
    reader.accept(&["as"]);
    let mut domain = CreateDomain {
        name,
        base: reader.data_type()?,
        default: None,
        not_null: false,
        checks: vec![],
    };
    let (mut is_nullable, mut constraint) = (None, None);
    loop {
        let position = reader.position();
        if reader.accept(&["constraint"]) {
            constraint = Some(reader.name()?);
        } else if reader.accept(&["collate"]) {
            collation(reader)?;
        } else if reader.accept(&["default"]) {
            let start = reader.position();
            let expression = reader.expression()?;
            let text = reader.text_since(start);
            let default = match expression {
                Expr::IsNotNull(_) => without_not_null(text),
                _ => None,
            };
            if default.is_some() {
                is_nullable = Some(false);
            }
            if domain.default.replace(default.unwrap_or(text).to_string()).is_some() {
                return Err(Error::syntax("multiple default expressions").at(position));
            }
        } else if reader.accept(&["not", "null"]) || reader.peek_words(&["null"]) {
            let nullable = reader.accept(&["null"]);
            if is_nullable.replace(nullable).is_some_and(|earlier| earlier != nullable) {
                return Err(Error::syntax("conflicting NULL/NOT NULL constraints").at(position));
            }
            constraint = None;
        } else if reader.accept(&["check"]) {
            domain.checks.push((constraint.take(), condition(reader)?));
        } else if let Some(word @ ("unique" | "primary" | "exclude" | "references" | "foreign")) = reader.peek_word() {
            let what = match word {
                "unique" => "unique",
                "primary" => "primary key",
                "exclude" => "exclusion",
                _ => "foreign key",
            };
            let message = format!("{what} constraints not possible for domains");
            return Err(Error::syntax(message).at(position));
        } else if constraint.is_some() {
            return Err(reader.error_here());
        } else {
            break;
        }
    }
    domain.not_null = is_nullable == Some(false);
    Ok(Statement::CreateDomain(domain))
}

/// Text compares by its bytes, which is what these two mean.
pub(super) fn collation(reader: &mut Reader) -> Result<()> {
    let position = reader.position();
    let name = reader.object_name()?;
    match name.last() {
        "C" | "POSIX" | "default" => Ok(()),
        other => {
            let message = format!("collation \"{other}\" for encoding \"UTF8\" does not exist");
            Err(Error::new(SqlState::UndefinedObject, message).at(position))
        }
    }
}

fn condition(reader: &mut Reader) -> Result<String> {
    reader.expect_token(&Token::LParen)?;
    let text = reader.expression_text()?;
    reader.expect_token(&Token::RParen)?;
    Ok(text)
}

/// ALTER DOMAIN, after these words.
pub(super) fn alter(reader: &mut Reader) -> Result<Statement> {
    let name = reader.object_name()?;
    let action = if reader.accept(&["set", "default"]) {
        Some(DomainAction::SetDefault(Some(reader.expression_text()?)))
    } else if reader.accept(&["drop", "default"]) {
        Some(DomainAction::SetDefault(None))
    } else if reader.accept(&["set", "not", "null"]) {
        Some(DomainAction::SetNotNull(true))
    } else if reader.accept(&["drop", "not", "null"]) {
        Some(DomainAction::SetNotNull(false))
    } else if reader.accept(&["add"]) {
        let name = match reader.accept(&["constraint"]) {
            true => Some(reader.name()?),
            false => None,
        };
        reader.expect(&["check"])?;
        Some(DomainAction::AddCheck {
            name,
            condition: condition(reader)?,
            not_valid: reader.accept(&["not", "valid"]),
        })
    } else if reader.accept(&["drop", "constraint"]) {
        let if_exists = reader.if_exists();
        let name = reader.name()?;
        reader.cascade();
        Some(DomainAction::DropConstraint { name, if_exists })
    } else if reader.accept(&["rename", "constraint"]) {
        let from = reader.name()?;
        reader.expect(&["to"])?;
        let to = reader.name()?;
        Some(DomainAction::RenameConstraint { from, to })
    } else if reader.accept(&["validate", "constraint"]) {
        Some(DomainAction::Validate(reader.name()?))
    } else {
        None
    };
    let alter = match action {
        Some(action) => Alter::Domain { name, action },
        None => match object_action(reader, ObjectKind::Domain, &name)? {
            Some(alter) => alter,
            None => return Err(unsupported_action(reader)),
        },
    };
    Ok(Statement::Alter {
        alter,
        if_exists: false,
    })
}
