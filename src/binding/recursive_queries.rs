//! The column types of WITH RECURSIVE: those of the first term, which the second one's have to be as well, or 42804. The
//! planner casts the second term to the digits of the first; numerics that it computes keep theirs here instead.

use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::catalog::cte_worktable::CteWorkTable;
use datafusion::common::tree_node::{Transformed, TreeNodeRecursion};
use datafusion::common::{Column, Result as PlanResult};
use datafusion::datasource::{provider_as_source, source_as_provider};
use datafusion::logical_expr::{Expr, LogicalPlan, Projection, RecursiveQuery, TableScan, TableScanBuilder, cast};

use super::meaning;
use super::unions::{cast_columns, is_plain, type_of};
use crate::error::{Error, Result, SqlState};
use crate::functions::{is_unknown_literal, retyped};
use crate::types::SqlType;
use crate::types::coercion::{common_type, is_same, shown};
use crate::types::format::FormatSettings;
use crate::types::numeric::COMPUTED_NUMERIC;

/// The query with both terms meant as PostgreSQL means them, and of the same types.
pub(super) fn settle(query: RecursiveQuery, settings: &FormatSettings) -> Result<LogicalPlan> {
    let RecursiveQuery {
        name,
        static_term,
        recursive_term,
        is_distinct,
        ..
    } = query;
    let first = with_texts(meaning::of_plan(Arc::unwrap_or_clone(static_term), settings)?)?;
    let written = as_written(recursive_term.as_ref());
    let mut fields: Vec<Field> = first
        .plan
        .schema()
        .fields()
        .iter()
        .map(|field| field.as_ref().clone())
        .collect();
    let mut second = meaning::of_plan(reading(&name, written, &fields)?, settings)?;
    check_types(&name, &first, &second)?;
    if widen(&mut fields, &second) {
        second = meaning::of_plan(reading(&name, written, &fields)?, settings)?;
    }
    let first = shaped(&first.plan, &fields)?;
    let types: Vec<SqlType> = fields.iter().map(SqlType::from_field).collect();
    let wanted: Vec<Option<SqlType>> = types
        .into_iter()
        .map(|sql_type| is_plain(&sql_type).then_some(sql_type))
        .collect();
    let second = meaning::with_casts(&cast_columns(&second, &wanted)?, settings)?;
    let second = shaped(&second, &fields)?;
    let settled = RecursiveQuery::try_new(name, Arc::new(first), Arc::new(second), is_distinct)?;
    Ok(LogicalPlan::RecursiveQuery(settled))
}

/// The columns by which a second term is planned: its operators are those of numerics with any digits.
pub(super) fn open(schema: &Schema) -> SchemaRef {
    let fields = schema
        .fields()
        .iter()
        .map(|field| match field.data_type().is_decimal() {
            true => Arc::new(computed(field)),
            false => Arc::clone(field),
        });
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

/// A numeric that is computed.
fn computed(field: &Field) -> Field {
    let (precision, scale) = COMPUTED_NUMERIC;
    field.clone().with_data_type(DataType::Decimal256(precision, scale))
}

/// The first term, and which of its columns nothing gives a type.
struct FirstTerm {
    plan: LogicalPlan,
    is_unknown: Vec<bool>,
}

/// What nothing types is text.
fn with_texts(plan: LogicalPlan) -> Result<FirstTerm> {
    let is_unknown: Vec<bool> = (0..plan.schema().fields().len())
        .map(|column| is_unknown(&plan, column))
        .collect();
    let wanted = is_unknown.iter().zip(plan.schema().fields());
    let wanted: Vec<Option<SqlType>> = wanted
        .map(|(unknown, field)| (*unknown && field.data_type().is_null()).then_some(SqlType::Text))
        .collect();
    let plan = match wanted.iter().any(Option::is_some) {
        true => cast_columns(&plan, &wanted)?,
        false => plan,
    };
    Ok(FirstTerm { plan, is_unknown })
}

fn is_unknown(plan: &LogicalPlan, column: usize) -> bool {
    let LogicalPlan::Projection(projection) = plan else {
        return false;
    };
    match projection
        .expr
        .get(column)
        .map(|expression| expression.clone().unalias())
    {
        Some(Expr::Column(named)) => {
            let below = projection.input.schema().maybe_index_of_column(&named);
            below.is_some_and(|below| is_unknown(&projection.input, below))
        }
        Some(literal) => is_unknown_literal(&literal) || matches!(&literal, Expr::Literal(value, _) if value.is_null()),
        None => false,
    }
}

/// The second term without the planner's casts: they stand above the mark that `rewrite::recursion` has put over it.
fn as_written(term: &LogicalPlan) -> &LogicalPlan {
    let marked = match term {
        LogicalPlan::Projection(projection) => projection.input.as_ref(),
        other => other,
    };
    match marked {
        LogicalPlan::Limit(limit) => limit.input.as_ref(),
        _ => term,
    }
}

/// The second term over rows of these columns.
fn reading(name: &str, term: &LogicalPlan, fields: &[Field]) -> PlanResult<LogicalPlan> {
    let fields: Vec<Field> = fields.iter().map(|field| field.clone().with_nullable(true)).collect();
    let schema: SchemaRef = Arc::new(Schema::new(fields));
    let read = term.clone().transform_down_up_with_subqueries(
        |node| match &node {
            // It reads itself by this name.
            LogicalPlan::RecursiveQuery(inner) if inner.name == name => {
                Ok(Transformed::new(node, false, TreeNodeRecursion::Jump))
            }
            _ => Ok(Transformed::no(node)),
        },
        |node| match node {
            LogicalPlan::TableScan(scan) if is_work_table(&scan, name) => {
                let rows = provider_as_source(Arc::new(CteWorkTable::new(name, Arc::clone(&schema))));
                let scan = TableScanBuilder::new(scan.table_name, rows).build()?;
                Ok(Transformed::yes(LogicalPlan::TableScan(scan)))
            }
            node => node.recompute_schema().map(Transformed::yes),
        },
    )?;
    Ok(read.data)
}

fn is_work_table(scan: &TableScan, name: &str) -> bool {
    let Ok(provider) = source_as_provider(&scan.source) else {
        return false;
    };
    provider
        .downcast_ref::<CteWorkTable>()
        .is_some_and(|table| table.name() == name)
}

fn check_types(name: &str, first: &FirstTerm, second: &LogicalPlan) -> Result<()> {
    for (column, field) in first.plan.schema().fields().iter().enumerate() {
        let own = SqlType::from_field(field);
        let open = match first.is_unknown.get(column) {
            Some(true) => SqlType::Unknown,
            _ => own.clone(),
        };
        let other = type_of(second, column);
        if !is_plain(&own) || !is_plain(&other) {
            continue;
        }
        let message = match common_type(&[open, other]) {
            Ok(common) if is_same(&common, &own) => continue,
            Ok(common) => format!(
                "recursive query \"{name}\" column {} has type {} in non-recursive term but type {} overall",
                column + 1,
                shown(&own),
                shown(&common)
            ),
            Err((left, right)) => {
                let message = format!("UNION types {} and {} cannot be matched", shown(&left), shown(&right));
                return Err(Error::new(SqlState::DatatypeMismatch, message));
            }
        };
        return Err(Error::new(SqlState::DatatypeMismatch, message)
            .with_hint("Cast the output of the non-recursive term to the correct type."));
    }
    Ok(())
}

/// Lets numerics hold what the second term computes of them; whether there are any.
fn widen(fields: &mut [Field], second: &LogicalPlan) -> bool {
    let mut widened = false;
    for (field, other) in fields.iter_mut().zip(second.schema().fields()) {
        if field.data_type().is_decimal() && field.data_type() != other.data_type() && !other.data_type().is_null() {
            *field = computed(field);
            widened = true;
        }
    }
    widened
}

/// The term with the layouts and types of these fields.
fn shaped(term: &LogicalPlan, fields: &[Field]) -> Result<LogicalPlan> {
    let columns = term.schema().iter().zip(fields).map(|((qualifier, own), field)| {
        let column = Expr::Column(Column::new(qualifier.cloned(), own.name()));
        let has_layout = own.data_type() == field.data_type();
        let value = match has_layout {
            true if own.metadata() == field.metadata() => return column,
            true => column,
            false => cast(column, field.data_type().clone()),
        };
        // The layout of a computed numeric is not that of its type.
        let described = match field.data_type().is_decimal() {
            true => value,
            false => retyped(value, SqlType::from_field(field)),
        };
        described.alias_qualified(qualifier.cloned(), own.name())
    });
    let columns: Vec<Expr> = columns.collect();
    if columns.iter().all(|column| matches!(column, Expr::Column(_))) {
        return Ok(term.clone());
    }
    Ok(LogicalPlan::Projection(Projection::try_new(
        columns,
        Arc::new(term.clone()),
    )?))
}
