//! Rows beside those of a subquery: `(a, b) = (SELECT …)`, `(a, b) < ANY (SELECT …)`, `(a, b) IN (SELECT …)`. The row goes
//! into the subquery, where it is compared with the columns of each of its rows.

use datafusion::sql::sqlparser::ast::helpers::attached_token::AttachedToken;
use datafusion::sql::sqlparser::ast::{
    BinaryOperator, CaseWhen, Expr, Ident, Query, Select, SelectItem, SetExpr, TableAlias, TableAliasColumnDef,
    TableFactor, TableWithJoins, Value,
};

use super::super::relations;
use super::row_values::{compared, row};
use crate::error::{Error, Result};

/// What the subquery is called, whose columns have to be as many as the row's.
pub(in super::super) const COMPARED_ROWS: &str = "compared_rows";

/// A row and what it is compared with.
struct Comparison<'a> {
    left: Vec<Expr>,
    operator: BinaryOperator,
    subquery: &'a Query,
    quantifier: Quantifier,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Quantifier {
    /// The one row that there is.
    One,
    Any,
    All,
}

/// The same of a condition that rows are chosen by: unknown is as good as false there, and one EXISTS, which becomes a
/// join, is enough.
pub(super) fn condition(condition: &mut Expr) -> Result<()> {
    match condition {
        Expr::BinaryOp {
            left,
            op: BinaryOperator::And,
            right,
        } => {
            self::condition(left)?;
            self::condition(right)
        }
        Expr::Nested(inner) => self::condition(inner),
        other => {
            let chosen = match Comparison::of(other)? {
                Some(comparison) => comparison.chosen()?,
                None => None,
            };
            if let Some(chosen) = chosen {
                *other = chosen;
            }
            Ok(())
        }
    }
}

/// The comparison of a row with a subquery, spelled out; `None` for any other expression.
pub(super) fn with_subquery(expression: &Expr) -> Result<Option<Expr>> {
    match Comparison::of(expression)? {
        Some(comparison) => comparison.value().map(Some),
        None => Ok(None),
    }
}

impl Comparison<'_> {
    fn of(expression: &Expr) -> Result<Option<Comparison<'_>>> {
        let (left, operator, right, quantifier) = match expression {
            Expr::InSubquery {
                expr,
                subquery,
                negated,
            } => {
                let (operator, quantifier) = match negated {
                    false => (BinaryOperator::Eq, Quantifier::Any),
                    true => (BinaryOperator::NotEq, Quantifier::All),
                };
                return Comparison::with(expr, operator, subquery, quantifier);
            }
            Expr::AnyOp {
                left,
                compare_op,
                right,
                ..
            } => (left, compare_op, right, Quantifier::Any),
            Expr::AllOp {
                left,
                compare_op,
                right,
            } => (left, compare_op, right, Quantifier::All),
            Expr::BinaryOp { left, op, right } => (left, op, right, Quantifier::One),
            _ => return Ok(None),
        };
        match right.as_ref() {
            Expr::Subquery(subquery) => Comparison::with(left, operator.clone(), subquery, quantifier),
            _ => Ok(None),
        }
    }

    fn with<'a>(
        left: &Expr,
        operator: BinaryOperator,
        subquery: &'a Query,
        quantifier: Quantifier,
    ) -> Result<Option<Comparison<'a>>> {
        let Some(left) = row(left) else { return Ok(None) };
        let too = match width(&subquery.body) {
            Some(width) if width < left.len() => "few",
            Some(width) if width > left.len() => "many",
            _ => {
                return Ok(Some(Comparison {
                    left,
                    operator,
                    subquery,
                    quantifier,
                }));
            }
        };
        Err(Error::syntax(format!("subquery has too {too} columns")))
    }

    /// Where unknown counts as false; `None` where that makes nothing simpler.
    fn chosen(&self) -> Result<Option<Expr>> {
        Ok(match self.quantifier {
            Quantifier::One => None,
            Quantifier::Any => Some(self.exists(false, |holds| holds)?),
            // Many rows are asked for the equal ones, not for the others.
            Quantifier::All if self.operator == BinaryOperator::NotEq => {
                let equal = Comparison {
                    left: self.left.clone(),
                    operator: BinaryOperator::Eq,
                    ..*self
                };
                Some(equal.exists(true, |equal| Expr::IsNotFalse(Box::new(equal)))?)
            }
            Quantifier::All => Some(self.exists(true, |holds| Expr::IsNotTrue(Box::new(holds)))?),
        })
    }

    fn value(&self) -> Result<Expr> {
        // One row decides; else one for which it is unknown makes the whole unknown.
        let (decides, decision): (fn(Expr) -> Expr, bool) = match self.quantifier {
            Quantifier::One => {
                let mut query = self.rows()?;
                let select = select_of(&mut query)?;
                select.projection = vec![SelectItem::UnnamedExpr(self.holds()?)];
                return Ok(Expr::Subquery(Box::new(query)));
            }
            Quantifier::Any => (|holds| holds, true),
            Quantifier::All => (|holds| Expr::IsFalse(Box::new(holds)), false),
        };
        let branch = |condition: Expr, result: Value| CaseWhen {
            condition,
            result: Expr::value(result),
        };
        let decided = self.exists(false, decides)?;
        let unknown = self.exists(false, |holds| Expr::IsNull(Box::new(holds)))?;
        Ok(Expr::Case {
            case_token: AttachedToken::empty(),
            end_token: AttachedToken::empty(),
            operand: None,
            conditions: vec![branch(decided, Value::Boolean(decision)), branch(unknown, Value::Null)],
            else_result: Some(Box::new(Expr::value(Value::Boolean(!decision)))),
        })
    }

    /// Whether the row compares so with a row of the subquery.
    fn holds(&self) -> Result<Expr> {
        let columns = self
            .names()
            .map(|name| Expr::CompoundIdentifier(vec![Ident::new(COMPARED_ROWS), name]));
        compared(&self.left, &self.operator, &columns.collect::<Vec<_>>())
    }

    fn exists(&self, negated: bool, condition: impl FnOnce(Expr) -> Expr) -> Result<Expr> {
        let mut query = self.rows()?;
        select_of(&mut query)?.selection = Some(condition(Expr::Nested(Box::new(self.holds()?))));
        Ok(Expr::Exists {
            subquery: Box::new(query),
            negated,
        })
    }

    fn names(&self) -> impl Iterator<Item = Ident> {
        (1..=self.left.len()).map(|index| Ident::new(format!("column_{index}")))
    }

    /// `SELECT 1` from the subquery, whose columns have names of ours.
    fn rows(&self) -> Result<Query> {
        let mut query = relations::parse_query("SELECT 1")?;
        let columns = self.names().map(|name| TableAliasColumnDef { name, data_type: None });
        select_of(&mut query)?.from = vec![TableWithJoins {
            relation: TableFactor::Derived {
                lateral: false,
                subquery: Box::new(self.subquery.clone()),
                alias: Some(TableAlias {
                    explicit: true,
                    name: Ident::new(COMPARED_ROWS),
                    columns: columns.collect(),
                    at: None,
                }),
                sample: None,
            },
            joins: vec![],
        }];
        Ok(query)
    }
}

fn select_of(query: &mut Query) -> Result<&mut Select> {
    match query.body.as_mut() {
        SetExpr::Select(select) => Ok(select),
        _ => Err(Error::internal("a template is no SELECT")),
    }
}

/// How many columns a query has, where the text says so.
fn width(body: &SetExpr) -> Option<usize> {
    match body {
        SetExpr::Select(select) => {
            let is_one = |item: &SelectItem| {
                matches!(item, SelectItem::UnnamedExpr(expression) | SelectItem::ExprWithAlias { expr: expression, .. }
                    if !matches!(expression, Expr::CompoundFieldAccess { .. }))
            };
            select.projection.iter().all(is_one).then_some(select.projection.len())
        }
        SetExpr::Query(query) => width(&query.body),
        SetExpr::SetOperation { left, .. } => width(left),
        SetExpr::Values(values) => values.rows.first().map(|row| row.content.len()),
        _ => None,
    }
}
