//! Rows beside those of a subquery: `(a, b) = (SELECT …)`, `(a, b) < ANY (SELECT …)`, `(a, b) IN (SELECT …)`. The row goes
//! into the subquery, where it is compared with the columns of each of its rows.

use datafusion::sql::sqlparser::ast::helpers::attached_token::AttachedToken;
use datafusion::sql::sqlparser::ast::{
    BinaryOperator, CaseWhen, Expr, Ident, Query, Select, SelectItem, SetExpr, TableAlias, TableAliasColumnDef,
    TableFactor, TableWithJoins, Value,
};

use super::super::relations;
use super::aggregates::is_aggregate;
use super::row_values::{compared, row};
use super::syntax::{call, system_name};
use crate::error::{Error, Result};
use crate::functions::{ROW_FIELD, ROW_VALUE};
use crate::statement::change_own_expressions;

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
        if self.left.iter().any(computes_over_rows) {
            return Ok(None);
        }
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
        if self.left.iter().any(computes_over_rows) {
            return self.beside_record();
        }
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

    /// The same for a row that cannot go into the subquery, because it would be computed there over other rows.
    fn beside_record(&self) -> Result<Expr> {
        if self.quantifier != Quantifier::One {
            return Err(Error::unsupported(
                "an aggregate or a window function in a row that is compared with several rows of a subquery",
            ));
        }
        let text = |name: String| Expr::value(Value::SingleQuotedString(name));
        let fields = self.columns().zip(self.names());
        let fields = fields.flat_map(|(column, name)| [text(name.value), column]);
        let there = Expr::value(Value::Boolean(true));
        let mut query = self.rows()?;
        let record = call(ROW_VALUE, std::iter::once(there).chain(fields).collect());
        select_of(&mut query)?.projection = vec![SelectItem::UnnamedExpr(record)];
        let record = Expr::Subquery(Box::new(query));
        let fields = self
            .names()
            .map(|name| call(ROW_FIELD, vec![record.clone(), text(name.value)]));
        compared(&self.left, &self.operator, &fields.collect::<Vec<_>>())
    }

    /// Whether the row compares so with a row of the subquery.
    fn holds(&self) -> Result<Expr> {
        compared(&self.left, &self.operator, &self.columns().collect::<Vec<_>>())
    }

    fn exists(&self, negated: bool, condition: impl FnOnce(Expr) -> Expr) -> Result<Expr> {
        let mut query = self.rows()?;
        select_of(&mut query)?.selection = Some(condition(Expr::Nested(Box::new(self.holds()?))));
        Ok(Expr::Exists {
            subquery: Box::new(query),
            negated,
        })
    }

    fn columns(&self) -> impl Iterator<Item = Expr> {
        self.names()
            .map(|name| Expr::CompoundIdentifier(vec![Ident::new(COMPARED_ROWS), name]))
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

/// Whether an aggregate or a window function stands in the expression itself.
fn computes_over_rows(expression: &Expr) -> bool {
    let mut found = false;
    change_own_expressions(&mut expression.clone(), |part| {
        found |= matches!(part, Expr::Function(function)
            if function.over.is_some() || system_name(&function.name).is_some_and(|name| is_aggregate(&name)));
    });
    found
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
