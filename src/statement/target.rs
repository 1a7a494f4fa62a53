//! What UPDATE, DELETE and MERGE have in common: the table that they change, with its alias, and the query of the rows
//! that they are about.

use datafusion::sql::sqlparser::ast::helpers::attached_token::AttachedToken;
use datafusion::sql::sqlparser::ast::{
    Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentList, FunctionArguments, GroupByExpr, Ident,
    ObjectName as SqlName, ObjectNamePart, Query, Select, SelectFlavor, SelectItem, SetExpr, TableFactor,
    TableWithJoins, Value, With,
};
use datafusion::sql::sqlparser::tokenizer::Token;

use super::ast::ObjectName;
use super::reader::Reader;
use super::relation;
use crate::error::Result;

/// The table that a statement changes.
pub(super) struct Target {
    pub name: ObjectName,
    /// The character where it is named.
    pub position: usize,
    pub from: TableWithJoins,
}

/// [ONLY] name [*] [[AS] alias], where a word of `clauses` is no alias.
pub(super) fn target(reader: &mut Reader, clauses: &[&str]) -> Result<Target> {
    reader.accept(&["only"]);
    let position = reader.position();
    let name = reader.object_name()?;
    reader.accept_token(&Token::Mul);
    let is_clause = clauses.iter().any(|word| reader.peek_words(&[word]));
    let alias = if reader.accept(&["as"]) || (matches!(reader.peek(), Token::Word(_)) && !is_clause) {
        reader.name()?
    } else {
        name.last().to_string()
    };
    let from = table(&name, &alias);
    Ok(Target { name, position, from })
}

/// What a table of FROM is called.
pub(super) fn alias(table: &TableWithJoins) -> Option<Ident> {
    match &table.relation {
        TableFactor::Table { alias: Some(alias), .. } => Some(alias.name.clone()),
        _ => None,
    }
}

/// A table as FROM has it.
pub fn table(name: &ObjectName, alias: &str) -> TableWithJoins {
    let parts = name
        .0
        .iter()
        .map(|part| ObjectNamePart::Identifier(Ident::with_quote('"', part)));
    let alias = relation::alias(Ident::with_quote('"', alias));
    relation::alone(relation::relation(SqlName(parts.collect()), Some(alias)))
}

/// WHERE, if it follows.
pub(super) fn selection(reader: &mut Reader) -> Result<Option<Expr>> {
    if !reader.accept(&["where"]) {
        return Ok(None);
    }
    if reader.accept(&["current", "of"]) {
        let cursor = Value::SingleQuotedString(reader.name()?);
        return Ok(Some(call(CURRENT_OF, vec![Expr::Value(cursor.into())])));
    }
    reader.expression().map(Some)
}

/// Stands for the condition of WHERE CURRENT OF, with the cursor's name: no client can write such a call.
const CURRENT_OF: &str = "\u{0}current of";

/// The cursor of WHERE CURRENT OF.
pub fn current_of(rows: &Query) -> Option<&str> {
    let SetExpr::Select(select) = rows.body.as_ref() else {
        return None;
    };
    let Some(Expr::Function(function)) = &select.selection else {
        return None;
    };
    let [ObjectNamePart::Identifier(name)] = function.name.0.as_slice() else {
        return None;
    };
    let FunctionArguments::List(list) = &function.args else {
        return None;
    };
    match list.args.as_slice() {
        [FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Value(cursor)))] if name.value == CURRENT_OF => {
            match &cursor.value {
                Value::SingleQuotedString(cursor) => Some(cursor),
                _ => None,
            }
        }
        _ => None,
    }
}

/// A call of a function by a name that needs no schema.
pub(super) fn call(name: &str, arguments: Vec<Expr>) -> Expr {
    let arguments = arguments
        .into_iter()
        .map(|argument| FunctionArg::Unnamed(FunctionArgExpr::Expr(argument)));
    Expr::Function(Function {
        name: SqlName::from(vec![Ident::new(name)]),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(FunctionArgumentList {
            duplicate_treatment: None,
            args: arguments.collect(),
            clauses: vec![],
        }),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: vec![],
    })
}

/// RETURNING's items, if it follows.
pub(super) fn returning(reader: &mut Reader) -> Result<Vec<SelectItem>> {
    match reader.accept(&["returning"]) {
        true => reader.select_items(),
        false => Ok(vec![]),
    }
}

/// SELECT `items` FROM `from` WHERE `selection`, completed as every query is.
pub(super) fn rows(
    reader: &Reader,
    with: Option<With>,
    items: Vec<SelectItem>,
    from: Vec<TableWithJoins>,
    selection: Option<Expr>,
) -> Result<Box<Query>> {
    let mut query = rows_query(items, from);
    query.with = with;
    if let SetExpr::Select(select) = query.body.as_mut() {
        select.selection = selection;
    }
    reader.complete(&mut query)?;
    Ok(Box::new(query))
}

/// SELECT `items` FROM `from`.
pub fn rows_query(items: Vec<SelectItem>, from: Vec<TableWithJoins>) -> Query {
    let select = Select {
        select_token: AttachedToken::empty(),
        optimizer_hints: vec![],
        distinct: None,
        select_modifiers: None,
        top: None,
        top_before_distinct: false,
        projection: items,
        exclude: None,
        into: None,
        from,
        lateral_views: vec![],
        prewhere: None,
        selection: None,
        connect_by: vec![],
        group_by: GroupByExpr::Expressions(vec![], vec![]),
        cluster_by: vec![],
        distribute_by: vec![],
        sort_by: vec![],
        having: None,
        named_window: vec![],
        qualify: None,
        window_before_qualify: false,
        value_table_mode: None,
        flavor: SelectFlavor::Standard,
    };
    Query {
        with: None,
        body: Box::new(SetExpr::Select(Box::new(select))),
        order_by: None,
        limit_clause: None,
        fetch: None,
        locks: vec![],
        for_clause: None,
        settings: None,
        format_clause: None,
        pipe_operators: vec![],
    }
}

/// A value under a name that no client can write.
pub(super) fn item(value: Expr, number: usize) -> SelectItem {
    SelectItem::ExprWithAlias {
        expr: value,
        alias: Ident::with_quote('"', format!("\u{0}value {number}")),
    }
}

/// Puts the WITH of a statement before that of its query.
pub(super) fn put_before(with: Option<With>, query: &mut Query) {
    let Some(mut outer) = with else { return };
    if let Some(inner) = query.with.take() {
        outer.recursive |= inner.recursive;
        outer.cte_tables.extend(inner.cte_tables);
    }
    query.with = Some(outer);
}
