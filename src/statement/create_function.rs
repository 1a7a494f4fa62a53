//! CREATE FUNCTION f(a int) RETURNS type RETURN expression, or AS $$ SELECT … $$ LANGUAGE sql: functions whose body is one
//! expression, which is what a policy can take in, or one query.

use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};

use super::ast::{CreateFunction, Statement};
use super::dialect::{self, is_word};
use super::lexer;
use super::reader::Reader;
use super::source::Source;
use crate::catalog::model::{OutputArgument, OutputMode, QueryResult};
use crate::error::{Error, Result, SqlState};
use crate::types::SqlType;

pub(super) fn create_function(reader: &mut Reader, or_replace: bool) -> Result<Statement> {
    let if_not_exists = reader.if_not_exists();
    let name = reader.object_name()?;
    reader.expect_token(&Token::LParen)?;
    let mut declared = Declared::default();
    if *reader.peek() != Token::RParen {
        let parameters = reader.list(|reader| Ok((reader.parameter()?, default(reader)?)))?;
        for (parameter, default) in parameters {
            declared.add(parameter, default)?;
        }
    }
    reader.expect_token(&Token::RParen)?;
    declared.check_defaults()?;
    let returns = declared.returns(reader)?;
    let mut options = Options {
        rows: declared.is_set || !declared.outputs.is_empty(),
        ..Options::default()
    };
    while options.read(reader)? {}
    let Some(body) = options.body else {
        reader.expect_end()?;
        return Err(Error::new(
            SqlState::InvalidObjectDefinition,
            "no function body specified",
        ));
    };
    let is_strict = options.strict && !declared.arguments.is_empty();
    let (body, query) = match body {
        Body::Expression(body) if is_strict => (null_on_null_input(&declared.arguments, &body), None),
        Body::Expression(body) => (body, None),
        Body::Query(body) => {
            let query = QueryResult {
                is_set: declared.is_set,
                is_strict,
                outputs: declared.outputs,
            };
            (body, Some(query))
        }
    };
    Ok(Statement::CreateFunction(CreateFunction {
        name,
        or_replace,
        if_not_exists,
        arguments: declared.arguments,
        defaults: declared.defaults,
        returns,
        body,
        query,
        comment: options.comment,
    }))
}

/// Whether the tokens end inside BEGIN ATOMIC … END, where a semicolon does not end the statement.
pub(super) fn is_in_body(tokens: &[TokenWithSpan]) -> bool {
    let mut words = tokens.iter().map(|token| &token.token);
    if !words.next().is_some_and(|first| is_word(first, "create")) {
        return false;
    }
    let begins = tokens
        .windows(2)
        .position(|pair| is_word(&pair[0].token, "begin") && is_word(&pair[1].token, "atomic"));
    let Some(begin) = begins else { return false };
    let depth = tokens[begin + 2..].iter().fold(1, |depth, token| match &token.token {
        token if is_word(token, "case") => depth + 1,
        token if is_word(token, "end") => depth - 1,
        _ => depth,
    });
    depth > 0
}

/// What a function takes and gives, as its declaration says.
#[derive(Default)]
struct Declared {
    arguments: Vec<(String, SqlType)>,
    /// Of each argument.
    defaults: Vec<Option<String>>,
    outputs: Vec<OutputArgument>,
    is_set: bool,
}

impl Declared {
    fn add(
        &mut self,
        (mode, (name, sql_type)): (Option<OutputMode>, (String, SqlType)),
        default: Option<String>,
    ) -> Result<()> {
        if let Some(mode) = mode {
            self.outputs.push(OutputArgument {
                name: name.clone(),
                sql_type: sql_type.clone(),
                mode,
                inputs_before: self.arguments.len(),
            });
        }
        match mode {
            Some(OutputMode::Out | OutputMode::Table) if default.is_some() => {
                let message = "only input parameters can have default values";
                Err(Error::new(SqlState::InvalidFunctionDefinition, message))
            }
            Some(OutputMode::Out | OutputMode::Table) => Ok(()),
            Some(OutputMode::InOut) | None => {
                self.arguments.push((name, sql_type));
                self.defaults.push(default);
                Ok(())
            }
        }
    }

    fn check_defaults(&self) -> Result<()> {
        let mut from_first = self.defaults.iter().skip_while(|default| default.is_none());
        if from_first.any(Option::is_none) {
            let message = "input parameters after one with a default value must also have defaults";
            return Err(Error::new(SqlState::InvalidFunctionDefinition, message));
        }
        Ok(())
    }

    /// The type of the result: what RETURNS says, or what the output arguments make.
    fn returns(&mut self, reader: &mut Reader) -> Result<SqlType> {
        let position = reader.position();
        if !reader.accept(&["returns"]) {
            return self.of_outputs().ok_or_else(|| {
                let message = "function result type must be specified";
                Error::new(SqlState::InvalidFunctionDefinition, message)
            });
        }
        if reader.accept(&["table"]) {
            if !self.outputs.is_empty() {
                let message = "OUT and INOUT arguments aren't allowed in TABLE functions";
                return Err(Error::syntax(message).at(position));
            }
            self.is_set = true;
            let columns = reader.parenthesized(|reader| Ok((reader.name()?, reader.data_type()?)))?;
            for column in columns {
                self.add((Some(OutputMode::Table), column), None)?;
            }
            return Ok(self.of_outputs().unwrap_or(SqlType::Record));
        }
        self.is_set = reader.accept(&["setof"]);
        let position = reader.position();
        let returns = match reader.accept(&["record"]) {
            true => SqlType::Record,
            false => reader.data_type()?,
        };
        match self.of_outputs() {
            Some(expected) if expected != returns => {
                let message = format!("function result type must be {expected} because of OUT parameters");
                Err(Error::new(SqlState::InvalidFunctionDefinition, message))
            }
            None if returns == SqlType::Record => {
                Err(Error::unsupported("a function returning record without OUT parameters").at(position))
            }
            _ => Ok(returns),
        }
    }

    fn of_outputs(&self) -> Option<SqlType> {
        match self.outputs.as_slice() {
            [] => None,
            [only] => Some(only.sql_type.clone()),
            _ => Some(SqlType::Record),
        }
    }
}

/// `DEFAULT expression` or `= expression` behind an argument.
fn default(reader: &mut Reader) -> Result<Option<String>> {
    if !reader.accept(&["default"]) {
        if *reader.peek() != Token::Eq {
            return Ok(None);
        }
        reader.advance();
    }
    let start = reader.position();
    reader.expression()?;
    Ok(Some(reader.text_since(start).to_string()))
}

impl Reader<'_> {
    /// `[IN | OUT | INOUT] [name] type`, and what it gives if it gives something; without a name the argument is called
    /// by its number only.
    pub(super) fn parameter(&mut self) -> Result<(Option<OutputMode>, (String, SqlType))> {
        let position = self.position();
        if self.accept(&["variadic"]) {
            return Err(Error::unsupported("the argument mode VARIADIC").at(position));
        }
        let mode = match self.accept(&["in"]) {
            true => self.accept(&["out"]).then_some(OutputMode::InOut),
            false if self.accept(&["out"]) => Some(OutputMode::Out),
            false => self.accept(&["inout"]).then_some(OutputMode::InOut),
        };
        let named = match (self.peek(), self.peek_nth(1)) {
            (Token::Word(first), Token::Word(second)) => {
                let one_type = matches!(
                    (first.value.as_str(), second.value.as_str()),
                    ("double", "precision")
                        | ("character" | "char" | "nchar" | "bit", "varying")
                        | ("national", _)
                        | ("time" | "timestamp", "with" | "without")
                ) || second.value == "default"
                    || second.value == "array" && *self.peek_nth(2) != Token::Lt;
                !one_type
            }
            _ => false,
        };
        let name = if named { self.name()? } else { String::new() };
        Ok((mode, (name, self.data_type()?)))
    }
}

enum Body {
    Expression(String),
    Query(String),
}

#[derive(Default)]
struct Options {
    /// The function gives rows, so that its body is a query in any case.
    rows: bool,
    body: Option<Body>,
    strict: bool,
    comment: Option<String>,
}

impl Options {
    /// One clause after RETURNS, in any order; false when there is none.
    fn read(&mut self, reader: &mut Reader) -> Result<bool> {
        let position = reader.position();
        if reader.accept(&["language"]) {
            let language = reader.language()?;
            if !language.eq_ignore_ascii_case("sql") {
                return Err(Error::unsupported(format!("a function in language {language}"))
                    .with_hint("Write the function in SQL: RETURN expression.")
                    .at(position));
            }
        } else if reader.accept(&["return"]) {
            let start = reader.position();
            reader.expression()?;
            let text = reader.text_since(start).to_string();
            let body = match self.rows {
                true => Body::Query(format!("SELECT {text}")),
                false => Body::Expression(text),
            };
            self.set_body(body, position)?;
        } else if reader.accept(&["as"]) {
            let text = reader.string()?;
            if *reader.peek() == Token::Comma {
                return Err(Error::unsupported("a function of an object file").at(position));
            }
            let expression = match self.rows {
                true => None,
                false => expression_of_select(&text),
            };
            let body = match expression {
                Some(expression) => Body::Expression(expression),
                None => Body::Query(query_of_text(&text)?),
            };
            self.set_body(body, position)?;
        } else if reader.accept(&["begin", "atomic"]) {
            let start = reader.position();
            reader.query()?;
            let text = reader.text_since(start).to_string();
            reader.expect_token(&Token::SemiColon)?;
            if !reader.accept(&["end"]) {
                return Err(several_statements().at(position));
            }
            self.set_body(Body::Query(text), position)?;
        } else if reader.accept(&["strict"]) || reader.accept(&["returns", "null", "on", "null", "input"]) {
            self.strict = true;
        } else if reader.accept(&["called", "on", "null", "input"]) {
            self.strict = false;
        } else if reader.accept(&["comment"]) {
            self.comment = Some(reader.string()?);
        } else if reader.peek_words(&["security", "definer"]) || reader.peek_words(&["external", "security"]) {
            return Err(Error::unsupported("SECURITY DEFINER")
                .with_hint("A function in a policy already runs with its definer's rights.")
                .at(position));
        } else {
            return skip_attribute(reader);
        }
        Ok(true)
    }

    fn set_body(&mut self, body: Body, position: usize) -> Result<()> {
        if self.body.replace(body).is_some() {
            return Err(Error::syntax("conflicting or redundant options").at(position));
        }
        Ok(())
    }
}

/// What the planner finds out by itself: volatility, cost, parallel safety.
fn skip_attribute(reader: &mut Reader) -> Result<bool> {
    const ATTRIBUTES: [&[&str]; 12] = [
        &["immutable"],
        &["stable"],
        &["volatile"],
        &["leakproof"],
        &["not", "leakproof"],
        &["security", "invoker"],
        &["deterministic"],
        &["not", "deterministic"],
        &["contains", "sql"],
        &["reads", "sql", "data"],
        &["parallel"],
        &["cost"],
    ];
    for words in ATTRIBUTES {
        if reader.accept(words) {
            match words {
                ["parallel"] => drop(reader.label()?),
                ["cost"] => drop(reader.integer()?),
                _ => {}
            }
            return Ok(true);
        }
    }
    Ok(false)
}

/// The expression of `SELECT expression [AS name] [;]`; `None` for any other text.
fn expression_of_select(text: &str) -> Option<String> {
    let source = Source::new(text);
    let mut tokens = lexer::tokenize(text).ok()?;
    while tokens.last().is_some_and(|token| token.token == Token::SemiColon) {
        tokens.pop();
    }
    dialect::fix(&mut tokens);
    let mut reader = Reader::new(&source, tokens, source.end(), false);
    if !reader.accept(&["select"]) {
        return None;
    }
    let start = reader.position();
    reader.expression().ok()?;
    let expression = reader.text_since(start).to_string();
    if reader.accept(&["as"]) {
        reader.label().ok()?;
    }
    reader.at_end().then_some(expression)
}

/// The one query that a body is.
fn query_of_text(text: &str) -> Result<String> {
    // Positions count inside the body, where a client would look in the wrong text.
    let statements = super::parse(text).map_err(|error| {
        let message = format!("{} in the function's body", error.message());
        Error::new(error.state(), message)
    })?;
    match statements.as_slice() {
        [only] if matches!(only.statement, Statement::Query(_)) => Ok(only.text.clone()),
        _ => Err(several_statements()),
    }
}

fn several_statements() -> Error {
    Error::unsupported("a function body other than one query").with_hint("Write RETURN expression, or AS 'SELECT …'.")
}

/// STRICT, written into the expression.
fn null_on_null_input(arguments: &[(String, SqlType)], body: &str) -> String {
    let nulls: Vec<String> = (1..=arguments.len())
        .map(|number| format!("${number} IS NULL"))
        .collect();
    format!("CASE WHEN {} THEN NULL ELSE {body} END", nulls.join(" OR "))
}
