//! SQL functions of the catalog. Each body is bound once over its arguments; a call is replaced by the
//! body with the arguments in place, before governance looks at the plan, so that nothing a function
//! reads escapes it.

use std::hash::{Hash, Hasher};
use std::ops::ControlFlow;
use std::sync::Arc;

use datafusion::arrow::compute::can_cast_types;
use datafusion::arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, Result as PlanResult};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::{
    ColumnarValue, Expr, ExprSchemable, LogicalPlan, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl,
    Signature, Subquery, TypeSignature, Volatility, cast,
};
use datafusion::sql::sqlparser::ast::{self as sql, VisitMut, VisitorMut};

use super::query_function::{BoundRows, DeclaredColumn, bind_rows, with_fresh_names};
use super::{BindingServices, Rights, fresh_names, function_rows, names, relations};
use crate::catalog::model::{Argument, Function, Oid, Reference};
use crate::context::QueryContext;
use crate::error::{Error, Result, SqlState};
use crate::functions::{
    as_composite, chosen_function, given_types, is_unknown_literal, layout_of, read_literal, retyped, routine_call,
};
use crate::types::SqlType;
use crate::types::coercion::is_same;
use crate::types::polymorphic::undetermined;

/// A function with its body bound over columns named like its arguments.
#[derive(Debug)]
pub(crate) struct SqlFunction {
    definition: Function,
    body: Body,
}

#[derive(Debug)]
enum Body {
    /// With the layout of what a call gives: a numeric without a modifier keeps the digits that the body computes.
    Value(Expr, DataType),
    Rows(BoundRows),
    /// Statements, which the session runs for each row; how many views and functions are around the call.
    Routine(usize),
}

impl SqlFunction {
    pub fn id(&self) -> Oid {
        self.definition.id
    }

    pub fn parameters(&self) -> &[Argument] {
        &self.definition.arguments
    }

    /// Whether the function's body is a query over as many arguments.
    pub fn has_rows(&self, argument_count: usize) -> bool {
        matches!(self.body, Body::Rows(_)) && self.definition.arguments.len() == argument_count
    }

    /// The rows of a function whose body is a query, for these arguments; `columns` is what the call says that the rows
    /// of a record are.
    pub fn rows(&self, arguments: Vec<Expr>, columns: Option<&[DeclaredColumn]>) -> Result<LogicalPlan> {
        match &self.body {
            Body::Rows(rows) => rows.with_arguments(&self.definition, arguments, columns),
            Body::Value(..) | Body::Routine(_) => Err(Error::internal("a function of one value has no rows")),
        }
    }

    /// The body with these expressions in the arguments' places.
    pub fn call(&self, arguments: Vec<Expr>) -> Result<Expr> {
        if arguments.len() != self.definition.arguments.len() {
            return Err(Error::new(
                SqlState::UndefinedFunction,
                format!(
                    "function {} takes {} arguments, not {}",
                    self.definition.name,
                    self.definition.arguments.len(),
                    arguments.len()
                ),
            ));
        }
        let (body, layout) = match &self.body {
            Body::Value(body, layout) => (body, layout),
            Body::Routine(depth) => return Ok(routine_call(&self.definition, *depth, arguments)),
            Body::Rows(_) => return Err(Error::unsupported("a function whose body is a query here")),
        };
        let body = substitute(body.clone(), &self.definition, &arguments)?;
        Ok(match *layout == self.definition.returns.to_arrow() {
            true => declared_as(body, &self.definition.returns),
            false => body,
        })
    }

    /// The function as a call with such arguments means it.
    fn for_arguments(self: &Arc<Self>, arguments: &[FieldRef]) -> Result<Arc<SqlFunction>> {
        match (&self.body, self.definition.is_polymorphic()) {
            (Body::Routine(depth), true) => Ok(Arc::new(SqlFunction {
                definition: self.definition.for_arguments(&given_types(arguments))?,
                body: Body::Routine(*depth),
            })),
            _ => Ok(Arc::clone(self)),
        }
    }

    /// What a call gives.
    fn field(&self, name: &str) -> Field {
        let declared = self.definition.returns.to_field(name, true);
        match &self.body {
            Body::Value(_, layout) => declared.with_data_type(layout.clone()),
            Body::Routine(_) => declared.with_data_type(layout_of(&self.definition.returns)),
            Body::Rows(_) => declared,
        }
    }
}

/// A value as an argument or a result of this type.
pub(super) fn declared_as(value: Expr, sql_type: &SqlType) -> Expr {
    match sql_type {
        SqlType::Composite(composite) => as_composite(value, composite),
        other => cast(value, other.to_arrow()),
    }
}

/// Binds a function's body. Its names resolve in the search path it was created with; what it reads is
/// checked against `rights`.
pub(crate) async fn bind_function(
    services: &BindingServices,
    context: &QueryContext,
    definition: Function,
    rights: Rights,
    depth: usize,
) -> Result<SqlFunction> {
    if definition.script.is_some() {
        let body = match rights.calls_routines {
            true => Body::Routine(depth),
            false => return Err(function_rows::refused(&definition)),
        };
        return Ok(SqlFunction { definition, body });
    }
    if let Some(query) = &definition.query {
        let (rows, _) = bind_rows(services, context, &definition, query, rights, depth).await?;
        let body = Body::Rows(rows);
        return Ok(SqlFunction { definition, body });
    }
    let mut expression = super::expression::parse(&definition.body)?;
    name_arguments(&mut expression, &definition, None);
    super::rewrite::rewrite_expression(&mut expression)?;
    let scope = relations::load_for_expression(services, context, &mut expression, rights, depth).await?;
    with_fresh_names(&mut expression, &definition, &scope, depth);
    let schema = expression_schema(&definition)?;
    let body = inline_in_expression(scope.plan_expression(expression, &schema)?)?;
    let body = read_literal(body, &definition.returns)?;
    let layout = match body.get_type(&schema) {
        Ok(computed) if computed.is_decimal() && definition.returns == SqlType::Numeric(None) => computed,
        _ => definition.returns.to_arrow(),
    };
    let body = Body::Value(body, layout);
    Ok(SqlFunction { definition, body })
}

/// Binds a function that is about to be created, and answers what its body's names mean.
pub async fn check_function(
    services: &BindingServices,
    context: &QueryContext,
    definition: Function,
) -> Result<Vec<Reference>> {
    if let Some(query) = &definition.query {
        let rights = Rights::of_function(&definition, &Rights::of_statement(context));
        let (_, references) = bind_rows(services, context, &definition, query, rights, 0).await?;
        return Ok(references);
    }
    let mut expression = super::expression::parse(&definition.body)?;
    name_arguments(&mut expression, &definition, None);
    super::rewrite::rewrite_expression(&mut expression)?;
    let rights = Rights::of_function(&definition, &Rights::of_statement(context));
    let scope = relations::load_for_expression(services, context, &mut expression, rights, 0).await?;
    let references = scope.references().to_vec();
    let schema = expression_schema(&definition)?;
    let body = scope.plan_expression(expression, &schema)?;
    let (_, field) = body.to_field(&schema)?;
    let (declared, actual) = (definition.returns.to_arrow(), field.data_type());
    // A label is no text: only literals are read as one.
    let is_other = definition.returns.user_type().is_some()
        && !actual.is_null()
        && !is_unknown_literal(&body)
        && !is_same(&SqlType::from_field(&field), &definition.returns)
        && !is_row(&field, &definition.returns);
    if is_other || (!can_cast_types(actual, &declared) && !is_row(&field, &definition.returns)) {
        return Err(Error::new(
            SqlState::DatatypeMismatch,
            format!(
                "return type mismatch in function declared to return {}",
                definition.returns
            ),
        )
        .with_detail(format!("Actual return type is {}.", SqlType::from_field(&field))));
    }
    Ok(references)
}

/// Whether a record has as many fields as a composite type.
fn is_row(record: &Field, sql_type: &SqlType) -> bool {
    match (SqlType::from_field(record), record.data_type(), sql_type) {
        (SqlType::Record, DataType::Struct(fields), SqlType::Composite(composite)) => {
            fields.len() == composite.fields.len()
        }
        _ => false,
    }
}

pub(super) fn argument_schema(definition: &Function) -> Result<DFSchema> {
    let named =
        |(index, argument): (usize, &Argument)| argument.sql_type.to_field(argument_name(definition, index), true);
    let fields: Vec<Field> = definition.arguments.iter().enumerate().map(named).collect();
    Ok(DFSchema::from_unqualified_fields(fields.into(), Default::default())?)
}

pub(super) fn argument_name(function: &Function, index: usize) -> String {
    match function.arguments.get(index) {
        Some(argument) if !argument.name.is_empty() => argument.name.clone(),
        _ => format!("argument_{}", index + 1),
    }
}

/// `$1` in a body is its first argument, and so is `function.name` unless a relation is called so: a column of this
/// relation, or one that no relation of the body has.
pub(super) fn name_arguments(body: &mut impl VisitMut, function: &Function, relation: Option<&str>) {
    struct Namer<'a> {
        function: &'a Function,
        relation: Option<&'a str>,
        is_qualifier: bool,
    }
    impl Namer<'_> {
        /// The place of the argument that an expression is.
        fn argument(&self, expression: &sql::Expr) -> Option<usize> {
            match expression {
                sql::Expr::Value(value) => {
                    let sql::Value::Placeholder(placeholder) = &value.value else {
                        return None;
                    };
                    placeholder.strip_prefix('$')?.parse::<usize>().ok()?.checked_sub(1)
                }
                sql::Expr::CompoundIdentifier(parts) => {
                    let [qualifier, name] = parts.as_slice() else {
                        return None;
                    };
                    let name = names::fold(name);
                    let mut arguments = self.function.arguments.iter();
                    let place = arguments.position(|argument| argument.name == name)?;
                    (self.is_qualifier && names::fold(qualifier) == self.function.name).then_some(place)
                }
                _ => None,
            }
        }
    }
    impl VisitorMut for Namer<'_> {
        type Break = ();
        fn pre_visit_expr(&mut self, expression: &mut sql::Expr) -> ControlFlow<()> {
            if let Some(place) = self.argument(expression) {
                let quoted = |name: &str| sql::Ident::with_quote('"', name);
                *expression = match self.relation {
                    Some(relation) => {
                        let name = argument_name(self.function, place);
                        sql::Expr::CompoundIdentifier(vec![quoted(relation), quoted(&name)])
                    }
                    None => sql::Expr::Identifier(quoted(&numbered(place))),
                };
            }
            ControlFlow::Continue(())
        }
    }
    let is_qualifier = !fresh_names::has_relation(body, &function.name);
    let mut namer = Namer {
        function,
        relation,
        is_qualifier,
    };
    // Never breaks.
    let _ = VisitMut::visit(body, &mut namer);
}

/// The arguments by name and by number: a name alone may be a column's inside of a subquery.
fn expression_schema(definition: &Function) -> Result<DFSchema> {
    let named = |place, argument: &Argument| argument.sql_type.to_field(argument_name(definition, place), true);
    let arguments = definition.arguments.iter().enumerate();
    let fields = arguments.flat_map(|(place, argument)| {
        let by_number = argument.sql_type.to_field(numbered(place), true);
        [named(place, argument), by_number]
    });
    let fields: Vec<Field> = fields.collect();
    Ok(DFSchema::from_unqualified_fields(fields.into(), Default::default())?)
}

fn numbered(place: usize) -> String {
    format!("${}", place + 1)
}

/// Puts arguments in the places of the body's columns, inside subqueries too.
fn substitute(body: Expr, function: &Function, arguments: &[Expr]) -> Result<Expr> {
    let is_named = |place: usize, name: &str| argument_name(function, place) == name || numbered(place) == name;
    let argument_of = |name: &str| (0..arguments.len()).find(|place| is_named(*place, name));
    let replaced = body.transform_up(|expression| {
        Ok(match expression {
            Expr::Column(ref column) if column.relation.is_none() => match argument_of(&column.name) {
                Some(index) => Transformed::yes(arguments[index].clone()),
                None => Transformed::no(expression),
            },
            Expr::ScalarSubquery(subquery) => Transformed::yes(Expr::ScalarSubquery(substitute_subquery(
                subquery,
                &argument_of,
                arguments,
            )?)),
            Expr::Exists(mut exists) => {
                exists.subquery = substitute_subquery(exists.subquery, &argument_of, arguments)?;
                Transformed::yes(Expr::Exists(exists))
            }
            Expr::InSubquery(mut membership) => {
                membership.subquery = substitute_subquery(membership.subquery, &argument_of, arguments)?;
                Transformed::yes(Expr::InSubquery(membership))
            }
            other => Transformed::no(other),
        })
    })?;
    Ok(replaced.data)
}

fn substitute_subquery(
    subquery: Subquery,
    argument_of: &dyn Fn(&str) -> Option<usize>,
    arguments: &[Expr],
) -> PlanResult<Subquery> {
    let replace = |expression: Expr| -> PlanResult<Transformed<Expr>> {
        let Expr::OuterReferenceColumn(field, column) = &expression else {
            return Ok(Transformed::no(expression));
        };
        let Some(index) = column.relation.is_none().then(|| argument_of(&column.name)).flatten() else {
            return Ok(Transformed::no(expression));
        };
        // Each column of the argument becomes a reference out of the subquery.
        let outer = arguments[index].clone().transform_up(|part| {
            Ok(match part {
                Expr::Column(column) => Transformed::yes(Expr::OuterReferenceColumn(Arc::clone(field), column)),
                other => Transformed::no(other),
            })
        })?;
        Ok(Transformed::yes(outer.data))
    };
    let plan = subquery
        .subquery
        .as_ref()
        .clone()
        .transform_up_with_subqueries(|plan| {
            let names = NamePreserver::new(&plan);
            plan.map_expressions(|expression| {
                let saved = names.save(&expression);
                Ok(expression
                    .transform_up(replace)?
                    .update_data(|expression| saved.restore(expression)))
            })
        })?;
    let outer_ref_columns = plan.data.all_out_ref_exprs();
    Ok(Subquery {
        subquery: Arc::new(plan.data),
        outer_ref_columns,
        spans: subquery.spans,
    })
}

/// Replaces every call of a catalog function in the plan by its body.
pub(crate) fn inline_functions(plan: LogicalPlan) -> Result<LogicalPlan> {
    let inlined = plan.transform_up_with_subqueries(|plan| {
        let names = NamePreserver::new(&plan);
        plan.map_expressions(|expression| {
            let saved = names.save(&expression);
            Ok(expression
                .transform_up(inline_call)?
                .update_data(|expression| saved.restore(expression)))
        })?
        .map_data(LogicalPlan::recompute_schema)
    })?;
    Ok(inlined.data)
}

pub(crate) fn inline_in_expression(expression: Expr) -> Result<Expr> {
    Ok(expression.transform_up(inline_call)?.data)
}

fn inline_call(expression: Expr) -> PlanResult<Transformed<Expr>> {
    let Expr::ScalarFunction(call) = &expression else {
        return Ok(Transformed::no(expression));
    };
    let Some(marker) = call.func.inner().downcast_ref::<SqlFunctionMarker>() else {
        return Ok(Transformed::no(expression));
    };
    let function = marker
        .candidate(call.args.len())
        .ok_or_else(|| undefined(&marker.name))?;
    // Something in the call had no type when it was bound.
    if function.definition.is_polymorphic() {
        return Err(undetermined().into());
    }
    let arguments = call
        .args
        .iter()
        .zip(&function.definition.arguments)
        .map(|(argument, declared)| {
            let argument = read_literal(argument.clone(), &declared.sql_type)?;
            Ok(declared_as(argument, &declared.sql_type))
        })
        .collect::<Result<_>>()?;
    let value = function.call(arguments)?;
    let returns = &function.definition.returns;
    Ok(Transformed::yes(match returns.user_type() {
        Some(_) => retyped(value, returns.clone()),
        None => value,
    }))
}

fn undefined(name: &str) -> Error {
    Error::new(SqlState::UndefinedFunction, format!("function {name} does not exist"))
        .with_hint("No function matches the given name and argument types. You might need to add explicit type casts.")
}

/// The placeholder that the planner sees until `inline_functions` puts the body there.
pub(crate) fn sql_function_udf(name: &str, candidates: &[Arc<SqlFunction>]) -> Arc<ScalarUDF> {
    Arc::new(ScalarUDF::new_from_impl(SqlFunctionMarker {
        name: name.to_string(),
        candidates: candidates.to_vec(),
        signature: Signature::one_of(
            vec![TypeSignature::Nullary, TypeSignature::VariadicAny],
            Volatility::Volatile,
        ),
    }))
}

#[derive(Debug)]
struct SqlFunctionMarker {
    name: String,
    candidates: Vec<Arc<SqlFunction>>,
    signature: Signature,
}

impl SqlFunctionMarker {
    /// Whether the arguments' types decide what is called.
    fn is_open(&self) -> bool {
        let mut candidates = self.candidates.iter();
        self.candidates.len() > 1 || candidates.any(|candidate| candidate.definition.is_polymorphic())
    }

    fn candidate(&self, argument_count: usize) -> Option<&Arc<SqlFunction>> {
        self.candidates(argument_count).next()
    }

    fn candidates(&self, argument_count: usize) -> impl Iterator<Item = &Arc<SqlFunction>> {
        self.candidates.iter().filter(move |candidate| {
            !matches!(candidate.body, Body::Rows(_)) && candidate.definition.arguments.len() == argument_count
        })
    }

    /// The one of the candidates that a call with such arguments means.
    fn chosen(&self, arguments: &[FieldRef]) -> Result<&Arc<SqlFunction>> {
        let candidates: Vec<_> = self.candidates(arguments.len()).collect();
        chosen(&self.name, &candidates, arguments)
    }
}

/// The one of these functions, of as many arguments, that a call with such arguments means. One that is alone takes what
/// can be cast, if it is no routine.
pub(super) fn chosen<'a>(
    name: &str,
    candidates: &[&'a Arc<SqlFunction>],
    arguments: &[FieldRef],
) -> Result<&'a Arc<SqlFunction>> {
    match candidates {
        [only] if !matches!(only.body, Body::Routine(_)) => Ok(only),
        several => {
            let types = |function: &&Arc<SqlFunction>| {
                let arguments = function.definition.arguments.iter();
                arguments.map(|argument| argument.sql_type.clone()).collect()
            };
            let signatures: Vec<_> = several.iter().map(types).collect();
            let index = chosen_function(name, &signatures, &given_types(arguments))?;
            Ok(several[index])
        }
    }
}

/// A call of a user's function as one of the overload that its arguments choose; `None` for other functions.
pub(super) fn pinned_call(function: &ScalarUDF, arguments: &[FieldRef]) -> Result<Option<Arc<ScalarUDF>>> {
    match function.inner().downcast_ref::<SqlFunctionMarker>() {
        Some(marker) if marker.is_open() => {
            let chosen = marker.chosen(arguments)?.for_arguments(arguments)?;
            Ok(Some(sql_function_udf(&marker.name, &[chosen])))
        }
        _ => Ok(None),
    }
}

impl PartialEq for SqlFunctionMarker {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
            && self
                .candidates
                .iter()
                .map(|one| (one.definition.id, &one.definition.returns))
                .eq(other
                    .candidates
                    .iter()
                    .map(|one| (one.definition.id, &one.definition.returns)))
    }
}

impl Eq for SqlFunctionMarker {}

impl Hash for SqlFunctionMarker {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl ScalarUDFImpl for SqlFunctionMarker {
    fn name(&self) -> &str {
        &self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arguments: &[DataType]) -> PlanResult<DataType> {
        let function = self.candidate(arguments.len()).ok_or_else(|| undefined(&self.name))?;
        Ok(function.field(&self.name).data_type().clone())
    }

    fn return_field_from_args(&self, arguments: ReturnFieldArgs) -> PlanResult<FieldRef> {
        let function = self.chosen(arguments.arg_fields)?.for_arguments(arguments.arg_fields)?;
        Ok(Arc::new(function.field(&self.name)))
    }

    fn invoke_with_args(&self, _arguments: ScalarFunctionArgs) -> PlanResult<ColumnarValue> {
        Err(Error::internal(format!("function {} was not expanded", self.name)).into())
    }
}
