//! EXCLUDE of a window's frame: the planner's frames have no place for it, so the parser marks the window's keys, and a
//! function that leaves the rows out by itself takes the place of the marked one.

use datafusion::logical_expr::Expr;
use datafusion::logical_expr::expr::WindowFunction;

use crate::functions::{EXCLUDING_CURRENT_ROW, EXCLUDING_GROUP, EXCLUDING_TIES, Exclusion, excluding};

/// Whether the window's keys hold a mark.
pub(super) fn is_marked(window: &WindowFunction) -> bool {
    window.params.partition_by.iter().any(|key| exclusion(key).is_some())
}

/// The function that the mark asks for, without it.
pub(super) fn applied(mut window: Box<WindowFunction>) -> Box<WindowFunction> {
    let Some(exclusion) = window.params.partition_by.iter().find_map(exclusion) else {
        return window;
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
