//! EXCLUDE of a window's frame: the planner's frames have no place for it, so the parser marks the window's keys, and a
//! function that leaves the rows out by itself takes the place of the marked one. So does one whose place or distance is
//! computed for each row, which the engine's functions take as constants.

use datafusion::common::tree_node::TreeNode;
use datafusion::logical_expr::expr::WindowFunction;
use datafusion::logical_expr::{Expr, WindowFunctionDefinition};

use crate::functions::{EXCLUDING_CURRENT_ROW, EXCLUDING_GROUP, EXCLUDING_TIES, Exclusion, excluding, shifted};

/// Whether a function of ours must take the call's place.
pub(super) fn is_ours(window: &WindowFunction) -> bool {
    window.params.partition_by.iter().any(|key| exclusion(key).is_some()) || has_computed_number(window)
}

/// Whether the call is of the kind whose second argument the engine wants to know beforehand, and it cannot.
fn has_computed_number(window: &WindowFunction) -> bool {
    let is_computed = |argument: &Expr| {
        let found = argument.exists(|part| {
            Ok(matches!(
                part,
                Expr::Column(_) | Expr::OuterReferenceColumn(..) | Expr::ScalarSubquery(_)
            ))
        });
        found.unwrap_or(false)
    };
    matches!(window.fun.name(), "lag" | "lead" | "nth_value") && window.params.args.get(1).is_some_and(is_computed)
}

/// The function that the mark asks for, without it.
pub(super) fn applied(mut window: Box<WindowFunction>) -> Box<WindowFunction> {
    let exclusion = window.params.partition_by.iter().find_map(exclusion);
    if has_computed_number(&window)
        && let WindowFunctionDefinition::WindowUDF(function) = &window.fun
        && function.name() != "nth_value"
    {
        window.fun = WindowFunctionDefinition::WindowUDF(shifted(function));
    }
    let exclusion = match exclusion {
        Some(exclusion) => exclusion,
        None if has_computed_number(&window) => Exclusion::Nothing,
        None => return window,
    };
    window.params.partition_by.retain(|key| self::exclusion(key).is_none());
    let is_filtered = window.params.filter.is_some();
    if let Some(function) = excluding(&window.fun, exclusion, is_filtered) {
        window.fun = function;
        window
            .params
            .args
            .extend(window.params.filter.take().map(|filter| *filter));
    }
    window
}

fn exclusion(key: &Expr) -> Option<Exclusion> {
    let Expr::ScalarFunction(call) = key else { return None };
    match call.func.name() {
        EXCLUDING_CURRENT_ROW => Some(Exclusion::CurrentRow),
        EXCLUDING_GROUP => Some(Exclusion::Group),
        EXCLUDING_TIES => Some(Exclusion::Ties),
        _ => None,
    }
}
