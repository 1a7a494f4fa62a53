//! Functions declared by PostgreSQL's signatures, with kernels over whole columns. A call is resolved by
//! PostgreSQL's rules when its types are known: which overload, which casts, or 42883 with the types.

mod arguments;
mod by_name;
mod choice;
mod decimals;
mod function;
mod resolve;

pub(crate) use arguments::{Arguments, Room, Texts};
pub(crate) use by_name::{call_overloaded, is_overloaded};
pub use choice::{chosen_function, given_types};
pub use function::pinned;
pub(crate) use function::{Kernel, Overload, OverloadedFunction, RowBody, delegate, invalid, kernel, rows};
pub(crate) use resolve::{Given, given, undefined_for, undefined_function};
