//! The asynchronous half of binding: finds every relation and SQL function that a query, its views and
//! its policies name, loads the snapshots they need, and leaves a `Scope` that plans without waiting.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use datafusion::datasource::provider_as_source;
use datafusion::logical_expr::Expr;
use datafusion::sql::sqlparser::ast as sql;

use super::bound_table::{BoundPolicies, BoundTable, RelationVersion};
use super::function::{SqlFunction, bind_function};
use super::key_groups::primary_key;
use super::scope::{LoadedRelation, Scope};
use super::system_columns::{self, Relation, SystemColumns};
use super::time_travel::{self, TimeTravel};
use super::types::load_type;
use super::used_names::{UsedNames, used_names};
use super::view_source::ViewSource;
use super::{BindingServices, Rights, call_arguments, function_rows};
use crate::catalog::model::{Column, Function, Object, Oid, Privilege, Table, TableLocation, View};
use crate::catalog::{CatalogSnapshot, Resolved, Scope as NameScope};
use crate::context::QueryContext;
use crate::error::{Error, Result, SqlState};
use crate::functions::builtin::{builtin_functions_named, builtin_relation_named};
use crate::storage::{DeltaTable, Freshness, TableAddress, TableSnapshot};

/// Views inside views, functions inside functions.
const MAX_DEPTH: usize = 32;

type Loading<'a, T> = Pin<Box<dyn Future<Output = Result<T>> + Send + 'a>>;

/// Loads all that `query` names and returns the scope to plan it in. Moves time travel into names.
pub(crate) fn load<'a>(
    services: &'a BindingServices,
    context: &'a QueryContext,
    query: &'a mut sql::Query,
    rights: Rights,
    depth: usize,
) -> Loading<'a, Scope> {
    load_beside(services, context, query, rights, depth, &[])
}

/// The same for a text that names relations of the statement's `own`, by what they are, which it loads itself.
pub(super) fn load_beside<'a>(
    services: &'a BindingServices,
    context: &'a QueryContext,
    query: &'a mut sql::Query,
    rights: Rights,
    depth: usize,
    own: &'a [(&'a str, Relation)],
) -> Loading<'a, Scope> {
    Box::pin(async move {
        let candidates = |name: &[String]| function_candidates(services, context, name, &rights);
        function_rows::rewrite(query, rights.calls_routines, &candidates)?;
        time_travel::hide_versions_in_names(query)?;
        super::spellings::rewrite(query, &|name| has_function(services, context, name, &rights))?;
        system_columns::expose(query, &|name| columns_of(services, context, name, &rights, depth, own))?;
        let used = used_names(query);
        let scope = load_names(services, context, used, rights, depth).await?;
        call_arguments::complete(query, &|name| scope.parameters(name))?;
        Ok(scope)
    })
}

/// The same for an expression alone: a policy's or a function's body.
pub(crate) fn load_for_expression<'a>(
    services: &'a BindingServices,
    context: &'a QueryContext,
    expression: &'a mut sql::Expr,
    rights: Rights,
    depth: usize,
) -> Loading<'a, Scope> {
    Box::pin(async move {
        let candidates = |name: &[String]| function_candidates(services, context, name, &rights);
        function_rows::rewrite(expression, rights.calls_routines, &candidates)?;
        let used = used_names(expression);
        load_names(services, context, used, rights, depth).await
    })
}

async fn load_names(
    services: &BindingServices,
    context: &QueryContext,
    used: UsedNames,
    rights: Rights,
    depth: usize,
) -> Result<Scope> {
    if depth > MAX_DEPTH {
        return Err(Error::new(
            SqlState::ProgramLimitExceeded,
            "views and functions are nested too deeply",
        )
        .with_hint("Does a view or function refer to itself?"));
    }
    let mut scope = Scope::new(services.clone());
    for name in used.relations {
        let (plain, system) = system_columns::split(&name);
        if let Some(relation) = load_relation(services, context, &plain, system.as_ref(), &rights, depth).await? {
            let relation = as_known(relation, context, &rights, &plain)?;
            scope.add_relation(name, relation);
        }
    }
    for name in used.functions {
        if name.last().is_some_and(|name| name == "set_config") {
            context.changes_settings.store(true, Ordering::Relaxed);
        }
        let candidates = load_functions(services, context, &name, &rights, depth).await?;
        if !candidates.is_empty() {
            scope.add_functions(name, candidates);
        }
    }
    let mut types = vec![];
    for name in used.types {
        if let Some((id, sql_type)) = load_type(context, &name, &rights)? {
            if let Some([of_value, of_elements]) = super::domains::tests_of(services, context, &sql_type).await? {
                scope.add_domain(name.clone(), of_value);
                scope.add_domain(super::domains::of_arrays(name.clone()), of_elements);
            }
            types.push((name, id, sql_type));
        }
    }
    scope.set_types(types);
    Ok(scope)
}

/// The object that a stored text's name meant when it was written.
pub(super) fn referenced<'a>(catalog: &'a CatalogSnapshot, rights: &Rights, name: &[String]) -> Option<&'a Object> {
    let reference = rights.references.iter().find(|reference| reference.name == name)?;
    catalog.object(reference.object)
}

/// The relation as a stored text knows it: a column has the name that it had when the text was written, and those that
/// the text does not use are not there, so that `*` goes on meaning what it meant.
fn as_known(
    relation: LoadedRelation,
    context: &QueryContext,
    rights: &Rights,
    name: &[String],
) -> Result<LoadedRelation> {
    let known = rights.references.iter().find(|reference| reference.name == name);
    let known = known.map_or(&[][..], |reference| &reference.columns);
    let object = relation.object.and_then(|id| context.catalog.object(id));
    let (Some(object), [_, ..]) = (object, known) else {
        return Ok(relation);
    };
    let now = object.columns().iter().map(|column| (column.id, column.name.as_str()));
    if now.eq(known.iter().map(|(id, name)| (*id, name.as_str()))) {
        return Ok(relation);
    }
    let kept: Vec<(i16, &str, &str)> = known
        .iter()
        .filter_map(|(id, name)| {
            let column = object.columns().iter().find(|column| column.id == *id)?;
            Some((*id, column.name.as_str(), name.as_str()))
        })
        .collect();
    let schema = relation.source.schema();
    let fields = schema.fields().iter().map(|field| field.name().as_str());
    let system: Vec<_> = fields
        .filter_map(|name| Some((system_columns::shown_by(name)?.number, name, name)))
        .collect();
    let kept = || kept.iter().chain(&system);
    let names = kept().map(|(_, now, name)| (*now, *name));
    let source = Arc::new(ViewSource::renamed(relation.source, names)?);
    let numbers = kept().map(|(id, _, _)| Some(*id));
    Ok(LoadedRelation::new(source, relation.object, object.id(), numbers).with_key(relation.key))
}

/// What a name in FROM stands for and the columns that it shows; `None` where that is not known.
fn columns_of(
    services: &BindingServices,
    context: &QueryContext,
    name: &[String],
    rights: &Rights,
    depth: usize,
    own: &[(&str, Relation)],
) -> Option<Relation> {
    let only = name.first().filter(|_| name.len() == 1);
    if let Some((_, relation)) = only.and_then(|only| own.iter().find(|(known, _)| *known == only.as_str())) {
        return Some(relation.clone());
    }
    let is_with = |only: &&String| depth == 0 && services.with_relations.iter().any(|known| known.name == **only);
    if only.filter(is_with).is_some() {
        return None;
    }
    let known = rights.references.iter().find(|reference| reference.name == name);
    let named = |own: &[Column]| match known {
        Some(known) if !known.columns.is_empty() => known.columns.iter().map(|(_, name)| name.clone()).collect(),
        _ => own.iter().map(|column| column.name.clone()).collect(),
    };
    let (plain, _) = without_version(name).ok()?;
    match resolve(services, context, &plain, rights).ok()?? {
        Resolved::Table(table) => Some(Relation::Table(named(&table.columns))),
        Resolved::View(view) => Some(Relation::Other(named(&view.columns))),
        Resolved::System { .. } => Some(Relation::Other(vec![])),
    }
}

/// A name without the version in it, and the version.
fn without_version(name: &[String]) -> Result<(Vec<String>, Option<TimeTravel>)> {
    let (mut plain, mut travel) = (name.to_vec(), None);
    if let Some(last) = plain.last_mut() {
        let (table, version) = time_travel::split_version(last)?;
        (*last, travel) = (table.to_string(), version);
    }
    Ok((plain, travel))
}

/// What a relation's name without a version means.
fn resolve<'a>(
    services: &BindingServices,
    context: &'a QueryContext,
    plain: &'a [String],
    rights: &'a Rights,
) -> Result<Option<Resolved<'a>>> {
    let names = NameScope {
        database: context.database,
        search_path: &rights.search_path,
    };
    let is_system = |schema: &str, table: &str| services.system_tables.table(schema, table).is_some();
    Ok(match referenced(&context.catalog, rights, plain) {
        Some(Object::Table(table)) => Some(Resolved::Table(table)),
        Some(Object::View(view)) => Some(Resolved::View(view)),
        _ => context.catalog.find(names, plain, &is_system)?,
    })
}

async fn load_relation(
    services: &BindingServices,
    context: &QueryContext,
    name: &[String],
    system: Option<&SystemColumns>,
    rights: &Rights,
    depth: usize,
) -> Result<Option<LoadedRelation>> {
    if depth == 0
        && let [only] = name
        && let Some(known) = services.with_relations.iter().find(|known| known.name == *only)
    {
        let rows = known.rows.as_ref().ok_or_else(|| {
            let message = format!("WITH query \"{only}\" does not have a RETURNING clause");
            Error::new(SqlState::FeatureNotSupported, message)
        })?;
        return Ok(Some(LoadedRelation::computed(provider_as_source(Arc::clone(rows)))));
    }
    let (plain, travel) = without_version(name)?;
    let resolved = resolve(services, context, &plain, rights)?;
    match resolved {
        None => Ok(None),
        Some(Resolved::System { schema, name }) => Ok(services.system_tables.table(schema, name).map(|provider| {
            let relation = builtin_relation_named(schema, name).map_or(0, |relation| relation.oid);
            let numbers = (1..).take(provider.schema().fields().len()).map(Some);
            LoadedRelation::new(provider_as_source(provider), None, relation, numbers)
        })),
        Some(Resolved::View(view)) if travel.is_some() => Err(Error::new(
            SqlState::WrongObjectType,
            format!("\"{}\" is a view, which has no versions", view.name),
        )),
        Some(Resolved::View(view)) => {
            require_schema_usage(context, view.schema, rights)?;
            let source = load_view(services, context, view, rights, depth).await?;
            let numbers = view.columns.iter().map(|column| Some(column.id));
            let relation = LoadedRelation::new(Arc::new(source), Some(view.id), view.id, numbers);
            Ok(Some(relation.with_types_of(view)))
        }
        Some(Resolved::Table(table)) => {
            require_schema_usage(context, table.schema, rights)?;
            let bound = load_table(
                services,
                context,
                Arc::new(table.clone()),
                travel,
                rights.checked_as,
                depth,
            )
            .await?;
            let bound = match system {
                Some(system) => Arc::new(Arc::unwrap_or_clone(bound).with_system_columns(system)),
                None => bound,
            };
            let numbers = bound.column_numbers();
            let source = provider_as_source(bound);
            let relation = LoadedRelation::new(source, Some(table.id), table.id, numbers);
            Ok(Some(relation.with_key(primary_key(table))))
        }
    }
}

/// A name that a stored text resolved once needs no USAGE again, as in PostgreSQL.
pub(super) fn require_schema_usage(context: &QueryContext, schema: Oid, rights: &Rights) -> Result<()> {
    if !rights.references.is_empty() || context.catalog.access(rights.checked_as).uses_schema(schema) {
        return Ok(());
    }
    let name = context
        .catalog
        .schema(schema)
        .map(|schema| schema.name.as_str())
        .unwrap_or_default();
    Err(Error::denied("schema", name))
}

/// Pins a table's snapshot and binds its policies, with the rights of the policies' definers.
pub(crate) async fn load_table(
    services: &BindingServices,
    context: &QueryContext,
    table: Arc<Table>,
    travel: Option<TimeTravel>,
    checked_as: Oid,
    depth: usize,
) -> Result<Arc<BoundTable>> {
    let snapshot = load_snapshot(services, context, &table, travel).await?;
    let mut policies = BoundPolicies::default();
    if let Some(filter) = &table.row_filter {
        policies.row_filter =
            Some(load_policy(services, context, &table, filter.function, &filter.columns, depth).await?);
    }
    for column in &table.columns {
        if let Some(mask) = &column.mask {
            let arguments: Vec<i16> = std::iter::once(column.id)
                .chain(mask.using_columns.iter().copied())
                .collect();
            policies.masks.insert(
                column.id,
                load_policy(services, context, &table, mask.function, &arguments, depth).await?,
            );
        }
    }
    Ok(Arc::new(BoundTable::new(
        table,
        snapshot,
        travel,
        checked_as,
        Arc::new(policies),
    )?))
}

/// The version of a table that the statement reads: its own pin, or the newest within the bound.
async fn load_snapshot(
    services: &BindingServices,
    context: &QueryContext,
    table: &Table,
    travel: Option<TimeTravel>,
) -> Result<Arc<TableSnapshot>> {
    if let (None, Some(pinned)) = (travel, context.pinned(table.id)) {
        return Ok(pinned);
    }
    let delta = services.storage.table(&table_address(&context.catalog, table)?)?;
    let loaded = match travel {
        None => newest_snapshot(context, &delta, table, services.freshness).await,
        Some(travel) => {
            return Box::pin(delta.snapshot_at(travel.in_storage()?))
                .await
                .map_err(|error| named(error, table));
        }
    };
    let snapshot = loaded.map_err(|error| named(error, table))?;
    Ok(context.pin(table.id, snapshot))
}

/// A table's newest version, with all that the statement's catalog decided about it and nothing decided later.
async fn newest_snapshot(
    context: &QueryContext,
    delta: &DeltaTable,
    table: &Table,
    freshness: Freshness,
) -> Result<Arc<TableSnapshot>> {
    let decided = context.committed.decided(table.id);
    let snapshot = delta.snapshot_including(decided, freshness).await?;
    context.check_decided(table, &snapshot)?;
    Ok(snapshot)
}

/// Says which table is damaged.
fn named(error: Error, table: &Table) -> Error {
    if error.state() != SqlState::DataCorrupted {
        return error;
    }
    let cause = error.detail().map(|detail| format!(" {detail}")).unwrap_or_default();
    Error::new(
        SqlState::DataCorrupted,
        format!("table \"{}\" is damaged: {}", table.name, error.message()),
    )
    .with_detail(format!("The table's Delta log or a file of it cannot be read.{cause}"))
    .with_hint("Repair the log with the tool that wrote it, or read an older version with VERSION AS OF.")
}

/// Where a table lies, with the options of the external location that covers it.
pub fn table_address(catalog: &CatalogSnapshot, table: &Table) -> Result<TableAddress> {
    match &table.location {
        TableLocation::Managed(id) => Ok(TableAddress::Managed(*id)),
        TableLocation::Temporary(url) => Ok(TableAddress::External {
            url: url.clone(),
            options: vec![],
        }),
        TableLocation::External(url) => {
            let covering = catalog
                .external_locations()
                .filter(|location| url.starts_with(&location.url))
                .max_by_key(|location| location.url.len());
            let location = covering.ok_or_else(|| {
                Error::new(
                    SqlState::InsufficientPrivilege,
                    format!("permission denied for table {}", table.name),
                )
                .with_detail("No external location covers the table any more.")
            })?;
            Ok(TableAddress::External {
                url: url.clone(),
                options: location.options.clone(),
            })
        }
    }
}

/// Whether these versions are what a statement that starts now would read.
pub async fn is_current(
    services: &BindingServices,
    context: &QueryContext,
    relations: &[RelationVersion],
) -> Result<bool> {
    for relation in relations {
        if let Some(TimeTravel::Version(_)) = relation.travel {
            continue;
        }
        let Some(table) = context.catalog.table(relation.table) else {
            return Ok(false);
        };
        if load_snapshot(services, context, table, relation.travel)
            .await?
            .version()
            != relation.version
        {
            return Ok(false);
        }
    }
    Ok(true)
}

async fn load_policy(
    services: &BindingServices,
    context: &QueryContext,
    table: &Table,
    function: Oid,
    columns: &[i16],
    depth: usize,
) -> Result<Expr> {
    let refuse = || Error::denied("table", &table.name).with_detail("A policy of the table cannot be resolved.");
    let definition = context.catalog.function(function).cloned().ok_or_else(refuse)?;
    let mut arguments = vec![];
    for id in columns {
        let column = table
            .columns
            .iter()
            .find(|column| column.id == *id)
            .ok_or_else(refuse)?;
        arguments.push(Expr::Column(datafusion::common::Column::new_unqualified(&column.name)));
    }
    let rights = Rights::of_policy(&definition);
    let bound = bind_function(services, context, definition, rights, depth + 1).await?;
    bound.call(arguments)
}

async fn load_view(
    services: &BindingServices,
    context: &QueryContext,
    view: &View,
    rights: &Rights,
    depth: usize,
) -> Result<ViewSource> {
    let object = Object::View(view.clone());
    if !context
        .catalog
        .access(rights.checked_as)
        .has(&object, Privilege::Select)
    {
        return Err(Error::denied("view", &view.name));
    }
    load_definition(services, context, view, rights, depth).await
}

/// The view's query, with its owner's rights, or those of who reads it where the view says so.
pub(crate) async fn load_definition(
    services: &BindingServices,
    context: &QueryContext,
    view: &View,
    asked: &Rights,
    depth: usize,
) -> Result<ViewSource> {
    let mut query = parse_query(&view.query)?;
    super::rewrite::rewrite(&mut query)?;
    let rights = Rights {
        search_path: view.search_path.clone(),
        references: view.references.clone(),
        checked_as: view.reads_as(asked.checked_as),
        calls_routines: asked.calls_routines,
    };
    let scope = load(services, context, &mut query, rights, depth + 1).await?;
    let plan = super::function::inline_functions(scope.plan_query(query, &[])?)?;
    ViewSource::new(view, plan)
}

/// Whether PostgreSQL, as far as it is here, or somebody has a function of this name.
fn has_function(services: &BindingServices, context: &QueryContext, name: &str, rights: &Rights) -> bool {
    let name = [name.to_string()];
    let names = NameScope {
        database: context.database,
        search_path: &rights.search_path,
    };
    let is_postgres = builtin_functions_named(&name[0]).next().is_some();
    (is_postgres && is_engines(services, &name[0]))
        || referenced(&context.catalog, rights, &name).is_some()
        || context
            .catalog
            .find_functions(names, &name)
            .is_ok_and(|found| !found.is_empty())
}

pub(super) fn is_engines(services: &BindingServices, name: &str) -> bool {
    services.base.scalar_functions().contains_key(name)
        || services.base.aggregate_functions().contains_key(name)
        || services.base.window_functions().contains_key(name)
}

/// The functions that a name may mean; empty for one that the engine has itself or that nobody made.
fn function_candidates(
    services: &BindingServices,
    context: &QueryContext,
    name: &[String],
    rights: &Rights,
) -> Result<Vec<Function>> {
    if let [plain] = name
        && is_engines(services, plain)
    {
        return Ok(vec![]);
    }
    let names = NameScope {
        database: context.database,
        search_path: &rights.search_path,
    };
    let known = rights.references.iter().filter(|reference| reference.name == name);
    let known = known.filter_map(|reference| context.catalog.function(reference.object));
    let known: Vec<Function> = known.cloned().collect();
    if !known.is_empty() {
        return Ok(known);
    }
    let found = context.catalog.find_functions(names, name)?;
    Ok(found.into_iter().cloned().collect())
}

/// The same with their bodies bound.
async fn load_functions(
    services: &BindingServices,
    context: &QueryContext,
    name: &[String],
    rights: &Rights,
    depth: usize,
) -> Result<Vec<Arc<SqlFunction>>> {
    let candidates = function_candidates(services, context, name, rights)?;
    let mut bound = vec![];
    for function in candidates {
        require_schema_usage(context, function.schema, rights)?;
        context
            .catalog
            .access(rights.checked_as)
            .require(&Object::Function(function.clone()), Privilege::Execute)?;
        let inner = Rights::of_function(&function, rights);
        bound.push(Arc::new(
            bind_function(services, context, function, inner, depth + 1).await?,
        ));
    }
    Ok(bound)
}

/// Parses a stored query: a view's text.
pub(crate) fn parse_query(text: &str) -> Result<sql::Query> {
    let mut statements = crate::statement::parse(text)?;
    match (statements.pop().map(|parsed| parsed.statement), statements.is_empty()) {
        (Some(crate::statement::ast::Statement::Query(query)), true) => Ok(*query),
        _ => Err(Error::internal("a stored query is not one query")),
    }
}
