//! CREATE FUNCTION f(a int) RETURNS type RETURN expression, or AS $$ SELECT … $$ LANGUAGE sql: functions whose body is one
//! expression, which is what a policy can take in, or one query; other functions and procedures run as scripts.

use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};

use super::ast::{CreateFunction, RoleSetting, Statement};
use super::dialect::is_word;
use super::dispatch;
use super::reader::Reader;
use super::routine_body::{self, Body, Source};
use super::set;
use crate::catalog::model::{Language, OutputArgument, OutputMode, QueryResult, Script, Volatility};
use crate::error::{Error, Result, SqlState};
use crate::types::SqlType;
use crate::types::polymorphic;

pub(super) fn create_function(reader: &mut Reader, or_replace: bool, is_procedure: bool) -> Result<Statement> {
    let if_not_exists = !is_procedure && reader.if_not_exists();
    let name = reader.object_name()?;
    reader.expect_token(&Token::LParen)?;
    let mut declared = Declared {
        is_procedure,
        ..Declared::default()
    };
    if *reader.peek() != Token::RParen {
        let parameters = reader.list(|reader| Ok((reader.parameter()?, default(reader)?)))?;
        for (parameter, default) in parameters {
            declared.add(parameter, default)?;
        }
    }
    reader.expect_token(&Token::RParen)?;
    declared.check_defaults()?;
    let returns = match is_procedure {
        false => declared.returns(reader)?,
        true if declared.outputs.is_empty() => SqlType::Void,
        true => SqlType::Record,
    };
    declared.check_results(&returns)?;
    let mut options = Options::default();
    while options.read(reader)? {}
    let is_strict = options.strict && !declared.arguments.is_empty();
    let comment = options.comment.take();
    let shape = routine_body::Shape {
        name: name.last(),
        parameters: &declared.parameters,
        returns: &returns,
        is_set: declared.is_set,
        has_outputs: !declared.outputs.is_empty(),
        is_procedure,
        has_surroundings: options.security_definer || !options.settings.is_empty(),
    };
    let Some(body) = options.body(&shape)? else {
        reader.expect_end()?;
        return Err(Error::new(
            SqlState::InvalidObjectDefinition,
            "no function body specified",
        ));
    };
    let query = QueryResult {
        is_set: declared.is_set,
        is_strict,
        outputs: declared.outputs,
    };
    let (body, query, script) = match body {
        Body::Expression(body) if is_strict => (null_on_null_input(&declared.arguments, &body), None, None),
        Body::Expression(body) => (body, None, None),
        Body::Query(body) => (body, Some(query), None),
        Body::Script(body, language) => {
            let script = Script {
                language,
                is_procedure,
                volatility: options.volatility,
                security_definer: options.security_definer,
                settings: vec![],
            };
            (body, Some(query), Some(script))
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
        script,
        settings: options.settings,
        comment,
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
    /// All that is named, in order.
    parameters: Vec<(String, SqlType)>,
    is_set: bool,
    is_procedure: bool,
}

impl Declared {
    fn add(
        &mut self,
        (mode, (name, sql_type)): (Option<OutputMode>, (String, SqlType)),
        default: Option<String>,
    ) -> Result<()> {
        self.parameters.push((name.clone(), sql_type.clone()));
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
            Some(OutputMode::Out) if self.is_procedure && self.defaults.iter().any(Option::is_some) => {
                let message = "procedure OUT parameters cannot appear after one with a default value";
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

    /// What it gives is of types that the arguments decide about.
    fn check_results(&self, returns: &SqlType) -> Result<()> {
        let mut results = self.outputs.iter().map(|output| &output.sql_type).chain([returns]);
        let arguments = || self.arguments.iter().map(|(_, sql_type)| sql_type);
        results.try_for_each(|result| polymorphic::check_result(arguments(), result))
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
            let columns = reader.parenthesized(|reader| Ok((reader.name()?, reader.routine_type()?)))?;
            for column in columns {
                self.add((Some(OutputMode::Table), column), None)?;
            }
            return Ok(self.of_outputs().unwrap_or(SqlType::Record));
        }
        self.is_set = reader.accept(&["setof"]);
        let returns = match reader.accept(&["record"]) {
            true => SqlType::Record,
            false => reader.routine_type()?,
        };
        match self.of_outputs() {
            Some(expected) if expected != returns => {
                let message = format!("function result type must be {expected} because of OUT parameters");
                Err(Error::new(SqlState::InvalidFunctionDefinition, message))
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
        Ok((mode, (name, self.routine_type()?)))
    }

    /// A type that a function may take or give, the polymorphic ones among them.
    fn routine_type(&mut self) -> Result<SqlType> {
        let sql_type = self.data_type()?;
        let polymorphic = match &sql_type {
            SqlType::Named(name) => match name.as_slice() {
                [name] => polymorphic::named(name),
                _ => None,
            },
            _ => None,
        };
        Ok(polymorphic.unwrap_or(sql_type))
    }
}

#[derive(Default)]
struct Options {
    language: Option<String>,
    source: Option<Source>,
    strict: bool,
    volatility: Volatility,
    security_definer: bool,
    settings: Vec<RoleSetting>,
    comment: Option<String>,
}

impl Options {
    /// One clause after RETURNS, in any order; false when there is none.
    fn read(&mut self, reader: &mut Reader) -> Result<bool> {
        let position = reader.position();
        if reader.accept(&["language"]) {
            let language = reader.language()?.to_lowercase();
            if !matches!(language.as_str(), "sql" | "plpgsql") {
                return Err(Error::unsupported(format!("a function in language {language}"))
                    .with_hint("Functions are written in SQL or PL/pgSQL.")
                    .at(position));
            }
            if self.language.replace(language).is_some() {
                return Err(redundant(position));
            }
        } else if reader.accept(&["return"]) {
            let start = reader.position();
            reader.expression()?;
            let text = reader.text_since(start).to_string();
            self.set_source(Source::Return(text), position)?;
        } else if reader.accept(&["as"]) {
            let start = reader.position();
            let text = reader.string()?;
            if *reader.peek() == Token::Comma {
                return Err(Error::unsupported("a function of an object file").at(position));
            }
            let written = reader.text_since(start);
            let before = written.find(&text).map(|byte| written[..byte].chars().count());
            let offset = before.map(|before| start - 1 + before);
            self.set_source(Source::Text { text, offset }, position)?;
        } else if reader.accept(&["begin", "atomic"]) {
            let mut statements = vec![];
            while !reader.accept(&["end"]) {
                let start = reader.position();
                let is_query = matches!(dispatch::statement(reader)?, Statement::Query(_));
                statements.push((reader.text_since(start).to_string(), is_query));
                reader.expect_token(&Token::SemiColon)?;
            }
            self.set_source(Source::Atomic(statements), position)?;
        } else if reader.accept(&["strict"]) || reader.accept(&["returns", "null", "on", "null", "input"]) {
            self.strict = true;
        } else if reader.accept(&["called", "on", "null", "input"]) {
            self.strict = false;
        } else if reader.accept(&["comment"]) {
            self.comment = Some(reader.string()?);
        } else if let Some(definer) = security(reader) {
            self.security_definer = definer;
        } else if reader.peek_words(&["set"]) {
            self.settings.push(set::role_setting(reader)?);
        } else if let Some(word) = reader.accept_any(&["immutable", "stable", "volatile"]) {
            self.volatility = match word {
                "immutable" => Volatility::Immutable,
                "stable" => Volatility::Stable,
                _ => Volatility::Volatile,
            };
        } else {
            return skip_attribute(reader);
        }
        Ok(true)
    }

    fn set_source(&mut self, source: Source, position: usize) -> Result<()> {
        match self.source.replace(source) {
            Some(_) => Err(redundant(position)),
            None => Ok(()),
        }
    }

    /// What is run, once all clauses are known.
    fn body(&mut self, shape: &routine_body::Shape<'_>) -> Result<Option<Body>> {
        let Some(source) = self.source.take() else {
            return Ok(None);
        };
        let language = match (self.language.as_deref(), &source) {
            (Some("plpgsql"), _) => Language::PlPgSql,
            (None, Source::Text { .. }) if shape.is_procedure => {
                let message = "no language specified";
                return Err(Error::new(SqlState::InvalidFunctionDefinition, message));
            }
            _ => Language::Sql,
        };
        routine_body::body(source, language, shape).map(Some)
    }
}

fn redundant(position: usize) -> Error {
    Error::syntax("conflicting or redundant options").at(position)
}

/// Whose rights a routine has: whether SECURITY DEFINER.
pub(super) fn security(reader: &mut Reader) -> Option<bool> {
    if reader.peek_words(&["external", "security"]) {
        reader.advance();
    }
    match reader.accept(&["security", "definer"]) {
        true => Some(true),
        false => reader.accept(&["security", "invoker"]).then_some(false),
    }
}

/// What the planner finds out by itself: volatility, cost, parallel safety.
fn skip_attribute(reader: &mut Reader) -> Result<bool> {
    const ATTRIBUTES: [&[&str]; 9] = [
        &["leakproof"],
        &["not", "leakproof"],
        &["deterministic"],
        &["not", "deterministic"],
        &["contains", "sql"],
        &["reads", "sql", "data"],
        &["parallel"],
        &["cost"],
        &["rows"],
    ];
    for words in ATTRIBUTES {
        if reader.accept(words) {
            match words {
                ["parallel"] => drop(reader.label()?),
                ["cost" | "rows"] => drop(reader.integer()?),
                _ => {}
            }
            return Ok(true);
        }
    }
    Ok(false)
}

/// STRICT, written into the expression.
fn null_on_null_input(arguments: &[(String, SqlType)], body: &str) -> String {
    let nulls: Vec<String> = (1..=arguments.len())
        .map(|number| format!("${number} IS NULL"))
        .collect();
    format!("CASE WHEN {} THEN NULL ELSE {body} END", nulls.join(" OR "))
}
