//! Queries: sqlparser's AST, completed. Long chains of AND and OR become balanced trees, what sqlparser lets
//! pass and PostgreSQL does not is refused, and what Boathouse does not answer yet is named.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, Cte, Expr, Ident, Join, JoinConstraint, JoinOperator, ObjectName, Query, Select, SelectInto,
    SetExpr, Spanned, TableFactor, VisitMut, VisitorMut, WindowType, With,
};
use datafusion::sql::sqlparser::tokenizer::Token;

use super::dialect::{is_function_or_type_name, is_reserved, starts_expression};
use super::reader::{Reader, too_deep};
use super::row_locks;
use crate::error::{Error, Result, SqlState};

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

/// Why a query that sqlparser accepts is none of ours. The reader knows the text and makes the error.
pub(super) enum Refusal {
    Error(Error),
    /// A syntax error at the token that starts at this character.
    SyntaxAt(u64),
    /// A syntax error at the first token from this character on.
    SyntaxAfter(u64),
}

pub(super) fn complete_query(query: &mut Query) -> Result<(), Refusal> {
    let mut completion = Completion { locks: false };
    finish(query.visit(&mut completion))?;
    match completion.locks {
        true => row_locks::gather(query).map_err(Refusal::Error),
        false => Ok(()),
    }
}

pub(super) fn complete_expression(expression: &mut Expr) -> Result<(), Refusal> {
    finish(expression.visit(&mut Completion { locks: false }))
}

fn finish(flow: ControlFlow<Refusal>) -> Result<(), Refusal> {
    match flow {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(refusal) => Err(refusal),
    }
}

fn flow(outcome: Result<(), Refusal>) -> ControlFlow<Refusal> {
    match outcome {
        Ok(()) => ControlFlow::Continue(()),
        Err(refusal) => ControlFlow::Break(refusal),
    }
}

struct Completion {
    /// A query locks what it reads.
    locks: bool,
}

impl VisitorMut for Completion {
    type Break = Refusal;

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<Refusal> {
        self.locks |= !query.locks.is_empty();
        if let Some(refusal) = query.with.as_ref().and_then(foreign_from) {
            return ControlFlow::Break(refusal);
        }
        flow(complete_body(&mut query.body).map_err(Refusal::Error))
    }

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<Refusal> {
        flow(
            select
                .from
                .iter()
                .flat_map(|table| &table.joins)
                .try_for_each(require_condition),
        )
    }

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<Refusal> {
        match factor {
            TableFactor::NestedJoin { table_with_joins, .. } => {
                flow(table_with_joins.joins.iter().try_for_each(require_condition))
            }
            TableFactor::Table { name, args, .. } => flow(refuse_reserved_table(name, args.is_some())),
            _ => ControlFlow::Continue(()),
        }
    }

    fn pre_visit_expr(&mut self, expression: &mut Expr) -> ControlFlow<Refusal> {
        balance(expression);
        let name = match expression {
            Expr::Identifier(name) => Some(&*name),
            Expr::Function(function) => match &function.over {
                Some(WindowType::NamedWindow(name)) => Some(name),
                _ => None,
            },
            _ => None,
        };
        match name {
            Some(name) if is_unquoted(name) && !may_be_a_column(&name.value) => {
                ControlFlow::Break(Refusal::SyntaxAt(name.span.start.column))
            }
            _ => ControlFlow::Continue(()),
        }
    }
}

/// `WITH a AS (…) FROM b`, which only the dialect may write.
pub(super) fn foreign_from(with: &With) -> Option<Refusal> {
    let is_foreign = |part: &&Cte| part.from.as_ref().is_some_and(|name| !name.value.starts_with('\u{0}'));
    let part = with.cte_tables.iter().find(is_foreign)?;
    Some(Refusal::SyntaxAfter(part.closing_paren_token.0.span.end.column))
}

fn is_unquoted(name: &Ident) -> bool {
    name.quote_style.is_none() && name.span.start.line > 0
}

/// DEFAULT is an expression where INSERT takes it.
fn may_be_a_column(word: &str) -> bool {
    word == "default" || !is_reserved(word) && !is_function_or_type_name(word)
}

/// A reserved word is no table's name; functions without parentheses may stand in FROM.
fn refuse_reserved_table(name: &ObjectName, called: bool) -> Result<(), Refusal> {
    let Some(first) = name.0.first().and_then(|part| part.as_ident()) else {
        return Ok(());
    };
    let reserved = is_reserved(&first.value) && !starts_expression(&first.value)
        || is_function_or_type_name(&first.value) && !called;
    match is_unquoted(first) && reserved {
        true => Err(Refusal::SyntaxAt(first.span.start.column)),
        false => Ok(()),
    }
}

/// sqlparser lets the condition of a join be missing.
fn require_condition(join: &Join) -> Result<(), Refusal> {
    use JoinOperator::*;
    match &join.join_operator {
        Join(JoinConstraint::None)
        | Inner(JoinConstraint::None)
        | Left(JoinConstraint::None)
        | LeftOuter(JoinConstraint::None)
        | Right(JoinConstraint::None)
        | RightOuter(JoinConstraint::None)
        | FullOuter(JoinConstraint::None) => Err(Refusal::SyntaxAfter(join.relation.span().end.column)),
        _ => Ok(()),
    }
}

/// What the first SELECT of a query goes INTO.
pub(super) fn take_into(query: &mut Query) -> Option<SelectInto> {
    let mut body = query.body.as_mut();
    loop {
        match body {
            SetExpr::SetOperation { left, .. } => body = left,
            SetExpr::Select(select) => return select.into.take(),
            _ => return None,
        }
    }
}

/// Walks the set operations of one query; their left side can be deep, so not by recursion.
fn complete_body(body: &mut SetExpr) -> Result<()> {
    let mut pending = vec![body];
    while let Some(body) = pending.pop() {
        match body {
            SetExpr::SetOperation { left, right, .. } => pending.extend([&mut **left, &mut **right]),
            SetExpr::Select(select) if select.into.is_some() => {
                return Err(Error::syntax("SELECT ... INTO is not allowed here"));
            }
            SetExpr::Insert(_) | SetExpr::Update(_) | SetExpr::Delete(_) | SetExpr::Merge(_) => {
                let message = "WITH clause containing a data-modifying statement must be at the top level";
                return Err(Error::new(SqlState::FeatureNotSupported, message));
            }
            SetExpr::Select(_) | SetExpr::Query(_) | SetExpr::Values(_) | SetExpr::Table(_) => {}
        }
    }
    Ok(())
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
