//! CREATE INDEX and REINDEX.

use datafusion::sql::sqlparser::tokenizer::Token;

use super::ast::{CreateIndex, IndexKeyDefinition, IndexedDefinition, ObjectName, Reindex, Statement};
use super::create::properties;
use super::reader::Reader;
use crate::error::Result;

/// What stands behind CREATE [UNIQUE] INDEX.
pub(super) fn create(reader: &mut Reader, unique: bool) -> Result<Statement> {
    let concurrently = reader.accept(&["concurrently"]);
    let if_not_exists = reader.if_not_exists();
    let name = match reader.peek_word() {
        Some("on") if !if_not_exists => None,
        _ => Some(reader.name()?),
    };
    reader.expect(&["on"])?;
    reader.accept(&["only"]);
    let table = reader.object_name()?;
    let method = match reader.accept(&["using"]) {
        true => Some(reader.name()?),
        false => None,
    };
    let keys = reader.parenthesized(key)?;
    let included = match reader.accept(&["include"]) {
        true => reader.parenthesized(|reader| reader.name())?,
        false => vec![],
    };
    let nulls_not_distinct = reader.accept(&["nulls", "not", "distinct"]);
    if !nulls_not_distinct {
        reader.accept(&["nulls", "distinct"]);
    }
    // How PostgreSQL would keep it.
    if reader.accept(&["with"]) {
        properties(reader)?;
    }
    if reader.accept(&["tablespace"]) {
        reader.name()?;
    }
    let condition = match reader.accept(&["where"]) {
        true => Some(reader.expression_text()?),
        false => None,
    };
    Ok(Statement::CreateIndex(CreateIndex {
        name,
        if_not_exists,
        concurrently,
        unique,
        nulls_not_distinct,
        table,
        method,
        keys,
        included,
        condition,
    }))
}

/// A column, a call or an expression in parentheses, with its order.
fn key(reader: &mut Reader) -> Result<IndexKeyDefinition> {
    let is_call = matches!(reader.peek_nth(1), Token::LParen);
    let of = match reader.peek() {
        Token::LParen => {
            reader.advance();
            let text = reader.expression_text()?;
            reader.expect_token(&Token::RParen)?;
            let name = "expr".to_string();
            IndexedDefinition::Expression { text, name }
        }
        Token::Word(word) if is_call => {
            let name = word.value.clone();
            let text = reader.expression_text()?;
            IndexedDefinition::Expression { text, name }
        }
        _ => IndexedDefinition::Column(reader.name()?),
    };
    if reader.accept(&["collate"]) {
        reader.object_name()?;
    }
    let is_order = matches!(reader.peek_word(), Some("asc" | "desc" | "nulls"));
    let operator_class = match reader.peek() {
        Token::Word(_) if !is_order => Some(reader.object_name()?.last().to_string()),
        _ => None,
    };
    if operator_class.is_some() && *reader.peek() == Token::LParen {
        properties(reader)?;
    }
    let descending = reader.accept_any(&["asc", "desc"]) == Some("desc");
    let nulls_first = match reader.accept(&["nulls"]) {
        true => match reader.accept_any(&["first", "last"]) {
            Some(word) => Some(word == "first"),
            None => return Err(reader.error_here()),
        },
        false => None,
    };
    Ok(IndexKeyDefinition {
        of,
        operator_class,
        descending,
        nulls_first,
    })
}

/// REINDEX [(options)] {INDEX | TABLE | SCHEMA | DATABASE | SYSTEM} [CONCURRENTLY] [name].
pub(super) fn reindex(reader: &mut Reader) -> Result<Statement> {
    reader.expect(&["reindex"])?;
    if *reader.peek() == Token::LParen {
        properties(reader)?;
    }
    let Some(kind) = reader.accept_any(&["index", "table", "schema", "database", "system"]) else {
        return Err(reader.error_here());
    };
    reader.accept(&["concurrently"]);
    let own_name = |name: ObjectName| name.last().to_string();
    Ok(Statement::Reindex(match kind {
        "index" => Reindex::Index(reader.object_name()?),
        "table" => Reindex::Table(reader.object_name()?),
        "schema" => Reindex::Schema(own_name(reader.object_name()?)),
        _ if reader.at_end() => Reindex::Database(None),
        _ => Reindex::Database(Some(own_name(reader.object_name()?))),
    }))
}
