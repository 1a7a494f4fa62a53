//! `WITH RECURSIVE … SEARCH` and `CYCLE`, written out as PostgreSQL's own rewriter does: each row carries the rows that led
//! to it, as an array of records, or its depth; a row that closes a cycle is marked and leads nowhere.

use std::collections::HashSet;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, Cte, ExceptSelectItem, Expr, Ident, ObjectName, Query, Select, SelectItem,
    SelectItemQualifiedWildcardKind, SetExpr, SetOperator, TableAliasColumnDef, TableFactor, TableWithJoins, VisitMut,
    VisitorMut, WildcardAdditionalOptions,
};

use super::super::relations::parse_query;
use super::output_names::output_column_name;
use super::syntax::folded;
use crate::error::{Error, Result, SqlState};
use crate::functions::{ROW_ON_PATH, ROW_PATH};
use crate::statement::{Cycle, Search, parse_expression, search_and_cycle};

/// What the recursive term knows the added columns of its rows by.
const SEQUENCE: &str = "\"(sequence)\"";
const MARK: &str = "\"(mark)\"";
const PATH: &str = "\"(path)\"";

pub(super) fn rewrite(tree: &mut impl VisitMut) -> Result<()> {
    struct Queries;
    impl VisitorMut for Queries {
        type Break = Error;
        fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<Error> {
            let Some(with) = &mut query.with else {
                return ControlFlow::Continue(());
            };
            for part in &mut with.cte_tables {
                let (search, cycle) = search_and_cycle(part);
                part.from = None;
                let added = Added { search, cycle };
                if (added.search.is_some() || added.cycle.is_some())
                    && let Err(error) = added.write_out(part, with.recursive)
                {
                    return ControlFlow::Break(error);
                }
            }
            ControlFlow::Continue(())
        }
    }
    match VisitMut::visit(tree, &mut Queries) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(error) => Err(error),
    }
}

/// What is added to the rows of a query.
struct Added {
    search: Option<Search>,
    cycle: Option<Cycle>,
}

impl Added {
    fn write_out(&self, part: &mut Cte, is_recursive: bool) -> Result<()> {
        let name = folded(&part.alias.name);
        let SetExpr::SetOperation {
            op: SetOperator::Union,
            left,
            right,
            ..
        } = part.query.body.as_mut()
        else {
            return Err(not_recursive(part));
        };
        if !is_recursive || !super::recursion::reads(right, &name) {
            return Err(not_recursive(part));
        }
        unwrap(left);
        unwrap(right);
        if matches!(left.as_ref(), SetExpr::SetOperation { .. }) {
            return Err(needs_select(SqlState::FeatureNotSupported, "left"));
        }
        let SetExpr::Select(term) = right.as_mut() else {
            return Err(needs_select(SqlState::SyntaxError, "right"));
        };
        let given: Vec<String> = part.alias.columns.iter().map(|column| folded(&column.name)).collect();
        let names = column_names(&given, left);
        self.check(names.as_deref().or((!given.is_empty()).then_some(given.as_slice())))?;
        let columns = names.unwrap_or(given);
        self.extend_term(term, &name)?;
        **right = self.around(right, &columns, false)?;
        **left = self.around(left, &columns, true)?;
        part.alias.columns.clear();
        Ok(())
    }

    fn check(&self, columns: Option<&[String]>) -> Result<()> {
        let is_known = |name: &String| columns.is_none_or(|columns| columns.contains(name));
        let is_taken = |name: &String| columns.is_some_and(|columns| columns.contains(name));
        let refused = |state, message: String, position| Err(Error::new(state, message).at(position));
        let lists = [
            self.search
                .as_ref()
                .map(|search| ("search", &search.columns, search.position)),
            self.cycle
                .as_ref()
                .map(|cycle| ("cycle", &cycle.columns, cycle.position)),
        ];
        let added = [
            self.search
                .as_ref()
                .map(|search| vec![("search sequence", &search.sequence)]),
            self.cycle
                .as_ref()
                .map(|cycle| vec![("cycle mark", &cycle.mark), ("cycle path", &cycle.path)]),
        ];
        for ((clause, wanted, position), added) in lists.into_iter().flatten().zip(added.into_iter().flatten()) {
            let mut seen = HashSet::new();
            for column in wanted {
                if !is_known(column) {
                    let message = format!("{clause} column \"{column}\" not in WITH query column list");
                    return refused(SqlState::SyntaxError, message, position);
                }
                if !seen.insert(column) {
                    let message = format!("{clause} column \"{column}\" specified more than once");
                    return refused(SqlState::DuplicateColumn, message, position);
                }
            }
            for (what, name) in &added {
                if is_taken(name) {
                    let message = format!("{what} column name \"{name}\" already used in WITH query column list");
                    return refused(SqlState::SyntaxError, message, position);
                }
            }
            if let [(first, mark), (second, path)] = added.as_slice()
                && mark == path
            {
                let message = format!("{first} column name and {second} column name are the same");
                return refused(SqlState::SyntaxError, message, position);
            }
        }
        if let (Some(search), Some(cycle)) = (&self.search, &self.cycle) {
            for (what, name) in [("mark", &cycle.mark), ("path", &cycle.path)] {
                if *name == search.sequence {
                    let message = format!("search sequence column name and cycle {what} column name are the same");
                    return refused(SqlState::SyntaxError, message, search.position);
                }
            }
        }
        Ok(())
    }

    /// The names of the added columns, and what the recursive term knows them by.
    fn columns(&self) -> Vec<(&str, &str)> {
        let sequence = self.search.iter().map(|search| (search.sequence.as_str(), SEQUENCE));
        let cycle = self.cycle.iter();
        let cycle = cycle.flat_map(|cycle| [(cycle.mark.as_str(), MARK), (cycle.path.as_str(), PATH)]);
        sequence.chain(cycle).collect()
    }

    /// Has the recursive term read the added columns of the rows that it begins with, none of which closes a cycle. `*`
    /// does not mean them.
    fn extend_term(&self, term: &mut Select, name: &str) -> Result<()> {
        let Some(relation) = term.from.iter().find_map(|table| read_in(table, name)) else {
            let message = format!(
                "with a SEARCH or CYCLE clause, the recursive reference to WITH query \"{name}\" must be at the top level \
                 of its right-hand SELECT"
            );
            return Err(Error::new(SqlState::FeatureNotSupported, message));
        };
        let hidden: Vec<Ident> = self
            .columns()
            .iter()
            .map(|(name, _)| Ident::with_quote('"', *name))
            .collect();
        for item in &mut term.projection {
            match item {
                SelectItem::Wildcard(options) => hide(options, &hidden),
                SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(of), options)
                    if is_named(of, &folded(&relation)) =>
                {
                    hide(options, &hidden);
                }
                _ => {}
            }
        }
        for (column, known_as) in self.columns() {
            term.projection.push(SelectItem::ExprWithAlias {
                expr: Expr::CompoundIdentifier(vec![relation.clone(), Ident::with_quote('"', column)]),
                alias: Ident::with_quote('"', known_as.trim_matches('"')),
            });
        }
        let Some(cycle) = &self.cycle else { return Ok(()) };
        let goes_on = parse_expression(&format!("x <> {}", values(cycle).0))?;
        let Expr::BinaryOp { op, right, .. } = goes_on else {
            return Err(Error::internal("a comparison is none"));
        };
        let mark = Expr::CompoundIdentifier(vec![relation, Ident::with_quote('"', &cycle.mark)]);
        let goes_on = Expr::BinaryOp {
            left: Box::new(mark),
            op,
            right,
        };
        term.selection = Some(match term.selection.take() {
            None => goes_on,
            Some(condition) => Expr::BinaryOp {
                left: Box::new(Expr::Nested(Box::new(condition))),
                op: BinaryOperator::And,
                right: Box::new(goes_on),
            },
        });
        Ok(())
    }

    /// A query of the term's columns and the added ones, of the first term or of the recursive one.
    fn around(&self, term: &SetExpr, columns: &[String], is_first: bool) -> Result<SetExpr> {
        let mut items = vec![];
        if let Some(search) = &self.search {
            let row = names_in_row(&search.columns);
            items.push(match (search.depth_first, is_first) {
                (true, true) => format!("{ROW_PATH}(NULL, ROW({row}))"),
                (true, false) => format!("{ROW_PATH}({SEQUENCE}, ROW({row}))"),
                (false, true) => format!("ROW(CAST(0 AS bigint), {row})"),
                (false, false) => format!("ROW(({SEQUENCE}).f1 + 1, {row})"),
            });
        }
        if let Some(cycle) = &self.cycle {
            let row = names_in_row(&cycle.columns);
            let (value, default) = values(cycle);
            if is_first {
                // So that the two agree on a type.
                items.push(format!("CASE WHEN false THEN {value} WHEN true THEN {default} END"));
                items.push(format!("{ROW_PATH}(NULL, ROW({row}))"));
            } else {
                let closes = format!("{ROW_ON_PATH}(ROW({row}), {PATH})");
                items.push(match cycle.values {
                    None => closes,
                    // Without ELSE, with which the engine would take the mark for one that is never NULL.
                    Some(_) => format!("CASE {closes} WHEN true THEN {value} WHEN false THEN {default} END"),
                });
                items.push(format!("{ROW_PATH}({PATH}, ROW({row}))"));
            }
        }
        let added = self.columns();
        let items: String = items
            .iter()
            .zip(&added)
            .map(|(item, (name, _))| format!(", {item} AS {}", quoted(name)))
            .collect();
        let (relation, own) = match is_first {
            true => ("\"*TLOCRN*\"", "\"*TLOCRN*\".*".to_string()),
            false => {
                let hidden: Vec<&str> = added.iter().map(|(_, known_as)| *known_as).collect();
                ("\"*TROCRN*\"", format!("\"*TROCRN*\".* EXCEPT ({})", hidden.join(", ")))
            }
        };
        let mut query = parse_query(&format!("SELECT {own}{items} FROM (SELECT 1) AS {relation}"))?;
        if let SetExpr::Select(select) = query.body.as_mut()
            && let [
                TableWithJoins {
                    relation:
                        TableFactor::Derived {
                            subquery,
                            alias: Some(alias),
                            ..
                        },
                    ..
                },
            ] = select.from.as_mut_slice()
        {
            *subquery.body = term.clone();
            // The recursive term has the added columns behind its own.
            let hidden = added.iter().map(|(_, known_as)| known_as.trim_matches('"'));
            let hidden = hidden.filter(|_| !is_first && !columns.is_empty());
            let names = columns.iter().map(String::as_str).chain(hidden);
            let named = names.map(|name| TableAliasColumnDef {
                name: Ident::with_quote('"', name),
                data_type: None,
            });
            alias.columns = named.collect();
        }
        Ok(*query.body)
    }
}

fn not_recursive(part: &Cte) -> Error {
    let error = Error::syntax("WITH query is not recursive");
    match part.alias.name.span.start.column {
        0 => error,
        position => error.at(position as usize),
    }
}

fn needs_select(state: SqlState, side: &str) -> Error {
    let message = format!("with a SEARCH or CYCLE clause, the {side} side of the UNION must be a SELECT");
    Error::new(state, message)
}

/// Takes away the parentheses around a query.
fn unwrap(body: &mut SetExpr) {
    while let SetExpr::Query(query) = body
        && query.with.is_none()
        && query.order_by.is_none()
        && query.limit_clause.is_none()
        && query.fetch.is_none()
    {
        *body = query.body.as_ref().clone();
    }
}

/// The names of the query's columns, as far as its text tells.
fn column_names(given: &[String], first: &SetExpr) -> Option<Vec<String>> {
    let own: Vec<String> = match first {
        SetExpr::Select(select) => select
            .projection
            .iter()
            .map(|item| match item {
                SelectItem::UnnamedExpr(expression) => Some(output_column_name(expression)),
                SelectItem::ExprWithAlias { alias, .. } => Some(folded(alias)),
                _ => None,
            })
            .collect::<Option<_>>()?,
        SetExpr::Values(values) => {
            let width = values.rows.first().map_or(0, |row| row.content.len());
            (1..=width).map(|number| format!("column{number}")).collect()
        }
        _ => return None,
    };
    let names: Vec<String> = given.iter().cloned().chain(own.into_iter().skip(given.len())).collect();
    let is_plain = names.iter().collect::<HashSet<_>>().len() == names.len();
    is_plain.then_some(names)
}

/// What a table of FROM at the query's own level calls the relation, if it is one of its.
fn read_in(table: &TableWithJoins, name: &str) -> Option<Ident> {
    let joined = table.joins.iter().map(|join| &join.relation);
    std::iter::once(&table.relation)
        .chain(joined)
        .find_map(|factor| match factor {
            TableFactor::Table {
                name: read,
                alias,
                args: None,
                ..
            } if is_named(read, name) => Some(match alias {
                Some(alias) => alias.name.clone(),
                None => Ident::with_quote('"', name),
            }),
            TableFactor::NestedJoin { table_with_joins, .. } => read_in(table_with_joins, name),
            _ => None,
        })
}

fn is_named(relation: &ObjectName, name: &str) -> bool {
    matches!(relation.0.as_slice(), [only] if only.as_ident().is_some_and(|only| folded(only) == name))
}

/// Takes columns out of what `*` means.
fn hide(options: &mut WildcardAdditionalOptions, hidden: &[Ident]) {
    if let (None, Some((first, others))) = (&options.opt_except, hidden.split_first()) {
        options.opt_except = Some(ExceptSelectItem {
            first_element: first.clone(),
            additional_elements: others.to_vec(),
        });
    }
}

/// The mark of a row that closes a cycle, and that of the others.
fn values(cycle: &Cycle) -> (&str, &str) {
    match &cycle.values {
        Some((value, default)) => (value, default),
        None => ("true", "false"),
    }
}

fn names_in_row(columns: &[String]) -> String {
    let quoted: Vec<String> = columns.iter().map(|name| quoted(name)).collect();
    quoted.join(", ")
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
