//! What PostgreSQL's window functions are beside the planner's: ntile() is an integer, and the n-th value of none is an
//! error. What names a window of the WINDOW clause gets its clauses.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::helpers::attached_token::AttachedToken;
use datafusion::sql::sqlparser::ast::{
    CaseWhen, CastKind, DataType, Expr, Function, FunctionArguments, NamedWindowDefinition, NamedWindowExpr, Query,
    Select, SetExpr, Value, VisitMut, VisitorMut, WindowSpec, WindowType,
};

use super::syntax::{call, folded, plain_arguments, replace_expressions, system_name};
use crate::error::{Error, Result, SqlState};
use crate::functions::{EXCLUDING_CURRENT_ROW, EXCLUDING_GROUP, EXCLUDING_TIES};

pub(super) fn rewrite(tree: &mut impl VisitMut) -> Result<()> {
    if let ControlFlow::Break(error) = VisitMut::visit(tree, &mut Named::default()) {
        return Err(error);
    }
    replace_expressions(tree, |expression| {
        let Expr::Function(function) = &*expression else {
            return Ok(());
        };
        if function.over.is_none() {
            return Ok(());
        }
        match system_name(&function.name).as_deref() {
            Some("ntile") => {
                if argument(function, 0).is_some_and(|count| is_below_one(&count)) {
                    let message = "argument of ntile must be greater than zero";
                    return Err(Error::new(SqlState::InvalidArgumentForNtile, message));
                }
                *expression = Expr::Cast {
                    kind: CastKind::Cast,
                    expr: Box::new(expression.clone()),
                    data_type: DataType::Int(None),
                    array: false,
                    format: None,
                };
            }
            Some("lag" | "lead") if argument(function, 2).is_some_and(|default| !is_constant(&default)) => {
                *expression = with_default(function);
            }
            Some("nth_value") if argument(function, 1).is_some_and(|place| is_below_one(&place)) => {
                let message = "argument of nth_value must be greater than zero";
                return Err(Error::new(SqlState::InvalidArgumentForNthValue, message));
            }
            _ => {}
        }
        Ok(())
    })
}

/// `OVER (w ROWS …)` is the window `w` of the query's WINDOW clause with more clauses; the planner would forget `w`.
#[derive(Default)]
struct Named {
    /// The definitions of each select around the expression, and of each query's.
    windows: Vec<Vec<(String, WindowSpec)>>,
}

impl VisitorMut for Named {
    type Break = Error;

    /// For ORDER BY, which stands outside of the select.
    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<Error> {
        match query.body.as_mut() {
            SetExpr::Select(select) => self.pre_visit_select(select),
            _ => {
                self.windows.push(vec![]);
                ControlFlow::Continue(())
            }
        }
    }

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<Error> {
        let mut known: Vec<(String, WindowSpec)> = vec![];
        for NamedWindowDefinition(name, definition) in &mut select.named_window {
            if let NamedWindowExpr::WindowSpec(window) = definition {
                match completed(window, &known) {
                    Ok(complete) => *window = complete,
                    Err(error) => return ControlFlow::Break(error),
                }
                known.push((folded(name), window.clone()));
            }
        }
        self.windows.push(known);
        ControlFlow::Continue(())
    }

    fn post_visit_select(&mut self, _: &mut Select) -> ControlFlow<Error> {
        self.windows.pop();
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &mut Query) -> ControlFlow<Error> {
        self.windows.pop();
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expression: &mut Expr) -> ControlFlow<Error> {
        let known = self.windows.last().map_or(&[][..], Vec::as_slice);
        if let Expr::Function(function) = expression {
            match &mut function.over {
                Some(WindowType::WindowSpec(window)) => match completed(window, known) {
                    Ok(complete) => *window = complete,
                    Err(error) => return ControlFlow::Break(error),
                },
                // The planner looks for names in the select list only, and not in ORDER BY.
                Some(WindowType::NamedWindow(name)) => match named(&folded(name), known) {
                    Ok(window) => function.over = Some(WindowType::WindowSpec(window.clone())),
                    Err(error) => return ControlFlow::Break(error),
                },
                None => {}
            }
        }
        ControlFlow::Continue(())
    }
}

/// The window of the WINDOW clause that is called so.
fn named<'k>(name: &str, known: &'k [(String, WindowSpec)]) -> Result<&'k WindowSpec> {
    let found = known.iter().find(|(known, _)| known == name);
    found.map(|(_, window)| window).ok_or_else(|| {
        let message = format!("window \"{name}\" does not exist");
        Error::new(SqlState::UndefinedObject, message)
    })
}

/// The window with the clauses of the one that it names.
fn completed(window: &WindowSpec, known: &[(String, WindowSpec)]) -> Result<WindowSpec> {
    let Some(name) = &window.window_name else {
        return Ok(window.clone());
    };
    let name = folded(name);
    let refused = |message: String| Err(Error::new(SqlState::WindowingError, message));
    let base = named(&name, known)?;
    // What stands for EXCLUDE is no key that somebody wrote.
    if window.partition_by.iter().any(|key| !is_exclusion(key)) {
        return refused(format!("cannot override PARTITION BY clause of window \"{name}\""));
    }
    if !window.order_by.is_empty() && !base.order_by.is_empty() {
        return refused(format!("cannot override ORDER BY clause of window \"{name}\""));
    }
    if base.window_frame.is_some() {
        return refused(format!("cannot copy window \"{name}\" because it has a frame clause"));
    }
    Ok(WindowSpec {
        window_name: None,
        partition_by: window.partition_by.iter().chain(&base.partition_by).cloned().collect(),
        order_by: base.order_by.iter().chain(&window.order_by).cloned().collect(),
        window_frame: window.window_frame.clone(),
    })
}

fn is_exclusion(key: &Expr) -> bool {
    let Expr::Function(function) = key else { return false };
    let marks = [EXCLUDING_CURRENT_ROW, EXCLUDING_GROUP, EXCLUDING_TIES];
    system_name(&function.name).is_some_and(|name| marks.contains(&name.as_str()))
}

/// `lag(x, n, d)` where the planner wants `d` to be a constant: `d` of the rows that have none so far away.
fn with_default(function: &Function) -> Expr {
    let arguments = match &function.args {
        FunctionArguments::List(list) => plain_arguments(&list.args).unwrap_or_default(),
        _ => vec![],
    };
    let shifted = |value: Expr| {
        let mut shifted = function.clone();
        if let Expr::Function(plain) = call("", std::iter::once(value).chain(arguments.get(1).cloned()).collect()) {
            shifted.args = plain.args;
        }
        Expr::Function(shifted)
    };
    let place = |index: usize| {
        arguments
            .get(index)
            .cloned()
            .unwrap_or_else(|| Expr::value(Value::Null))
    };
    Expr::Case {
        case_token: AttachedToken::empty(),
        end_token: AttachedToken::empty(),
        operand: None,
        conditions: vec![CaseWhen {
            condition: Expr::IsNull(Box::new(shifted(Expr::value(Value::Boolean(true))))),
            result: place(2),
        }],
        else_result: Some(Box::new(shifted(place(0)))),
    }
}

/// Whether the planner takes it for a constant.
fn is_constant(expression: &Expr) -> bool {
    match expression {
        Expr::Value(_) | Expr::TypedString(_) => true,
        Expr::UnaryOp { expr, .. } | Expr::Cast { expr, .. } | Expr::Nested(expr) => is_constant(expr),
        _ => false,
    }
}

fn argument(function: &Function, index: usize) -> Option<Expr> {
    match &function.args {
        FunctionArguments::List(list) => plain_arguments(&list.args)?.into_iter().nth(index),
        _ => None,
    }
}

/// Whether a number that is written out is zero or negative.
fn is_below_one(expression: &Expr) -> bool {
    match expression {
        Expr::Value(value) => matches!(&value.value, Value::Number(text, _) if text == "0"),
        Expr::UnaryOp { expr, .. } => {
            matches!(expr.as_ref(), Expr::Value(value) if matches!(value.value, Value::Number(..)))
        }
        _ => false,
    }
}
