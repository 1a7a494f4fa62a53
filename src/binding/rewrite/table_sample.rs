//! TABLESAMPLE takes each row with the probability that it names; the engine's parser would read past it. SYSTEM draws
//! rows too: there are no pages. Databricks' `(n ROWS)` are the first n.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, Expr, Ident, LimitClause, ObjectNamePart, Query, SetExpr, TableFactor, TableSample,
    TableSampleKind, TableSampleUnit, Value, VisitMut, VisitorMut,
};

use super::super::relations::parse_query;
use super::syntax::call;
use crate::error::{Error, Result, SqlState};
use crate::statement::relation;

pub(super) fn rewrite(tree: &mut impl VisitMut) -> Result<()> {
    struct Samples;
    impl VisitorMut for Samples {
        type Break = Error;
        fn post_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<Error> {
            match sampled(factor) {
                Ok(Some(replacement)) => {
                    *factor = replacement;
                    ControlFlow::Continue(())
                }
                Ok(None) => ControlFlow::Continue(()),
                Err(error) => ControlFlow::Break(error),
            }
        }
    }
    match VisitMut::visit(tree, &mut Samples) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(error) => Err(error),
    }
}

/// `(SELECT * FROM t WHERE random() * 100 < percentage) AS t`.
fn sampled(factor: &mut TableFactor) -> Result<Option<TableFactor>> {
    let (taken, given) = match factor {
        TableFactor::Table { sample, alias, .. } if sample.is_some() => (sample.take(), alias.take()),
        TableFactor::Derived { sample: Some(_), .. } => return Err(Error::unsupported("TABLESAMPLE of a subquery")),
        _ => return Ok(None),
    };
    let name = name_of(factor);
    let Some(TableSampleKind::BeforeTableAlias(sample) | TableSampleKind::AfterTableAlias(sample)) = taken else {
        return Ok(None);
    };
    let quantity = match *sample {
        TableSample {
            quantity: Some(quantity),
            seed: None,
            bucket: None,
            offset: None,
            ..
        } => quantity,
        _ => return Err(Error::unsupported("this TABLESAMPLE")),
    };
    let mut query = match quantity.unit {
        Some(TableSampleUnit::Rows) => {
            let mut query = parse_query("SELECT * FROM t LIMIT 1")?;
            if let Some(LimitClause::LimitOffset { limit, .. }) = &mut query.limit_clause {
                *limit = Some(quantity.value);
            }
            query
        }
        _ => {
            check_percentage(&quantity.value)?;
            let mut query = parse_query("SELECT * FROM t WHERE true")?;
            if let SetExpr::Select(select) = query.body.as_mut() {
                let place = Expr::BinaryOp {
                    left: Box::new(call("random", vec![])),
                    op: BinaryOperator::Multiply,
                    right: Box::new(Expr::value(Value::Number("100".into(), false))),
                };
                select.selection = Some(Expr::BinaryOp {
                    left: Box::new(place),
                    op: BinaryOperator::Lt,
                    right: Box::new(quantity.value),
                });
            }
            query
        }
    };
    take_from(&mut query, factor);
    let alias = given.or_else(|| Some(relation::alias(name?)));
    Ok(Some(TableFactor::Derived {
        lateral: false,
        subquery: Box::new(query),
        alias,
        sample: None,
    }))
}

fn check_percentage(value: &Expr) -> Result<()> {
    let percentage = match value {
        Expr::Value(value) => match &value.value {
            Value::Number(text, _) => text.parse::<f64>().ok(),
            _ => None,
        },
        Expr::UnaryOp { .. } => Some(-1.0),
        _ => None,
    };
    match percentage {
        Some(percentage) if !(0.0..=100.0).contains(&percentage) => Err(Error::new(
            SqlState::InvalidTablesampleArgument,
            "sample percentage must be between 0 and 100",
        )),
        _ => Ok(()),
    }
}

fn name_of(factor: &TableFactor) -> Option<Ident> {
    match factor {
        TableFactor::Table { name, .. } => name.0.last().and_then(ObjectNamePart::as_ident).cloned(),
        _ => None,
    }
}

/// Puts the table in the place of the query's own.
fn take_from(query: &mut Query, factor: &mut TableFactor) {
    if let SetExpr::Select(select) = query.body.as_mut()
        && let Some(from) = select.from.first_mut()
    {
        std::mem::swap(&mut from.relation, factor);
    }
}
