//! CREATE SCHEMA, with the statements behind it that make what belongs into the schema.

use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};

use super::ast::{CreateSchema, GrantStatement, ObjectName, ParsedStatement, Statement};
use super::dialect::is_word;
use super::dispatch;
use super::reader::Reader;
use crate::error::{Error, Result, SqlState};

pub(super) fn create(reader: &mut Reader) -> Result<Statement> {
    let if_not_exists = reader.if_not_exists();
    let name = if reader.peek_words(&["authorization"]) {
        None
    } else {
        Some(reader.object_name()?)
    };
    let owner = if reader.accept(&["authorization"]) {
        Some(reader.role_name()?)
    } else {
        None
    };
    let name = match (name, &owner) {
        (Some(name), _) => name,
        (None, Some(owner)) => ObjectName(vec![owner.clone()]),
        (None, None) => return Err(reader.error_here()),
    };
    if let Some(word @ ("comment" | "managed" | "location" | "with")) = reader.peek_word() {
        return Err(Error::unsupported(format!("CREATE SCHEMA … {}", word.to_uppercase()))
            .with_hint("Create the schema first, then what belongs into it."));
    }
    let start = reader.position();
    let elements = elements(reader, name.last())?;
    if if_not_exists && !elements.is_empty() {
        let message = "CREATE SCHEMA IF NOT EXISTS cannot include schema elements";
        return Err(Error::new(SqlState::FeatureNotSupported, message).at(start));
    }
    Ok(Statement::CreateSchema(CreateSchema {
        name,
        if_not_exists,
        owner,
        elements,
    }))
}

/// What follows the schema's name, in the order in which it can be made.
fn elements(reader: &mut Reader, schema: &str) -> Result<Vec<ParsedStatement>> {
    let tokens: Vec<TokenWithSpan> = reader.rest().cloned().collect();
    if !tokens.first().is_some_and(begins_element) {
        return Ok(vec![]);
    }
    let mut elements = vec![];
    for tokens in separate(&tokens) {
        elements.push(element(reader, tokens, schema)?);
    }
    while !reader.at_end() {
        reader.advance();
    }
    elements.sort_by_key(|(step, _)| *step);
    Ok(elements.into_iter().map(|(_, element)| element).collect())
}

fn begins_element(token: &TokenWithSpan) -> bool {
    is_word(&token.token, "create") || is_word(&token.token, "grant")
}

/// The tokens of each element: CREATE and GRANT are reserved, so they begin one wherever they are no label.
fn separate(tokens: &[TokenWithSpan]) -> Vec<&[TokenWithSpan]> {
    let mut starts = vec![];
    let mut depth = 0_usize;
    for (index, token) in tokens.iter().enumerate() {
        match token.token {
            Token::LParen => depth += 1,
            Token::RParen => depth = depth.saturating_sub(1),
            _ => {}
        }
        let previous = index.checked_sub(1).map(|previous| &tokens[previous].token);
        let is_label = previous.is_some_and(|token| *token == Token::Period || is_word(token, "as"));
        if depth == 0 && begins_element(token) && !is_label {
            starts.push(index);
        }
    }
    let ends = starts.iter().skip(1).copied().chain([tokens.len()]);
    starts
        .iter()
        .zip(ends)
        .map(|(start, end)| &tokens[*start..end])
        .collect()
}

/// One element, and when its turn is: tables may have defaults of sequences, and views read tables.
fn element(outer: &Reader, tokens: &[TokenWithSpan], schema: &str) -> Result<(u8, ParsedStatement)> {
    let (Some(first), Some(last)) = (tokens.first(), tokens.last()) else {
        return Err(outer.error_here());
    };
    let (start, end) = (first.span.start.column as usize, last.span.end.column as usize);
    let parameter_count = super::parameter_count(tokens)?;
    let mut reader = outer.over(tokens.to_vec(), end);
    let statement = dispatch::statement(&mut reader)?;
    reader.expect_end()?;
    let (step, name) = match &statement {
        Statement::CreateSequence { name, .. } => (0, Some(name)),
        Statement::CreateTable(create) if create.query.is_none() && create.execute.is_none() => (1, Some(&create.name)),
        Statement::CreateView { name, .. } => (2, Some(name)),
        Statement::CreateIndex(_) => (3, None),
        Statement::Grant(GrantStatement { revoke: false, .. }) => (4, None),
        _ => {
            // What PostgreSQL does not read here.
            let mut reader = outer.over(tokens.to_vec(), end);
            reader.advance();
            return Err(reader.error_here());
        }
    };
    if let Some([named, _]) = name.map(|name| name.0.as_slice())
        && named != schema
    {
        let message = format!("CREATE specifies a schema ({named}) different from the one being created ({schema})");
        return Err(Error::new(SqlState::InvalidSchemaDefinition, message));
    }
    let parsed = ParsedStatement {
        text: reader.text_since(start).to_string(),
        statement,
        parameter_count,
    };
    Ok((step, parsed))
}
