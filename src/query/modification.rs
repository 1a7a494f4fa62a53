//! UPDATE, DELETE and their kin through the pipeline: bind → govern → optimize → plan → verify → collect → write.

use datafusion::common::ScalarValue;

use super::{Description, Request, binding_services, command_context, execute, planning_session};
use crate::binding::{self, BoundModification, Changed};
use crate::catalog::Scope;
use crate::catalog::model::{Object, Table};
use crate::error::{Error, Result, SqlState};
use crate::execution::commands;
use crate::execution::commands::modify::Kind;
use crate::execution::commands::row_checks::WrittenRows;
use crate::execution::outcome::{Notice, Outcome};
use crate::execution::transaction::Transaction;
use crate::governance;
use crate::planning::{self, CachedPlan};
use crate::statement::ast::{ObjectName, Statement};

/// The table that a statement changes rows of; `None` for one that this module does not run.
fn target(statement: &Statement) -> Option<&ObjectName> {
    match statement {
        Statement::Insert(insert) => Some(&insert.table),
        Statement::Merge(merge) => Some(&merge.table),
        Statement::Update(update) => Some(&update.table),
        Statement::Delete(delete) => Some(&delete.table),
        _ => None,
    }
}

/// Whether the statement changes rows through a plan of its own.
pub(super) fn is_modification(statement: &Statement) -> bool {
    target(statement).is_some()
}

/// Types of its parameters, and RETURNING's columns.
pub(super) async fn describe(request: &Request<'_>) -> Result<Description> {
    let (_, bound) = bound(request).await?;
    Ok(Description {
        parameters: bound.parameter_types.clone(),
        columns: match bound.returning {
            true => Some(commands::modify::returned_columns(&bound)?.into()),
            false => None,
        },
    })
}

/// Runs it.
pub(super) async fn run(
    request: &Request<'_>,
    parameters: &[ScalarValue],
    transaction: &mut Transaction,
    notices: &mut Vec<Notice>,
) -> Result<Outcome> {
    let mut command = command_context(request, transaction, notices);
    let changed = changed(request)?;
    let table = changed.table.clone();
    let (kind, waits) = match &request.statement.statement {
        Statement::Insert(insert) if insert.overwrite => (Kind::Overwrite, false),
        Statement::Insert(insert) => (Kind::Insert, insert.on_conflict.is_some()),
        Statement::Update(_) => (Kind::Update, true),
        Statement::Merge(_) => (Kind::Merge, true),
        _ => (Kind::Delete, true),
    };
    commands::modify::begin(&mut command, &table, waits).await?;
    let bound = bind(request, &changed).await?;
    let session = planning_session(request);
    let stored = bound.target.snapshot.schema();
    let mut checks = binding::bind_checks(&command.binding, request.context, &table, &stored).await?;
    binding::add_view_checks(&command.binding, request.context, &bound.target, &stored, &mut checks)?;
    let access = request.context.catalog.access(request.context.principal.role);
    let shown = commands::row_checks::ShownRows::of(&table, &stored, &access, &command.format_settings);
    let check = commands::row_checks::shown_row_check(&checks, &table.name, &session, shown.clone())?;
    // A plain INSERT finds its NULLs by itself.
    let written = WrittenRows::updated(check, &table.name, shown.filter(|_| waits));
    let planned = planned(request, &bound)?;
    let stream = execute(request, &planned, parameters).await?;
    commands::modify::run(&mut command, &table, &bound, stream, &session, kind, written)
        .await
        .map_err(|error| error.in_table(request.context.catalog.schema_name(table.schema), &table.name))
}

/// The statement's table and what it does there, without doing it.
pub(super) async fn bound(request: &Request<'_>) -> Result<(Table, BoundModification)> {
    let changed = changed(request)?;
    let bound = bind(request, &changed).await?;
    Ok((changed.table, bound))
}

/// The plan of the rows that a statement changes.
pub(super) fn planned(request: &Request<'_>, bound: &BoundModification) -> Result<CachedPlan> {
    let session = planning_session(request);
    let governed = governance::govern(bound.plan.clone(), request.context, session.config_options())?;
    let optimized = planning::optimize(&governed, &session)?;
    CachedPlan::new(optimized, bound.parameter_types.clone(), &[], &session)
}

/// The table that the statement changes rows of.
pub(super) fn table(request: &Request<'_>) -> Result<Table> {
    Ok(changed(request)?.table)
}

/// The same with the view through which it does, where it names one.
fn changed(request: &Request<'_>) -> Result<Changed> {
    let statement = &request.statement.statement;
    let name = target(statement).ok_or_else(|| Error::internal("the statement changes no rows"))?;
    let context = request.context;
    let names = Scope {
        database: context.database,
        search_path: &context.search_path,
    };
    let relation = context.catalog.resolve_relation(names, &name.0)?;
    let schema = relation.parent().unwrap_or_default();
    if !context.catalog.access(context.principal.role).uses_schema(schema) {
        return Err(Error::denied("schema", context.catalog.schema_name(schema)));
    }
    match relation {
        Object::Table(table) if table.materialized.is_some() => {
            let message = format!("cannot change materialized view \"{}\"", table.name);
            Err(Error::new(SqlState::WrongObjectType, message)
                .with_hint("REFRESH MATERIALIZED VIEW replaces its rows."))
        }
        Object::Table(table) => Ok(Changed {
            table: table.clone(),
            view: None,
        }),
        other => {
            let verb = match statement {
                Statement::Insert(_) => "insert into",
                Statement::Update(_) => "update",
                Statement::Merge(_) => "merge into",
                _ => "delete from",
            };
            let Object::View(view) = other else {
                let message = format!("cannot change relation \"{}\"", other.name());
                return Err(Error::new(SqlState::WrongObjectType, message));
            };
            let found = binding::updatable(&context.catalog, view);
            let found = found.map_err(|detail| binding::not_updatable(verb, view, detail))?;
            Ok(Changed {
                table: found.table.clone(),
                view: Some(view.clone()),
            })
        }
    }
}

/// The columns that COPY TO names; without names those that are not generated, where some are.
pub(super) fn copied_columns(
    request: &Request<'_>,
    name: &crate::statement::ast::ObjectName,
    named: &[String],
) -> Result<Vec<String>> {
    let context = request.context;
    let names = Scope {
        database: context.database,
        search_path: &context.search_path,
    };
    match context.catalog.resolve_relation(names, &name.0) {
        // Who may not use the schema learns nothing of its tables' columns.
        Ok(Object::Table(table)) if !context.catalog.access(context.principal.role).uses_schema(table.schema) => {
            Ok(named.to_vec())
        }
        Ok(Object::Table(table))
            if !named.is_empty() || table.columns.iter().any(|column| column.generated().is_some()) =>
        {
            commands::copy_in::copied_columns(table, named)
        }
        _ => Ok(named.to_vec()),
    }
}

async fn bind(request: &Request<'_>, changed: &Changed) -> Result<BoundModification> {
    let services = binding_services(request);
    let (context, declared) = (request.context, request.declared);
    let bound = match &request.statement.statement {
        Statement::Insert(insert) => binding::bind_insert(&services, context, changed, insert, declared).await?,
        Statement::Merge(merge) => binding::bind_merge(&services, context, changed, merge, declared).await?,
        Statement::Update(update) => binding::bind_update(&services, context, changed, update, declared).await?,
        Statement::Delete(delete) => binding::bind_delete(&services, context, changed, delete, declared).await?,
        _ => return Err(Error::internal("the statement changes no rows")),
    };
    let overwrites = matches!(&request.statement.statement, Statement::Insert(insert) if insert.overwrite);
    governance::check_write(&bound, overwrites, context, planning_session(request).config_options())?;
    Ok(bound)
}
