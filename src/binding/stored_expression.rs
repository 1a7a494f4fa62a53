//! Expressions that the catalog keeps as text: defaults and CHECK conditions. Their names mean what they meant when
//! the text was written; what they call runs with the rights of whoever writes rows.

use std::collections::HashMap;
use std::sync::Arc;

use datafusion::arrow::datatypes::{Field, Fields, Schema};
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{DFSchema, ScalarValue, TableReference};
use datafusion::logical_expr::simplify::SimplifyContext;
use datafusion::logical_expr::{Expr, ExprSchemable, Volatility, lit};
use datafusion::optimizer::simplify_expressions::ExprSimplifier;
use datafusion::sql::sqlparser::ast as sql;

use super::modification::below_name;
use super::{BindingServices, BoundTable, Rights, domains, function, named_relations, relations, rewrite};
use crate::catalog::model::{Column, Reference, StoredExpression, Table};
use crate::context::QueryContext;
use crate::error::{Error, Result, SqlState};
use crate::functions::DomainRule;
use crate::types::SqlType;
use crate::types::parse::parse_value;

/// The conditions of a table's CHECK constraints and of its columns' domains over its rows as they are stored.
#[derive(Debug, Clone)]
pub struct BoundChecks {
    /// The columns in the order of the stored rows, under names of its own.
    pub schema: DFSchema,
    pub conditions: Vec<BoundRule>,
}

/// A condition that no stored row may fail.
#[derive(Debug, Clone)]
pub struct BoundRule {
    pub rule: RowRule,
    pub condition: Expr,
}

/// What a condition comes from.
#[derive(Debug, Clone)]
pub enum RowRule {
    /// A CHECK of the table, by its name.
    OfTable(String),
    /// The domain of a column.
    OfDomain(DomainRule),
    /// WITH CHECK OPTION of a view that the row is written through, by its name.
    OfView(String),
}

/// Binds the CHECK constraints over rows with the columns of `stored`.
pub async fn bind_checks(
    services: &BindingServices,
    context: &QueryContext,
    table: &Table,
    stored: &Schema,
) -> Result<BoundChecks> {
    let mut bound = BoundChecks {
        schema: DFSchema::empty(),
        conditions: domains::column_rules(services, context, table, stored).await?,
    };
    for (constraint, condition) in table.checks() {
        let schema = stored_row(table, stored, condition)?;
        let expression = bind_stored(services, context, condition, &schema).await?;
        bound.conditions.push(BoundRule {
            rule: RowRule::OfTable(constraint.name.clone()),
            condition: by_position(expression, &schema)?,
        });
    }
    bound.schema = positions(stored)?;
    Ok(bound)
}

/// Adds what the views say that the statement writes rows through.
pub fn add_view_checks(
    services: &BindingServices,
    context: &QueryContext,
    target: &BoundTable,
    stored: &Schema,
    checks: &mut BoundChecks,
) -> Result<()> {
    let Some(view) = &target.view else { return Ok(()) };
    let nameless = StoredExpression {
        text: String::new(),
        search_path: vec![],
        references: vec![],
        columns: vec![],
        generated: false,
    };
    let schema = stored_row(&target.table, stored, &nameless)?;
    for check in &view.checks {
        let placed = check.condition.clone().transform(|part| {
            let Expr::Column(column) = &part else {
                return Ok(Transformed::no(part));
            };
            let mut positions = 0..target.column_count();
            let position = positions.find(|position| below_name(*position) == column.name);
            let stored = position.and_then(|position| target.stored_position(position));
            let stored = stored.ok_or_else(|| Error::internal("a view's condition reads what is not stored"))?;
            let name = position_name(stored);
            Ok(Transformed::yes(Expr::Column(
                datafusion::common::Column::new_unqualified(name),
            )))
        })?;
        checks.conditions.push(BoundRule {
            rule: RowRule::OfView(check.view.clone()),
            condition: simplified(services, context, placed.data, &schema)?,
        });
    }
    Ok(())
}

/// The row under the names by which the text knows its columns.
pub(super) fn stored_row(table: &Table, stored: &Schema, condition: &StoredExpression) -> Result<DFSchema> {
    let fields = stored.fields().iter().enumerate().map(|(position, field)| {
        let column = table.column_named(field.name());
        let known = column.and_then(|column| condition.columns.iter().find(|(id, _)| *id == column.id));
        let name = known.map_or_else(|| format!("\u{0}{position}"), |(_, name)| name.clone());
        match column.map(|column| column.sql_type.to_field(&name, true)) {
            Some(typed) if typed.data_type() == field.data_type() => typed,
            _ => field.as_ref().clone().with_name(name).with_nullable(true),
        }
    });
    let fields: Fields = fields.collect::<Vec<Field>>().into();
    Ok(DFSchema::from_unqualified_fields(fields, HashMap::new())?)
}

fn position_name(position: usize) -> String {
    format!("\u{0}{position}")
}

pub(super) fn positions(stored: &Schema) -> Result<DFSchema> {
    let fields = stored.fields().iter().enumerate();
    let fields = fields.map(|(position, field)| {
        field
            .as_ref()
            .clone()
            .with_name(position_name(position))
            .with_nullable(true)
    });
    let fields: Fields = fields.collect::<Vec<Field>>().into();
    Ok(DFSchema::from_unqualified_fields(fields, HashMap::new())?)
}

/// The expression with its columns named by their position in the row.
pub(super) fn by_position(expression: Expr, schema: &DFSchema) -> Result<Expr> {
    renamed(expression, schema, position_name)
}

/// The expression with other names of its columns, by their position in the row.
pub(super) fn renamed(expression: Expr, schema: &DFSchema, name: impl Fn(usize) -> String) -> Result<Expr> {
    use datafusion::common::Column;
    let renamed = expression.transform(|part| match part {
        Expr::Column(column) => {
            let position = schema.index_of_column(&column)?;
            Ok(Transformed::yes(Expr::Column(Column::new_unqualified(name(position)))))
        }
        other => Ok(Transformed::no(other)),
    })?;
    Ok(renamed.data)
}

/// A column's default as a value of its type; NULL where it has none.
pub(crate) async fn default_of(services: &BindingServices, context: &QueryContext, column: &Column) -> Result<Expr> {
    if let Some(numbering) = column.numbering {
        let nextval = services.base.scalar_functions().get("nextval").cloned();
        let nextval = nextval.ok_or_else(|| Error::internal("there is no nextval()"))?;
        let number = nextval.call(vec![lit(numbering.sequence)]);
        return super::modification::assigned(
            number,
            &DFSchema::empty(),
            &column.name,
            &column.sql_type,
            &services.format,
        );
    }
    let default = match column.default.as_ref().filter(|default| !default.generated) {
        Some(default) => Some(default.clone()),
        None => domains::default_of(context, &column.sql_type)?,
    };
    let Some(default) = default else {
        return super::modification::null(&column.sql_type);
    };
    let schema = DFSchema::empty();
    let rights = Rights {
        calls_routines: true,
        ..stored_rights(context, &default)
    };
    let (bound, _) = bind(services, context, &default.text, &schema, rights).await?;
    let bound = simplified(services, context, bound, &schema)?;
    super::modification::assigned(bound, &schema, &column.name, &column.sql_type, &services.format)
}

/// The defaults of the columns that are not `given`.
pub async fn bind_defaults(
    services: &BindingServices,
    context: &QueryContext,
    table: &Table,
    given: &[String],
) -> Result<Vec<(String, Expr)>> {
    let mut defaults = vec![];
    let has_default = |column: &Column| -> Result<bool> {
        if column.generated().is_some() {
            return Ok(false);
        }
        let is_own = column.default.is_some() || column.numbering.is_some();
        Ok(is_own || domains::default_of(context, &column.sql_type)?.is_some())
    };
    for column in table.columns.iter().filter(|column| !given.contains(&column.name)) {
        if !has_default(column)? {
            continue;
        }
        defaults.push((column.name.clone(), default_of(services, context, column).await?));
    }
    Ok(defaults)
}

pub(super) async fn bind_stored(
    services: &BindingServices,
    context: &QueryContext,
    stored: &StoredExpression,
    schema: &DFSchema,
) -> Result<Expr> {
    let rights = stored_rights(context, stored);
    let (expression, _) = bind(services, context, &stored.text, schema, rights).await?;
    simplified(services, context, expression, schema)
}

fn stored_rights(context: &QueryContext, stored: &StoredExpression) -> Rights {
    Rights {
        search_path: stored.search_path.clone(),
        references: stored.references.clone(),
        checked_as: context.principal.role,
        calls_routines: false,
    }
}

fn simplified(services: &BindingServices, context: &QueryContext, expression: Expr, schema: &DFSchema) -> Result<Expr> {
    let simplify = SimplifyContext::builder()
        .with_schema(Arc::new(schema.clone()))
        .with_config_options(Arc::clone(services.base.config_options()))
        .with_query_execution_start_time(Some(context.transaction_start))
        .build();
    let simplifier = ExprSimplifier::new(simplify);
    // Some functions are only ways to write others, which the simplifier knows.
    Ok(simplifier.simplify(simplifier.coerce(expression, schema)?)?)
}

async fn bind(
    services: &BindingServices,
    context: &QueryContext,
    text: &str,
    schema: &DFSchema,
    rights: Rights,
) -> Result<(Expr, Vec<Reference>)> {
    let mut expression: sql::Expr = crate::statement::parse_expression(text)?;
    rewrite::rewrite_expression(&mut expression)?;
    let named = named_relations::settle(&mut expression, context, &rights)?;
    let scope = relations::load_for_expression(services, context, &mut expression, rights, 0).await?;
    let references = [scope.references(), &named].concat();
    let planned = scope.plan_expression(expression, schema)?;
    Ok((function::inline_in_expression(planned)?, references))
}

/// A default as the catalog keeps it, after a look at what it is.
pub async fn check_default(
    services: &BindingServices,
    context: &QueryContext,
    text: &str,
    column: &str,
    sql_type: &SqlType,
) -> Result<StoredExpression> {
    let schema = DFSchema::empty();
    let rights = Rights::of_statement(context);
    let bound = bind(services, context, text, &schema, rights).await;
    let (expression, references) = bound.map_err(|error| match error.state() {
        SqlState::UndefinedColumn => Error::new(
            SqlState::FeatureNotSupported,
            "cannot use column reference in DEFAULT expression",
        ),
        _ => error,
    })?;
    refuse_subqueries(&expression, "cannot use subquery in DEFAULT expression")?;
    if let Expr::Literal(ScalarValue::Utf8(Some(value)), None) = &expression
        && sql_type.user_type().is_none()
    {
        parse_value(&sql_type.without_modifier(), value, &services.format)?;
    }
    super::modification::assigned(expression, &schema, column, sql_type, &services.format)?;
    Ok(StoredExpression {
        text: text.to_string(),
        search_path: context.search_path.clone(),
        references,
        columns: vec![],
        generated: false,
    })
}

/// A condition over these columns (id, name, type) as the catalog keeps it: of a CHECK, or of an index's WHERE.
pub async fn check_condition(
    services: &BindingServices,
    context: &QueryContext,
    text: &str,
    columns: &[(i16, String, SqlType)],
    place: RowExpression,
) -> Result<StoredExpression> {
    let (stored, actual) = check_row_expression(services, context, text, columns, place).await?;
    match actual {
        SqlType::Bool | SqlType::Unknown => Ok(stored),
        actual => {
            let clause = match place {
                RowExpression::Check => "CHECK",
                _ => "WHERE",
            };
            let message = format!("argument of {clause} must be type boolean, not type {actual}");
            Err(Error::new(SqlState::DatatypeMismatch, message))
        }
    }
}

/// Where a table's definition has an expression over its row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowExpression {
    Check,
    Index,
    IndexCondition,
    Generated,
}

impl RowExpression {
    fn words(self) -> &'static str {
        match self {
            RowExpression::Check => "check constraint",
            RowExpression::Index => "index expression",
            RowExpression::IndexCondition => "index predicate",
            RowExpression::Generated => "column generation expression",
        }
    }
}

/// An expression over these columns (id, name, type) as the catalog keeps it, and its type.
pub async fn check_row_expression(
    services: &BindingServices,
    context: &QueryContext,
    text: &str,
    columns: &[(i16, String, SqlType)],
    place: RowExpression,
) -> Result<(StoredExpression, SqlType)> {
    let fields: Fields = columns
        .iter()
        .map(|(_, name, sql_type)| sql_type.to_field(name, true))
        .collect::<Vec<Field>>()
        .into();
    let schema = DFSchema::from_unqualified_fields(fields, HashMap::new())?;
    let rights = Rights::of_statement(context).without_routines();
    let (expression, references) = bind(services, context, text, &schema, rights).await?;
    refuse_subqueries(&expression, &format!("cannot use subquery in {}", place.words()))?;
    let (_, field) = expression.to_field(&schema)?;
    let used = expression.column_refs();
    let used = columns
        .iter()
        .filter(|(_, name, _)| used.iter().any(|column| column.name == *name));
    let stored = StoredExpression {
        text: text.to_string(),
        search_path: context.search_path.clone(),
        references,
        columns: used.map(|(id, name, _)| (*id, name.clone())).collect(),
        generated: place == RowExpression::Generated,
    };
    Ok((stored, SqlType::from_field(&field)))
}

/// The expression that a column is generated by, as the catalog keeps it.
pub async fn check_generated(
    services: &BindingServices,
    context: &QueryContext,
    text: &str,
    column: (&str, &SqlType),
    columns: &[(i16, String, SqlType)],
) -> Result<StoredExpression> {
    let place = RowExpression::Generated;
    let (stored, _) = check_row_expression(services, context, text, columns, place).await?;
    let fields = columns.iter().map(|(_, name, sql_type)| sql_type.to_field(name, true));
    let fields: Fields = fields.collect::<Vec<Field>>().into();
    let schema = DFSchema::from_unqualified_fields(fields, HashMap::new())?;
    let expression = bind_stored(services, context, &stored, &schema).await?;
    let mut is_mutable = false;
    expression.apply(|part| {
        is_mutable |=
            matches!(part, Expr::ScalarFunction(call) if call.func.signature().volatility == Volatility::Volatile);
        Ok(TreeNodeRecursion::Continue)
    })?;
    if is_mutable {
        let message = "generation expression is not immutable";
        return Err(Error::new(SqlState::InvalidObjectDefinition, message));
    }
    super::modification::assigned(expression, &schema, column.0, column.1, &services.format)?;
    Ok(stored)
}

/// The generated columns of a table, by their position in `row`, with their values computed from its other columns,
/// which `relation` qualifies.
pub(crate) async fn bind_generated(
    services: &BindingServices,
    context: &QueryContext,
    table: &Table,
    row: &Schema,
    relation: Option<&TableReference>,
) -> Result<Vec<(usize, Expr)>> {
    let mut values = vec![];
    for column in &table.columns {
        let (Some(generated), Ok(position)) = (column.generated(), row.index_of(&column.name)) else {
            continue;
        };
        let schema = stored_row(table, row, generated)?;
        let expression = bind_stored(services, context, generated, &schema).await?;
        let format = &services.format;
        let value = super::modification::assigned(expression, &schema, &column.name, &column.sql_type, format)?;
        let named = value.transform(|part| match part {
            Expr::Column(used) => {
                let name = row.field(schema.index_of_column(&used)?).name();
                let place = datafusion::common::Column::new(relation.cloned(), name);
                Ok(Transformed::yes(Expr::Column(place)))
            }
            other => Ok(Transformed::no(other)),
        })?;
        values.push((position, named.data));
    }
    Ok(values)
}

/// The generated columns of a table over its rows as they are stored.
pub struct BoundGenerated {
    /// As of `BoundChecks`.
    pub schema: DFSchema,
    pub values: Vec<(usize, Expr)>,
}

/// The same over rows with the columns of `stored`, by position.
pub async fn bind_stored_generated(
    services: &BindingServices,
    context: &QueryContext,
    table: &Table,
    stored: &Schema,
) -> Result<BoundGenerated> {
    let row = DFSchema::from_unqualified_fields(stored.fields().clone(), HashMap::new())?;
    let bound = bind_generated(services, context, table, stored, None).await?;
    let values = bound
        .into_iter()
        .map(|(place, value)| Ok((place, by_position(value, &row)?)));
    Ok(BoundGenerated {
        schema: positions(stored)?,
        values: values.collect::<Result<_>>()?,
    })
}

/// The value that an expression over a table's stored row gives a column, and the row under names of its own: what ALTER
/// COLUMN … TYPE … USING makes.
pub async fn bind_conversion(
    services: &BindingServices,
    context: &QueryContext,
    table: &Table,
    stored: &Schema,
    text: &str,
    column: (&str, &SqlType),
) -> Result<(DFSchema, Expr)> {
    let (schema, expression) = bind_over_row(services, context, table, stored, text).await?;
    refuse_subqueries(&expression, "cannot use subquery in transform expression")?;
    let value = super::modification::assigned(expression, &schema, column.0, column.1, &services.format)?;
    Ok((positions(stored)?, by_position(value, &schema)?))
}

/// The condition of COPY … WHERE over a table's stored row, and the row under names of its own.
pub async fn bind_copied(
    services: &BindingServices,
    context: &QueryContext,
    table: &Table,
    stored: &Schema,
    text: &str,
) -> Result<(DFSchema, Expr)> {
    let (schema, condition) = bind_over_row(services, context, table, stored, text).await?;
    refuse_subqueries(&condition, "cannot use subquery in COPY FROM WHERE condition")?;
    super::meaning::check_truth(&condition, &schema, "WHERE")?;
    let mut generated = table.columns.iter().filter(|column| column.generated().is_some());
    let used = condition.column_refs();
    if let Some(column) = generated.find(|column| used.iter().any(|used| used.name == column.name)) {
        let message = "generated columns are not supported in COPY FROM WHERE conditions";
        return Err(Error::new(SqlState::InvalidColumnReference, message)
            .with_detail(format!("Column \"{}\" is a generated column.", column.name)));
    }
    Ok((positions(stored)?, by_position(condition, &schema)?))
}

/// What a statement says of a table's rows as they are stored, and their columns.
async fn bind_over_row(
    services: &BindingServices,
    context: &QueryContext,
    table: &Table,
    stored: &Schema,
    text: &str,
) -> Result<(DFSchema, Expr)> {
    let names = table.columns.iter().map(|column| (column.id, column.name.clone()));
    let written = StoredExpression {
        text: text.to_string(),
        search_path: context.search_path.clone(),
        references: vec![],
        columns: names.collect(),
        generated: false,
    };
    let schema = stored_row(table, stored, &written)?;
    let expression = bind_stored(services, context, &written, &schema).await?;
    Ok((schema, expression))
}

fn refuse_subqueries(expression: &Expr, message: &str) -> Result<()> {
    let mut found = false;
    expression.apply(|part| {
        found |= matches!(
            part,
            Expr::ScalarSubquery(_) | Expr::Exists(_) | Expr::InSubquery(_) | Expr::SetComparison(_)
        );
        Ok(TreeNodeRecursion::Continue)
    })?;
    match found {
        true => Err(Error::new(SqlState::FeatureNotSupported, message)),
        false => Ok(()),
    }
}
