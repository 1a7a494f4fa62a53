//! EXPLAIN [ANALYZE] [VERBOSE] statement, and EXPLAIN (options) statement.

use datafusion::sql::sqlparser::tokenizer::Token;

use super::ast::{ExplainFormat, Statement};
use super::dispatch;
use super::reader::Reader;
use crate::error::{Error, Result, SqlState};

pub(super) fn explain(reader: &mut Reader) -> Result<Statement> {
    reader.expect(&["explain"])?;
    let mut options = Options::default();
    if *reader.peek() == Token::LParen && !starts_query(reader.peek_nth(1)) {
        for (name, value, position) in reader.parenthesized(option)? {
            options.set(&name, value.as_deref(), position)?;
        }
    } else {
        options.analyze = reader.accept(&["analyze"]) || reader.accept(&["analyse"]);
        options.verbose = reader.accept(&["verbose"]);
        if reader
            .accept_any(&["extended", "formatted", "codegen", "cost"])
            .is_some()
        {
            options.verbose = true;
        }
    }
    if reader.peek_words(&["explain"]) {
        return Err(reader.error_here());
    }
    let unexplained = reader.error_here();
    let statement = Box::new(dispatch::statement(reader)?);
    match &*statement {
        Statement::Query(_)
        | Statement::Insert(_)
        | Statement::Update(_)
        | Statement::Delete(_)
        | Statement::Merge(_)
        | Statement::DeclareCursor(_)
        | Statement::Execute { .. } => {}
        Statement::CreateTable(create) if create.query.is_some() || create.execute.is_some() => {}
        _ => return Err(unexplained),
    }
    Ok(Statement::Explain {
        analyze: options.analyze,
        verbose: options.verbose,
        format: options.format,
        statement,
    })
}

#[derive(Default)]
struct Options {
    analyze: bool,
    verbose: bool,
    format: ExplainFormat,
}

impl Options {
    /// Options about measures that we do not take (COSTS, BUFFERS, TIMING …) are accepted: leaving them out is
    /// not wrong.
    fn set(&mut self, name: &str, value: Option<&str>, position: usize) -> Result<()> {
        let flag = || boolean(name, value).map_err(|error| error.at(position));
        match name {
            "analyze" | "analyse" => self.analyze = flag()?,
            "verbose" => self.verbose = flag()?,
            "costs" | "buffers" | "timing" | "summary" | "settings" | "wal" | "generic_plan" | "memory" => {
                flag()?;
            }
            "serialize" => {}
            "format" => match value {
                Some("text") => self.format = ExplainFormat::Text,
                Some("json") => self.format = ExplainFormat::Json,
                Some("xml") => self.format = ExplainFormat::Xml,
                Some("yaml") => self.format = ExplainFormat::Yaml,
                other => {
                    let message = format!(
                        "unrecognized value for EXPLAIN option \"format\": \"{}\"",
                        other.unwrap_or_default()
                    );
                    return Err(Error::new(SqlState::InvalidParameterValue, message).at(position));
                }
            },
            _ => return Err(Error::syntax(format!("unrecognized EXPLAIN option \"{name}\"")).at(position)),
        }
        Ok(())
    }
}

fn option(reader: &mut Reader) -> Result<(String, Option<String>, usize)> {
    let position = reader.position();
    let name = reader.label()?;
    let value = match reader.peek() {
        Token::Word(word) => Some(word.value.to_lowercase()),
        Token::Number(digits, _) => Some(digits.clone()),
        Token::SingleQuotedString(text) => Some(text.to_lowercase()),
        _ => None,
    };
    if value.is_some() {
        reader.advance();
    }
    Ok((name, value, position))
}

fn boolean(name: &str, value: Option<&str>) -> Result<bool> {
    match value {
        None | Some("on" | "true" | "1") => Ok(true),
        Some("off" | "false" | "0") => Ok(false),
        Some(_) => Err(Error::syntax(format!("{name} requires a Boolean value"))),
    }
}

fn starts_query(token: &Token) -> bool {
    matches!(token, Token::LParen)
        || matches!(token, Token::Word(word) if word.quote_style.is_none()
            && matches!(word.value.as_str(), "select" | "with" | "values" | "table"))
}
