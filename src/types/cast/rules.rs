//! Which casts there are, and where each is allowed: pg_cast, and the casts through text.

use crate::types::SqlType;

/// Why a value is cast.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CastContext {
    /// INSERT and UPDATE: casts that may lose digits, but none that guess; too long a text is an error.
    Assignment,
    /// CAST and `::`: whatever can be converted; too long a text is cut.
    Explicit,
    /// TRY_CAST: the same, and NULL for what cannot be converted.
    Attempt,
}

pub(super) fn is_text(sql_type: &SqlType) -> bool {
    matches!(
        sql_type,
        SqlType::Text | SqlType::Varchar(_) | SqlType::Bpchar(_) | SqlType::Name | SqlType::Unknown
    )
}

fn is_number(sql_type: &SqlType) -> bool {
    matches!(
        sql_type,
        SqlType::Int2 | SqlType::Int4 | SqlType::Int8 | SqlType::Float4 | SqlType::Float8 | SqlType::Numeric(_)
    )
}

fn is_oid(sql_type: &SqlType) -> bool {
    matches!(
        sql_type,
        SqlType::Oid | SqlType::Regclass | SqlType::Regtype | SqlType::Regproc
    )
}

fn is_integer(sql_type: &SqlType) -> bool {
    matches!(sql_type, SqlType::Int2 | SqlType::Int4 | SqlType::Int8)
}

pub(super) fn is_allowed(source: &SqlType, target: &SqlType, context: CastContext) -> bool {
    use crate::types::Spelled::{Bit, Cidr, Inet, Macaddr, Macaddr8, Money, Multirange, Range, Timetz, Varbit};
    use SqlType::{
        Array, Bool, Char, Date, Int4, Int8, Interval, Json, Jsonb, Numeric, Spelled, Time, Timestamp, Timestamptz,
        Unknown,
    };
    let explicit = context != CastContext::Assignment;
    if source.oid() == target.oid() && !matches!(source, Array(_)) {
        return true;
    }
    match (source, target) {
        // Text input: literals anywhere, typed texts only where the query asks for it.
        (Unknown, _) => true,
        (source, target) if is_text(source) && (is_text(target) || *target == Char) => true,
        (source, _) if is_text(source) => explicit,
        // Field by field; what a record has is only known of its values.
        (SqlType::Record, SqlType::Composite(_)) | (SqlType::Composite(_), SqlType::Record) => true,
        // Text output.
        (_, target) if is_text(target) => true,
        (source, target) if is_number(source) && is_number(target) => true,
        (Int4, Bool | Char) | (Bool | Char, Int4) => explicit,
        (source, target) if is_integer(source) && is_oid(target) => true,
        (source, target) if is_oid(source) && (is_oid(target) || is_integer(target)) => *target != SqlType::Int2,
        (Date, Timestamp(_) | Timestamptz(_)) | (Timestamp(_) | Timestamptz(_), Date | Time(_)) => true,
        (Timestamp(_), Timestamptz(_)) | (Timestamptz(_), Timestamp(_)) => true,
        (Time(_), Interval(_)) | (Interval(_), Time(_)) => true,
        (Json, Jsonb) | (Jsonb, Json) => true,
        (Int4 | Int8, Spelled(Bit(_))) | (Spelled(Bit(_)), Int4 | Int8) => explicit,
        (Spelled(Inet | Cidr), Spelled(Inet | Cidr)) => true,
        (Spelled(Macaddr | Macaddr8), Spelled(Macaddr | Macaddr8)) => true,
        (Int4 | Int8 | Numeric(_), Spelled(Money)) | (Spelled(Money), Numeric(_)) => true,
        (Spelled(Range(source)), Spelled(Multirange(target))) => explicit && source == target,
        (Spelled(Bit(_) | Varbit(_)), Spelled(Bit(_) | Varbit(_))) => true,
        (Time(_) | Timestamptz(_), Spelled(Timetz(_))) | (Spelled(Timetz(_)), Time(_)) => true,
        (Jsonb, target) => explicit && (is_number(target) || *target == Bool),
        (Array(source), Array(target)) => {
            dimensions(source) <= dimensions(target) && is_allowed(source, target, context)
        }
        _ => false,
    }
}

/// How deep arrays of a type are: 0 for what is no array.
pub(super) fn dimensions(sql_type: &SqlType) -> usize {
    match sql_type {
        SqlType::Array(element) => 1 + dimensions(element),
        _ => 0,
    }
}

/// An array type as deep as what is cast to it: PostgreSQL's array types say nothing of dimensions.
pub fn as_deep_as(source: &SqlType, target: SqlType) -> SqlType {
    deepened(target, dimensions(source))
}

/// The same for the text of an array.
pub fn as_deep_as_text(text: &str, target: SqlType) -> SqlType {
    let braces = text
        .chars()
        .filter(|character| !character.is_whitespace())
        .take_while(|character| *character == '{');
    deepened(target, braces.count())
}

fn deepened(mut target: SqlType, depth: usize) -> SqlType {
    if matches!(target, SqlType::Array(_)) {
        for _ in dimensions(&target)..depth {
            target = SqlType::Array(Box::new(target));
        }
    }
    target
}
