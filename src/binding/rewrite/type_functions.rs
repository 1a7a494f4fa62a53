//! `date('2020-01-01')` is a cast: where a type's name is called with a literal of no type, the literal takes it.
//! `date` is called with moments too, and means the same cast. Also lists of patterns, before lists become rows.

use datafusion::sql::sqlparser::ast::{CastKind, DataType, Expr, FunctionArguments, TimezoneInfo, Value, VisitMut};

use super::syntax::{call, plain_arguments, replace_expressions, system_name};
use crate::error::Result;

pub(super) fn rewrite(tree: &mut impl VisitMut) -> Result<()> {
    replace_expressions(tree, |expression| {
        // Databricks' LIKE ANY ('a', 'b') lists patterns; elsewhere a list is a row.
        if let Expr::Like { any: true, pattern, .. } | Expr::ILike { any: true, pattern, .. } = expression
            && let Expr::Tuple(patterns) = pattern.as_mut()
        {
            **pattern = call("make_array", std::mem::take(patterns));
        }
        if let Expr::Function(function) = &*expression
            && let Some(data_type) = system_name(&function.name).and_then(|name| type_named(&name))
            && let FunctionArguments::List(list) = &function.args
            && let Some([argument]) = plain_arguments(&list.args).as_deref()
            && (data_type == DataType::Date || is_text_literal(argument))
        {
            *expression = Expr::Cast {
                kind: CastKind::Cast,
                expr: Box::new(argument.clone()),
                data_type,
                array: false,
                format: None,
            };
        }
        Ok(())
    })
}

fn is_text_literal(expression: &Expr) -> bool {
    matches!(expression, Expr::Value(value) if matches!(value.value, Value::SingleQuotedString(_)))
}

fn type_named(name: &str) -> Option<DataType> {
    Some(match name {
        "bool" => DataType::Bool,
        "bytea" => DataType::Bytea,
        "date" => DataType::Date,
        "float4" => DataType::Float4,
        "float8" => DataType::Float8,
        "int2" => DataType::Int2(None),
        "int4" => DataType::Int4(None),
        "int8" => DataType::Int8(None),
        "jsonb" => DataType::JSONB,
        "timestamptz" => DataType::Timestamp(None, TimezoneInfo::Tz),
        "uuid" => DataType::Uuid,
        _ => return None,
    })
}
