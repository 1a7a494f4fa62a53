//! Fields of values: `(value).a`, `(value).a.b` and `(value).*`. What `*` stands for is the type's to tell, so the value is
//! planned by itself, over the relations that are in sight, before the query that it is a part of.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    AccessExpr, Cte, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, ObjectNamePart, Query,
    Select, SelectItem, SelectItemQualifiedWildcardKind, Subscript, TableFactor, TableWithJoins, Value, With,
    visit_relations,
};

use super::super::names;
use super::super::relations::parse_query;
use super::super::rewrite::{ROWS, call};
use super::Expander;
use crate::error::{Error, Result};
use crate::functions::ROW_FIELD;
use crate::statement::{ALL_FIELDS, rows_query};

impl Expander<'_> {
    /// `(t).a` is a column, `(value).a` a field.
    pub(super) fn field(&mut self, root: &Expr, access_chain: &[AccessExpr]) -> Option<Expr> {
        let fields = access_chain.iter().map_while(|access| match access {
            AccessExpr::Dot(Expr::Identifier(field)) => Some(field),
            _ => None,
        });
        let fields: Vec<&Ident> = fields.collect();
        let rest = access_chain[fields.len()..].to_vec();
        let Expr::Nested(inner) = root else { return None };
        let (first, others) = fields.split_first()?;
        let mut value = match inner.as_ref() {
            Expr::Identifier(name) if self.is_row(inner) => {
                Expr::CompoundIdentifier(vec![name.clone(), (*first).clone()])
            }
            inner => field_of(inner.clone(), &names::fold(first)),
        };
        for field in others {
            value = field_of(value, &names::fold(field));
        }
        Some(match rest.is_empty() {
            true => value,
            false => Expr::CompoundFieldAccess {
                root: Box::new(value),
                access_chain: rest,
            },
        })
    }

    /// A function in FROM whose value is a row has the row's fields for columns.
    pub(super) fn spread_calls(&self, from: &mut [TableWithJoins]) {
        for table in from {
            let joined = table.joins.iter_mut().map(|join| &mut join.relation);
            for factor in std::iter::once(&mut table.relation).chain(joined) {
                if let Some(spread) = self.spread_call(factor) {
                    *factor = spread;
                }
            }
        }
    }

    fn spread_call(&self, factor: &TableFactor) -> Option<TableFactor> {
        let TableFactor::UNNEST { array_exprs, alias, .. } = factor else {
            return None;
        };
        let [array] = array_exprs.as_slice() else { return None };
        if alias.as_ref().is_some_and(|alias| alias.name.value == ROWS) {
            return None;
        }
        let rows = match self.one_row(array) {
            Some(call) => {
                self.fields_of(&[], &call).ok()?;
                format!("SELECT ({call}).*")
            }
            None if self.known.has_row_types() => {
                let first = Subscript::Index {
                    index: Expr::value(Value::Number("1".to_string(), false)),
                };
                let element = Expr::CompoundFieldAccess {
                    root: Box::new(Expr::Nested(Box::new(array.clone()))),
                    access_chain: vec![AccessExpr::Subscript(first)],
                };
                self.fields_of(&[], &element).ok()?;
                format!("SELECT (\"{ROWS}\".v).* FROM UNNEST({array}) AS \"{ROWS}\" (v)")
            }
            None => return None,
        };
        let mut alias = alias.clone();
        if let Some(alias) = &mut alias
            && let [only] = alias.columns.as_slice()
            && only.name.value == alias.name.value
        {
            alias.columns.clear();
        }
        Some(TableFactor::Derived {
            lateral: true,
            subquery: Box::new(parse_query(&rows).ok()?),
            alias,
            sample: None,
        })
    }

    /// The call of somebody's function that stands in FROM for a table of one row.
    fn one_row(&self, array: &Expr) -> Option<Expr> {
        let Expr::Function(array) = array else { return None };
        let [call] = written_arguments(array)?.try_into().ok()?;
        let Expr::Function(function) = &call else { return None };
        let is_own =
            names::parts(&array.name) == ["make_array"] && self.known.has_function(&names::parts(&function.name));
        is_own.then_some(call)
    }

    /// Spells out the fields that `(value).*` stands for.
    pub(super) fn spread_fields(&mut self, select: &mut Select) -> Result<()> {
        let mut spread = vec![];
        for item in std::mem::take(&mut select.projection) {
            match self.starred(&item) {
                None => spread.push(item),
                Some(value) => {
                    let fields = self.fields_of(&select.from, &value)?;
                    spread.extend(fields.into_iter().map(|name| SelectItem::ExprWithAlias {
                        expr: field_of(value.clone(), &name),
                        alias: Ident::with_quote('"', name),
                    }));
                }
            }
        }
        select.projection = spread;
        Ok(())
    }

    /// The value of `(value).*`; `None` for all other items, `t.*` among them.
    pub(super) fn starred(&self, item: &SelectItem) -> Option<Expr> {
        match item {
            SelectItem::UnnamedExpr(Expr::CompoundFieldAccess { root, access_chain })
            | SelectItem::ExprWithAlias {
                expr: Expr::CompoundFieldAccess { root, access_chain },
                ..
            } => {
                let (last, before) = access_chain.split_last()?;
                if !matches!(last, AccessExpr::Dot(Expr::Identifier(name)) if name.value == ALL_FIELDS) {
                    return None;
                }
                Some(match before.is_empty() {
                    true => root.as_ref().clone(),
                    false => Expr::CompoundFieldAccess {
                        root: root.clone(),
                        access_chain: before.to_vec(),
                    },
                })
            }
            SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), _) => {
                let [ObjectNamePart::Identifier(column)] = name.0.as_slice() else {
                    return None;
                };
                let folded = names::fold(column);
                let mut visible = self.frames.iter().flatten();
                let is_relation = visible.clone().any(|relation| relation.name == folded);
                let is_column = visible.any(|relation| relation.columns.contains(&folded));
                (is_column && !is_relation).then(|| Expr::Identifier(column.clone()))
            }
            _ => None,
        }
    }

    /// The queries of WITH that a query needs. One that reads itself cannot be planned for a part of it.
    fn named_in(&self, query: &Query) -> Vec<Cte> {
        let mut named = relations_of(query);
        let mut needed = vec![];
        for table in self.ctes.iter().rev() {
            let name = vec![names::fold(&table.alias.name)];
            let inner = relations_of(&table.query);
            if named.contains(&name) && !inner.contains(&name) {
                named.extend(inner);
                needed.insert(0, table.clone());
            }
        }
        needed
    }

    /// What tells the type of the value: functions have theirs whatever they are called with.
    fn typed_as(&self, value: &Expr) -> Expr {
        if let Expr::Nested(inner) = value {
            return self.typed_as(inner);
        }
        let mut value = value.clone();
        let Expr::Function(function) = &mut value else {
            return value;
        };
        let parts = names::parts(&function.name);
        let FunctionArguments::List(list) = &mut function.args else {
            return value;
        };
        let is_of_json = parts
            .last()
            .is_some_and(|name| matches!(name.as_str(), "json_populate_record" | "jsonb_populate_record"));
        match list.args.first() {
            Some(FunctionArg::Unnamed(FunctionArgExpr::Expr(base))) if is_of_json => self.typed_as(&base.clone()),
            _ => {
                if self.known.has_function(&parts) {
                    for argument in &mut list.args {
                        *argument = FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::value(Value::Null)));
                    }
                }
                value
            }
        }
    }

    /// The names of a value's fields, which stands over these relations.
    pub(super) fn fields_of(&self, from: &[TableWithJoins], value: &Expr) -> Result<Vec<String>> {
        // Subqueries around the value may be those that it is in.
        let is_plain = |table: &&TableWithJoins| matches!(table.relation, TableFactor::Table { args: None, .. });
        let outer = self.sources.iter().flatten().filter(is_plain);
        let outer = outer.map(|table| TableWithJoins {
            relation: table.relation.clone(),
            joins: vec![],
        });
        let mut from: Vec<TableWithJoins> = from.to_vec();
        for table in outer {
            if !from.iter().any(|known| known.relation == table.relation) {
                from.push(table);
            }
        }
        let item = SelectItem::ExprWithAlias {
            expr: self.typed_as(value),
            alias: Ident::new("value"),
        };
        let mut query: Query = rows_query(vec![item], from);
        let cte_tables = self.named_in(&query);
        if !cte_tables.is_empty() {
            query.with = Some(With {
                with_token: datafusion::sql::sqlparser::ast::helpers::attached_token::AttachedToken::empty(),
                recursive: false,
                cte_tables,
            });
        }
        match self.known.fields(query)? {
            Some(fields) => Ok(fields),
            None => Err(Error::unsupported("the expansion (value).* of what is no row")),
        }
    }
}

/// The arguments of a call that has nothing but values.
fn written_arguments(function: &Function) -> Option<Vec<Expr>> {
    let FunctionArguments::List(list) = &function.args else {
        return None;
    };
    let arguments = list.args.iter().map(|argument| match argument {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(value)) => Some(value.clone()),
        _ => None,
    });
    arguments.collect()
}

/// The relations that a query names, as they stand there.
fn relations_of(query: &Query) -> Vec<Vec<String>> {
    let mut found = vec![];
    let _ = visit_relations(query, |name| {
        found.push(names::parts(name));
        ControlFlow::<()>::Continue(())
    });
    found
}

fn field_of(value: Expr, name: &str) -> Expr {
    let name = Expr::value(Value::SingleQuotedString(name.to_string()));
    call(ROW_FIELD, vec![value, name])
}
