//! `JSON_TABLE(j, '$[*]' COLUMNS (…))`: a call with one argument of the same name that no client can write, which holds the
//! rows and, by turns, the names of columns and what each takes from a row. `binding/rewrite/json_table` makes a relation of it.

use datafusion::sql::sqlparser::ast::{BinaryOperator, DataType, Expr, Ident, Value};
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::parser::{Parser, ParserError};
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan, Word};

use super::is_word;
use super::rows_from::begins_relation;
use super::sql_json::{self, Source, accept, call, cast, expect, text};
use crate::types::json::write_string;

type Parsed<T> = Result<T, ParserError>;

/// The relation that JSON_TABLE is.
pub const JSON_TABLE: &str = "\u{0}json table";

/// What stands before the text between its parentheses.
const BODY: &str = "\u{0}json table body";

/// The relation of its rows: of each, an array of the values that the paths found one below the other.
pub const JSON_ROW: &str = "(json row)";

/// Marks the relations that are JSON_TABLE, and what stands between their parentheses.
pub(super) fn mark_calls(tokens: &mut Vec<TokenWithSpan>) {
    let mut index = 1;
    while index + 1 < tokens.len() {
        if is_word(&tokens[index].token, "json_table")
            && tokens[index + 1].token == Token::LParen
            && begins_relation(tokens, index)
        {
            let span = tokens[index].span;
            tokens[index].token = marked(JSON_TABLE);
            let token = marked(BODY);
            tokens.insert(index + 2, TokenWithSpan { token, span });
        }
        index += 1;
    }
}

fn marked(name: &str) -> Token {
    Token::Word(Word {
        value: name.to_string(),
        quote_style: Some('"'),
        keyword: Keyword::NoKeyword,
    })
}

/// Reads what stands between the parentheses, if that begins here.
pub(super) fn parse(parser: &mut Parser) -> Option<Parsed<Expr>> {
    if !matches!(&parser.peek_token_ref().token, Token::Word(word) if word.value == BODY) {
        return None;
    }
    parser.advance_token();
    Some(table(parser))
}

/// What the columns share.
struct Columns {
    variables: Expr,
    /// The paths so far, of the table and of what is nested in it.
    levels: usize,
    /// Names and values.
    found: Vec<(String, Expr)>,
}

fn table(parser: &mut Parser) -> Parsed<Expr> {
    let Source { value, path, variables } = sql_json::source(parser)?;
    let mut columns = Columns {
        variables,
        levels: 0,
        found: vec![],
    };
    let levels = columns.level(parser, path)?;
    let on_error = match accept(parser, "error") {
        true => "error",
        false => {
            if accept(parser, "empty") {
                accept(parser, "array");
            }
            "empty"
        }
    };
    if accept(parser, "on") {
        expect(parser, "error")?;
    }
    let rows = call(
        "json_table_rows",
        vec![value, text(levels), columns.variables, text(on_error)],
    );
    let columns = columns.found.into_iter().flat_map(|(name, value)| [text(name), value]);
    Ok(call(JSON_TABLE, std::iter::once(rows).chain(columns).collect()))
}

impl Columns {
    /// `COLUMNS (…)` of a path; the path and those nested in it, as `json_table_rows` reads them.
    fn level(&mut self, parser: &mut Parser, path: Expr) -> Parsed<String> {
        let Expr::Value(literal) = path else {
            return Err(ParserError::ParserError(
                "only string constants are supported in JSON_TABLE path specification".into(),
            ));
        };
        let Value::SingleQuotedString(path) = literal.value else {
            return Err(ParserError::ParserError(
                "only string constants are supported in JSON_TABLE path specification".into(),
            ));
        };
        let level = self.levels;
        self.levels += 1;
        expect(parser, "columns")?;
        parser.expect_token(&Token::LParen)?;
        // What is nested comes behind the columns of its own.
        let mut own = std::mem::take(&mut self.found);
        let mut levels = String::from("[");
        write_string(&path, &mut levels);
        loop {
            match nests(parser) {
                true => {
                    let path = parser.parse_expr()?;
                    if accept(parser, "as") {
                        parser.parse_identifier()?;
                    }
                    levels.push_str(", ");
                    levels.push_str(&self.level(parser, path)?);
                }
                false => own.push(self.column(parser, level)?),
            }
            if !parser.consume_token(&Token::Comma) {
                break;
            }
        }
        parser.expect_token(&Token::RParen)?;
        own.append(&mut self.found);
        self.found = own;
        levels.push(']');
        Ok(levels)
    }

    fn column(&self, parser: &mut Parser, level: usize) -> Parsed<(String, Expr)> {
        let identifier = parser.parse_identifier()?;
        let name = match identifier.quote_style {
            Some(_) => identifier.value,
            None => identifier.value.to_lowercase(),
        };
        if accept(parser, "for") {
            expect(parser, "ordinality")?;
            return Ok((
                name,
                cast(part(level, 0, BinaryOperator::LongArrow), DataType::Int(None)),
            ));
        }
        let data_type = parser.parse_data_type()?;
        if accept(parser, "exists") {
            let source = self.source(parser, level, &name)?;
            let test = sql_json::tested(parser, source)?;
            return Ok((name, cast(test, data_type)));
        }
        let is_json = sql_json::format_json(parser)? || sql_json::is_composed(&data_type);
        let source = self.source(parser, level, &name)?;
        let function = if is_json { "json_query" } else { "json_value" };
        let value = sql_json::found(parser, function, source, data_type, &name)?;
        Ok((name, value))
    }

    /// What a column's path is looked for in; without a path it is the member of the column's name.
    fn source(&self, parser: &mut Parser, level: usize, name: &str) -> Parsed<Source> {
        let path = match accept(parser, "path") {
            true => parser.parse_expr()?,
            false => {
                let mut path = String::from("$.");
                write_string(name, &mut path);
                text(path)
            }
        };
        Ok(Source {
            value: part(level, 1, BinaryOperator::Arrow),
            path,
            variables: self.variables.clone(),
        })
    }
}

/// `NESTED [PATH] '…'`, which no column's definition is.
fn nests(parser: &mut Parser) -> bool {
    let next = &parser.peek_nth_token_ref(1).token;
    let nests = is_word(&parser.peek_token_ref().token, "nested")
        && (is_word(next, "path") || matches!(next, Token::SingleQuotedString(_)));
    if nests {
        parser.advance_token();
        accept(parser, "path");
    }
    nests
}

/// Of a row, what a level's path found: its number or the value itself; nothing where it found none.
fn part(level: usize, place: usize, operator: BinaryOperator) -> Expr {
    let row = Expr::CompoundIdentifier(vec![Ident::with_quote('"', JSON_ROW), Ident::new("levels")]);
    let number = |number: usize| Box::new(Expr::value(Value::Number(number.to_string(), false)));
    let found = Expr::BinaryOp {
        left: Box::new(row),
        op: BinaryOperator::Arrow,
        right: number(level),
    };
    Expr::Nested(Box::new(Expr::BinaryOp {
        left: Box::new(Expr::Nested(Box::new(found))),
        op: operator,
        right: number(place),
    }))
}

#[cfg(test)]
mod tests {
    use crate::statement::dialect::fixed;

    #[test]
    fn relations_are_marked() {
        assert_eq!(
            fixed("from t, json_table(t.j, '$' columns (a int)) j"),
            "from t , \"\0json table\" ( \"\0json table body\" t . j , '$' columns ( a int ) ) j"
        );
        assert_eq!(fixed("select json_table from t"), "select json_table from t");
    }
}
