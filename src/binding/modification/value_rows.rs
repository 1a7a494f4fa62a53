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
    let data_type = sql::DataType::Custom(sql::ObjectName::from(vec![sql::Ident::new(target.to_string())]), vec![]);
    for cell in rows.iter_mut().filter_map(|row| row.get_mut(place)) {
        let is_text = target == SqlType::Text && kind(cell) == Some(Kind::Quoted);
        let is_null = matches!(cell, sql::Expr::Value(value) if value.value == sql::Value::Null);
        if is_text || (kind(cell).is_none() && !(is_spelled && is_null)) {
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
