//! EXPLAIN: how a statement would run, and with ANALYZE how it ran. One that changes rows shows the plan of the rows
//! that it changes; ANALYZE makes the changes.

use std::sync::Arc;
use std::time::Instant;

use datafusion::common::ScalarValue;
use datafusion::sql::sqlparser::ast as sql;

use super::keys::{StatesOf, result_key};
use super::plans::get_or_plan;
use super::{Request, modification, plan_operators, start};
use crate::error::{Error, Result};
use crate::execution::explain;
use crate::execution::outcome::{Notice, Outcome};
use crate::execution::transaction::Transaction;
use crate::statement::ast::{ParsedStatement, Statement};

/// Runs EXPLAIN.
pub(super) async fn run(
    request: &Request<'_>,
    statement: &Statement,
    parameters: &[ScalarValue],
    options: explain::Options,
    transaction: &mut Transaction,
    notices: &mut Vec<Notice>,
) -> Result<Outcome> {
    let explained = ParsedStatement {
        statement: statement.clone(),
        ..request.statement.clone()
    };
    let inner = Request {
        statement: &explained,
        ..*request
    };
    match statement {
        Statement::Query(query) => query_plan(&inner, query, parameters, options).await,
        Statement::DeclareCursor(declare) => query_plan(&inner, &declare.query, parameters, options).await,
        Statement::CreateTable(create) => match &create.query {
            Some(_) if options.analyze => Err(Error::unsupported("EXPLAIN ANALYZE of CREATE TABLE AS")),
            Some(query) => query_plan(&inner, query, parameters, options).await,
            None => Err(Error::internal("EXPLAIN of a statement without a plan")),
        },
        _ => changes_plan(&inner, parameters, options, transaction, notices).await,
    }
}

/// Subjects of a policy see the logical plan only.
async fn query_plan(
    request: &Request<'_>,
    query: &sql::Query,
    parameters: &[ScalarValue],
    options: explain::Options,
) -> Result<Outcome> {
    let started = Instant::now();
    let text = query.to_string();
    let cached = get_or_plan(request, query, &text).await?;
    let key = match options.analyze {
        true => result_key(request, &cached, parameters, &[]),
        false => None,
    };
    let states = StatesOf::statement(request, query, key.as_ref());
    let bound = parameters.len() >= cached.parameter_types.len();
    let planned = match bound {
        true => Some(plan_operators(request, &cached, parameters, states).await?),
        false => None,
    };
    let planning = started.elapsed();
    let run = match (&planned, options.analyze) {
        (Some((physical, session)), true) => {
            let started = Instant::now();
            let rows = explain::drain(start(request, &cached.plan, Arc::clone(physical), session).await?).await?;
            Some((rows, started.elapsed()))
        }
        _ => None,
    };
    let report = explain::Report {
        heading: None,
        plan: &cached.plan,
        physical: planned.map(|(physical, _)| physical),
        planning,
        run,
    };
    rendered(request, &report, options)
}

async fn changes_plan(
    request: &Request<'_>,
    parameters: &[ScalarValue],
    options: explain::Options,
    transaction: &mut Transaction,
    notices: &mut Vec<Notice>,
) -> Result<Outcome> {
    let started = Instant::now();
    let (table, bound) = modification::bound(request).await?;
    let planned = modification::planned(request, &bound)?;
    let physical = match parameters.len() >= bound.parameter_types.len() {
        true => Some(plan_operators(request, &planned, parameters, None).await?.0),
        false => None,
    };
    let planning = started.elapsed();
    let run = match options.analyze {
        true => {
            let started = Instant::now();
            let outcome = modification::run(request, parameters, transaction, notices).await?;
            Some((changed_rows(&outcome), started.elapsed()))
        }
        false => None,
    };
    let kind = request.statement.statement.kind();
    let verb = kind[..1].to_uppercase() + &kind[1..];
    let report = explain::Report {
        heading: Some(format!("{verb} on {}", table.name)),
        plan: &planned.plan,
        physical,
        planning,
        run,
    };
    rendered(request, &report, options)
}

/// The count at the end of a command tag; rows that RETURNING shows are as many as were changed.
fn changed_rows(outcome: &Outcome) -> u64 {
    match outcome {
        Outcome::Done(tag) => tag.rsplit(' ').next().and_then(|count| count.parse().ok()).unwrap_or(0),
        _ => 0,
    }
}

fn rendered(request: &Request<'_>, report: &explain::Report<'_>, options: explain::Options) -> Result<Outcome> {
    Ok(Outcome::Rows(explain::render(
        report,
        &options,
        &request.context.record,
    )?))
}
