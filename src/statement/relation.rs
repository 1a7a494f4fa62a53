//! Relations of FROM as the parser would give them: what a rewriting puts there says what it means and nothing else.

use datafusion::sql::sqlparser::ast::{
    FunctionArg, Ident, ObjectName, TableAlias, TableFactor, TableFunctionArgs, TableWithJoins,
};

/// A table, view or part of WITH.
pub fn relation(name: ObjectName, alias: Option<TableAlias>) -> TableFactor {
    TableFactor::Table {
        name,
        alias,
        args: None,
        with_hints: vec![],
        version: None,
        with_ordinality: false,
        partitions: vec![],
        json_path: None,
        sample: None,
        index_hints: vec![],
    }
}

/// A function's call.
pub fn called(
    name: ObjectName,
    arguments: Vec<FunctionArg>,
    alias: Option<TableAlias>,
    is_numbered: bool,
) -> TableFactor {
    let mut called = relation(name, alias);
    if let TableFactor::Table {
        args, with_ordinality, ..
    } = &mut called
    {
        *with_ordinality = is_numbered;
        *args = Some(TableFunctionArgs {
            args: arguments,
            settings: None,
        });
    }
    called
}

/// The name that a relation has in its query, and no other names of columns.
pub fn alias(name: Ident) -> TableAlias {
    TableAlias {
        explicit: true,
        name,
        columns: vec![],
        at: None,
    }
}

/// An entry of FROM without joins.
pub fn alone(relation: TableFactor) -> TableWithJoins {
    TableWithJoins {
        relation,
        joins: vec![],
    }
}
