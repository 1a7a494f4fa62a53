//! The calls of one statement on their way out of it: which are taken, and the parameters and relations that stand in
//! their places.

use std::collections::{HashMap, HashSet};
use std::ops::ControlFlow;

use datafusion::common::ScalarValue;
use datafusion::sql::sqlparser::ast::{
    Expr, Function as CallOf, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, ObjectName, Query, TableFactor,
    Value, VisitMut, VisitorMut,
};

use super::once::{are_constant, is_conditional};
use super::rows;
use crate::binding::{self, BindingServices, WithRelation};
use crate::error::Result;
use crate::functions::ROW_VALUE;
use crate::session::plpgsql::{DeclaredColumn, Typed, as_parameter};
use crate::statement::ast::ParsedStatement;
use crate::statement::{change_own_expressions, relation};
use crate::types::SqlType;

/// A statement after its calls were made.
pub(in crate::session) struct WithCalls {
    pub parsed: ParsedStatement,
    pub declared: Vec<Option<SqlType>>,
    /// Of all parameters, those of the statement's own among them.
    pub parameters: Vec<ScalarValue>,
    pub relations: Vec<WithRelation>,
    /// How many parameters are the client's.
    pub own_parameters: usize,
}

/// A call that was found.
pub(super) struct Found {
    pub name: Vec<String>,
    pub arguments: Vec<FunctionArg>,
    /// The parameter that stands for its value.
    pub number: usize,
    /// The call itself.
    pub written: Expr,
}

/// The calls of one statement.
pub(super) struct Calls<'a> {
    pub around: &'a ParsedStatement,
    /// Names of functions that are run.
    pub routines: HashSet<Vec<String>>,
    /// Names of functions that the query takes in.
    pub volatile: HashSet<Vec<String>>,
    pub made: WithCalls,
    /// They are made, and not only described.
    pub is_run: bool,
}

impl Calls<'_> {
    /// Takes the calls out of an expression; whether there were any.
    pub fn take(&mut self, value: &mut Expr, found: &mut Vec<Found>) -> bool {
        let before = found.len();
        let mut finder = Finder {
            calls: self,
            found,
            conditional: 0,
        };
        // Never breaks.
        let _ = VisitMut::visit(value, &mut finder);
        found.len() > before
    }

    /// A further parameter.
    pub fn open(&mut self) -> usize {
        self.made.declared.push(None);
        if self.is_run {
            self.made.parameters.resize(self.made.declared.len(), ScalarValue::Null);
        }
        self.made.declared.len()
    }

    /// Puts parameters in the places of volatile arguments.
    pub fn take_volatile(
        &mut self,
        arguments: &mut [FunctionArg],
        services: &BindingServices,
        found: &mut Vec<(usize, Expr)>,
    ) {
        if !are_constant(arguments) {
            return;
        }
        for argument in arguments {
            let (FunctionArg::Unnamed(value)
            | FunctionArg::Named { arg: value, .. }
            | FunctionArg::ExprNamed { arg: value, .. }) = argument;
            if let FunctionArgExpr::Expr(value) = value
                && binding::calls_volatile(value, services)
            {
                let number = self.open();
                found.push((number, std::mem::replace(value, parameter(number))));
            }
        }
    }

    pub fn set(&mut self, number: usize, sql_type: SqlType, value: ScalarValue) {
        let typed = match sql_type {
            // Shown as text.
            SqlType::Void => Typed {
                sql_type: SqlType::Text,
                value: match value.is_null() {
                    true => ScalarValue::Utf8View(None),
                    false => value,
                },
            },
            sql_type => as_parameter(Typed { sql_type, value }),
        };
        let place = number - 1;
        if let Some(slot) = self.made.declared.get_mut(place) {
            *slot = Some(typed.sql_type);
        }
        if let Some(slot) = self.made.parameters.get_mut(place) {
            *slot = typed.value;
        }
    }

    pub fn relation(
        &mut self,
        columns: &[DeclaredColumn],
        rows: Vec<Vec<ScalarValue>>,
        is_numbered: bool,
        shown: Ident,
    ) -> Result<TableFactor> {
        let name = format!("(rows {})", self.made.relations.len() + 1);
        let relation = rows::relation(name.clone(), columns, rows, is_numbered)?;
        self.made.relations.push(relation);
        let name = ObjectName::from(vec![Ident::with_quote('"', name)]);
        Ok(relation::relation(name, Some(relation::alias(shown))))
    }

    /// The routine's name and the arguments, if an expression is a call that can be made.
    pub fn call(&self, expression: &Expr) -> Option<(Vec<String>, Vec<FunctionArg>)> {
        let Expr::Function(CallOf {
            name,
            args: FunctionArguments::List(list),
            over: None,
            filter: None,
            ..
        }) = expression
        else {
            return None;
        };
        let name = binding::name_parts(name);
        let is_routine = self.routines.contains(&name) && list.clauses.is_empty();
        (is_routine && are_constant(&list.args)).then(|| (name, list.args.clone()))
    }
}

/// Takes calls out of an expression, but for those that a condition decides about.
struct Finder<'a, 'c> {
    calls: &'a mut Calls<'c>,
    found: &'a mut Vec<Found>,
    conditional: usize,
}

impl VisitorMut for Finder<'_, '_> {
    type Break = ();

    fn pre_visit_query(&mut self, _: &mut Query) -> ControlFlow<()> {
        self.conditional += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &mut Query) -> ControlFlow<()> {
        self.conditional -= 1;
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expression: &mut Expr) -> ControlFlow<()> {
        if is_conditional(expression) {
            self.conditional += 1;
        }
        if self.conditional == 0
            && let Some((name, arguments)) = self.calls.call(expression)
        {
            let number = self.calls.open();
            self.found.push(Found {
                name,
                arguments,
                number,
                written: std::mem::replace(expression, parameter(number)),
            });
        }
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expression: &mut Expr) -> ControlFlow<()> {
        if is_conditional(expression) {
            self.conditional -= 1;
        }
        ControlFlow::Continue(())
    }
}

pub(super) fn parameter(number: usize) -> Expr {
    Expr::value(Value::Placeholder(format!("${number}")))
}

/// A row of parameters.
pub(super) fn row_of(columns: &[DeclaredColumn], numbers: &[usize]) -> Expr {
    let text = |name: &str| Expr::value(Value::SingleQuotedString(name.to_string()));
    let fields = columns.iter().zip(numbers);
    let fields = fields.flat_map(|((name, _), number)| [text(name), parameter(*number)]);
    let there = Expr::value(Value::Boolean(true));
    binding::call(ROW_VALUE, std::iter::once(there).chain(fields).collect())
}

/// Puts rows in the places of the parameters that stand for them.
pub(super) fn put_rows(value: &mut Expr, rows: &HashMap<String, Expr>) {
    change_own_expressions(value, |part| {
        if let Expr::Value(_) = part
            && let Some(row) = rows.get(&part.to_string())
        {
            *part = row.clone();
        }
    });
}
