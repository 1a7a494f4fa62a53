//! The expressions of a modification: which of the target's columns they read, and how a value becomes a column's.

use std::collections::BTreeSet;

use datafusion::arrow::datatypes::DataType;
use datafusion::common::metadata::FieldMetadata;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, DFSchema, ScalarValue, TableReference};
use datafusion::logical_expr::{Expr, ExprSchemable};

use crate::binding::bound_table::{BoundTable, LOCATORS};
use crate::error::Result;
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
    expression.apply(|part| {
        match part {
            Expr::Column(column) | Expr::OuterReferenceColumn(_, column) => add(column),
            Expr::ScalarSubquery(subquery) => outer_columns(&subquery.outer_ref_columns, &mut add),
            Expr::Exists(exists) => outer_columns(&exists.subquery.outer_ref_columns, &mut add),
            Expr::InSubquery(membership) => outer_columns(&membership.subquery.outer_ref_columns, &mut add),
            Expr::SetComparison(comparison) => outer_columns(&comparison.subquery.outer_ref_columns, &mut add),
            _ => {}
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(())
}

fn outer_columns(expressions: &[Expr], add: &mut impl FnMut(&Column)) {
    for expression in expressions {
        if let Expr::OuterReferenceColumn(_, column) = expression {
            add(column);
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
