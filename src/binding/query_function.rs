//! SQL functions whose body is a query. The body is bound once, as a plan that reads the arguments as columns from
//! outside of it; where the function stands in FROM, its rows are this plan over the arguments.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, DFSchema, JoinType, Result as PlanResult, Spans, TableReference};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, Subquery, lit};
use datafusion::sql::sqlparser::ast::VisitMut;

use super::function::{argument_name, declared_as, inline_functions, name_arguments};
use super::modification::{assigned, assigned_from_query};
use super::relations::{self, parse_query};
use super::scope::Scope;
use super::{BindingServices, Rights, calls, fresh_names};
use crate::catalog::model::{Function, QueryResult, Reference};
use crate::context::QueryContext;
use crate::error::{Error, Result, SqlState};
use crate::functions::{ROW_FIELD, is_unknown_literal, read_literal, retyped, scalar_functions};
use crate::types::SqlType;
use crate::types::cast::check_assignable;
use crate::types::format::FormatSettings;

/// The relation that the arguments are columns of.
const ARGUMENTS: &str = "\u{0}arguments";

/// The rows of a body, with the arguments as columns from outside.
#[derive(Debug)]
pub(super) struct BoundRows {
    plan: LogicalPlan,
    /// How the session reads texts as times.
    settings: FormatSettings,
}

/// A column of a function's rows.
pub type DeclaredColumn = (String, SqlType);

/// Binds a body with these rights, and answers what its names mean.
pub(super) async fn bind_rows(
    services: &BindingServices,
    context: &QueryContext,
    definition: &Function,
    query: &QueryResult,
    rights: Rights,
    depth: usize,
) -> Result<(BoundRows, Vec<Reference>)> {
    let mut body = parse_query(&definition.body)?;
    name_arguments(&mut body, definition, Some(ARGUMENTS));
    super::rewrite::rewrite(&mut body)?;
    let scope = relations::load(services, context, &mut body, rights, depth).await?;
    // Its statement is told what is wrong with it by the names that it has.
    if depth > 0 {
        with_fresh_names(&mut body, definition, &scope, depth);
    }
    let plan = scope.plan_dependent(body, argument_schema(definition)?)?;
    let plan = inline_functions(plan)?;
    // What the columns of a record are, each call says.
    let plan = match is_open_record(definition) {
        true => plan,
        false => typed(plan, definition, &columns(definition), &services.format)?,
    };
    let mut rows = LogicalPlanBuilder::from(plan);
    if query.is_strict {
        let arguments = argument_schema(definition)?;
        let given = arguments.iter().map(|(relation, field)| {
            let column = Column::new(relation.cloned(), field.name());
            Expr::OuterReferenceColumn(Arc::clone(field), column).is_not_null()
        });
        if let Some(condition) = given.reduce(Expr::and) {
            rows = rows.filter(condition)?;
        }
    }
    if !query.is_set {
        // One row in any case.
        let first = rows.limit(0, Some(1))?.build()?;
        rows = LogicalPlanBuilder::empty(true).join_on(first, JoinType::Left, [lit(true)])?;
    }
    let plan = rows.build()?;
    let settings = services.format.clone();
    Ok((BoundRows { plan, settings }, scope.references().to_vec()))
}

/// Gives the relations of a body names that nothing around it has.
pub(super) fn with_fresh_names(body: &mut impl VisitMut, definition: &Function, scope: &Scope, depth: usize) {
    let mark = format!("({} {depth})", definition.name);
    let is_argument = |name: &str| definition.arguments.iter().any(|argument| argument.name == name);
    fresh_names::rename(body, &mark, &|name| scope.has_column(name) || is_argument(name));
}

/// Whether neither the function's type nor its arguments tell what its rows are.
pub(super) fn is_open_record(definition: &Function) -> bool {
    definition.returns == SqlType::Record && definition.outputs().is_empty()
}

/// The names and types of the columns of a function's rows.
pub fn columns(definition: &Function) -> Vec<DeclaredColumn> {
    match (definition.outputs(), definition.returns.base()) {
        ([], SqlType::Composite(composite)) => {
            let fields = composite.fields.iter();
            fields
                .map(|field| (field.name.clone(), field.sql_type.clone()))
                .collect()
        }
        ([], returns) => vec![(definition.name.clone(), returns.clone())],
        (outputs, _) => {
            let named = outputs
                .iter()
                .zip(1..)
                .map(|(output, number)| match output.name.as_str() {
                    "" => (format!("column{number}"), output.sql_type.clone()),
                    name => (name.to_string(), output.sql_type.clone()),
                });
            named.collect()
        }
    }
}

fn argument_schema(definition: &Function) -> Result<DFSchema> {
    let schema = super::function::argument_schema(definition)?;
    Ok(DFSchema::try_from_qualified_schema(ARGUMENTS, schema.as_arrow())?)
}

/// The body's columns as those that the function is declared to give.
fn typed(
    plan: LogicalPlan,
    definition: &Function,
    columns: &[DeclaredColumn],
    settings: &FormatSettings,
) -> Result<LogicalPlan> {
    let returns = &definition.returns;
    let mismatch = |detail: String| {
        let message = format!("return type mismatch in function declared to return {returns}");
        Error::new(SqlState::InvalidFunctionDefinition, message).with_detail(detail)
    };
    let values = values_of(&plan, returns);
    let is_row = !definition.outputs().is_empty() || matches!(returns, SqlType::Composite(_) | SqlType::Record);
    match values.len().cmp(&columns.len()) {
        std::cmp::Ordering::Equal => {}
        _ if !is_row => return Err(mismatch("Final statement must return exactly one column.".to_string())),
        std::cmp::Ordering::Less => return Err(mismatch("Final statement returns too few columns.".to_string())),
        std::cmp::Ordering::Greater => return Err(mismatch("Final statement returns too many columns.".to_string())),
    }
    let schema = Arc::clone(plan.schema());
    let mut projected = vec![];
    for (place, (value, (name, sql_type))) in values.into_iter().zip(columns).enumerate() {
        let (_, field) = datafusion::logical_expr::ExprSchemable::to_field(&value, schema.as_ref())?;
        let source = match SqlType::from_field(&field) {
            SqlType::Text if is_literal(&plan, place) => SqlType::Unknown,
            source => source,
        };
        let value = match source {
            SqlType::Unknown if *sql_type == SqlType::Text => value,
            SqlType::Unknown => assigned_from_query(value, &schema, name, sql_type, settings)?,
            // Every numeric keeps the digits that it has.
            SqlType::Numeric(_) if *sql_type == SqlType::Numeric(None) => value,
            source => {
                check_assignable(name, &source, sql_type).map_err(|_| {
                    mismatch(match is_row {
                        true => format!(
                            "Final statement returns {source} instead of {sql_type} at column {}.",
                            place + 1
                        ),
                        false => format!("Actual return type is {source}."),
                    })
                })?;
                assigned(value, &schema, name, sql_type, settings)?
            }
        };
        projected.push(value.alias(name));
    }
    Ok(LogicalPlanBuilder::from(plan).project(projected)?.build()?)
}

/// The columns of a plan; of one column that is a row of the type, the row's fields.
fn values_of(plan: &LogicalPlan, returns: &SqlType) -> Vec<Expr> {
    let columns: Vec<Expr> = plan.schema().columns().into_iter().map(Expr::Column).collect();
    let field = scalar_functions().iter().find(|function| function.name() == ROW_FIELD);
    match (columns.as_slice(), returns, plan.schema().fields().first(), field) {
        ([row], SqlType::Composite(composite), Some(found), Some(field)) if SqlType::from_field(found) == *returns => {
            let fields = composite.fields.iter();
            fields
                .map(|of| field.call(vec![row.clone(), lit(of.name.as_str())]))
                .collect()
        }
        _ => columns,
    }
}

/// Whether a column of the plan is a literal that nothing typed.
fn is_literal(plan: &LogicalPlan, place: usize) -> bool {
    match plan {
        LogicalPlan::Projection(projection) => {
            let value = projection.expr.get(place).cloned();
            value.is_some_and(|value| is_unknown_literal(&value.unalias()))
        }
        LogicalPlan::Sort(sort) => is_literal(&sort.input, place),
        LogicalPlan::Limit(limit) => is_literal(&limit.input, place),
        _ => false,
    }
}

impl BoundRows {
    /// The rows for these arguments. Constants stand in the body themselves; what depends on other relations does if no
    /// relation of the body could be taken for them, and else is a row beside which the body stands as LATERAL.
    pub fn with_arguments(
        &self,
        definition: &Function,
        arguments: Vec<Expr>,
        columns: Option<&[DeclaredColumn]>,
    ) -> Result<LogicalPlan> {
        let mut inside = vec![];
        let mut beside = vec![];
        for (index, (argument, declared)) in arguments.into_iter().zip(&definition.arguments).enumerate() {
            if argument.is_volatile() {
                let message = format!(
                    "a volatile argument of function {}, whose body is a query",
                    definition.name
                );
                return Err(Error::unsupported(message));
            }
            let argument = calls::typed(argument, &declared.sql_type);
            let value = declared_as(read_literal(argument, &declared.sql_type)?, &declared.sql_type);
            // The body was planned over a value whose type the layout does not tell: json is not text.
            let value = match declared.sql_type.is_named() {
                true => retyped(value, declared.sql_type.clone()),
                false => value,
            };
            let name = argument_name(definition, index);
            match self.may_hold(&value)? {
                true => inside.push((name, value)),
                false => beside.push(value.alias(name)),
            }
        }
        let plan = match columns {
            Some(columns) => typed(self.plan.clone(), definition, columns, &self.settings)?,
            None => self.plan.clone(),
        };
        let body = replaced(plan, &inside)?;
        if beside.is_empty() {
            return Ok(body);
        }
        let outer_ref_columns = body.all_out_ref_exprs();
        let columns: Vec<Expr> = body.schema().columns().into_iter().map(Expr::Column).collect();
        let lateral = LogicalPlan::Subquery(Subquery {
            subquery: Arc::new(body),
            outer_ref_columns,
            spans: Spans::new(),
        });
        let row = LogicalPlanBuilder::empty(true).project(beside)?.alias(ARGUMENTS)?;
        Ok(row.cross_join(lateral)?.project(columns)?.build()?)
    }

    /// Whether the value means the same anywhere in the body.
    fn may_hold(&self, value: &Expr) -> Result<bool> {
        let mut outer = vec![];
        let mut has_subquery = false;
        value.apply(|part| {
            match part {
                Expr::OuterReferenceColumn(_, column) => outer.push(column.clone()),
                Expr::ScalarSubquery(_) | Expr::Exists(_) | Expr::InSubquery(_) | Expr::SetComparison(_) => {
                    has_subquery = true;
                }
                _ => {}
            }
            Ok(TreeNodeRecursion::Continue)
        })?;
        if has_subquery || outer.is_empty() {
            return Ok(!has_subquery);
        }
        let mut is_free = true;
        self.plan.apply_with_subqueries(|node| {
            let may_be_taken = outer.iter().any(|column| node.schema().has_column(column));
            is_free &= !(may_be_taken && reads_arguments(node)?);
            Ok(TreeNodeRecursion::Continue)
        })?;
        Ok(is_free)
    }
}

/// Whether an argument stands anywhere in the plan: what is below the body's views reads none.
fn reads_arguments(plan: &LogicalPlan) -> Result<bool> {
    let mut found = false;
    plan.apply_with_subqueries(|node| {
        found |= node.all_out_ref_exprs().iter().any(|reference| {
            matches!(reference, Expr::OuterReferenceColumn(_, column)
                if column.relation.as_ref().is_some_and(|relation| relation.table() == ARGUMENTS))
        });
        Ok(match found {
            true => TreeNodeRecursion::Stop,
            false => TreeNodeRecursion::Continue,
        })
    })?;
    Ok(found)
}

/// The plan with values in the places of arguments, inside its subqueries too.
fn replaced(plan: LogicalPlan, values: &[(String, Expr)]) -> Result<LogicalPlan> {
    let relation = TableReference::bare(ARGUMENTS);
    let value_of = |expression: Expr| -> PlanResult<Transformed<Expr>> {
        Ok(match &expression {
            Expr::OuterReferenceColumn(_, column) if column.relation.as_ref() == Some(&relation) => {
                match values.iter().find(|(name, _)| *name == column.name) {
                    Some((_, value)) => Transformed::yes(value.clone()),
                    None => Transformed::no(expression),
                }
            }
            _ => Transformed::no(with_outer_columns(expression)),
        })
    };
    let replaced = plan.transform_up_with_subqueries(|node| {
        let names = NamePreserver::new(&node);
        let node = node.map_expressions(|expression| {
            let saved = names.save(&expression);
            let value = expression.transform_up(value_of)?;
            Ok(value.update_data(|expression| saved.restore(expression)))
        })?;
        node.map_data(|node| match node {
            LogicalPlan::Subquery(subquery) => Ok(LogicalPlan::Subquery(noted(subquery))),
            other => Ok(other),
        })
    })?;
    Ok(replaced.data)
}

/// The expression, its subquery with the columns noted that it now reads from outside.
fn with_outer_columns(expression: Expr) -> Expr {
    match expression {
        Expr::ScalarSubquery(subquery) => Expr::ScalarSubquery(noted(subquery)),
        Expr::Exists(mut exists) => {
            exists.subquery = noted(exists.subquery);
            Expr::Exists(exists)
        }
        Expr::InSubquery(mut membership) => {
            membership.subquery = noted(membership.subquery);
            Expr::InSubquery(membership)
        }
        Expr::SetComparison(mut comparison) => {
            comparison.subquery = noted(comparison.subquery);
            Expr::SetComparison(comparison)
        }
        other => other,
    }
}

fn noted(subquery: Subquery) -> Subquery {
    Subquery {
        outer_ref_columns: subquery.subquery.all_out_ref_exprs(),
        ..subquery
    }
}
