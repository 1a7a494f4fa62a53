//! What the values of two columns are compared as where one refers to the other: most are of one type, and numbers need
//! not be.

use super::SqlType;

/// What values of two types are equal as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ComparedAs {
    /// They have one layout.
    Themselves,
    Int8,
    Float8,
    Numeric,
    /// Without the blanks that fill them up.
    Text,
}

/// `None` where the values of one type cannot refer to those of the other.
pub fn compared_as(one: &SqlType, other: &SqlType) -> Option<ComparedAs> {
    let is_integer = |known: &SqlType| matches!(known, SqlType::Int2 | SqlType::Int4 | SqlType::Int8);
    let is_exact = |known: &SqlType| is_integer(known) || matches!(known, SqlType::Numeric(_));
    let is_float = |known: &SqlType| matches!(known, SqlType::Float4 | SqlType::Float8);
    let is_text = |known: &SqlType| matches!(known, SqlType::Text | SqlType::Varchar(_));
    match (one.base(), other.base()) {
        (SqlType::Json, _) => None,
        (one, other) if one == other => Some(ComparedAs::Themselves),
        (one, other) if is_integer(one) && is_integer(other) => Some(ComparedAs::Int8),
        (one, other) if is_exact(one) && is_exact(other) => Some(ComparedAs::Numeric),
        (one, other) if is_float(one) && is_float(other) => Some(ComparedAs::Float8),
        (one, other) if is_text(one) && is_text(other) => Some(ComparedAs::Themselves),
        (SqlType::Bpchar(_), SqlType::Bpchar(_)) => Some(ComparedAs::Text),
        (SqlType::Time(_), SqlType::Time(_))
        | (SqlType::Timestamp(_), SqlType::Timestamp(_))
        | (SqlType::Timestamptz(_), SqlType::Timestamptz(_))
        | (SqlType::Interval(_), SqlType::Interval(_)) => Some(ComparedAs::Themselves),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_refer_to_numbers_and_texts_to_texts() {
        let compared = |one, other| compared_as(&one, &other);
        assert_eq!(compared(SqlType::Int4, SqlType::Int4), Some(ComparedAs::Themselves));
        assert_eq!(compared(SqlType::Int2, SqlType::Int8), Some(ComparedAs::Int8));
        assert_eq!(
            compared(SqlType::Int4, SqlType::Numeric(None)),
            Some(ComparedAs::Numeric)
        );
        assert_eq!(
            compared(SqlType::Varchar(Some(3)), SqlType::Text),
            Some(ComparedAs::Themselves)
        );
        assert_eq!(
            compared(SqlType::Bpchar(Some(3)), SqlType::Bpchar(Some(4))),
            Some(ComparedAs::Text)
        );
        assert_eq!(compared(SqlType::Text, SqlType::Int4), None);
        assert_eq!(compared(SqlType::Date, SqlType::Timestamp(None)), None);
    }
}
