//! Types that Arrow and Delta have no like of. Their values are carried and stored as text in one spelling, which no
//! setting of a session changes; each type says here how that text is read, shown, sent and ordered, and everything
//! else (columns, casts, keys of groups and joins, statistics) treats all of them alike.

pub mod bits;
mod carried_type;
pub mod macaddr8;
pub mod money;
pub mod multirange;
pub mod network;
pub mod range;
mod range_literal;
mod range_type;
pub mod row_place;
pub mod timetz;

pub use carried_type::Spelled;
pub use range_type::RangeType;
