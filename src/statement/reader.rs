//! Reads one statement token by token, for the statements that sqlparser lacks or mangles; queries and
//! expressions are handed to sqlparser. Every error is PostgreSQL's: `syntax error at or near "x"` at x.

use datafusion::sql::sqlparser::ast::helpers::attached_token::AttachedToken;
use datafusion::sql::sqlparser::ast::{Expr, Query, SelectInto, SelectItem, TableWithJoins, With};
use datafusion::sql::sqlparser::parser::{Parser, ParserError};
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};

use super::ast::ObjectName;
use super::dialect::{BoathouseDialect, is_function_or_type_name, is_reserved, is_word, misplaced_string};
use super::lexer;
use super::query::{self, Refusal};
use super::source::Source;
use crate::error::{Error, Result, SqlState};

/// Nested parentheses, subqueries and operators that sqlparser may descend.
const MAX_DEPTH: usize = 200;

pub(super) struct Reader<'a> {
    source: &'a Source<'a>,
    parser: Parser<'a>,
    /// The one-based character after the statement.
    end: usize,
    /// A semicolon ends this statement, so that is what an error at its end is near to.
    ends_with_semicolon: bool,
}

impl<'a> Reader<'a> {
    /// `tokens` are one statement without its semicolon; `end` is the character after them, where the
    /// semicolon or the end of the text is.
    pub(super) fn new(
        source: &'a Source<'a>,
        mut tokens: Vec<TokenWithSpan>,
        end: usize,
        ends_with_semicolon: bool,
    ) -> Reader<'a> {
        tokens.push(TokenWithSpan {
            token: Token::EOF,
            span: lexer::span(end, end),
        });
        let parser = parser_of(tokens);
        Reader {
            source,
            parser,
            end,
            ends_with_semicolon,
        }
    }

    /// A reader of other tokens of the same text.
    pub(super) fn over(&self, tokens: Vec<TokenWithSpan>, end: usize) -> Reader<'a> {
        Reader::new(self.source, tokens, end, self.ends_with_semicolon)
    }

    /// The one-based character after the statement.
    pub(super) fn end(&self) -> usize {
        self.end
    }

    pub(super) fn peek(&self) -> &Token {
        &self.parser.peek_token_ref().token
    }

    pub(super) fn peek_nth(&self, distance: usize) -> &Token {
        &self.parser.peek_nth_token_ref(distance).token
    }

    /// Whether the next tokens are these unquoted words, given in lower case.
    pub(super) fn peek_words(&self, words: &[&str]) -> bool {
        words
            .iter()
            .enumerate()
            .all(|(distance, word)| is_word(self.peek_nth(distance), word))
    }

    /// The next unquoted word.
    pub(super) fn peek_word(&self) -> Option<&str> {
        match self.peek() {
            Token::Word(word) if word.quote_style.is_none() => Some(&word.value),
            _ => None,
        }
    }

    pub(super) fn advance(&mut self) {
        self.parser.advance_token();
    }

    /// Takes the words if they are next.
    pub(super) fn accept(&mut self, words: &[&str]) -> bool {
        let found = self.peek_words(words);
        if found {
            words.iter().for_each(|_| self.advance());
        }
        found
    }

    /// Takes one of the words if it is next.
    pub(super) fn accept_any<'w>(&mut self, words: &[&'w str]) -> Option<&'w str> {
        let found = words.iter().find(|word| is_word(self.peek(), word)).copied();
        if found.is_some() {
            self.advance();
        }
        found
    }

    pub(super) fn accept_token(&mut self, token: &Token) -> bool {
        let found = self.peek() == token;
        if found {
            self.advance();
        }
        found
    }

    pub(super) fn expect(&mut self, words: &[&str]) -> Result<()> {
        for word in words {
            if !self.accept(&[word]) {
                return Err(self.error_here());
            }
        }
        Ok(())
    }

    pub(super) fn expect_token(&mut self, token: &Token) -> Result<()> {
        if self.accept_token(token) {
            Ok(())
        } else {
            Err(self.error_here())
        }
    }

    pub(super) fn at_end(&self) -> bool {
        *self.peek() == Token::EOF
    }

    pub(super) fn expect_end(&self) -> Result<()> {
        if self.at_end() {
            return Ok(());
        }
        Err(self.error_at(self.parser.token_at(self.real_culprit(self.parser.index()))))
    }

    /// One-based character where the next token starts.
    pub(super) fn position(&self) -> usize {
        self.parser.peek_token_ref().span.start.column as usize
    }

    /// One-based character after the last token taken.
    pub(super) fn end_position(&self) -> usize {
        self.parser.get_current_token().span.end.column as usize
    }

    /// The text from a position to the end of the last token taken.
    pub(super) fn text_since(&self, start: usize) -> &'a str {
        self.source.slice(start, self.end_position())
    }

    /// A column's, table's or role's name: any word that is not reserved, or a quoted one.
    pub(super) fn name(&mut self) -> Result<String> {
        let name = match self.peek() {
            Token::Word(word)
                if word.quote_style.is_some()
                    || (!is_reserved(&word.value) && !is_function_or_type_name(&word.value)) =>
            {
                word.value.clone()
            }
            _ => return Err(self.error_here()),
        };
        self.advance();
        Ok(name)
    }

    /// Any word at all: an option's name, or the part of a name after a period.
    pub(super) fn label(&mut self) -> Result<String> {
        match self.peek() {
            Token::Word(word) => {
                let label = word.value.clone();
                self.advance();
                Ok(label)
            }
            _ => Err(self.error_here()),
        }
    }

    pub(super) fn object_name(&mut self) -> Result<ObjectName> {
        let mut parts = vec![self.name()?];
        while self.accept_token(&Token::Period) {
            parts.push(self.label()?);
        }
        Ok(ObjectName(parts))
    }

    /// A role: a name, or PUBLIC, CURRENT_USER and their like as words.
    pub(super) fn role_name(&mut self) -> Result<String> {
        match self.accept_any(&["current_user", "current_role", "session_user"]) {
            Some(word) => Ok(word.to_string()),
            None => self.name(),
        }
    }

    pub(super) fn string(&mut self) -> Result<String> {
        match self.peek() {
            Token::SingleQuotedString(value) => {
                let value = value.clone();
                self.advance();
                Ok(value)
            }
            _ => Err(self.error_here()),
        }
    }

    /// An integer with an optional sign.
    pub(super) fn integer(&mut self) -> Result<i64> {
        let start = self.position();
        let negative = self.accept_token(&Token::Minus) || {
            self.accept_token(&Token::Plus);
            false
        };
        let value = match self.peek() {
            Token::Number(digits, _) => match digits.parse::<i64>() {
                Ok(value) => value,
                Err(_) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                    let message = format!("value \"{digits}\" is out of range for type bigint");
                    return Err(Error::new(SqlState::NumericValueOutOfRange, message).at(start));
                }
                Err(_) => return Err(self.error_here()),
            },
            _ => return Err(self.error_here()),
        };
        self.advance();
        Ok(if negative { -value } else { value })
    }

    /// What `item` reads, once or more, with commas between.
    pub(super) fn list<T>(&mut self, mut item: impl FnMut(&mut Self) -> Result<T>) -> Result<Vec<T>> {
        let mut items = vec![item(self)?];
        while self.accept_token(&Token::Comma) {
            items.push(item(self)?);
        }
        Ok(items)
    }

    /// A list in parentheses.
    pub(super) fn parenthesized<T>(&mut self, item: impl FnMut(&mut Self) -> Result<T>) -> Result<Vec<T>> {
        self.expect_token(&Token::LParen)?;
        let items = self.list(item)?;
        self.expect_token(&Token::RParen)?;
        Ok(items)
    }

    pub(super) fn if_exists(&mut self) -> bool {
        self.accept(&["if", "exists"])
    }

    pub(super) fn if_not_exists(&mut self) -> bool {
        self.accept(&["if", "not", "exists"])
    }

    /// CASCADE or RESTRICT; true for CASCADE.
    pub(super) fn cascade(&mut self) -> bool {
        self.accept_any(&["cascade", "restrict"]) == Some("cascade")
    }

    pub(super) fn expression(&mut self) -> Result<Expr> {
        let parsed = self.parser.parse_expr();
        let mut expression = self.translate(parsed)?;
        query::complete_expression(&mut expression).map_err(|refusal| self.refused(refusal))?;
        Ok(expression)
    }

    /// An expression as it is written.
    pub(super) fn expression_text(&mut self) -> Result<String> {
        let start = self.position();
        self.expression()?;
        Ok(self.text_since(start).to_string())
    }

    /// Tables and joins with commas between, as after FROM.
    pub(super) fn tables(&mut self) -> Result<Vec<TableWithJoins>> {
        let parsed = self.parser.parse_comma_separated(Parser::parse_table_and_joins);
        self.translate(parsed)
    }

    /// What may stand after SELECT or RETURNING.
    pub(super) fn select_items(&mut self) -> Result<Vec<SelectItem>> {
        let parsed = self.parser.parse_comma_separated(Parser::parse_select_item);
        self.translate(parsed)
    }

    /// WITH and its queries.
    pub(super) fn with_clause(&mut self) -> Result<With> {
        self.expect(&["with"])?;
        let with_token = AttachedToken(self.parser.get_current_token().clone());
        let recursive = self.accept(&["recursive"]);
        let parsed = self.parser.parse_comma_separated(Parser::parse_cte);
        let cte_tables = self.translate(parsed)?;
        let with = With {
            with_token,
            recursive,
            cte_tables,
        };
        match query::foreign_from(&with) {
            Some(refusal) => Err(self.refused(refusal)),
            None => Ok(with),
        }
    }

    /// Completes a query that was put together from what was read.
    pub(super) fn complete(&self, query: &mut Query) -> Result<()> {
        query::complete_query(query).map_err(|refusal| self.refused(refusal))
    }

    pub(super) fn query(&mut self) -> Result<Box<Query>> {
        match self.query_into()? {
            (query, None) => Ok(query),
            (_, Some(_)) => Err(Error::syntax("SELECT ... INTO is not allowed here")),
        }
    }

    /// A query, and what its SELECT … INTO names.
    pub(super) fn query_into(&mut self) -> Result<(Box<Query>, Option<SelectInto>)> {
        query::refuse_endless_chains(self)?;
        if let Some(string) = misplaced_string(self.rest()) {
            return Err(self.error_at(string));
        }
        let parsed = self.parser.parse_query();
        let mut query = self.translate(parsed)?;
        let into = query::take_into(&mut query);
        query::complete_query(&mut query).map_err(|refusal| self.refused(refusal))?;
        Ok((query, into))
    }

    /// The tokens that are still to be read, with the end mark.
    pub(super) fn rest(&self) -> impl Iterator<Item = &TokenWithSpan> {
        (self.parser.index()..)
            .map(|index| self.parser.token_at(index))
            .take_while(|token| token.token != Token::EOF)
    }

    /// The syntax error at the next token.
    pub(super) fn error_here(&self) -> Error {
        self.error_at(self.parser.peek_token_ref())
    }

    fn error_at(&self, token: &TokenWithSpan) -> Error {
        let (mut start, end) = (token.span.start.column as usize, token.span.end.column as usize);
        if start == 0 {
            // sqlparser's own mark of the end, which it hands out past ours.
            start = self.end;
        }
        let message = match token.token {
            Token::EOF if self.ends_with_semicolon => "syntax error at or near \";\"".to_string(),
            Token::EOF => "syntax error at end of input".to_string(),
            _ => format!("syntax error at or near \"{}\"", self.source.slice(start, end)),
        };
        Error::syntax(message).at(start)
    }

    fn translate<T>(&self, parsed: Result<T, ParserError>) -> Result<T> {
        match parsed {
            Ok(value) => Ok(value),
            Err(ParserError::RecursionLimitExceeded) => Err(too_deep()),
            Err(ParserError::ParserError(message) | ParserError::TokenizerError(message)) => {
                let index = self.index_of(&message).unwrap_or_else(|| self.parser.index());
                Err(self.error_at(self.parser.token_at(self.real_culprit(index))))
            }
        }
    }

    fn refused(&self, refusal: Refusal) -> Error {
        let position = match refusal {
            Refusal::Error(error) => return error,
            Refusal::SyntaxAt(position) | Refusal::SyntaxAfter(position) => position,
        };
        self.error_at(self.parser.token_at(self.index_at(position)))
    }

    /// sqlparser names the token only by its place, at the end of the message.
    fn index_of(&self, message: &str) -> Option<usize> {
        let (_, column) = message.rsplit_once(" at Line: 1, Column: ")?;
        Some(self.index_at(column.parse().ok()?))
    }

    /// The token that starts at a character, or the first after it.
    fn index_at(&self, column: u64) -> usize {
        let mut index = 0;
        while self.parser.token_at(index).span.start.column < column && self.parser.token_at(index).token != Token::EOF
        {
            index += 1;
        }
        index
    }

    /// sqlparser tries a parenthesis in FROM as a subquery, then as a join, and complains about the join; and
    /// it takes keywords of two words both or none. The error lies at the first token that fits nothing.
    fn real_culprit(&self, index: usize) -> usize {
        let index = self.inside_subquery(index).map_or(index, |inside| inside.max(index));
        let followed_by = |distance: usize, word: &str| is_word(&self.parser.token_at(index + distance).token, word);
        let blamed = &self.parser.token_at(index).token;
        if ["order", "group", "partition"].iter().any(|word| is_word(blamed, word)) && !followed_by(1, "by") {
            return index + 1;
        }
        if is_word(blamed, "time")
            && index > 0
            && is_word(&self.parser.token_at(index - 1).token, "at")
            && !followed_by(1, "zone")
        {
            return index + 1;
        }
        index
    }

    /// Where the innermost subquery that is still open at a token goes wrong by itself.
    fn inside_subquery(&self, index: usize) -> Option<usize> {
        let mut open = vec![];
        for position in 0..=index {
            match self.parser.token_at(position).token {
                Token::LParen => open.push(position),
                Token::RParen if position < index => drop(open.pop()),
                _ => {}
            }
        }
        let begins_query = |position: usize| {
            let next = &self.parser.token_at(position + 1).token;
            ["select", "with", "values"].iter().any(|word| is_word(next, word))
        };
        let start = open.into_iter().rev().find(|position| begins_query(*position))? + 1;
        let mut tokens = vec![];
        for position in start.. {
            let token = self.parser.token_at(position).clone();
            let last = token.token == Token::EOF;
            tokens.push(token);
            if last {
                break;
            }
        }
        let mut inner = parser_of(tokens);
        let parsed = inner.parse_query();
        let reader = Reader {
            source: self.source,
            parser: inner,
            end: self.end,
            ends_with_semicolon: self.ends_with_semicolon,
        };
        match parsed {
            Ok(_) => Some(start + reader.parser.index()),
            Err(ParserError::RecursionLimitExceeded) => None,
            Err(ParserError::ParserError(message) | ParserError::TokenizerError(message)) => {
                Some(start + reader.index_of(&message).unwrap_or_else(|| reader.parser.index()))
            }
        }
    }
}

fn parser_of<'a>(tokens: Vec<TokenWithSpan>) -> Parser<'a> {
    Parser::new(&BoathouseDialect)
        .with_recursion_limit(MAX_DEPTH)
        .with_tokens_with_locations(tokens)
}

/// What a text answers that nests deeper than the parser descends.
pub(super) fn too_deep() -> Error {
    Error::new(SqlState::StatementTooComplex, "stack depth limit exceeded")
        .with_hint("Write the statement with fewer nested parentheses, subqueries or operators.")
}
