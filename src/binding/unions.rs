//! The column types of UNION, EXCEPT and INTERSECT: PostgreSQL's choice among those of the branches, with literals of unknown type following
//! the others, or 42804.

use std::sync::Arc;

use datafusion::arrow::datatypes::DataType;
use datafusion::common::{Column, DFSchema, JoinType, ScalarValue};
use datafusion::logical_expr::{Expr, Join, LogicalPlan, Projection, SubqueryAlias, Union, Volatility};

use super::calls::typed;
use crate::error::{Error, Result, SqlState};
use crate::functions::{cast_unknown, is_unknown_literal, postgres_cast, retyped, wide_numeric};
use crate::types::SqlType;
use crate::types::coercion::{common_type, is_same, shown};
use crate::types::format::FormatSettings;
use crate::types::numeric::exceed_one_layout;

/// A union whose branches have the same types.
pub(super) fn agree(mut union: Union) -> Result<LogicalPlan> {
    let schema = Arc::clone(&union.schema);
    for input in &mut union.inputs {
        *input = named_like(input, &schema)?;
    }
    let width = union.inputs.first().map_or(0, |input| input.schema().fields().len());
    if union.inputs.iter().any(|input| input.schema().fields().len() != width) {
        return Ok(LogicalPlan::Union(union));
    }
    let is_widened = widen(union.inputs.iter_mut().collect(), width)?;
    let branches: Vec<&LogicalPlan> = union.inputs.iter().map(AsRef::as_ref).collect();
    let wanted = agreed_types(&branches, width, "UNION")?;
    if wanted.iter().all(Option::is_none) && !is_widened {
        return Ok(LogicalPlan::Union(union));
    }
    let inputs = union
        .inputs
        .iter()
        .map(|input| cast_columns(input, &wanted).map(Arc::new))
        .collect::<Result<Vec<_>>>()?;
    Ok(LogicalPlan::Union(Union::try_new_with_loose_types(inputs)?))
}

/// Rows of VALUES under the names of the union's columns: where unions lie in unions, DataFusion's rule that makes them one
/// goes by names.
fn named_like(input: &Arc<LogicalPlan>, schema: &DFSchema) -> Result<Arc<LogicalPlan>> {
    let is_alike = input
        .schema()
        .iter()
        .zip(schema.iter())
        .all(|(own, wanted)| own.1.name() == wanted.1.name());
    if is_alike || !matches!(input.as_ref(), LogicalPlan::Values(_)) {
        return Ok(Arc::clone(input));
    }
    let columns = input.schema().columns().into_iter().zip(schema.iter());
    let columns = columns.map(|(column, (_, field))| Expr::Column(column).alias(field.name()));
    let projection = Projection::try_new(columns.collect(), Arc::clone(input))?;
    Ok(Arc::new(LogicalPlan::Projection(projection)))
}

/// EXCEPT or INTERSECT, which the planner made a join of, over branches of the same types.
pub(super) fn agree_in_set_operation(mut join: Join) -> Result<Join> {
    let construct = match join.join_type {
        JoinType::LeftAnti => "EXCEPT",
        _ => "INTERSECT",
    };
    let width = join.left.schema().fields().len();
    if widen(vec![&mut join.left, &mut join.right], width)? {
        join.schema = Arc::clone(join.left.schema());
    }
    let wanted = agreed_types(&[&join.left, &join.right], width, construct)?;
    if wanted.iter().any(Option::is_some) {
        for side in [&mut join.left, &mut join.right] {
            *side = Arc::new(cast_columns(side, &wanted)?);
        }
        join.schema = Arc::clone(join.left.schema());
    }
    Ok(join)
}

/// Makes computed ones of numbers that no layout of 38 digits holds together; tells whether there were any.
fn widen(mut branches: Vec<&mut Arc<LogicalPlan>>, width: usize) -> Result<bool> {
    let wide: Vec<bool> = (0..width).map(|column| is_wide(&branches, column)).collect();
    if !wide.contains(&true) {
        return Ok(false);
    }
    for branch in &mut branches {
        let columns = branch.schema().iter().enumerate().zip(&wide);
        let columns = columns.map(|((index, (qualifier, field)), is_wide)| {
            let column = Expr::Column(Column::new(qualifier.cloned(), field.name()));
            match *is_wide && type_of(branch, index) != SqlType::Unknown {
                true => wide_numeric(column, field.data_type()).alias_qualified(qualifier.cloned(), field.name()),
                false => column,
            }
        });
        let projection = Projection::try_new(columns.collect(), Arc::clone(branch))?;
        **branch = Arc::new(LogicalPlan::Projection(projection));
    }
    Ok(true)
}

fn is_wide(branches: &[&mut Arc<LogicalPlan>], column: usize) -> bool {
    let known = branches
        .iter()
        .filter(|branch| type_of(branch, column) != SqlType::Unknown);
    let layouts: Vec<&DataType> = known.map(|branch| branch.schema().field(column).data_type()).collect();
    // A whole number among numerics becomes one without a modifier.
    let open = SqlType::Numeric(None).to_arrow();
    let has_whole = layouts.iter().any(|layout| layout.is_integer());
    layouts.iter().any(|layout| layout.is_decimal())
        && exceed_one_layout(layouts.into_iter().chain(has_whole.then_some(&open)))
}

/// For each column the type that the branches are brought to, where they differ.
fn agreed_types(branches: &[&LogicalPlan], width: usize, construct: &str) -> Result<Vec<Option<SqlType>>> {
    let column_type = |column: usize| {
        let types: Vec<SqlType> = branches.iter().map(|branch| type_of(branch, column)).collect();
        match (types.iter().all(is_plain), common_type(&types)) {
            (false, _) => Ok(None),
            (true, Ok(common)) => Ok(types
                .iter()
                .any(|sql_type| !is_same(sql_type, &common) || differs_in_name(sql_type, &common))
                .then_some(common)),
            (true, Err((left, right))) => {
                let message = format!(
                    "{construct} types {} and {} cannot be matched",
                    shown(&left),
                    shown(&right)
                );
                Err(Error::new(SqlState::DatatypeMismatch, message))
            }
        }
    };
    (0..width).map(column_type).collect()
}

/// Whether the types are one type with two modifiers that values do not show: the union of `bit(4)` and `bit` has to be called
/// by one name, or it has none.
fn differs_in_name(left: &SqlType, right: &SqlType) -> bool {
    left != right && is_same(left, right) && left.to_arrow() == right.to_arrow()
}

/// Types that only the catalogs have are left to the engine.
pub(super) fn is_plain(sql_type: &SqlType) -> bool {
    !matches!(
        sql_type,
        SqlType::Oid | SqlType::Regclass | SqlType::Regtype | SqlType::Regproc | SqlType::Name | SqlType::Char
    )
}

/// The expression that a branch selects, if it is a select list.
fn selected(plan: &LogicalPlan, column: usize) -> Option<&Expr> {
    match plan {
        LogicalPlan::Projection(projection) => projection.expr.get(column).map(plain),
        LogicalPlan::SubqueryAlias(alias) => selected(&alias.input, column),
        LogicalPlan::Distinct(distinct) => selected(distinct.input(), column),
        _ => None,
    }
}

fn plain(expression: &Expr) -> &Expr {
    match expression {
        Expr::Alias(alias) => plain(&alias.expr),
        other => other,
    }
}

pub(super) fn type_of(plan: &LogicalPlan, column: usize) -> SqlType {
    let field = plan.schema().field(column);
    match selected(plan, column) {
        Some(literal) if is_unknown_literal(literal) => SqlType::Unknown,
        _ if field.data_type().is_null() => SqlType::Unknown,
        _ => SqlType::from_field(field),
    }
}

/// The branch with those of its parameters typed that the other branches tell the type of.
fn with_typed_parameters(input: &LogicalPlan, wanted: &[Option<SqlType>]) -> Result<LogicalPlan> {
    match input {
        LogicalPlan::Projection(projection) => {
            let items = projection.expr.iter().zip(wanted);
            let items = items.map(|(item, wanted)| match (item.clone(), wanted) {
                (Expr::Alias(mut alias), Some(wanted)) => {
                    *alias.expr = typed(*alias.expr, wanted);
                    Expr::Alias(alias)
                }
                (item, Some(wanted)) => typed(item, wanted),
                (item, None) => item,
            });
            let projected = Projection::try_new(items.collect(), Arc::clone(&projection.input))?;
            Ok(LogicalPlan::Projection(projected))
        }
        LogicalPlan::SubqueryAlias(alias) => {
            let input = with_typed_parameters(&alias.input, wanted)?;
            let alias = SubqueryAlias::try_new(Arc::new(input), alias.alias.clone())?;
            Ok(LogicalPlan::SubqueryAlias(alias))
        }
        other => Ok(other.clone()),
    }
}

pub(super) fn cast_columns(input: &LogicalPlan, wanted: &[Option<SqlType>]) -> Result<LogicalPlan> {
    let is_open = |place: usize| {
        let item = selected(input, place);
        item.is_some_and(|item| matches!(item, Expr::Placeholder(parameter) if parameter.field.is_none()))
    };
    let typed_input = match (0..wanted.len()).any(is_open) {
        true => &with_typed_parameters(input, wanted)?,
        false => input,
    };
    let input = typed_input;
    let columns = input.schema().iter().zip(wanted).enumerate();
    let columns = columns.map(|(index, ((qualifier, field), wanted))| {
        let column = Expr::Column(Column::new(qualifier.cloned(), field.name()));
        let Some(wanted) = wanted else { return column };
        let found = type_of(input, index);
        if differs_in_name(&found, wanted) {
            return retyped(column, wanted.clone()).alias_qualified(qualifier.cloned(), field.name());
        }
        if is_same(&found, wanted) {
            return column;
        }
        let value = match selected(input, index) {
            // A literal is read as the type, whatever it looked like.
            Some(literal @ Expr::Literal(ScalarValue::Utf8(Some(_)), None)) => literal.clone(),
            _ => column,
        };
        // Numbers that are written out keep their own digits.
        if *wanted == SqlType::Numeric(None)
            && matches!(selected(input, index), Some(Expr::Literal(..) | Expr::Cast(_)))
        {
            let settings = FormatSettings::default();
            let open = postgres_cast(value, found, SqlType::Numeric(None), &settings, Volatility::Immutable);
            return open.alias_qualified(qualifier.cloned(), field.name());
        }
        cast_unknown(value, wanted).alias_qualified(qualifier.cloned(), field.name())
    });
    let columns: Vec<Expr> = columns.collect();
    Ok(LogicalPlan::Projection(Projection::try_new(
        columns,
        Arc::new(input.clone()),
    )?))
}
