//! The way of queries about the catalog, which no planner sees: they read what `introspection` shows the principal and
//! nothing that governance guards.

use std::sync::Arc;

use datafusion::common::ScalarValue;
use datafusion::sql::sqlparser::ast as sql;

use super::{Description, Request};
use crate::catalog_query;
use crate::engine::StatementEnvironment;
use crate::error::Result;
use crate::execution::outcome::RowSet;
use crate::types::format::Format;

/// Rows of a query about the catalog; `None` for one that DataFusion plans.
pub(super) fn answer(
    request: &Request<'_>,
    query: &sql::Query,
    parameters: &[ScalarValue],
    formats: &[Format],
) -> Result<Option<RowSet>> {
    if !catalog_query::concerns_catalog(query, request.context) {
        return Ok(None);
    }
    let environment = statement_environment(request);
    catalog_query::answer(&asked(request, query, &environment), parameters, formats)
}

/// What such a query takes and gives.
pub(super) fn describe(request: &Request<'_>, query: &sql::Query) -> Result<Option<Description>> {
    if !catalog_query::concerns_catalog(query, request.context) {
        return Ok(None);
    }
    let environment = statement_environment(request);
    let described = catalog_query::describe(&asked(request, query, &environment))?;
    Ok(described.map(|described| Description {
        parameters: described.parameters,
        columns: Some(described.columns.into()),
    }))
}

fn statement_environment(request: &Request<'_>) -> StatementEnvironment {
    StatementEnvironment::new(
        Arc::clone(request.engine),
        Arc::clone(request.context),
        Arc::clone(request.settings),
    )
}

fn asked<'a>(
    request: &'a Request<'_>,
    query: &'a sql::Query,
    environment: &'a StatementEnvironment,
) -> catalog_query::Asked<'a> {
    catalog_query::Asked {
        query,
        declared: request.declared,
        parameter_count: request.statement.parameter_count,
        environment,
        monitoring: request.engine.monitoring(),
        settings: &request.settings.format,
    }
}
