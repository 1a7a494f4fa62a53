//! Blocks of a body and their handlers, and the first words that decide who reads a statement.

use datafusion::sql::sqlparser::tokenizer::Token;

use super::names::{Names, Place};
use super::tree::{
    Action, Block, Condition, DeclaredType, Handler, Handlers, Returns, Routine, Signature, Sql, Step, Variable,
};
use crate::error::{Error, Result, SqlState, states_of_condition};
use crate::statement::lexer;
use crate::statement::reader::Reader;
use crate::statement::source::Source;
use crate::types::SqlType;

/// Blocks, loops and branches inside of each other.
const MAX_DEPTH: usize = 100;

/// Reads the body of a routine. Positions of errors are one-based characters of the body.
pub fn parse(body: &str, signature: &Signature) -> Result<Routine> {
    let name = signature.name.as_str();
    let source = Source::new(body);
    let tokens = lexer::tokenize(body)?;
    let mut parser = Parser {
        source: &source,
        reader: Reader::new(&source, tokens, source.end(), false),
        names: Names::default(),
        place: None,
        variables: vec![],
        texts: 0,
        labels: vec![],
        returns: signature.returns,
        depth: 0,
    };
    parser.place = parser.names.label(None, Some(name));
    let parameters = signature.parameters.iter().zip(1..);
    let parameters = parameters.map(|((name, sql_type), number)| {
        let numbered = format!("${number}");
        let variable = parser.declare(&numbered, DeclaredType::Type(sql_type.clone()));
        if !name.is_empty() {
            parser.place = parser.names.variable(parser.place, name, variable);
            parser.rename(variable, name);
        }
        variable
    });
    let parameters = parameters.collect();
    let found = parser.declare("found", DeclaredType::Type(SqlType::Bool));
    let body = match parser.whole() {
        Ok(body) => body,
        Err(error) if error.position().is_some() => return Err(error),
        Err(error) => {
            let line = parser.line();
            return Err(error.within(format!("compilation of PL/pgSQL function \"{name}\" near line {line}")));
        }
    };
    Ok(Routine {
        parameters,
        returns: signature.returns,
        variables: parser.variables,
        names: parser.names,
        body,
        found,
        texts: parser.texts,
    })
}

pub(super) struct Parser<'a> {
    pub source: &'a Source<'a>,
    pub reader: Reader<'a>,
    pub names: Names,
    pub place: Place,
    pub variables: Vec<Variable>,
    texts: usize,
    /// Labels around a statement, and whether each is a loop's.
    pub labels: Vec<(Option<String>, bool)>,
    pub returns: Returns,
    depth: usize,
}

impl<'a> Parser<'a> {
    /// The block that a body is.
    fn whole(&mut self) -> Result<Block> {
        let label = self.label()?;
        let block = self.block(label)?;
        self.reader.accept_token(&Token::SemiColon);
        self.reader.expect_end()?;
        Ok(block)
    }

    /// The line of the next token.
    pub fn line(&self) -> usize {
        let before = self.source.slice(1, self.reader.position());
        1 + before.bytes().filter(|byte| *byte == b'\n').count()
    }

    /// A variable without a declaration of its own.
    pub fn declare(&mut self, name: &str, declared: DeclaredType) -> usize {
        let line = self.line();
        self.variables.push(Variable {
            name: name.to_string(),
            declared,
            constant: false,
            not_null: false,
            default: None,
            line,
        });
        let variable = self.variables.len() - 1;
        self.place = self.names.variable(self.place, name, variable);
        variable
    }

    /// How messages call a variable.
    fn rename(&mut self, variable: usize, name: &str) {
        if let Some(variable) = self.variables.get_mut(variable) {
            variable.name = name.to_string();
        }
    }

    pub fn begin_scope(&mut self, label: Option<&str>) -> Place {
        let outer = self.place;
        self.place = self.names.label(outer, label);
        outer
    }

    /// `<<label>>`.
    fn label(&mut self) -> Result<Option<String>> {
        if !self.reader.accept_token(&Token::ShiftLeft) {
            return Ok(None);
        }
        let label = self.reader.label()?;
        self.reader.expect_token(&Token::ShiftRight)?;
        Ok(Some(label))
    }

    /// The label behind END.
    pub fn end_label(&mut self, label: Option<&str>) -> Result<()> {
        let position = self.reader.position();
        let Token::Word(_) = self.reader.peek() else {
            return Ok(());
        };
        let end = self.reader.label()?;
        let message = match label {
            Some(label) if label == end => return Ok(()),
            Some(label) => format!("end label \"{end}\" differs from block's label \"{label}\""),
            None => format!("end label \"{end}\" specified for unlabeled block"),
        };
        Err(Error::syntax(message).at(position))
    }

    /// [DECLARE …] BEGIN … [EXCEPTION …] END.
    fn block(&mut self, label: Option<String>) -> Result<Block> {
        let outer = self.begin_scope(label.as_deref());
        let mut declared = vec![];
        while self.reader.accept(&["declare"]) {
            while !self.reader.peek_words(&["begin"]) && !self.reader.peek_words(&["declare"]) {
                declared.extend(self.declaration()?);
            }
        }
        let line = self.line();
        self.reader.expect(&["begin"])?;
        self.labels.push((label.clone(), false));
        let steps = self.steps(&["end", "exception"])?;
        let handlers = match self.reader.accept(&["exception"]) {
            true => Some(self.handlers()?),
            false => None,
        };
        self.labels.pop();
        self.reader.expect(&["end"])?;
        self.end_label(label.as_deref())?;
        self.place = outer;
        Ok(Block {
            label,
            line,
            declared,
            steps,
            handlers,
        })
    }

    fn handlers(&mut self) -> Result<Handlers> {
        let outer = self.begin_scope(None);
        let sqlstate = self.declare("sqlstate", DeclaredType::Type(SqlType::Text));
        let sqlerrm = self.declare("sqlerrm", DeclaredType::Type(SqlType::Text));
        let mut handlers = vec![];
        while self.reader.accept(&["when"]) {
            let mut conditions = self.conditions()?;
            while self.reader.accept(&["or"]) {
                conditions.extend(self.conditions()?);
            }
            self.reader.expect(&["then"])?;
            let steps = self.steps(&["end", "when"])?;
            handlers.push(Handler { conditions, steps });
        }
        if handlers.is_empty() {
            return Err(self.reader.error_here());
        }
        self.place = outer;
        Ok(Handlers {
            sqlstate,
            sqlerrm,
            handlers,
        })
    }

    /// One condition, which may be several states.
    fn conditions(&mut self) -> Result<Vec<Condition>> {
        if self.reader.accept(&["others"]) {
            return Ok(vec![Condition::Others]);
        }
        if self.reader.accept(&["sqlstate"]) {
            return Ok(vec![Condition::State(self.state()?)]);
        }
        let name = self.reader.label()?;
        let states = states_of_condition(&name);
        if states.is_empty() {
            return Err(unknown_condition(&name));
        }
        Ok(states
            .into_iter()
            .map(|state| Condition::State(state.to_string()))
            .collect())
    }

    /// The text behind SQLSTATE.
    pub fn state(&mut self) -> Result<String> {
        let position = self.reader.position();
        let state = self.reader.string()?;
        let is_state = state.len() == 5
            && state
                .bytes()
                .all(|byte| byte.is_ascii_digit() || byte.is_ascii_uppercase());
        match is_state {
            true => Ok(state),
            false => Err(Error::syntax(format!("invalid SQLSTATE code at or near \"'{state}'\"")).at(position)),
        }
    }

    /// Statements up to one of the words, which stays.
    pub fn steps(&mut self, ends: &[&str]) -> Result<Vec<Step>> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            let error = Error::new(SqlState::StatementTooComplex, "stack depth limit exceeded");
            return Err(error.at(self.reader.position()));
        }
        let mut steps = vec![];
        while !ends.iter().any(|end| self.reader.peek_words(&[end])) {
            steps.push(self.step()?);
        }
        self.depth -= 1;
        Ok(steps)
    }

    fn step(&mut self) -> Result<Step> {
        let label = self.label()?;
        let line = self.line();
        let action = match label {
            Some(label) => self.labelled(Some(label))?,
            None if self.is_assignment() => self.assignment()?,
            None => self.action()?,
        };
        self.reader.expect_token(&Token::SemiColon)?;
        Ok(Step { line, action })
    }

    /// What may have a label.
    fn labelled(&mut self, label: Option<String>) -> Result<Action> {
        match self.reader.peek_word() {
            Some("declare" | "begin") => Ok(Action::Block(self.block(label)?)),
            Some("loop") => self.endless_loop(label),
            Some("while") => self.while_loop(label),
            Some("for") => self.for_loop(label),
            Some("foreach") => self.foreach_loop(label),
            _ => Err(self.reader.error_here()),
        }
    }

    fn action(&mut self) -> Result<Action> {
        match self.reader.peek_word() {
            Some("declare" | "begin" | "loop" | "while" | "for" | "foreach") => self.labelled(None),
            Some("if") => self.if_statement(),
            Some("case") => self.case_statement(),
            Some("exit" | "continue") => self.leave(),
            Some("return") => self.return_statement(),
            Some("null") if *self.reader.peek_nth(1) == Token::SemiColon => {
                self.reader.advance();
                Ok(Action::Null)
            }
            Some("perform") => self.perform(),
            Some("execute") => self.execute(),
            Some("get") => self.diagnostics(),
            Some("raise") => self.raise(),
            Some("assert") => self.assert(),
            Some("commit" | "rollback") => self.end_transaction(),
            Some(word @ ("open" | "close" | "fetch" | "move")) => {
                let error = Error::unsupported(format!("{} in PL/pgSQL", word.to_uppercase()));
                Err(error.at(self.reader.position()))
            }
            _ => self.command(),
        }
    }

    pub fn known(&self, name: &str) -> Option<usize> {
        self.names.find(self.place, name)
    }

    /// An expression up to a semicolon at the end of the statement, or to one of the words; neither is taken.
    pub fn expression_until(&mut self, words: &[&str]) -> Result<Sql> {
        let start = self.reader.position();
        let end = self.skip_until(words)?;
        self.expression_between(start, end)
    }

    /// The expression between two characters.
    pub fn expression_between(&mut self, start: usize, end: usize) -> Result<Sql> {
        let shown = self.source.slice(start, end);
        if shown.trim().is_empty() {
            return Err(Error::syntax(match self.reader.peek() {
                Token::EOF => "syntax error at end of input".to_string(),
                _ => "missing expression".to_string(),
            })
            .at(end));
        }
        const PREFIX: &str = "SELECT ";
        self.sql(format!("{PREFIX}{shown}"), shown, |position| {
            (position + start).saturating_sub(PREFIX.len() + 1)
        })
        .map(|sql| Sql {
            shown: shown.to_string(),
            ..sql
        })
    }

    /// SQL whose characters are somewhere in the body; its syntax is checked.
    pub fn sql(&mut self, text: String, shown: &str, place_of: impl Fn(usize) -> usize) -> Result<Sql> {
        let length = text.trim_end().len();
        let mut text = text;
        text.truncate(length);
        crate::statement::parse(&text).map_err(|error| match error.position() {
            Some(position) => error.at(place_of(position)),
            None => error,
        })?;
        let number = self.texts;
        self.texts += 1;
        Ok(Sql {
            number,
            text,
            shown: shown.trim().to_string(),
            place: self.place,
        })
    }

    /// Passes tokens up to a semicolon, or one of the words outside of parentheses; where they end.
    pub fn skip_until(&mut self, words: &[&str]) -> Result<usize> {
        let mut depth = 0_usize;
        let mut end = self.reader.position();
        loop {
            match self.reader.peek() {
                Token::EOF => return Err(self.reader.error_here()),
                Token::SemiColon if depth == 0 => return Ok(end),
                Token::SemiColon => {
                    return Err(Error::syntax("mismatched parentheses").at(self.reader.position()));
                }
                Token::LParen | Token::LBracket => depth += 1,
                Token::RParen | Token::RBracket => depth = depth.saturating_sub(1),
                Token::Comma if depth == 0 && words.contains(&",") => return Ok(end),
                Token::Word(word) if depth == 0 && word.quote_style.is_none() && words.contains(&&*word.value) => {
                    return Ok(end);
                }
                _ => {}
            }
            self.reader.advance();
            end = self.reader.end_position();
        }
    }

    /// The characters of the body.
    pub fn slice(&self, start: usize, end: usize) -> &'a str {
        self.source.slice(start, end)
    }
}

pub(super) fn unknown_condition(name: &str) -> Error {
    let message = format!("unrecognized exception condition \"{name}\"");
    Error::new(SqlState::UndefinedObject, message)
}
