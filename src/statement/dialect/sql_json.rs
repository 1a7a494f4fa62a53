//! SQL/JSON, whose functions have a syntax of their own: `JSON_OBJECT('a': 1)`, `JSON_VALUE(j, '$.a' RETURNING int)`,
//! `x IS JSON ARRAY`. They are read as calls of plain functions. Those have quoted names, so that a text made of the call
//! is read as a call again; what the clauses say is a literal among the arguments.

use datafusion::sql::sqlparser::ast::{
    CastKind, DataType, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentClause, FunctionArgumentList,
    FunctionArguments, Ident, ObjectName, Query, UnaryOperator, Value, WindowType,
};
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::parser::{Parser, ParserError};
use datafusion::sql::sqlparser::tokenizer::Token;

use super::is_word;

type Parsed<T> = Result<T, ParserError>;

/// Reads an expression of SQL/JSON, if one begins here.
pub(super) fn parse(parser: &mut Parser) -> Option<Parsed<Expr>> {
    let Token::Word(word) = &parser.peek_token_ref().token else {
        return None;
    };
    if word.quote_style.is_some() || !word.value.starts_with("json") || !opens(parser, 1) {
        return None;
    }
    let read: fn(&mut Parser) -> Parsed<Expr> = match word.value.as_str() {
        "json" => json,
        "json_array" => array,
        "json_arrayagg" => array_of_rows,
        "json_exists" => exists,
        "json_object" if is_constructor(parser) => object,
        "json_objectagg" => object_of_rows,
        "json_query" => query,
        "json_scalar" => scalar,
        "json_serialize" => serialize,
        "json_value" => value,
        _ => return None,
    };
    parser.advance_token();
    parser.advance_token();
    Some(read(parser))
}

/// Reads `IS [NOT] JSON …` behind its operand, if that follows.
pub(super) fn parse_is_json(parser: &mut Parser, left: &Expr) -> Option<Parsed<Expr>> {
    let word_at = |place: usize, word: &str| is_word(&parser.peek_nth_token_ref(place).token, word);
    let negated = word_at(1, "not");
    if !word_at(0, "is") || !word_at(1 + usize::from(negated), "json") {
        return None;
    }
    for _ in 0..2 + usize::from(negated) {
        parser.advance_token();
    }
    let kinds = ["value", "scalar", "array", "object"];
    let kind = kinds.into_iter().find(|kind| accept(parser, kind)).unwrap_or("value");
    Some(unique_keys(parser).map(|unique| {
        let keys = if unique { "unique" } else { "any" };
        let test = call("is_json", vec![left.clone(), text(format!("{kind} {keys}"))]);
        match negated {
            true => Expr::UnaryOp {
                op: UnaryOperator::Not,
                expr: Box::new(test),
            },
            false => test,
        }
    }))
}

fn opens(parser: &Parser, place: usize) -> bool {
    parser.peek_nth_token_ref(place).token == Token::LParen
}

/// Whether the parentheses of this JSON_OBJECT hold what the function json_object() does not take.
fn is_constructor(parser: &Parser) -> bool {
    let mut depth = 0_usize;
    let mut previous = Token::Comma;
    for place in 1.. {
        let token = &parser.peek_nth_token_ref(place).token;
        match token {
            Token::EOF => return false,
            Token::LParen | Token::LBracket => depth += 1,
            Token::RParen if depth == 1 => return place == 2,
            Token::RParen | Token::RBracket => depth = depth.saturating_sub(1),
            Token::Colon if depth == 1 => return true,
            word if depth == 1 && is_word(word, "returning") => return true,
            word if depth == 1 && is_word(word, "value") => {
                let next = &parser.peek_nth_token_ref(place + 1).token;
                let is_name = matches!(previous, Token::Comma | Token::LParen | Token::Period);
                if !is_name && !matches!(next, Token::Comma | Token::RParen) {
                    return true;
                }
            }
            _ => {}
        }
        previous = token.clone();
    }
    false
}

pub(super) fn accept(parser: &mut Parser, word: &str) -> bool {
    let found = is_word(&parser.peek_token_ref().token, word);
    if found {
        parser.advance_token();
    }
    found
}

/// Several words, or none of them.
fn accept_all(parser: &mut Parser, words: &[&str]) -> bool {
    let mut places = words.iter().enumerate();
    let found = places.all(|(place, word)| is_word(&parser.peek_nth_token_ref(place).token, word));
    if found {
        words.iter().for_each(|_| parser.advance_token());
    }
    found
}

pub(super) fn expect(parser: &mut Parser, word: &str) -> Parsed<()> {
    match accept(parser, word) {
        true => Ok(()),
        false => parser.expected_ref(word, parser.peek_token_ref()),
    }
}

fn close(parser: &mut Parser) -> Parsed<()> {
    parser.expect_token(&Token::RParen).map(|_| ())
}

pub(super) fn text(value: impl Into<String>) -> Expr {
    Expr::value(Value::SingleQuotedString(value.into()))
}

pub(super) fn null_of(data_type: &DataType) -> Expr {
    cast(Expr::value(Value::Null), data_type.clone())
}

pub(super) fn cast(expr: Expr, data_type: DataType) -> Expr {
    Expr::Cast {
        kind: CastKind::Cast,
        expr: Box::new(expr),
        data_type,
        array: false,
        format: None,
    }
}

fn function(name: &str, arguments: Vec<Expr>) -> Function {
    Function {
        name: ObjectName::from(vec![Ident::with_quote('"', name)]),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(FunctionArgumentList {
            duplicate_treatment: None,
            args: arguments
                .into_iter()
                .map(|argument| FunctionArg::Unnamed(FunctionArgExpr::Expr(argument)))
                .collect(),
            clauses: vec![],
        }),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: vec![],
    }
}

pub(super) fn call(name: &str, arguments: Vec<Expr>) -> Expr {
    Expr::Function(function(name, arguments))
}

/// `FORMAT JSON [ENCODING UTF8]`
pub(super) fn format_json(parser: &mut Parser) -> Parsed<bool> {
    if !accept_all(parser, &["format", "json"]) {
        return Ok(false);
    }
    if accept(parser, "encoding") {
        expect(parser, "utf8")?;
    }
    Ok(true)
}

/// A value, as json where FORMAT says that it is the text of json.
fn formatted(parser: &mut Parser) -> Parsed<Expr> {
    let value = parser.parse_expr()?;
    Ok(match format_json(parser)? {
        true => cast(value, DataType::JSON),
        false => value,
    })
}

/// `RETURNING type [FORMAT JSON]`
fn returning(parser: &mut Parser) -> Parsed<Option<DataType>> {
    if !accept(parser, "returning") {
        return Ok(None);
    }
    let data_type = parser.parse_data_type()?;
    format_json(parser)?;
    Ok(Some(data_type))
}

/// json as the type that RETURNING names: bytes are those of the text.
fn returned(value: Expr, data_type: Option<DataType>) -> Expr {
    match data_type {
        None => value,
        Some(DataType::Bytea) => call("convert_to", vec![cast(value, DataType::Text), text("UTF8")]),
        Some(data_type) => cast(value, data_type),
    }
}

/// `NULL ON NULL` or `ABSENT ON NULL`: whether nulls are left out.
fn absent_on_null(parser: &mut Parser, otherwise: bool) -> bool {
    if accept_all(parser, &["absent", "on", "null"]) {
        return true;
    }
    let kept = accept_all(parser, &["null", "on", "null"]);
    otherwise && !kept
}

/// `WITH UNIQUE [KEYS]` or `WITHOUT UNIQUE [KEYS]`
fn unique_keys(parser: &mut Parser) -> Parsed<bool> {
    let with = accept_all(parser, &["with", "unique"]);
    if with || accept_all(parser, &["without", "unique"]) {
        accept(parser, "keys");
    }
    Ok(with)
}

fn rules(absent: bool, unique: bool) -> Expr {
    let nulls = if absent { "absent" } else { "null" };
    let keys = if unique { "unique" } else { "any" };
    text(format!("{nulls} {keys}"))
}

/// Whether a clause stands where the first argument would.
fn begins_clause(parser: &Parser) -> bool {
    let is = |place: usize, word: &str| is_word(&parser.peek_nth_token_ref(place).token, word);
    parser.peek_token_ref().token == Token::RParen
        || is(0, "returning")
        || (is(0, "null") || is(0, "absent")) && is(1, "on")
        || (is(0, "with") || is(0, "without")) && is(1, "unique")
}

fn json(parser: &mut Parser) -> Parsed<Expr> {
    let value = parser.parse_expr()?;
    format_json(parser)?;
    let unique = unique_keys(parser)?;
    close(parser)?;
    Ok(match unique {
        true => call("json", vec![value, text("unique")]),
        false => call("json", vec![value]),
    })
}

fn scalar(parser: &mut Parser) -> Parsed<Expr> {
    let value = parser.parse_expr()?;
    close(parser)?;
    Ok(call("json_scalar", vec![value]))
}

fn serialize(parser: &mut Parser) -> Parsed<Expr> {
    let value = parser.parse_expr()?;
    format_json(parser)?;
    let data_type = returning(parser)?;
    close(parser)?;
    Ok(returned(call("json_serialize", vec![value]), data_type))
}

/// `key: value` or `[KEY] key VALUE value`.
fn pair(parser: &mut Parser) -> Parsed<[Expr; 2]> {
    let key = parser.parse_expr()?;
    if !parser.consume_token(&Token::Colon) {
        expect(parser, "value")?;
    }
    Ok([key, formatted(parser)?])
}

fn object(parser: &mut Parser) -> Parsed<Expr> {
    let mut arguments = vec![];
    if !begins_clause(parser) {
        arguments = parser.parse_comma_separated(pair)?.into_iter().flatten().collect();
    }
    let absent = absent_on_null(parser, false);
    arguments.insert(0, rules(absent, unique_keys(parser)?));
    let data_type = returning(parser)?;
    close(parser)?;
    Ok(returned(call("json_object_built", arguments), data_type))
}

fn array(parser: &mut Parser) -> Parsed<Expr> {
    let first = &parser.peek_token_ref().token;
    if ["select", "values", "with"].iter().any(|word| is_word(first, word)) && !begins_clause(parser) {
        return array_of_query(parser);
    }
    let mut arguments = vec![];
    if !begins_clause(parser) {
        arguments = parser.parse_comma_separated(formatted)?;
    }
    arguments.insert(0, rules(absent_on_null(parser, true), false));
    let data_type = returning(parser)?;
    close(parser)?;
    Ok(returned(call("json_array_built", arguments), data_type))
}

/// `JSON_ARRAY(SELECT …)`: what JSON_ARRAYAGG makes of the query's one column.
fn array_of_query(parser: &mut Parser) -> Parsed<Expr> {
    let rows = parser.parse_query()?;
    format_json(parser)?;
    let data_type = returning(parser)?;
    close(parser)?;
    let template = "SELECT \"json_arrayagg\"('absent any', q.a) AS json_array FROM (SELECT 1) AS q (a)";
    let mut query = Parser::new(&super::BoathouseDialect)
        .try_with_sql(template)?
        .parse_query()?;
    put_into(&mut query, rows);
    Ok(returned(Expr::Subquery(query), data_type))
}

/// Puts the rows in the place of the query that the template reads.
fn put_into(template: &mut Query, rows: Box<Query>) {
    use datafusion::sql::sqlparser::ast::{SetExpr, TableFactor};
    if let SetExpr::Select(select) = template.body.as_mut()
        && let [table] = select.from.as_mut_slice()
        && let TableFactor::Derived { subquery, .. } = &mut table.relation
    {
        *subquery = rows;
    }
}

fn array_of_rows(parser: &mut Parser) -> Parsed<Expr> {
    let value = formatted(parser)?;
    let mut order = vec![];
    if parser.parse_keywords(&[Keyword::ORDER, Keyword::BY]) {
        order = parser.parse_comma_separated(Parser::parse_order_by_expr)?;
    }
    let rules = rules(absent_on_null(parser, true), false);
    let mut aggregate = function("json_arrayagg", vec![rules, value]);
    if let (FunctionArguments::List(list), false) = (&mut aggregate.args, order.is_empty()) {
        list.clauses.push(FunctionArgumentClause::OrderBy(order));
    }
    aggregated(parser, aggregate)
}

fn object_of_rows(parser: &mut Parser) -> Parsed<Expr> {
    let [key, value] = pair(parser)?;
    let absent = absent_on_null(parser, false);
    let rules = rules(absent, unique_keys(parser)?);
    aggregated(parser, function("json_objectagg", vec![rules, key, value]))
}

/// The end of an aggregate's call: the type, FILTER and OVER.
fn aggregated(parser: &mut Parser, mut aggregate: Function) -> Parsed<Expr> {
    let data_type = returning(parser)?;
    close(parser)?;
    if is_word(&parser.peek_token_ref().token, "filter") && opens(parser, 1) {
        parser.advance_token();
        parser.advance_token();
        expect(parser, "where")?;
        aggregate.filter = Some(Box::new(parser.parse_expr()?));
        close(parser)?;
    }
    if accept(parser, "over") {
        aggregate.over = Some(match parser.consume_token(&Token::LParen) {
            true => WindowType::WindowSpec(parser.parse_window_spec()?),
            false => WindowType::NamedWindow(parser.parse_identifier()?),
        });
    }
    Ok(returned(Expr::Function(aggregate), data_type))
}

/// What a path is looked for in: the value, the path, and the variables as an object of jsonb.
pub(super) struct Source {
    pub value: Expr,
    pub path: Expr,
    pub variables: Expr,
}

/// `value, path [AS name] [PASSING a AS x, …]`
pub(super) fn source(parser: &mut Parser) -> Parsed<Source> {
    let value = parser.parse_expr()?;
    format_json(parser)?;
    parser.expect_token(&Token::Comma)?;
    let path = parser.parse_expr()?;
    if accept(parser, "as") {
        parser.parse_identifier()?;
    }
    let mut variables = vec![];
    if accept(parser, "passing") {
        loop {
            let value = formatted(parser)?;
            expect(parser, "as")?;
            let name = parser.parse_identifier()?;
            variables.extend([text(name.value), value]);
            if !parser.consume_token(&Token::Comma) {
                break;
            }
        }
    }
    let variables = match variables.is_empty() {
        true => cast(text("{}"), DataType::JSONB),
        false => call("jsonb_build_object", variables),
    };
    Ok(Source {
        value: cast(value, DataType::JSONB),
        path,
        variables,
    })
}

/// What stands for a value that is not there or not as it should be.
struct Behavior {
    word: &'static str,
    default: Option<Expr>,
}

/// `… ON EMPTY` and `… ON ERROR`, in this order.
fn behaviors(parser: &mut Parser) -> Parsed<[Option<Behavior>; 2]> {
    let mut found = [None, None];
    while let Some(behavior) = behavior(parser)? {
        expect(parser, "on")?;
        let place = match accept(parser, "empty") {
            true => 0,
            false => {
                expect(parser, "error")?;
                1
            }
        };
        found[place] = Some(behavior);
    }
    Ok(found)
}

fn behavior(parser: &mut Parser) -> Parsed<Option<Behavior>> {
    if accept(parser, "default") {
        let default = parser.parse_expr()?;
        return Ok(Some(Behavior {
            word: "default",
            default: Some(default),
        }));
    }
    let words = ["null", "error", "true", "false", "unknown", "empty"];
    let Some(word) = words.into_iter().find(|word| accept(parser, word)) else {
        return Ok(None);
    };
    let word = match word {
        "empty" if accept(parser, "object") => "object",
        "empty" => {
            accept(parser, "array");
            "array"
        }
        word => word,
    };
    Ok(Some(Behavior { word, default: None }))
}

fn exists(parser: &mut Parser) -> Parsed<Expr> {
    let source = source(parser)?;
    let test = tested(parser, source)?;
    close(parser)?;
    Ok(test)
}

/// JSON_EXISTS, from its clauses on.
pub(super) fn tested(parser: &mut Parser, source: Source) -> Parsed<Expr> {
    let [_, on_error] = behaviors(parser)?;
    let word = on_error.map_or("false", |behavior| behavior.word);
    Ok(call(
        "json_exists",
        vec![source.value, source.path, source.variables, text(word)],
    ))
}

fn value(parser: &mut Parser) -> Parsed<Expr> {
    let source = source(parser)?;
    let data_type = returning(parser)?.unwrap_or(DataType::Text);
    let found = found(parser, "json_value", source, data_type, "")?;
    close(parser)?;
    Ok(found)
}

fn query(parser: &mut Parser) -> Parsed<Expr> {
    let source = source(parser)?;
    let data_type = returning(parser)?.unwrap_or(DataType::JSONB);
    let found = found(parser, "json_query", source, data_type, "")?;
    close(parser)?;
    Ok(found)
}

/// JSON_VALUE or JSON_QUERY, from the clauses behind RETURNING on; of a column of JSON_TABLE, if it has a name.
pub(super) fn found(
    parser: &mut Parser,
    name: &str,
    source: Source,
    data_type: DataType,
    column: &str,
) -> Parsed<Expr> {
    let wrapper = wrapper(parser);
    let quotes = quotes(parser);
    let name = match wrapper.is_some() || quotes.is_some() {
        true => "json_query",
        false => name,
    };
    let behaviors = behaviors(parser)?;
    let words = behaviors.each_ref().map(|behavior| match behavior {
        Some(behavior) => behavior.word,
        None => "null",
    });
    let [empty, error] = behaviors.map(|behavior| match behavior.and_then(|behavior| behavior.default) {
        Some(default) => cast(default, data_type.clone()),
        None => null_of(&data_type),
    });
    let rules = [
        words[0],
        words[1],
        wrapper.unwrap_or("without"),
        quotes.unwrap_or("keep"),
        column,
    ];
    let found = call(
        name,
        vec![
            null_of(&data_type),
            source.value,
            source.path,
            source.variables,
            text(rules.join(" ").trim_end()),
            empty,
            error,
        ],
    );
    Ok(match data_type {
        // A domain's rules hold for what was found.
        DataType::Custom(..) => cast(found, data_type),
        _ => found,
    })
}

fn wrapper(parser: &mut Parser) -> Option<&'static str> {
    let is = |place: usize, word: &str| is_word(&parser.peek_nth_token_ref(place).token, word);
    let wraps = (1..=3).any(|place| is(place, "wrapper"));
    if !wraps || !(is(0, "with") || is(0, "without")) {
        return None;
    }
    let with = accept(parser, "with") || !accept(parser, "without");
    let conditional = accept(parser, "conditional");
    accept(parser, "unconditional");
    accept(parser, "array");
    accept(parser, "wrapper");
    Some(match (with, conditional) {
        (false, _) => "without",
        (true, true) => "conditional",
        (true, false) => "unconditional",
    })
}

fn quotes(parser: &mut Parser) -> Option<&'static str> {
    let word = ["keep", "omit"]
        .into_iter()
        .find(|word| accept_all(parser, &[word, "quotes"]))?;
    accept_all(parser, &["on", "scalar", "string"]);
    Some(word)
}

/// Whether JSON_TABLE reads a column of the type as JSON_QUERY does.
pub(super) fn is_composed(data_type: &DataType) -> bool {
    matches!(data_type, DataType::JSON | DataType::JSONB | DataType::Array(_))
}
