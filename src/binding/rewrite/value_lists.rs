//! Rows of VALUES whose columns are written differently from row to row: a literal beside a cast is of the cast's type,
//! beside an array it is an array, and numbers keep their own digits.

use std::ops::ControlFlow;

use datafusion::arrow::datatypes::DataType as Layout;
use datafusion::sql::sqlparser::ast::{
    Array, CastKind, DataType, ExactNumberInfo, Expr, Ident, Query, SelectItem, SetExpr, SetOperator, SetQuantifier,
    Value, Values, Visit, VisitMut, Visitor, VisitorMut,
};

use super::super::relations;
use super::number_literals::is_float;
use super::special_syntax::{bit_type, is_bit_string};
use super::syntax::call;
use crate::functions::waits;
use crate::types::SqlType;
use crate::types::format::FormatSettings;
use crate::types::numeric::exceed_one_layout;
use crate::types::parse::{ArrayItem, parse_array, parse_value};

/// A number that keeps its own digits.
const OPEN: &str = "open_numeric";

/// Longer lists are loads, whose columns the table decides.
const LONGEST: usize = 100;

pub(super) fn rewrite(tree: &mut impl VisitMut) {
    struct Lists;
    impl VisitorMut for Lists {
        type Break = ();
        fn post_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
            rewrite_body(&mut query.body);
            ControlFlow::Continue(())
        }
    }
    // Never breaks.
    let _ = VisitMut::visit(tree, &mut Lists);
}

fn rewrite_body(body: &mut SetExpr) {
    match body {
        SetExpr::SetOperation { left, right, .. } => {
            rewrite_body(left);
            rewrite_body(right);
        }
        SetExpr::Values(values) => {
            let mut is_cast_unevenly = false;
            if (2..=LONGEST).contains(&values.rows.len()) {
                let width = values.rows.iter().map(|row| row.len()).min().unwrap_or_default();
                for column in 0..width {
                    let mut cells: Vec<&mut Expr> = values.rows.iter_mut().map(|row| &mut row[column]).collect();
                    match has_uneven_casts(&cells) {
                        true => is_cast_unevenly = true,
                        false => {
                            agree(&mut cells);
                            open_nulls(&mut cells);
                        }
                    }
                }
            }
            let is_selected =
                is_cast_unevenly || Visit::visit(&*values, &mut Deferred).is_break() || has_null_beside_call(values);
            if is_selected && let Some(selects) = as_selects(values) {
                *body = selects;
            }
        }
        _ => {}
    }
}

/// Whether the column's type is none that a row's cast says; the planner wants the same type of each row, UNION finds theirs.
fn has_uneven_casts(cells: &[&mut Expr]) -> bool {
    let mut casts: Vec<&DataType> = cells.iter().filter_map(|cell| cast_type(cell)).collect();
    casts.dedup();
    let [cast] = casts.as_slice() else {
        return casts.len() > 1;
    };
    let is_text =
        |cell: &Expr| matches!(cell, Expr::Value(value) if matches!(value.value, Value::SingleQuotedString(_)));
    let is_other = |cell: &Expr| !matches!(cell, Expr::Value(_)) && cast_type(cell).is_none() && scale(cell).is_none();
    // Bits are cut to their length here; a text keeps its own.
    let has_modifier = cast.to_string().contains('(') && !matches!(cast, DataType::Bit(_) | DataType::BitVarying(_));
    cells
        .iter()
        .any(|cell| (has_modifier && is_text(cell)) || (has_kinds(cast) && is_other(cell)))
}

fn cast_type(cell: &Expr) -> Option<&DataType> {
    match cell {
        Expr::Cast { data_type, .. } => Some(data_type),
        Expr::TypedString(typed) => Some(&typed.data_type),
        Expr::Nested(inner) => cast_type(inner),
        _ => None,
    }
}

/// Types of which there are several that the engine holds alike.
fn has_kinds(data_type: &DataType) -> bool {
    matches!(
        data_type,
        DataType::Varchar(_)
            | DataType::CharacterVarying(_)
            | DataType::Char(_)
            | DataType::Character(_)
            | DataType::Timestamp(..)
            | DataType::Time(..)
            | DataType::Interval { .. }
            | DataType::Custom(..)
    )
}

fn is_null(cell: &Expr) -> bool {
    matches!(cell, Expr::Value(value) if value.value == Value::Null)
}

/// Only the function, or the array of what one gives, tells the column's type, which the planner wants of each row.
fn has_null_beside_call(values: &Values) -> bool {
    let width = values.rows.iter().map(|row| row.len()).min().unwrap_or_default();
    let has = |column: usize, is_such: fn(&Expr) -> bool| values.rows.iter().any(|row| is_such(&row[column]));
    let is_call = |cell: &Expr| match cell {
        Expr::Array(array) => matches!(array.elem.first(), Some(Expr::Function(_) | Expr::Cast { .. })),
        other => matches!(other, Expr::Function(_)),
    };
    (2..=LONGEST).contains(&values.rows.len()) && (0..width).any(|column| has(column, is_null) && has(column, is_call))
}

/// Stops at what only a running query can compute: a subquery, or a function that waits.
struct Deferred;

impl Visitor for Deferred {
    type Break = ();

    fn pre_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
        ControlFlow::Break(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        match expr {
            Expr::Function(function) if function.name.0.last().is_some_and(|name| waits(&name.to_string())) => {
                ControlFlow::Break(())
            }
            _ => ControlFlow::Continue(()),
        }
    }
}

/// The planner computes VALUES before any query runs; rows that only a running query can compute are selected.
fn as_selects(values: &mut Values) -> Option<SetExpr> {
    let rows = std::mem::take(&mut values.rows).into_iter().map(|row| {
        let items = row
            .content
            .into_iter()
            .enumerate()
            .map(|(index, expr)| SelectItem::ExprWithAlias {
                expr,
                alias: Ident::new(format!("column{}", index + 1)),
            });
        let mut query = relations::parse_query("SELECT 1").ok()?;
        if let SetExpr::Select(select) = query.body.as_mut() {
            select.projection = items.collect();
        }
        Some(*query.body)
    });
    let rows: Vec<SetExpr> = rows.collect::<Option<_>>()?;
    rows.into_iter().reduce(|left, right| SetExpr::SetOperation {
        op: SetOperator::Union,
        set_quantifier: SetQuantifier::All,
        left: Box::new(left),
        right: Box::new(right),
    })
}

fn agree(cells: &mut [&mut Expr]) {
    let cast = cells.iter().find_map(|cell| match &**cell {
        Expr::Cast { data_type, .. } => Some(data_type.clone()),
        Expr::TypedString(typed) => Some(typed.data_type.clone()),
        Expr::Value(value) if is_bit_string(&value.value) => Some(bit_type()),
        _ => None,
    });
    let has_array = cells.iter().any(|cell| matches!(&**cell, Expr::Array(_)));
    let scales: Vec<Option<usize>> = cells.iter().map(|cell| scale(cell)).collect();
    let numbers: Vec<usize> = scales.iter().flatten().copied().collect();
    let is_mixed = numbers.iter().any(|scale| Some(scale) != numbers.first());
    let layouts: Vec<Layout> = cells.iter().filter_map(|cell| layout(cell)).collect();
    let is_uniform = !is_mixed && numbers.len() == layouts.len() && numbers.first() != Some(&0);
    let open = SqlType::Numeric(None).to_arrow();
    let is_wide = !is_uniform && exceed_one_layout(layouts.iter().chain([&open]));
    for cell in cells {
        let text = match &**cell {
            Expr::Value(value) => match &value.value {
                Value::SingleQuotedString(text) => Some(text.clone()),
                _ => None,
            },
            _ => None,
        };
        match (text, &cast) {
            (Some(text), _) if has_array => {
                if let Some(array) = array(&text) {
                    **cell = array;
                }
            }
            (None, Some(data_type)) if is_null(cell) => {
                **cell = cast_to(Expr::value(Value::Null), data_type);
            }
            (Some(_), Some(data_type)) => {
                let literal = std::mem::replace(&mut **cell, Expr::value(Value::Null));
                **cell = cast_to(literal, data_type);
            }
            (None, Some(data_type)) if is_float(data_type) && layout(cell).is_some() => {
                let number = std::mem::replace(&mut **cell, Expr::value(Value::Null));
                **cell = cast_to(number, data_type);
            }
            (Some(_), None) if is_wide => {
                let literal = std::mem::replace(&mut **cell, Expr::value(Value::Null));
                let number = cast_to(literal, &DataType::Numeric(ExactNumberInfo::None));
                **cell = call("wide_numeric", vec![number]);
            }
            (None, _) if is_wide && layout(cell).is_some() => {
                let number = std::mem::replace(&mut **cell, Expr::value(Value::Null));
                **cell = call("wide_numeric", vec![number]);
            }
            (None, _) if is_mixed && scale(cell).is_some() => {
                let number = std::mem::replace(&mut **cell, Expr::value(Value::Null));
                **cell = call(OPEN, vec![number]);
            }
            _ => {}
        }
    }
}

/// NULL among numbers that keep their own digits is one of them: rows of selects would come in any order.
fn open_nulls(cells: &mut [&mut Expr]) {
    let is_open = |cell: &Expr| matches!(cell, Expr::Function(function) if function.name.to_string() == OPEN);
    if !cells.iter().any(|cell| is_open(cell)) {
        return;
    }
    for cell in cells.iter_mut().filter(|cell| is_null(cell)) {
        **cell = call(OPEN, vec![Expr::value(Value::Null)]);
    }
}

fn cast_to(value: Expr, data_type: &DataType) -> Expr {
    Expr::Cast {
        kind: CastKind::Cast,
        expr: Box::new(value),
        data_type: data_type.clone(),
        array: false,
        format: None,
    }
}

/// The digits behind the point of a number that is written out.
fn scale(cell: &Expr) -> Option<usize> {
    match cell {
        Expr::Value(value) => match &value.value {
            Value::Number(text, _) if !text.contains(['e', 'E']) => {
                Some(text.split_once('.').map_or(0, |(_, fraction)| fraction.len()))
            }
            _ => None,
        },
        Expr::UnaryOp { expr, .. } => scale(expr),
        _ => None,
    }
}

/// The layout of a number that is written out, a numeric whatever it looks like.
fn layout(cell: &Expr) -> Option<Layout> {
    match cell {
        Expr::Value(value) => match &value.value {
            Value::Number(text, _) => {
                let number = parse_value(&SqlType::Numeric(None), text, &FormatSettings::default()).ok()?;
                Some(number.data_type())
            }
            _ => None,
        },
        Expr::UnaryOp { expr, .. } | Expr::Nested(expr) => layout(expr),
        Expr::Cast {
            expr,
            data_type: DataType::Numeric(ExactNumberInfo::None) | DataType::Decimal(ExactNumberInfo::None),
            ..
        } => layout(expr),
        _ => None,
    }
}

/// `{a,b}` as `ARRAY['a', 'b']`; nothing for what is no array of one dimension.
fn array(text: &str) -> Option<Expr> {
    let items = parse_array(text).ok()?;
    let elements = items.into_iter().map(|item| match item {
        ArrayItem::Null => Some(Expr::value(Value::Null)),
        ArrayItem::Text(text) => Some(Expr::value(Value::SingleQuotedString(text))),
        ArrayItem::Array(_) => None,
    });
    Some(Expr::Array(Array {
        elem: elements.collect::<Option<Vec<_>>>()?,
        named: true,
    }))
}
