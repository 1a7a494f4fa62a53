//! Names as the planner will ask for them: sqlparser's object names folded the way PostgreSQL folds.

use datafusion::common::TableReference;
use datafusion::sql::sqlparser::ast as sql;

/// The parts of a name, unquoted ones in lower case.
pub(crate) fn parts(name: &sql::ObjectName) -> Vec<String> {
    name.0.iter().filter_map(|part| part.as_ident()).map(fold).collect()
}

/// One identifier, in lower case unless it was quoted.
pub(crate) fn fold(identifier: &sql::Ident) -> String {
    match identifier.quote_style {
        Some(_) => identifier.value.clone(),
        None => identifier.value.to_lowercase(),
    }
}

/// The parts of a reference that the planner resolved.
pub(crate) fn reference_parts(reference: &TableReference) -> Vec<String> {
    match reference {
        TableReference::Bare { table } => vec![table.to_string()],
        TableReference::Partial { schema, table } => vec![schema.to_string(), table.to_string()],
        TableReference::Full { catalog, schema, table } => {
            vec![catalog.to_string(), schema.to_string(), table.to_string()]
        }
    }
}
