//! CREATE FUNCTION f(a int) RETURNS type RETURN expression, or AS $$ SELECT expression $$ LANGUAGE sql:
//! scalar functions whose body is one expression, which is what a policy or a query can take in.

use datafusion::sql::sqlparser::tokenizer::Token;

use super::ast::{CreateFunction, Statement};
use super::dialect;
use super::lexer;
use super::reader::Reader;
use super::source::Source;
use crate::error::{Error, Result, SqlState};
use crate::types::SqlType;

pub(super) fn create_function(reader: &mut Reader, or_replace: bool) -> Result<Statement> {
    let if_not_exists = reader.if_not_exists();
    let name = reader.object_name()?;
    reader.expect_token(&Token::LParen)?;
    let arguments = if *reader.peek() == Token::RParen {
        vec![]
    } else {
        reader.list(|reader| {
            let argument = reader.argument()?;
            Ok((argument, default(reader)?))
        })?
    };
    let (arguments, defaults): (Vec<_>, Vec<_>) = arguments.into_iter().unzip();
    if defaults
        .iter()
        .skip_while(|default| default.is_none())
        .any(Option::is_none)
    {
        let message = "input parameters after one with a default value must also have defaults";
        return Err(Error::new(SqlState::InvalidFunctionDefinition, message));
    }
    reader.expect_token(&Token::RParen)?;
    if !reader.accept(&["returns"]) {
        return Err(Error::new(
            SqlState::InvalidObjectDefinition,
            "function result type must be specified",
        )
        .at(reader.position()));
    }
    if reader.peek_words(&["table"]) {
        return Err(Error::unsupported("a table function").at(reader.position()));
    }
    let returns = reader.data_type()?;
    let mut options = Options::default();
    while options.read(reader)? {}
    let Some(mut body) = options.body else {
        reader.expect_end()?;
        return Err(Error::new(
            SqlState::InvalidObjectDefinition,
            "no function body specified",
        ));
    };
    if options.strict && !arguments.is_empty() {
        body = null_on_null_input(&arguments, &body);
    }
    let comment = options.comment;
    Ok(Statement::CreateFunction(CreateFunction {
        name,
        or_replace,
        if_not_exists,
        arguments,
        defaults,
        returns,
        body,
        comment,
    }))
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
    /// `[IN] [name] type`; without a name the argument is called by its number only.
    pub(super) fn argument(&mut self) -> Result<(String, SqlType)> {
        let position = self.position();
        if let Some(mode @ ("out" | "inout" | "variadic")) = self.peek_word() {
            return Err(Error::unsupported(format!("the argument mode {}", mode.to_uppercase())).at(position));
        }
        self.accept(&["in"]);
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
        Ok((name, self.data_type()?))
    }
}

#[derive(Default)]
struct Options {
    body: Option<String>,
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
            self.set_body(text, position)?;
        } else if reader.accept(&["as"]) {
            let text = reader.string()?;
            if *reader.peek() == Token::Comma {
                return Err(Error::unsupported("a function of an object file").at(position));
            }
            self.set_body(expression_of_select(&text)?, position)?;
        } else if reader.peek_words(&["begin"]) {
            return Err(Error::unsupported("a function body of several statements")
                .with_hint("Write one expression: RETURN expression.")
                .at(position));
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

    fn set_body(&mut self, body: String, position: usize) -> Result<()> {
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

/// The expression of `SELECT expression [AS name] [;]`, which is all that a body may be.
fn expression_of_select(text: &str) -> Result<String> {
    let one_expression = || {
        Error::unsupported("a function body other than one expression")
            .with_hint("Write RETURN expression, or AS 'SELECT expression'.")
    };
    // Positions count inside the body, where a client would look in the wrong text.
    let read = || -> Result<Option<String>> {
        let source = Source::new(text);
        let mut tokens = lexer::tokenize(text)?;
        while tokens.last().is_some_and(|token| token.token == Token::SemiColon) {
            tokens.pop();
        }
        dialect::fix(&mut tokens);
        let mut reader = Reader::new(&source, tokens, source.end(), false);
        if !reader.accept(&["select"]) {
            return Ok(None);
        }
        let start = reader.position();
        reader.expression()?;
        let expression = reader.text_since(start).to_string();
        if reader.accept(&["as"]) {
            reader.label()?;
        }
        Ok(reader.at_end().then_some(expression))
    };
    match read() {
        Ok(Some(expression)) => Ok(expression),
        Ok(None) => Err(one_expression()),
        Err(error) => Err(Error::new(
            error.state(),
            format!("{} in the function's body", error.message()),
        )),
    }
}

/// STRICT, written into the expression.
fn null_on_null_input(arguments: &[(String, SqlType)], body: &str) -> String {
    let nulls: Vec<String> = (1..=arguments.len())
        .map(|number| format!("${number} IS NULL"))
        .collect();
    format!("CASE WHEN {} THEN NULL ELSE {body} END", nulls.join(" OR "))
}
