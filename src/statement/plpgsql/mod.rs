//! PL/pgSQL: the text of a body → `Routine`. Pure as all of `statement`: variables are known, types and tables are not.
//! SQL stays text until it runs; its syntax is checked when the body is read.

mod assignments;
mod commands;
mod control;
mod declarations;
mod names;
mod parameters;
mod parser;
mod raise;
mod sql_body;
mod tree;

pub use parameters::{Parameterized, Reference, Shape, parameterized};
pub use parser::parse;
pub use sql_body::of_sql;
pub use tree::{
    Action, Block, Condition, DeclaredType, Dynamic, Handler, Handlers, Into, Item, Level, Raise, RaiseOption, Returns,
    Routine, Rows, Signature, Sql, Step, Target, Variable,
};

#[cfg(test)]
mod tests;
