//! Row filters and column masks on tables. The function is chosen among its overloads by the columns' types
//! when the policy is set, and the policy names it and the columns by id from then on.

use super::column::owned_table;
use super::table::missing_column;
use super::*;
use crate::types::SqlType;

/// Lets only rows through for which the function, called on these columns, is TRUE. Needs ownership of the
/// table and EXECUTE on the function. `candidates` are the overloads of the name in the statement.
pub fn set_row_filter(
    staged: &mut Staged,
    role: Oid,
    table: Oid,
    candidates: &[Oid],
    columns: &[String],
) -> Result<()> {
    let mut table = owned_table(staged, role, table)?;
    let arguments = columns
        .iter()
        .map(|name| policy_column(&table, name))
        .collect::<Result<Vec<_>>>()?;
    let function = choose(staged, candidates, &arguments)?;
    refuse_query(&function)?;
    if function.returns != SqlType::Bool {
        let message = format!("row filter function {} must return type boolean", function.signature());
        return Err(
            Error::new(SqlState::DatatypeMismatch, message).with_detail(format!("It returns {}.", function.returns))
        );
    }
    staged.require(Permission::Has {
        role,
        object: function.id,
        privilege: Privilege::Execute,
    })?;
    let columns = arguments.iter().map(|(id, _)| *id).collect();
    table.row_filter = Some(RowFilter {
        function: function.id,
        columns,
    });
    staged.put(table)
}

/// Takes the row filter away; 42704 when there is none.
pub fn drop_row_filter(staged: &mut Staged, role: Oid, table: Oid) -> Result<()> {
    let mut table = owned_table(staged, role, table)?;
    if table.row_filter.take().is_none() {
        let message = format!("table \"{}\" has no row filter", table.name);
        return Err(Error::new(SqlState::UndefinedObject, message));
    }
    staged.put(table)
}

/// Shows the function's result instead of the column; its further arguments are `using_columns`. Needs
/// ownership of the table and EXECUTE on the function, whose result has the column's type.
pub fn set_column_mask(
    staged: &mut Staged,
    role: Oid,
    table: Oid,
    column: &str,
    candidates: &[Oid],
    using_columns: &[String],
) -> Result<()> {
    let mut table = owned_table(staged, role, table)?;
    let (masked, masked_type) = policy_column(&table, column)?;
    let mut arguments = vec![(masked, masked_type.clone())];
    for name in using_columns {
        arguments.push(policy_column(&table, name)?);
    }
    let function = choose(staged, candidates, &arguments)?;
    refuse_query(&function)?;
    if !same_values(&function.returns, &masked_type) {
        let message = format!(
            "column mask function {} must return type {masked_type}",
            function.signature()
        );
        return Err(
            Error::new(SqlState::DatatypeMismatch, message).with_detail(format!("It returns {}.", function.returns))
        );
    }
    staged.require(Permission::Has {
        role,
        object: function.id,
        privilege: Privilege::Execute,
    })?;
    let using_columns = arguments[1..].iter().map(|(id, _)| *id).collect();
    let mask = ColumnMask {
        function: function.id,
        using_columns,
    };
    if let Some(column) = table.columns.iter_mut().find(|column| column.id == masked) {
        column.mask = Some(mask);
    }
    staged.put(table)
}

/// Takes the column's mask away; 42704 when there is none.
pub fn drop_column_mask(staged: &mut Staged, role: Oid, table: Oid, column: &str) -> Result<()> {
    let mut table = owned_table(staged, role, table)?;
    let (id, _) = policy_column(&table, column)?;
    let found = table.columns.iter_mut().find(|column| column.id == id);
    if found.and_then(|column| column.mask.take()).is_none() {
        let message = format!("column \"{column}\" of table \"{}\" has no mask", table.name);
        return Err(Error::new(SqlState::UndefinedObject, message));
    }
    staged.put(table)
}

/// A policy's condition is made of expressions alone.
fn refuse_query(function: &Function) -> Result<()> {
    match (&function.query, &function.script) {
        (Some(_), _) | (_, Some(_)) => Err(Error::unsupported("a policy by a function whose body is a query")
            .with_hint("Write RETURN expression; the expression may have subqueries.")),
        (None, None) => Ok(()),
    }
}

fn policy_column(table: &Table, name: &str) -> Result<(i16, SqlType)> {
    let column = table
        .column_named(name)
        .ok_or_else(|| missing_column(name, &table.name))?;
    Ok((column.id, column.sql_type.clone()))
}

/// The overload that takes the columns with the least conversion; 42804 when none takes them.
fn choose(staged: &Staged, candidates: &[Oid], arguments: &[(i16, SqlType)]) -> Result<Function> {
    let functions: Vec<&Function> = candidates.iter().filter_map(|id| staged.view().function(*id)).collect();
    let cost = |function: &Function| -> Option<u32> {
        if function.arguments.len() != arguments.len() {
            return None;
        }
        let pairs = function.arguments.iter().zip(arguments);
        pairs
            .map(|(argument, (_, column))| conversion(column, &argument.sql_type))
            .sum()
    };
    let fitting = functions
        .iter()
        .filter_map(|function| Some((cost(function)?, *function)));
    if let Some((_, function)) = fitting.min_by_key(|(cost, function)| (*cost, function.id)) {
        return Ok(function.clone());
    }
    let types: Vec<String> = arguments.iter().map(|(_, column)| column.to_string()).collect();
    let types = types.join(", ");
    match functions.as_slice() {
        [one] if one.arguments.len() == arguments.len() => {
            let message = format!("function {} does not accept columns of type {types}", one.signature());
            Err(Error::new(SqlState::DatatypeMismatch, message))
        }
        [one] => {
            let message = format!(
                "function {} does not accept {} columns",
                one.signature(),
                arguments.len()
            );
            Err(Error::new(SqlState::DatatypeMismatch, message).with_detail(
                "A row filter passes the columns after ON; a mask its own column, then those after USING COLUMNS.",
            ))
        }
        [] => Err(Error::new(
            SqlState::UndefinedFunction,
            "the policy's function does not exist",
        )),
        [first, ..] => {
            let message = format!("no function \"{}\" accepts columns of type {types}", first.name);
            Err(Error::new(SqlState::DatatypeMismatch, message))
        }
    }
}

/// What passing the column to the argument costs: nothing for the same type, a little for a conversion that
/// loses nothing; `None` for one that may.
fn conversion(column: &SqlType, argument: &SqlType) -> Option<u32> {
    let width = |sql_type: &SqlType| -> Option<u32> {
        match sql_type {
            SqlType::Int2 => Some(1),
            SqlType::Int4 => Some(2),
            SqlType::Int8 => Some(3),
            SqlType::Numeric(None) => Some(4),
            _ => None,
        }
    };
    if column.oid() == argument.oid() {
        return Some(0);
    }
    if is_text(column) && is_text(argument) {
        return Some(1);
    }
    match (column, argument) {
        (SqlType::Float4, SqlType::Float8) | (SqlType::Date, SqlType::Timestamp(_)) => Some(1),
        _ => width(argument)?.checked_sub(width(column)?),
    }
}

fn is_text(sql_type: &SqlType) -> bool {
    matches!(
        sql_type,
        SqlType::Text | SqlType::Varchar(_) | SqlType::Bpchar(_) | SqlType::Name
    )
}

/// Whether values of the result can stand in the column.
fn same_values(result: &SqlType, column: &SqlType) -> bool {
    let unbounded_text = |sql_type: &SqlType| matches!(sql_type, SqlType::Text | SqlType::Varchar(_));
    result.oid() == column.oid() || (unbounded_text(result) && unbounded_text(column))
}
