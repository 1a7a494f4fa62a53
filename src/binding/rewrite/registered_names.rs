//! Casts to the types of registered names: `'t'::regclass`, `oid::regtype::text`. They become calls of
//! the functions that PostgreSQL has for the same purpose: `regclass(x)` looks a name up and passes an
//! OID through, `regclassout(x)` gives the name back.

use datafusion::sql::sqlparser::ast::{DataType, Expr, TypedString, VisitMut};

use super::syntax::{call, replace_expressions, system_name};
use crate::error::Result;

/// Types whose values are OIDs that are written as names.
const REGISTERED: [&str; 6] = [
    "regclass",
    "regtype",
    "regproc",
    "regprocedure",
    "regnamespace",
    "regrole",
];

pub(super) fn rewrite(tree: &mut impl VisitMut) -> Result<()> {
    replace_expressions(tree, |expression| {
        if let Expr::TypedString(TypedString { data_type, value, .. }) = expression
            && let Some(name) = registered(data_type)
        {
            *expression = call(&name, vec![Expr::Value(value.clone())]);
            return Ok(());
        }
        let Expr::Cast { expr, data_type, .. } = expression else {
            return Ok(());
        };
        if let Some(name) = registered(data_type) {
            *expression = call(&name, vec![expr.as_ref().clone()]);
        } else if is_text(data_type)
            && let Some(name) = called_registered(expr)
        {
            **expr = call(&format!("{name}out"), vec![expr.as_ref().clone()]);
        }
        if let Expr::Cast { data_type, .. } = expression {
            *data_type = without_schema(data_type);
        }
        Ok(())
    })
}

fn registered(data_type: &DataType) -> Option<String> {
    let name = match data_type {
        DataType::Regclass => "regclass".to_string(),
        DataType::Custom(name, arguments) if arguments.is_empty() => system_name(name)?,
        _ => return None,
    };
    REGISTERED.contains(&name.as_str()).then_some(name)
}

fn is_text(data_type: &DataType) -> bool {
    match data_type {
        DataType::Text | DataType::Varchar(_) | DataType::CharacterVarying(_) => true,
        DataType::Custom(name, _) => {
            system_name(name).is_some_and(|name| matches!(name.as_str(), "text" | "varchar" | "name"))
        }
        _ => false,
    }
}

/// The type that a call gives, where it is one of these.
fn called_registered(expression: &Expr) -> Option<String> {
    let inner = match expression {
        Expr::Nested(inner) => inner,
        other => other,
    };
    let Expr::Function(function) = inner else { return None };
    let name = system_name(&function.name)?;
    let plain = if name == "pg_typeof" {
        "regtype"
    } else {
        name.strip_prefix("to_").unwrap_or(&name)
    };
    REGISTERED.contains(&plain).then(|| plain.to_string())
}

/// `pg_catalog.int4` is `int4`.
fn without_schema(data_type: &DataType) -> DataType {
    use datafusion::sql::sqlparser::ast::{ArrayElemTypeDef, Ident, ObjectName};
    match data_type {
        DataType::Custom(name, arguments) if name.0.len() > 1 => match system_name(name) {
            Some(plain) => match (plain.as_str(), arguments.is_empty()) {
                ("text", true) => DataType::Text,
                ("int2", true) => DataType::SmallInt(None),
                ("int4", true) => DataType::Integer(None),
                ("int8", true) => DataType::BigInt(None),
                ("bool", true) => DataType::Boolean,
                ("float4", true) => DataType::Real,
                ("float8", true) => DataType::DoublePrecision,
                ("varchar", true) => DataType::Varchar(None),
                _ => DataType::Custom(ObjectName::from(vec![Ident::new(plain)]), arguments.clone()),
            },
            None => data_type.clone(),
        },
        DataType::Array(ArrayElemTypeDef::SquareBracket(element, size)) => DataType::Array(
            ArrayElemTypeDef::SquareBracket(Box::new(without_schema(element)), *size),
        ),
        other => other.clone(),
    }
}
