//! The rows of INSERT … VALUES: each cell is of its column's type by itself. Where the cells of a column are written
//! in different ways, they are cast one by one, so that the planner does not look for a type that fits them all.

use datafusion::sql::sqlparser::ast as sql;

use crate::types::SqlType;
use crate::types::coercion::{Category, category};

/// How a cell is written.
#[derive(PartialEq)]
enum Kind {
    Quoted,
    Number,
    Other,
}

/// Casts the cells of the column at `place` where they need it.
pub(super) fn type_cells(rows: &mut [sql::Parens<Vec<sql::Expr>>], place: usize, column: &SqlType) {
    let kinds: Vec<Kind> = rows.iter().filter_map(|row| kind(row.get(place)?)).collect();
    let is_float = matches!(column, SqlType::Float4 | SqlType::Float8);
    let is_mixed = kinds.iter().any(|kind| *kind != kinds[0]);
    if row_type(column).is_some() {
        let is_number = |cell: &sql::Expr| kind(cell) == Some(Kind::Number);
        return cast_cells(rows, place, private_type(column), |cell| !is_number(cell));
    }
    // The planner wants the types that Arrow has not of each row, NULL among them.
    let is_spelled = matches!(column, SqlType::Spelled(_)) && rows.len() > 1 && kinds.contains(&Kind::Other);
    if !is_spelled && (kinds.len() < 2 || !(is_mixed || (is_float && kinds[0] == Kind::Number))) {
        return;
    }
    // Texts are told to be too long when they are assigned, not cut.
    let target = match category(column) {
        Category::Text => SqlType::Text,
        _ if is_spelled => column.without_modifier(),
        _ => column.clone(),
    };
    // Types that a database has made are left to the assignment.
    if target.to_string().parse::<SqlType>().ok().as_ref() != Some(&target) {
        return;
    }
    let target_name = sql::ObjectName::from(vec![sql::Ident::new(target.to_string())]);
    cast_cells(rows, place, sql::DataType::Custom(target_name, vec![]), |cell| {
        let is_text = target == SqlType::Text && kind(cell) == Some(Kind::Quoted);
        let is_null = matches!(cell, sql::Expr::Value(value) if value.value == sql::Value::Null);
        !is_text && (kind(cell).is_some() || (is_spelled && is_null))
    });
}

/// The composite type that this is, or is an array of.
pub(super) fn row_type(sql_type: &SqlType) -> Option<&SqlType> {
    match sql_type.base() {
        SqlType::Array(element) => row_type(element),
        other => matches!(other, SqlType::Composite(_)).then_some(other),
    }
}

/// What the scope of the rows knows a composite type by: each row's fields may be of other types.
pub(super) fn private_name(sql_type: &SqlType) -> String {
    format!("\u{0}type {}", sql_type.oid())
}

fn private_type(sql_type: &SqlType) -> sql::DataType {
    match sql_type {
        SqlType::Array(element) => {
            let element = Box::new(private_type(element));
            sql::DataType::Array(sql::ArrayElemTypeDef::SquareBracket(element, None))
        }
        other => {
            let name = sql::Ident::with_quote('"', private_name(other.base()));
            sql::DataType::Custom(sql::ObjectName::from(vec![name]), vec![])
        }
    }
}

fn cast_cells(
    rows: &mut [sql::Parens<Vec<sql::Expr>>],
    place: usize,
    data_type: sql::DataType,
    is_cast: impl Fn(&sql::Expr) -> bool,
) {
    for cell in rows.iter_mut().filter_map(|row| row.get_mut(place)) {
        if !is_cast(cell) {
            continue;
        }
        let written = std::mem::replace(cell, sql::Expr::value(sql::Value::Null));
        *cell = sql::Expr::Cast {
            kind: sql::CastKind::Cast,
            expr: Box::new(written),
            data_type: data_type.clone(),
            array: false,
            format: None,
        };
    }
}

/// `None` for what takes any type: NULL, which stands for DEFAULT too, and parameters.
fn kind(cell: &sql::Expr) -> Option<Kind> {
    match cell {
        sql::Expr::Value(value) => match &value.value {
            sql::Value::Null | sql::Value::Placeholder(_) => None,
            sql::Value::SingleQuotedString(_) => Some(Kind::Quoted),
            sql::Value::Number(..) => Some(Kind::Number),
            _ => Some(Kind::Other),
        },
        sql::Expr::UnaryOp { expr, .. } | sql::Expr::Nested(expr) => kind(expr),
        _ => Some(Kind::Other),
    }
}
