//! The pipeline: the one function that knows the life of a statement, and the only way to run a plan.
//!
//! ```text
//! authorize → plan_cache.get_or_plan(key, bind → govern → optimize) → result_cache.get
//!           or plan physically → verify barriers → execute
//! ```

mod catalog;
mod explained;
mod keys;
mod locking;
mod materialized_view;
mod memory;
mod modification;
mod plans;
mod user_types;
mod with_changes;

use std::sync::Arc;
use std::time::Instant;

use datafusion::common::ParamValues;
use datafusion::common::ScalarValue;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::{ExecutionPlan, execute_stream};
use datafusion::sql::sqlparser::ast as sql;

use crate::binding::{self, BindingServices, WithRelation};
use crate::context::QueryContext;
use crate::context::settings::Settings;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::execution::admission;
use crate::execution::commands::{self, CommandContext};
use crate::execution::explain;
use crate::execution::outcome::{Notice, Outcome, OutputColumn, RowSet, Rows};
use crate::execution::partial_aggregates;
use crate::execution::transaction::Transaction;
use crate::governance::{self, GovernedPlan};
use crate::planning::{self, CachedPlan, PlanningSession};
use crate::result_cache::{EncodedRows, HashedKey};
use crate::statement::ast::{CopyDirection, CopyTarget, ParsedStatement, Statement, Vacuum};
use crate::types::SqlType;
use crate::types::format::Format;

use keys::{StatesOf, answer_key};
use locking::Locked;
pub use memory::Memory;
use plans::{Planned, get_or_plan, plan_statement, remembered_plan};

/// One statement about to run, with all that its meaning depends on.
pub struct Request<'a> {
    pub engine: &'a Arc<Engine>,
    pub context: &'a Arc<QueryContext>,
    pub settings: &'a Arc<Settings>,
    pub statement: &'a ParsedStatement,
    /// Types that the client gave to `$1`, `$2` …
    pub declared: &'a [Option<SqlType>],
    /// What the parts of WITH that ran before returned.
    pub relations: &'a [WithRelation],
    /// Several statements take the rows, so they come as rows and not as a cached answer.
    pub keeps_rows: bool,
    /// What the prepared statement remembers of its last run.
    pub memory: Option<&'a Memory>,
}

impl<'a> Request<'a> {
    /// The same for another form of the statement.
    fn with<'b>(&'b self, statement: &'b ParsedStatement, declared: &'b [Option<SqlType>]) -> Request<'b>
    where
        'a: 'b,
    {
        Request {
            engine: self.engine,
            context: self.context,
            settings: self.settings,
            statement,
            declared,
            relations: self.relations,
            keeps_rows: self.keeps_rows,
            memory: self.memory,
        }
    }
}

/// What Describe answers.
#[derive(Debug, Clone)]
pub struct Description {
    pub parameters: Vec<SqlType>,
    /// `None` for a statement without rows.
    pub columns: Option<Arc<[OutputColumn]>>,
}

/// Names and types of what a statement takes and gives, without running it.
pub async fn describe(request: &Request<'_>) -> Result<Description> {
    let without_rows = |parameters| Description {
        parameters,
        columns: None,
    };
    if let Some((statement, declared)) = complete(request, None)? {
        return Box::pin(describe(&request.with(&statement, &declared))).await;
    }
    match &request.statement.statement {
        Statement::Query(query) => {
            if let Some(described) = catalog::describe(request, query)? {
                return Ok(described);
            }
            let planned = plan_statement(request, query).await;
            let planned = planned.map_err(|error| binding::placed(&request.statement.statement, error))?;
            Ok(Description {
                parameters: with_unplanned(request, planned.parameter_types()),
                columns: Some(Arc::clone(&planned.plan.columns)),
            })
        }
        Statement::WithChanges(changes) => with_changes::describe_all(request, changes).await,
        Statement::DeclareCursor(declare) => {
            let cached = get_or_plan(request, &declare.query, "").await?;
            Ok(without_rows(with_unplanned(request, cached.parameter_types.clone())))
        }
        Statement::CreateTable(create) => match &create.query {
            Some(query) => Ok(without_rows(
                get_or_plan(request, query, "").await?.parameter_types.clone(),
            )),
            None => Ok(without_rows(vec![])),
        },
        other if modification::is_modification(other) => {
            let described = modification::describe(request).await;
            described.map_err(|error| binding::placed(other, error))
        }
        other => Ok(Description {
            parameters: declared_or_text(request),
            columns: commands::columns_of(other).map(Into::into),
        }),
    }
}

/// The statement with what has to be known before it is bound: users' types, and the parameters that are bounds of frames.
/// `None` where it can be bound as it is.
fn complete(
    request: &Request<'_>,
    parameters: Option<&[ScalarValue]>,
) -> Result<Option<(ParsedStatement, Vec<Option<SqlType>>)>> {
    if let Some(defined) = user_types::defined(request)? {
        return Ok(Some(defined));
    }
    let statement = request.statement;
    if statement.parameter_count == 0 || !has_frame_bound(&statement.text) {
        return Ok(None);
    }
    let mut complete = statement.clone();
    let Some(query) = framed_query(&mut complete.statement) else {
        return Ok(None);
    };
    let Some(framed) = binding::with_frame_bounds(query, request.declared, parameters)? else {
        return Ok(None);
    };
    *query = framed.query;
    // Plans and answers are found by the text.
    complete.text += &framed.bounds;
    Ok(Some((complete, framed.declared)))
}

/// The query of a statement, whose frames may have parameters.
fn framed_query(statement: &mut Statement) -> Option<&mut sql::Query> {
    match statement {
        Statement::Query(query) => Some(query),
        Statement::DeclareCursor(declare) => Some(&mut declare.query),
        Statement::CreateTable(create) => create.query.as_deref_mut(),
        Statement::Insert(insert) => insert.source.as_deref_mut(),
        Statement::Explain { statement, .. } => framed_query(statement),
        _ => None,
    }
}

/// Whether a text may have a frame with a bound: no reason to copy the tree of one that has none.
fn has_frame_bound(text: &str) -> bool {
    let words = text.split(|character: char| !character.is_ascii_alphabetic());
    words
        .into_iter()
        .any(|word| word.eq_ignore_ascii_case("preceding") || word.eq_ignore_ascii_case("following"))
}

fn declared_or_text(request: &Request<'_>) -> Vec<SqlType> {
    let count = request.declared.len().max(request.statement.parameter_count);
    (0..count)
        .map(|index| request.declared.get(index).cloned().flatten().unwrap_or(SqlType::Text))
        .collect()
}

/// With the types of parameters that no plan has: those in a part of WITH that nothing names.
fn with_unplanned(request: &Request<'_>, mut types: Vec<SqlType>) -> Vec<SqlType> {
    let unplanned = declared_or_text(request).into_iter().skip(types.len());
    types.extend(unplanned);
    types
}

/// Runs a statement. Rows stream: nothing has been computed when this returns a stream.
pub async fn run(
    request: &Request<'_>,
    parameters: &[ScalarValue],
    formats: &[Format],
    transaction: &mut Transaction,
    notices: &mut Vec<Notice>,
) -> Result<Outcome> {
    request.context.check_cancelled()?;
    if let Some((statement, declared)) = complete(request, Some(parameters))? {
        let request = request.with(&statement, &declared);
        return Box::pin(run(&request, parameters, formats, transaction, notices)).await;
    }
    if let Some(query) = locking::locking_query(&request.statement.statement)
        && Box::pin(locking::take_locks(request, query, transaction, notices)).await? == Locked::No
    {
        return Ok(Outcome::Rows(Box::pin(locking::no_rows(request, query)).await?));
    }
    match &request.statement.statement {
        Statement::Query(query) => {
            let rows = run_query(request, query, parameters, formats).await;
            Ok(Outcome::Rows(rows.map_err(|error| {
                binding::placed(&request.statement.statement, error)
            })?))
        }
        // On the heap: a future is moved several times before it is polled, and a query's is small.
        _ => Box::pin(run_other(request, parameters, formats, transaction, notices)).await,
    }
}

/// Runs anything but a query.
async fn run_other(
    request: &Request<'_>,
    parameters: &[ScalarValue],
    formats: &[Format],
    transaction: &mut Transaction,
    notices: &mut Vec<Notice>,
) -> Result<Outcome> {
    match &request.statement.statement {
        Statement::WithChanges(changes) => {
            with_changes::run(request, changes, parameters, formats, transaction, notices).await
        }
        Statement::DeclareCursor(declare) => Ok(Outcome::Rows(run_cursor(request, &declare.query, parameters).await?)),
        Statement::Explain {
            analyze,
            verbose,
            format,
            statement,
        } => {
            let options = explain::Options {
                analyze: *analyze,
                verbose: *verbose,
                format: *format,
            };
            explained::run(request, statement, parameters, options, transaction, notices).await
        }
        Statement::CreateTable(create) => {
            let rows = match &create.query {
                Some(query) => Some(run_query_for_command(request, query, parameters).await?),
                None => None,
            };
            let mut command = command_context(request, transaction, notices);
            Ok(Outcome::Done(
                commands::create_table::run(&mut command, create, rows).await?,
            ))
        }
        Statement::CreateView {
            name,
            or_replace,
            if_not_exists,
            temporary,
            columns,
            query,
            query_text,
            options,
        } => {
            let bound = binding::bind_query(&binding_services(request), request.context, query, &[]).await?;
            let references = binding::with_used_columns(bound.references, &bound.plan, &request.context.catalog)?;
            // Whoever defines a view must be able to read what it reads.
            let governed = governance::govern(bound.plan, request.context, planning_session(request).config_options())?;
            let mut command = command_context(request, transaction, notices);
            let view = commands::create_view::NewView {
                name,
                or_replace: *or_replace,
                if_not_exists: *if_not_exists,
                temporary: *temporary,
                column_names: columns,
                query_text,
                options: *options,
                output: OutputColumn::of_schema(governed.schema(), &bound.sources),
                references,
            };
            Ok(Outcome::Done(commands::create_view::run(&mut command, view).await?))
        }
        Statement::CreateMaterializedView(create) => {
            materialized_view::create(request, create, transaction, notices).await
        }
        Statement::RefreshMaterializedView(refresh) => {
            materialized_view::refresh(request, refresh, transaction, notices).await
        }
        Statement::CreateFunction(create) => {
            let mut command = command_context(request, transaction, notices);
            Ok(Outcome::Done(
                commands::create_function::run(&mut command, &binding_services(request), create).await?,
            ))
        }
        Statement::Copy(copy) => match (&copy.target, copy.direction) {
            (CopyTarget::Table { name, columns }, CopyDirection::FromStdin) => {
                let mut command = command_context(request, transaction, notices);
                let session = planning_session(request);
                let copy_in = commands::copy_in::begin(&mut command, name, columns, copy, &session).await?;
                Ok(Outcome::CopyIn(Box::new(copy_in)))
            }
            (CopyTarget::Table { name, columns }, CopyDirection::ToStdout) => {
                let columns = modification::copied_columns(request, name, columns)?;
                let query = commands::copy_out::query_of_table(name, &columns)?;
                Ok(Outcome::CopyOut(
                    run_copy_out(request, &query, parameters).await?,
                    copy.options.clone(),
                ))
            }
            (CopyTarget::Query(query), CopyDirection::ToStdout) => Ok(Outcome::CopyOut(
                run_copy_out(request, query, parameters).await?,
                copy.options.clone(),
            )),
            (CopyTarget::Query(_), CopyDirection::FromStdin) => {
                Err(Error::syntax("COPY FROM takes a table, not a query"))
            }
        },
        Statement::Analyze(_) | Statement::Vacuum(Vacuum { analyze: true, .. }) => {
            let mut command = command_context(request, transaction, notices);
            let outcome = commands::run(&mut command, &request.statement.statement).await;
            // The order of joins in a plan rests on what was known of the tables, and their versions stay.
            request.engine.plan_cache.clear();
            outcome
        }
        other if modification::is_modification(other) => {
            let outcome = modification::run(request, parameters, transaction, notices).await;
            outcome.map_err(|error| binding::placed(other, error))
        }
        other => {
            let mut command = command_context(request, transaction, notices);
            commands::run(&mut command, other).await
        }
    }
}

/// SELECT, from the result cache or by execution. What an answer that is kept has no need of is on the heap: a future is moved
/// several times before it is polled, with room for all that it may come to.
async fn run_query(
    request: &Request<'_>,
    query: &sql::Query,
    parameters: &[ScalarValue],
    formats: &[Format],
) -> Result<RowSet> {
    let planned = match remembered_plan(request).await? {
        Some(planned) => planned,
        None => match catalog::answer(request, query, parameters, formats)? {
            Some(rows) => return Ok(rows),
            None => Box::pin(plan_statement(request, query)).await?,
        },
    };
    let (key, kept) = look_up(request, &planned, parameters, formats);
    let rows = match kept {
        Some(rows) => Rows::Encoded(rows),
        None => Box::pin(execute_anew(request, query, &planned, parameters, key)).await?,
    };
    Ok(RowSet {
        columns: Arc::clone(&planned.plan.columns),
        rows,
        tag: "SELECT",
    })
}

/// The kept answer to a query that ran before, if what it was computed of is still so. Runs nothing and takes no lock.
pub async fn kept_answer(
    request: &Request<'_>,
    parameters: &[ScalarValue],
    formats: &[Format],
) -> Result<Option<Arc<EncodedRows>>> {
    request.context.check_cancelled()?;
    if locking::locking_query(&request.statement.statement).is_some() {
        return Ok(None);
    }
    let planned = remembered_plan(request).await?;
    Ok(planned.and_then(|planned| look_up(request, &planned, parameters, formats).1))
}

/// What the answer of a plan is kept under, and the answer.
fn look_up(
    request: &Request<'_>,
    planned: &Planned,
    parameters: &[ScalarValue],
    formats: &[Format],
) -> (Option<Arc<HashedKey>>, Option<Arc<EncodedRows>>) {
    let key = answer_key(request, planned, parameters, formats);
    let kept = key.as_ref().and_then(|key| request.engine.result_cache.get(key));
    if kept.is_some() {
        request.context.record.result_cache_hit();
    }
    (key, kept)
}

/// The rows of a query, for which nothing is kept under the `key`.
async fn execute_anew(
    request: &Request<'_>,
    query: &sql::Query,
    planned: &Planned,
    parameters: &[ScalarValue],
    key: Option<Arc<HashedKey>>,
) -> Result<Rows> {
    if key.is_some() {
        request.context.record.result_cache_miss();
    }
    let states = StatesOf::statement(request, query, key.as_ref().map(|key| key.result()));
    let values = planned.values(parameters);
    let (physical, session) = plan_operators(request, &planned.plan, values, states).await?;
    let stream = start(request, &planned.plan.plan, physical, &session).await?;
    let fill = key.map(|key| request.engine.result_cache.fill(key));
    Ok(Rows::Stream { stream, fill })
}

/// DECLARE: rows that FETCH takes one by one.
async fn run_cursor(request: &Request<'_>, query: &sql::Query, parameters: &[ScalarValue]) -> Result<RowSet> {
    if let Some(rows) = catalog::answer(request, query, parameters, &[])? {
        return Ok(rows);
    }
    let cached = get_or_plan(request, query, "").await?;
    Ok(RowSet {
        columns: Arc::clone(&cached.columns),
        rows: Rows::Stream {
            stream: execute(request, &cached, parameters).await?,
            fill: None,
        },
        tag: "SELECT",
    })
}

/// COPY TO: rows in another encoding than the result cache keeps.
async fn run_copy_out(request: &Request<'_>, query: &sql::Query, parameters: &[ScalarValue]) -> Result<RowSet> {
    if let Some(rows) = catalog::answer(request, query, parameters, &[])? {
        return Ok(RowSet { tag: "COPY", ..rows });
    }
    let cached = get_or_plan(request, query, "").await?;
    let stream = execute(request, &cached, parameters).await?;
    Ok(RowSet {
        columns: Arc::clone(&cached.columns),
        rows: Rows::Stream { stream, fill: None },
        tag: "COPY",
    })
}

/// A query whose rows a command consumes.
async fn run_query_for_command(
    request: &Request<'_>,
    query: &sql::Query,
    parameters: &[ScalarValue],
) -> Result<SendableRecordBatchStream> {
    let cached = get_or_plan(request, query, "").await?;
    execute(request, &cached, parameters).await
}

/// Starts a plan's operators.
async fn execute(
    request: &Request<'_>,
    planned: &CachedPlan,
    parameters: &[ScalarValue],
) -> Result<SendableRecordBatchStream> {
    let (physical, session) = plan_operators(request, planned, parameters, None).await?;
    start(request, &planned.plan, physical, &session).await
}

/// Starts operators when there is a place. What reads no table is let in at once: whoever looks after a
/// server that is full has to see what fills it.
async fn start(
    request: &Request<'_>,
    governed: &GovernedPlan,
    physical: Arc<dyn ExecutionPlan>,
    session: &PlanningSession,
) -> Result<SendableRecordBatchStream> {
    let record = &request.context.record;
    let admission = &request.engine.admission;
    // What a routine asks for another statement's rows runs in the place of that statement.
    let place = match governed.relations().is_empty() || request.context.level > 0 {
        true => None,
        false => {
            let queued = Instant::now();
            let place = admission.enter().await;
            record.add_queue_time(queued.elapsed());
            Some(place)
        }
    };
    let stream = execute_stream(physical, session.execution_context())?;
    Ok(admission::running(admission, place, stream, Arc::clone(record)))
}

/// Binds parameters, orders joins, plans physically, puts in what is kept of files (`states`), and verifies that
/// every governed scan is behind its barrier. The session has the plan's partitions.
async fn plan_operators(
    request: &Request<'_>,
    planned: &CachedPlan,
    parameters: &[ScalarValue],
    states: Option<StatesOf<'_>>,
) -> Result<(Arc<dyn ExecutionPlan>, PlanningSession)> {
    let plan_start = Instant::now();
    let mut session = planning_session(request);
    let with_values;
    let governed = match planned.parameter_types.is_empty() {
        true => &planned.ordered,
        false => {
            let values = ParamValues::from(parameters.to_vec());
            let bound = planning::bind_parameters(&planned.ordered, values, &session)?;
            with_values = planning::order_joins(&bound, &session)?;
            &with_values
        }
    };
    // Of one table's files states are kept, if there is an aggregation to states, which one partition has no use for.
    let mut kept_for = states.filter(|_| matches!(governed.relations(), [_]) && planning::aggregates(governed));
    if request.settings.target_partitions.is_none() {
        let most = session.partitions();
        let partitions = match kept_for {
            None => planning::partitions(governed, most, request.engine.admission.running()),
            // What one thread reads in a moment is read anew: to look for states and to merge them takes as long.
            Some(_) if planning::is_little_work(governed) => 1,
            Some(_) => most,
        };
        kept_for = kept_for.filter(|_| partitions == most);
        session = session.with_partitions(partitions);
    }
    let mut physical = planning::plan_physically(governed, &session).await?;
    if let Some(states) = kept_for {
        let statement = states.key();
        let kept = partial_aggregates::with_kept_states(&physical, &statement, &request.engine.partial_aggregates)?;
        physical = kept.unwrap_or(physical);
    }
    governance::verify(governed, &physical)?;
    request.context.record.add_plan_time(plan_start.elapsed());
    Ok((physical, session))
}

fn planning_session(request: &Request<'_>) -> PlanningSession {
    request.engine.planning_session(request.context, request.settings)
}

fn binding_services(request: &Request<'_>) -> BindingServices {
    BindingServices {
        with_relations: request.relations.to_vec(),
        ..request.engine.binding_services(request.settings)
    }
}

fn command_context<'a>(
    request: &'a Request<'_>,
    transaction: &'a mut Transaction,
    notices: &'a mut Vec<Notice>,
) -> CommandContext<'a> {
    CommandContext {
        services: &request.engine.services,
        context: request.context,
        transaction,
        notices,
        binding: binding_services(request),
        text: &request.statement.text,
        settings: request.settings,
        format_settings: request.settings.format.clone(),
        session: planning_session(request),
    }
}
