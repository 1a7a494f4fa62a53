//! Queries: sqlparser's AST, completed. `TABLE t` becomes `SELECT * FROM t`, long chains of AND and OR
//! become balanced trees, and what Boathouse does not answer yet is named here instead of being ignored.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, Expr, Ident, Query, Select, SetExpr, Statement, VisitMut, VisitorMut,
};
use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
use datafusion::sql::sqlparser::parser::Parser;
use datafusion::sql::sqlparser::tokenizer::Token;

use super::reader::{Reader, too_deep};
use crate::error::{Error, Result};

/// Operators of one level that make a tree as deep as they are many.
const MAX_OPERATORS: usize = 2_000;
/// AND and OR are balanced after parsing, but the parser's own tree is deep first.
const MAX_CONNECTIVES: usize = 10_000;
/// Chains shorter than this stay as they are written.
const BALANCE_FROM: usize = 16;

/// Refuses what would build a tree too deep for the stack: sqlparser guards the nesting of parentheses,
/// but a chain of operators nests as well.
pub(super) fn refuse_endless_chains(reader: &Reader) -> Result<()> {
    let mut levels = vec![Chain::default()];
    for token in reader.rest() {
        match token.token {
            Token::LParen | Token::LBracket => levels.push(Chain::default()),
            Token::RParen | Token::RBracket if levels.len() > 1 => {
                levels.pop();
                continue;
            }
            _ => {}
        }
        let Some(chain) = levels.last_mut() else { return Ok(()) };
        match &token.token {
            Token::Comma => (chain.operators, chain.connectives) = (0, 0),
            Token::Word(word) if word.quote_style.is_none() => match word.value.as_str() {
                "select" | "from" | "where" | "on" | "when" | "then" | "else" | "having" | "by" => {
                    (chain.operators, chain.connectives) = (0, 0);
                }
                "and" | "or" => {
                    chain.operators = 0;
                    chain.connectives += 1;
                }
                "union" | "intersect" | "except" => chain.set_operations += 1,
                "is" | "like" | "at" | "collate" | "between" => chain.operators += 1,
                _ => {}
            },
            Token::LParen | Token::LBracket | Token::RParen | Token::RBracket => {}
            Token::Word(_)
            | Token::Number(..)
            | Token::SingleQuotedString(_)
            | Token::Period
            | Token::Placeholder(_) => {}
            _ => chain.operators += 1,
        }
        if chain.operators.max(chain.set_operations) > MAX_OPERATORS || chain.connectives > MAX_CONNECTIVES {
            return Err(too_deep().at(token.span.start.column as usize));
        }
    }
    Ok(())
}

#[derive(Default)]
struct Chain {
    operators: usize,
    connectives: usize,
    set_operations: usize,
}

pub(super) fn complete_query(query: &mut Query) -> Result<()> {
    finish(query.visit(&mut Completion))
}

pub(super) fn complete_expression(expression: &mut Expr) -> Result<()> {
    finish(expression.visit(&mut Completion))
}

fn finish(flow: ControlFlow<Error>) -> Result<()> {
    match flow {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(error) => Err(error),
    }
}

struct Completion;

impl VisitorMut for Completion {
    type Break = Error;

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<Error> {
        if !query.locks.is_empty() {
            return ControlFlow::Break(Error::unsupported("SELECT … FOR UPDATE").with_hint(
                "Delta tables have no row locks. A write that another one overtook fails with 40001: repeat it.",
            ));
        }
        match complete_body(&mut query.body) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => ControlFlow::Break(error),
        }
    }

    fn pre_visit_expr(&mut self, expression: &mut Expr) -> ControlFlow<Error> {
        balance(expression);
        ControlFlow::Continue(())
    }
}

/// Walks the set operations of one query; their left side can be deep, so not by recursion.
fn complete_body(body: &mut SetExpr) -> Result<()> {
    let mut pending = vec![body];
    while let Some(body) = pending.pop() {
        match body {
            SetExpr::SetOperation { left, right, .. } => pending.extend([&mut **left, &mut **right]),
            SetExpr::Select(select) if select.into.is_some() => {
                return Err(Error::unsupported("SELECT INTO").with_hint("Use CREATE TABLE … AS SELECT …."));
            }
            SetExpr::Table(table) => {
                let parts = [&table.schema_name, &table.table_name];
                let parts: Vec<&str> = parts.into_iter().filter_map(|part| part.as_deref()).collect();
                *body = SetExpr::Select(Box::new(select_everything_from(&parts)?));
            }
            SetExpr::Insert(_) | SetExpr::Update(_) | SetExpr::Delete(_) | SetExpr::Merge(_) => {
                return Err(Error::unsupported("a data-modifying statement inside WITH")
                    .with_hint("Run the INSERT as a statement of its own: INSERT INTO t WITH … SELECT …."));
            }
            SetExpr::Select(_) | SetExpr::Query(_) | SetExpr::Values(_) => {}
        }
    }
    Ok(())
}

/// `SELECT * FROM name`, made by the parser so that every field of the AST is as it would be.
fn select_everything_from(parts: &[&str]) -> Result<Select> {
    let name: Vec<String> = parts
        .iter()
        .map(|part| Ident::with_quote('"', *part).to_string())
        .collect();
    let text = format!("SELECT * FROM {}", name.join("."));
    let parsed = Parser::parse_sql(&PostgreSqlDialect {}, &text).map_err(|error| Error::internal(error.to_string()))?;
    match parsed.into_iter().next() {
        Some(Statement::Query(query)) => match *query.body {
            SetExpr::Select(select) => Ok(*select),
            _ => Err(Error::internal("TABLE did not become a SELECT")),
        },
        _ => Err(Error::internal("TABLE did not become a SELECT")),
    }
}

/// Rebuilds a long left-deep chain of one connective as a tree of logarithmic depth: a generated filter of
/// thousands of ORs must not need thousands of stack frames in every later pass. AND and OR are
/// associative with NULLs as well.
fn balance(expression: &mut Expr) {
    let Expr::BinaryOp { op, .. } = expression else { return };
    let connective = op.clone();
    if !matches!(connective, BinaryOperator::And | BinaryOperator::Or)
        || chain_length(expression, &connective) < BALANCE_FROM
    {
        return;
    }
    let placeholder = Expr::Identifier(Ident::new(""));
    let mut rest = std::mem::replace(expression, placeholder);
    let mut operands = vec![];
    loop {
        match rest {
            Expr::BinaryOp { left, op, right } if op == connective => {
                operands.push(*right);
                rest = *left;
            }
            first => {
                operands.push(first);
                break;
            }
        }
    }
    operands.reverse();
    while operands.len() > 1 {
        let mut pairs = Vec::with_capacity(operands.len().div_ceil(2));
        let mut operands_left = operands.into_iter();
        while let Some(left) = operands_left.next() {
            pairs.push(match operands_left.next() {
                Some(right) => Expr::BinaryOp {
                    left: Box::new(left),
                    op: connective.clone(),
                    right: Box::new(right),
                },
                None => left,
            });
        }
        operands = pairs;
    }
    if let Some(tree) = operands.pop() {
        *expression = tree;
    }
}

fn chain_length(expression: &Expr, connective: &BinaryOperator) -> usize {
    let mut length = 0;
    let mut current = expression;
    while let Expr::BinaryOp { left, op, .. } = current
        && op == connective
    {
        length += 1;
        current = left;
    }
    length
}
