//! The expressions of a modification: which of the target's columns they read, and how a value becomes a column's.

use std::collections::BTreeSet;

use datafusion::arrow::datatypes::DataType;
use datafusion::common::metadata::FieldMetadata;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, DFSchema, Result as PlanResult, ScalarValue, TableReference};
use datafusion::logical_expr::{Expr, ExprSchemable, Subquery};

use crate::binding::bound_table::{BoundTable, LOCATORS};
use crate::error::{Error, Result, SqlState};
use crate::functions::assignment_cast;
use crate::types::SqlType;
use crate::types::cast::check_assignable;
use crate::types::format::FormatSettings;

/// A value as a column of `sql_type` takes it; 42804 where it may not.
pub(crate) fn assigned(
    value: Expr,
    schema: &DFSchema,
    name: &str,
    sql_type: &SqlType,
    settings: &FormatSettings,
) -> Result<Expr> {
    let sql_type = sql_type.base();
    let value = value.unalias();
    let (_, field) = value.to_field(schema)?;
    let source = match SqlType::from_field(&field) {
        _ if field.data_type() == &DataType::Null => return null(sql_type),
        source if source == *sql_type && field.data_type() == &sql_type.to_arrow() => return Ok(value),
        // Nothing has typed a literal or parameter yet: it is read as what the column is.
        SqlType::Text if matches!(value, Expr::Literal(ScalarValue::Utf8(_), _) | Expr::Placeholder(_)) => {
            SqlType::Unknown
        }
        source => source,
    };
    check_assignable(name, &source, sql_type)?;
    Ok(assignment_cast(value, source, sql_type.clone(), settings))
}

/// The same for a column of a query: its texts may be literals that nothing typed.
pub(crate) fn assigned_from_query(
    value: Expr,
    schema: &DFSchema,
    name: &str,
    sql_type: &SqlType,
    settings: &FormatSettings,
) -> Result<Expr> {
    let sql_type = sql_type.base();
    let (_, field) = value.to_field(schema)?;
    match SqlType::from_field(&field) {
        SqlType::Text if *sql_type != SqlType::Text => {
            Ok(assignment_cast(value, SqlType::Unknown, sql_type.clone(), settings))
        }
        _ => assigned(value, schema, name, sql_type, settings),
    }
}

/// NULL of a column's type.
pub(crate) fn null(sql_type: &SqlType) -> Result<Expr> {
    let field = sql_type.to_field("", true);
    let metadata = (!field.metadata().is_empty()).then(|| FieldMetadata::from(&field));
    Ok(Expr::Literal(ScalarValue::try_from(field.data_type())?, metadata))
}

/// Positions of the target's columns that the expression reads, from within its subqueries too.
pub(super) fn columns_read(
    expression: &Expr,
    alias: &TableReference,
    target: &BoundTable,
    read: &mut BTreeSet<usize>,
) -> Result<()> {
    let mut add = |column: &Column| {
        if column.relation.as_ref() != Some(alias) {
            return;
        }
        let computed = target.view.as_ref().and_then(|view| view.read_by(&column.name));
        match computed {
            Some(positions) => read.extend(positions),
            None => read.extend(target.position(&column.name)),
        }
    };
    Ok(for_each_column(expression, &mut add)?)
}

/// 42P01 where an expression reads a relation that its part of the statement does not see, from within its subqueries too.
pub(super) fn refuse_reading(expression: &Expr, relation: &TableReference) -> Result<()> {
    let mut is_read = false;
    for_each_column(expression, &mut |column| {
        is_read |= column.relation.as_ref() == Some(relation)
    })?;
    if !is_read {
        return Ok(());
    }
    let name = relation.table();
    let message = format!("invalid reference to FROM-clause entry for table \"{name}\"");
    Err(Error::new(SqlState::UndefinedTable, message).with_detail(format!(
        "There is an entry for table \"{name}\", but it cannot be referenced from this part of the query."
    )))
}

/// Hands on the columns that an expression reads, and those that its subqueries read of the queries around them.
pub(super) fn for_each_column(expression: &Expr, take: &mut impl FnMut(&Column)) -> PlanResult<()> {
    let mut subqueries = vec![];
    expression.apply(|part| {
        if let Expr::Column(column) | Expr::OuterReferenceColumn(_, column) = part {
            take(column);
        }
        subqueries.extend(subquery_of(part).cloned());
        Ok(TreeNodeRecursion::Continue)
    })?;
    for subquery in subqueries {
        take_outer_references(&subquery.outer_ref_columns, take);
        subquery.subquery.apply_with_subqueries(|node| {
            node.apply_expressions(|inner| {
                inner.apply(|part| {
                    take_outer_references(std::slice::from_ref(part), take);
                    if let Some(deeper) = subquery_of(part) {
                        take_outer_references(&deeper.outer_ref_columns, take);
                    }
                    Ok(TreeNodeRecursion::Continue)
                })
            })
        })?;
    }
    Ok(())
}

fn subquery_of(expression: &Expr) -> Option<&Subquery> {
    match expression {
        Expr::ScalarSubquery(subquery) => Some(subquery),
        Expr::Exists(exists) => Some(&exists.subquery),
        Expr::InSubquery(membership) => Some(&membership.subquery),
        Expr::SetComparison(comparison) => Some(&comparison.subquery),
        _ => None,
    }
}

fn take_outer_references(expressions: &[Expr], take: &mut impl FnMut(&Column)) {
    for expression in expressions {
        if let Expr::OuterReferenceColumn(_, column) = expression {
            take(column);
        }
    }
}

/// Whether the column is one of those that no client may see: a locator or a mark.
pub(super) fn is_internal(expression: &Expr) -> bool {
    matches!(expression, Expr::Column(column) if column.name.starts_with('\u{0}'))
}

/// The target's locators.
pub(super) fn locators(alias: &TableReference) -> [Expr; 2] {
    LOCATORS.map(|name| Expr::Column(Column::new(Some(alias.clone()), name)))
}
