//! `t.tableoid` of a system table is that table's OID: a number, since no row comes from a child table.

use std::collections::HashMap;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, Ident, Select, SelectItem, TableFactor, TableWithJoins, Value, VisitMut, VisitorMut,
};

use super::syntax::{folded, system_name};
use crate::functions::builtin::builtin_relation_named;

pub(super) fn rewrite(tree: &mut impl VisitMut) {
    // Never breaks.
    let _ = VisitMut::visit(tree, &mut Selects { scopes: vec![] });
}

/// The system tables of the selects around an expression, by alias, the innermost last.
struct Selects {
    scopes: Vec<HashMap<String, u32>>,
}

impl VisitorMut for Selects {
    type Break = ();

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<()> {
        let mut scope = HashMap::new();
        for from in &select.from {
            collect(from, &mut scope);
        }
        self.scopes.push(scope);
        for item in &mut select.projection {
            if let SelectItem::UnnamedExpr(expression) = item
                && let Some(number) = self.table_oid(expression)
            {
                *item = SelectItem::ExprWithAlias {
                    expr: number,
                    alias: Ident::new("tableoid"),
                };
            }
        }
        ControlFlow::Continue(())
    }

    fn post_visit_select(&mut self, _: &mut Select) -> ControlFlow<()> {
        self.scopes.pop();
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expression: &mut Expr) -> ControlFlow<()> {
        if let Some(number) = self.table_oid(expression) {
            *expression = number;
        }
        ControlFlow::Continue(())
    }
}

impl Selects {
    fn table_oid(&self, expression: &Expr) -> Option<Expr> {
        let oid = match expression {
            Expr::Identifier(column) if folded(column) == "tableoid" => {
                let scope = self.scopes.last()?;
                if scope.len() == 1 {
                    scope.values().next().copied()
                } else {
                    None
                }
            }
            Expr::CompoundIdentifier(parts) => match &parts[..] {
                [table, column] if folded(column) == "tableoid" => {
                    let table = folded(table);
                    self.scopes.iter().rev().find_map(|scope| scope.get(&table).copied())
                }
                _ => None,
            },
            _ => None,
        };
        oid.map(|oid| Expr::Value(Value::Number(oid.to_string(), false).into()))
    }
}

fn collect(from: &TableWithJoins, scope: &mut HashMap<String, u32>) {
    let factors = std::iter::once(&from.relation).chain(from.joins.iter().map(|join| &join.relation));
    for factor in factors {
        match factor {
            TableFactor::Table {
                name,
                alias,
                args: None,
                ..
            } => {
                let Some(relation) = system_name(name).and_then(|name| builtin_relation_named("pg_catalog", &name))
                else {
                    continue;
                };
                let alias = alias
                    .as_ref()
                    .map_or_else(|| relation.name.to_string(), |alias| folded(&alias.name));
                scope.insert(alias, relation.oid);
            }
            TableFactor::NestedJoin { table_with_joins, .. } => collect(table_with_joins, scope),
            _ => {}
        }
    }
}
