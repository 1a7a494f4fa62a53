//! The synchronous half of binding: DataFusion's planner over relations that are already loaded.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use datafusion::arrow::datatypes::{DataType, SchemaRef};
use datafusion::common::config::ConfigOptions;
use datafusion::common::{DFSchema, Result as PlanResult, SchemaError, Span, TableReference};
use datafusion::datasource::cte_worktable::CteWorkTable;
use datafusion::datasource::provider_as_source;
use datafusion::error::DataFusionError;
use datafusion::logical_expr::planner::{ContextProvider, ExprPlanner, TypePlanner};
use datafusion::logical_expr::{
    AggregateUDF, Expr, ExprSchemable, HigherOrderUDF, LogicalPlan, ScalarUDF, TableSource, Volatility, WindowUDF,
};
use datafusion::sql::planner::{ParserOptions, PlannerContext, SqlToRel};
use datafusion::sql::sqlparser::ast as sql;

use super::BindingServices;
use super::column_sources::{self, ColumnSource};
use super::domains;
use super::function::{self, SqlFunction, sql_function_udf};
use super::function_rows;
use super::key_groups::{self, KeyedColumns, KnownKeys};
use super::names::reference_parts;
use super::outer_aggregates::OuterAggregates;
use super::positions::Positions;
use super::recursive_queries;
use super::time_travel;
use super::types::{PostgresTypes, is_of_rows};
use super::view_source::ViewSource;
use super::whole_rows::KnownNames;
use super::with_parts;
use crate::catalog::model::{Argument, Oid, Privilege, Reference, View};
use crate::context::QueryContext;
use crate::error::{Error, Result, SqlState, near_columns};
use crate::functions::{expression_planners, missing_function, parse_name};
use crate::types::{SqlType, row_fields};

/// All names that one query text may use, with what they mean.
pub(crate) struct Scope {
    services: BindingServices,
    sources: HashMap<Vec<String>, LoadedRelation>,
    functions: HashMap<String, Vec<Arc<SqlFunction>>>,
    references: Vec<Reference>,
    types: Arc<PostgresTypes>,
    /// What tests the values of the domains among them.
    tests: domains::Tests,
    /// How many values are being planned by themselves, each for the one before.
    depth: AtomicUsize,
    /// Ours, which remembers what the text says of its parameters, then the engine's.
    planners: Vec<Arc<dyn ExprPlanner>>,
    /// One of the planners.
    outer_aggregates: Arc<OuterAggregates>,
}

/// What the name of a relation means.
pub(crate) struct LoadedRelation {
    pub source: Arc<dyn TableSource>,
    /// The catalog's object; the system's relations are none.
    pub object: Option<Oid>,
    /// For each column of the source.
    pub columns: Vec<ColumnSource>,
    /// The numbers of the columns of its primary key.
    pub key: Vec<i16>,
}

impl LoadedRelation {
    /// Rows that come from no relation.
    pub fn computed(source: Arc<dyn TableSource>) -> LoadedRelation {
        LoadedRelation {
            source,
            object: None,
            columns: vec![],
            key: vec![],
        }
    }

    /// The relation with the columns of this primary key.
    pub fn with_key(self, key: Vec<i16>) -> LoadedRelation {
        LoadedRelation { key, ..self }
    }

    /// A view's columns: those that it has without a modifier keep none, however their values are laid out.
    pub fn with_types_of(mut self, view: &View) -> LoadedRelation {
        for (source, column) in self.columns.iter_mut().zip(&view.columns) {
            source.is_computed = column.sql_type == column.sql_type.without_modifier();
        }
        self
    }

    /// A relation with the numbers that its columns have in pg_attribute.
    pub fn new(
        source: Arc<dyn TableSource>,
        object: Option<Oid>,
        relation: Oid,
        numbers: impl IntoIterator<Item = Option<i16>>,
    ) -> LoadedRelation {
        let columns = numbers
            .into_iter()
            .map(|number| ColumnSource::of_relation(relation, number));
        LoadedRelation {
            source,
            object,
            columns: columns.collect(),
            key: vec![],
        }
    }
}

impl Scope {
    pub fn new(services: BindingServices) -> Scope {
        let mut planners = expression_planners();
        planners.extend(services.base.expr_planners().iter().skip(planners.len()).cloned());
        let outer_aggregates = Arc::<OuterAggregates>::default();
        planners.push(Arc::clone(&outer_aggregates) as Arc<dyn ExprPlanner>);
        Scope {
            planners,
            outer_aggregates,
            services,
            sources: HashMap::new(),
            functions: HashMap::new(),
            references: vec![],
            types: Arc::default(),
            tests: HashMap::new(),
            depth: AtomicUsize::new(0),
        }
    }

    /// What a relation's name means.
    pub fn add_relation(&mut self, name: Vec<String>, relation: LoadedRelation) {
        let (plain, _) = super::system_columns::split(&name);
        let is_known = self.references.iter().any(|known| known.name == plain);
        if let Some(object) = relation.object.filter(|_| !is_known) {
            self.references.push(Reference {
                object,
                name: plain,
                columns: vec![],
            });
        }
        self.sources.insert(name, relation);
    }

    /// The columns of a plan's node that stands for a relation of the text.
    pub fn relation_of(&self, plan: &LogicalPlan) -> Option<&[ColumnSource]> {
        let stands_for = |relation: &&LoadedRelation| match plan {
            LogicalPlan::TableScan(scan) => Arc::ptr_eq(&scan.source, &relation.source),
            // What stands for a view is a copy of its plan; the planner may have rebuilt it, but not its schema.
            _ => match relation.source.get_logical_plan() {
                Some(copied) => Arc::ptr_eq(copied.schema(), plan.schema()),
                None => false,
            },
        };
        let found = self.sources.values().find(stands_for)?;
        Some(&found.columns)
    }

    /// Whether a relation of the text has a column of this name.
    pub fn has_column(&self, name: &str) -> bool {
        let mut relations = self.sources.values();
        relations.any(|relation| relation.source.schema().column_with_name(name).is_some())
    }

    /// The parameters of each function that a name may mean.
    pub fn parameters(&self, name: &[String]) -> Vec<Vec<Argument>> {
        let candidates = self.functions.get(&name.join("."));
        let candidates = candidates.map_or(&[][..], Vec::as_slice).iter();
        candidates.map(|candidate| candidate.parameters().to_vec()).collect()
    }

    /// The functions that a call by this name may mean.
    pub fn add_functions(&mut self, name: Vec<String>, candidates: Vec<Arc<SqlFunction>>) {
        for candidate in &candidates {
            self.references.push(Reference {
                object: candidate.id(),
                name: name.clone(),
                columns: vec![],
            });
        }
        self.functions.insert(name.join("."), candidates);
    }

    /// The users' types that the text names, by OID and definition.
    pub fn set_types(&mut self, types: Vec<(Vec<String>, Oid, SqlType)>) {
        self.references.extend(types.iter().map(|(name, object, _)| Reference {
            object: *object,
            name: name.clone(),
            columns: vec![],
        }));
        let users = types.into_iter().map(|(name, _, sql_type)| (name, sql_type));
        self.types = Arc::new(PostgresTypes::new(users.collect()));
    }

    /// A type under a name that no client can write.
    pub fn add_type(&mut self, name: String, sql_type: SqlType) {
        Arc::make_mut(&mut self.types).add(name, sql_type);
    }

    /// The test of the values of a domain that the text names.
    pub fn add_domain(&mut self, name: Vec<String>, test: Arc<ScalarUDF>) {
        self.tests.insert(name, test);
    }

    /// The catalog's objects that the text names, for whoever stores the text.
    pub fn references(&self) -> &[Reference] {
        &self.references
    }

    /// Plans a query whose names were loaded into this scope.
    pub fn plan_query(&self, query: sql::Query, declared: &[Option<SqlType>]) -> Result<LogicalPlan> {
        self.meant(self.plan_as_written(query, declared)?)
    }

    /// The same for a query that reads columns from outside of it.
    pub fn plan_dependent(&self, query: sql::Query, outer: DFSchema) -> Result<LogicalPlan> {
        let mut context = PlannerContext::new();
        context.append_outer_query_schema(Arc::new(outer));
        self.meant(self.plan_in(query, &[], context)?)
    }

    fn meant(&self, plan: LogicalPlan) -> Result<LogicalPlan> {
        Ok(with_parts::settle(super::meaning::of_plan(
            plan,
            &self.services.format,
        )?)?)
    }

    /// Whether the principal may read every column of the relations that are named.
    pub fn is_open_to(&self, context: &QueryContext) -> bool {
        let access = context.catalog.access(context.principal.role);
        let may_read = |id: Oid| {
            let object = context.catalog.object(id);
            object.is_some_and(|object| access.has(object, Privilege::Select))
        };
        self.sources
            .values()
            .filter_map(|relation| relation.object)
            .all(may_read)
    }

    /// The same for the client's own text: errors tell where in it, and the columns where they come from. What is near a name that
    /// no column has is told where all of the relations' names may be (`names_columns`).
    pub fn plan_statement(
        &self,
        query: sql::Query,
        declared: &[Option<SqlType>],
        names_columns: bool,
    ) -> Result<(LogicalPlan, Vec<ColumnSource>)> {
        let positions = Positions::of(&query);
        let plan = self.plan_as_written(query, declared).map_err(|error| {
            let position = position(&error);
            let near = near_columns(&error).filter(|_| names_columns);
            let error = Error::from(error);
            let error = match near {
                Some(hint) if error.state() == SqlState::UndefinedColumn => error.with_hint(hint),
                _ => error,
            };
            positions.place(match position {
                Some(position) if error.position().is_none() => error.at(position),
                _ => error,
            })
        })?;
        let sources = column_sources::of_plan(&plan, self);
        let plan = super::meaning::of_plan(plan, &self.services.format).map_err(|error| positions.place(error))?;
        Ok((with_parts::settle(plan)?, sources))
    }

    fn plan_as_written(&self, query: sql::Query, declared: &[Option<SqlType>]) -> PlanResult<LogicalPlan> {
        let fields = declared
            .iter()
            .map(|declared| declared.as_ref().map(|sql_type| Arc::new(sql_type.to_field("", true))))
            .collect();
        let context = PlannerContext::new().with_prepare_param_data_types(fields);
        self.plan_in(query, declared, context)
    }

    fn plan_in(
        &self,
        mut query: sql::Query,
        declared: &[Option<SqlType>],
        mut context: PlannerContext,
    ) -> PlanResult<LogicalPlan> {
        self.expand_rows(&mut query, declared)?;
        domains::test_casts(&mut query, &self.tests);
        with_parts::mark(&mut query, &|name| {
            let function = self.services.base.scalar_functions().get(name);
            function.is_some_and(|function| function.signature().volatility == Volatility::Volatile)
        })?;
        let statement = sql::Statement::Query(Box::new(query));
        let planner = self.planner();
        self.outer_aggregates
            .settle(planner.sql_statement_to_plan_with_context(statement, &mut context)?)
    }

    /// Spells out rows and their fields.
    fn expand_rows(&self, tree: &mut impl sql::VisitMut, declared: &[Option<SqlType>]) -> Result<()> {
        super::whole_rows::expand(tree, &WithParameters { scope: self, declared })?;
        key_groups::complete(tree, self);
        Ok(())
    }

    /// A function that only says that it does not exist, with the types it was called with.
    fn missing_function(&self, name: &str, plain: &str) -> Option<Arc<ScalarUDF>> {
        /// Functions that the planner knows by itself.
        const PLANNED: [&str; 5] = ["unnest", "unnest_outer", "grouping", "map", "make_map"];
        let base = &self.services.base;
        let exists = base.aggregate_functions().contains_key(plain)
            || base.window_functions().contains_key(plain)
            || base.higher_order_functions().contains_key(plain)
            || PLANNED.contains(&plain);
        (!exists).then(|| missing_function(name))
    }

    /// Plans an expression over the given columns.
    pub fn plan_expression(&self, mut expression: sql::Expr, schema: &DFSchema) -> Result<Expr> {
        self.expand_rows(&mut expression, &[])?;
        domains::test_casts(&mut expression, &self.tests);
        let planned = self
            .planner()
            .sql_to_expr(expression, schema, &mut PlannerContext::new())?;
        Ok(super::meaning::of_expression(planned, schema, &self.services.format)?.data)
    }

    fn planner(&self) -> SqlToRel<'_, Scope> {
        let options = ParserOptions::new()
            .with_parse_float_as_decimal(true)
            .with_collect_spans(true);
        SqlToRel::new_with_options(self, options)
    }
}

/// The names of a scope, for a text whose parameters have these types.
struct WithParameters<'a> {
    scope: &'a Scope,
    declared: &'a [Option<SqlType>],
}

impl KnownNames for WithParameters<'_> {
    fn columns(&self, relation: &[String]) -> Option<Vec<String>> {
        let schema = self.scope.sources.get(relation)?.source.schema();
        Some(schema.fields().iter().map(|field| field.name().clone()).collect())
    }

    fn has_function(&self, name: &[String]) -> bool {
        self.scope.functions.contains_key(&name.join("."))
    }

    fn has_row_types(&self) -> bool {
        let columns = self.scope.sources.values().map(|relation| relation.source.schema());
        let declared = self.declared.iter().flatten();
        self.scope.types.has_rows()
            || declared.into_iter().any(is_of_rows)
            || columns
                .flat_map(|schema| {
                    schema
                        .fields()
                        .iter()
                        .map(|field| SqlType::from_field(field))
                        .collect::<Vec<_>>()
                })
                .any(|sql_type| is_of_rows(&sql_type))
    }

    fn fields(&self, query: sql::Query) -> Result<Option<Vec<String>>> {
        /// Values in values whose fields are spelled out, each planned for the one around it.
        const MOST: usize = 8;
        let depth = self.scope.depth.fetch_add(1, Ordering::Relaxed);
        let plan = match depth < MOST {
            true => self.scope.plan_query(query, self.declared),
            false => {
                let message = "values whose fields are spelled out are nested too deeply";
                Err(Error::new(SqlState::ProgramLimitExceeded, message))
            }
        };
        self.scope.depth.fetch_sub(1, Ordering::Relaxed);
        let plan = plan?;
        let Some(field) = plan.schema().fields().first() else {
            return Ok(None);
        };
        let fields = row_fields(&SqlType::from_field(field), field.data_type());
        Ok(fields.map(|fields| fields.into_iter().map(|field| field.name).collect()))
    }
}

impl KnownKeys for Scope {
    fn keyed_columns(&self, relation: &[String]) -> Option<KeyedColumns> {
        let relation = self.sources.get(relation)?;
        let schema = relation.source.schema();
        let name_of = |number: &i16| {
            let is_meant = |source: &ColumnSource| source.origin.is_some_and(|origin| origin.column == *number);
            let place = relation.columns.iter().position(is_meant)?;
            Some(schema.fields().get(place)?.name().clone())
        };
        let key = relation.key.iter().map(name_of).collect::<Option<Vec<String>>>();
        Some(KeyedColumns {
            columns: schema.fields().iter().map(|field| field.name().clone()).collect(),
            key: key.unwrap_or_default(),
        })
    }

    fn is_aggregate(&self, function: &[String]) -> bool {
        let known = self.services.base.aggregate_functions();
        function.last().is_some_and(|name| known.contains_key(name))
    }
}

impl ContextProvider for Scope {
    fn get_table_source(&self, name: TableReference) -> PlanResult<Arc<dyn TableSource>> {
        let parts = reference_parts(&name);
        self.sources
            .get(&parts)
            .map(|relation| Arc::clone(&relation.source))
            .ok_or_else(|| undefined_table(&parts).into())
    }

    fn get_table_function_source(&self, name: &str, arguments: Vec<Expr>) -> PlanResult<Arc<dyn TableSource>> {
        let called = function_rows::function_called(&[name.to_string()]).map(|name| name.join("."));
        let functions = called.iter().filter_map(|name| self.functions.get(name)).flatten();
        let candidates: Vec<_> = functions
            .filter(|function| function.has_rows(arguments.len()))
            .collect();
        let chosen = match candidates.as_slice() {
            // Literals that nothing typed and columns from outside tell their types by themselves.
            [_, _, ..] => {
                let fields = arguments.iter().map(|argument| argument.to_field(&DFSchema::empty()));
                let fields: PlanResult<Vec<_>> = fields.map(|field| Ok(field?.1)).collect();
                function::chosen(&called.unwrap_or_default(), &candidates, &fields?)?
            }
            [only] => only,
            [] => {
                return Err(Error::new(SqlState::UndefinedFunction, format!("function {name} does not exist")).into());
            }
        };
        let columns = function_rows::declared_columns(name)?;
        let rows = chosen.rows(arguments, columns.as_deref())?;
        Ok(Arc::new(ViewSource::computed(rows)))
    }

    fn create_cte_work_table(&self, name: &str, schema: SchemaRef) -> PlanResult<Arc<dyn TableSource>> {
        Ok(provider_as_source(Arc::new(CteWorkTable::new(
            name,
            recursive_queries::open(&schema),
        ))))
    }

    fn get_expr_planners(&self) -> &[Arc<dyn ExprPlanner>] {
        &self.planners
    }

    fn get_type_planner(&self) -> Option<Arc<dyn TypePlanner>> {
        Some(Arc::clone(&self.types) as Arc<dyn TypePlanner>)
    }

    fn get_function_meta(&self, name: &str) -> Option<Arc<ScalarUDF>> {
        let plain = name.strip_prefix("pg_catalog.").unwrap_or(name);
        let built_in = self.services.base.scalar_functions().get(plain).cloned();
        let own = || {
            if let Some(test) = domains::test_named(&self.tests, name) {
                return Some(Arc::clone(test));
            }
            // The planner gives a qualified name as it is written, quotes and all.
            let folded = || self.functions.get(&parse_name(name).ok()?.join("."));
            let candidates = self.functions.get(name).or_else(folded)?;
            Some(sql_function_udf(name, candidates))
        };
        built_in.or_else(own).or_else(|| self.missing_function(name, plain))
    }

    fn get_higher_order_meta(&self, name: &str) -> Option<Arc<HigherOrderUDF>> {
        self.services.base.higher_order_functions().get(name).cloned()
    }

    fn get_aggregate_meta(&self, name: &str) -> Option<Arc<AggregateUDF>> {
        let plain = name.strip_prefix("pg_catalog.").unwrap_or(name);
        self.services.base.aggregate_functions().get(plain).cloned()
    }

    fn get_window_meta(&self, name: &str) -> Option<Arc<WindowUDF>> {
        let plain = name.strip_prefix("pg_catalog.").unwrap_or(name);
        self.services.base.window_functions().get(plain).cloned()
    }

    fn get_variable_type(&self, _variable_names: &[String]) -> Option<DataType> {
        None
    }

    fn options(&self) -> &ConfigOptions {
        self.services.base.config_options()
    }

    fn udf_names(&self) -> Vec<String> {
        self.services.base.scalar_functions().keys().cloned().collect()
    }

    fn higher_order_function_names(&self) -> Vec<String> {
        vec![]
    }

    fn udaf_names(&self) -> Vec<String> {
        self.services.base.aggregate_functions().keys().cloned().collect()
    }

    fn udwf_names(&self) -> Vec<String> {
        self.services.base.window_functions().keys().cloned().collect()
    }
}

/// Where in the client's text the planner saw the fault; the parser counts characters from one on one line.
fn position(error: &DataFusionError) -> Option<usize> {
    let start = |span: Span| usize::try_from(span.start.column).ok().filter(|column| *column > 0);
    match error {
        DataFusionError::Diagnostic(diagnostic, inner) => diagnostic.span.and_then(start).or_else(|| position(inner)),
        DataFusionError::SchemaError(inner, _) => match inner.as_ref() {
            SchemaError::FieldNotFound { field, .. } | SchemaError::AmbiguousReference { field } => {
                field.spans().first().and_then(start)
            }
            _ => None,
        },
        DataFusionError::Context(_, inner) => position(inner),
        DataFusionError::Collection(errors) => errors.first().and_then(position),
        _ => None,
    }
}

/// 42P01 for a name that nothing answers to.
pub(crate) fn undefined_table(parts: &[String]) -> Error {
    let shown: Vec<&str> = parts
        .iter()
        .map(|part| time_travel::split_version(part).map_or(part.as_str(), |(name, _)| name))
        .collect();
    Error::new(
        SqlState::UndefinedTable,
        format!("relation \"{}\" does not exist", shown.join(".")),
    )
}

impl std::fmt::Debug for Scope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Scope").field("sources", &self.sources.keys()).finish()
    }
}
