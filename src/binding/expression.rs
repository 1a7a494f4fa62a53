//! Expressions outside a query: function bodies, policy text, constants of EXECUTE and VALUES.

use std::sync::Arc;

use datafusion::common::DFSchema;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::simplify::SimplifyContext;
use datafusion::optimizer::simplify_expressions::ExprSimplifier;
use datafusion::sql::sqlparser::ast as sql;

use super::{BindingServices, Rights, relations};
use crate::context::QueryContext;
use crate::error::{Error, Result, SqlState};

/// Parses one expression: the text after SELECT.
pub(crate) fn parse(text: &str) -> Result<sql::Expr> {
    let query = relations::parse_query(&format!("SELECT {text}"))?;
    if let sql::SetExpr::Select(select) = *query.body
        && select.from.is_empty()
        && let [sql::SelectItem::UnnamedExpr(expression) | sql::SelectItem::ExprWithAlias { expr: expression, .. }] =
            select.projection.as_slice()
    {
        return Ok(expression.clone());
    }
    Err(Error::new(
        SqlState::InvalidObjectDefinition,
        "a function's body is one expression",
    ))
}

/// Binds an expression over columns, with the statement's own names and rights.
pub async fn bind_expression_over(
    services: &BindingServices,
    context: &QueryContext,
    mut expression: sql::Expr,
    schema: &DFSchema,
) -> Result<Expr> {
    super::rewrite::rewrite_expression(&mut expression)?;
    let rights = Rights::of_statement(context).without_routines();
    let scope = relations::load_for_expression(services, context, &mut expression, rights, 0).await?;
    scope.plan_expression(expression, schema)
}

/// The value of an expression that reads no table.
pub async fn bind_constant(
    services: &BindingServices,
    context: &QueryContext,
    expression: sql::Expr,
) -> Result<ScalarValue> {
    let bound = bind_expression_over(services, context, expression, &DFSchema::empty()).await?;
    match simplify_arguments(services, vec![bound])?.pop() {
        Some(Expr::Literal(value, _)) => Ok(value),
        _ => Err(Error::new(
            SqlState::FeatureNotSupported,
            "only constant expressions are supported here",
        )),
    }
}

/// Coerces and folds the arguments of a table function.
pub(crate) fn simplify_arguments(services: &BindingServices, arguments: Vec<Expr>) -> Result<Vec<Expr>> {
    let simplify = SimplifyContext::builder()
        .with_config_options(Arc::clone(services.base.config_options()))
        .with_query_execution_start_time(Some(chrono::Utc::now()))
        .build();
    let simplifier = ExprSimplifier::new(simplify);
    let schema = DFSchema::empty();
    arguments
        .into_iter()
        .map(|argument| Ok(simplifier.simplify(simplifier.coerce(argument, &schema)?)?))
        .collect()
}
