//! Which type a value takes among others: PostgreSQL's type categories, the casts it makes unasked, and the
//! type that the branches of CASE or UNION agree on. Modifiers play no part here.

use super::{Spelled, SqlType};

/// pg_type.typcategory, as far as it decides between candidates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Category {
    Array,
    Boolean,
    Moment,
    Number,
    Text,
    Span,
    Enum,
    Range,
    Bits,
    Network,
    Unknown,
    Other,
}

/// The category of a type.
pub fn category(sql_type: &SqlType) -> Category {
    match sql_type {
        SqlType::Bool => Category::Boolean,
        SqlType::Int2
        | SqlType::Int4
        | SqlType::Int8
        | SqlType::Float4
        | SqlType::Float8
        | SqlType::Numeric(_)
        | SqlType::Oid
        | SqlType::Regclass
        | SqlType::Regtype
        | SqlType::Regproc => Category::Number,
        SqlType::Text | SqlType::Varchar(_) | SqlType::Bpchar(_) | SqlType::Name => Category::Text,
        SqlType::Date | SqlType::Time(_) | SqlType::Timestamp(_) | SqlType::Timestamptz(_) => Category::Moment,
        SqlType::Interval(_) => Category::Span,
        SqlType::Enum(_) => Category::Enum,
        SqlType::Spelled(Spelled::Range(_) | Spelled::Multirange(_)) => Category::Range,
        SqlType::Spelled(Spelled::Timetz(_)) => Category::Moment,
        SqlType::Spelled(Spelled::Bit(_) | Spelled::Varbit(_)) => Category::Bits,
        SqlType::Spelled(Spelled::Inet | Spelled::Cidr) => Category::Network,
        SqlType::Array(_) => Category::Array,
        SqlType::Unknown => Category::Unknown,
        _ => Category::Other,
    }
}

/// pg_type.typispreferred.
pub fn is_preferred(sql_type: &SqlType) -> bool {
    matches!(
        sql_type,
        SqlType::Bool
            | SqlType::Float8
            | SqlType::Oid
            | SqlType::Text
            | SqlType::Timestamptz(_)
            | SqlType::Interval(_)
            | SqlType::Spelled(Spelled::Inet | Spelled::Varbit(_))
    )
}

/// The same type, whatever its modifier.
pub fn is_same(left: &SqlType, right: &SqlType) -> bool {
    left.oid() == right.oid()
}

/// Whether a value is cast without being asked for it.
pub fn is_implicit(source: &SqlType, target: &SqlType) -> bool {
    use SqlType::{Array, Bpchar, Char, Date, Interval, Name, Oid, Text, Time, Timestamp, Timestamptz, Varchar};
    if is_same(source, target) || *source == SqlType::Unknown {
        return true;
    }
    if let (Some(from), Some(to)) = (width(source), width(target)) {
        return from < to;
    }
    match (source, target) {
        (Array(source), Array(target)) => is_implicit(source, target),
        (SqlType::Record, SqlType::Composite(_)) | (SqlType::Composite(_), SqlType::Record) => true,
        (Varchar(_) | Bpchar(_) | Text, Varchar(_) | Bpchar(_) | Text | Name) => true,
        (Name | Char, Text) => true,
        (Date, Timestamp(_) | Timestamptz(_)) | (Timestamp(_), Timestamptz(_)) | (Time(_), Interval(_)) => true,
        (Time(_), SqlType::Spelled(Spelled::Timetz(_))) => true,
        (SqlType::Spelled(Spelled::Cidr), SqlType::Spelled(Spelled::Inet)) => true,
        (SqlType::Spelled(Spelled::Macaddr), SqlType::Spelled(Spelled::Macaddr8)) => true,
        (SqlType::Spelled(Spelled::Bit(_)), SqlType::Spelled(Spelled::Varbit(_))) => true,
        (SqlType::Spelled(Spelled::Varbit(_)), SqlType::Spelled(Spelled::Bit(_))) => true,
        (SqlType::Int2 | SqlType::Int4 | SqlType::Int8, Oid) => true,
        (SqlType::Regclass | SqlType::Regtype | SqlType::Regproc, Oid) => true,
        _ => false,
    }
}

/// Numbers in the order in which each is cast to the next.
fn width(sql_type: &SqlType) -> Option<u8> {
    Some(match sql_type {
        SqlType::Int2 => 1,
        SqlType::Int4 => 2,
        SqlType::Int8 => 3,
        SqlType::Numeric(_) => 4,
        SqlType::Float4 => 5,
        SqlType::Float8 => 6,
        _ => return None,
    })
}

/// PostgreSQL's select_common_type(): the type that all can be cast to, or the two that cannot be matched.
/// Literals of unknown type follow the others; all unknown is text.
pub fn common_type(types: &[SqlType]) -> Result<SqlType, (SqlType, SqlType)> {
    let mut known = types.iter().filter(|sql_type| **sql_type != SqlType::Unknown);
    let Some(first) = known.next() else {
        return Ok(SqlType::Text);
    };
    let mut common = first.clone();
    for next in known {
        if is_same(&common, next) {
            if common != *next {
                common = without_modifier(&common);
            }
            continue;
        }
        if category(&common) != category(next) {
            return Err((common, next.clone()));
        }
        if !is_preferred(&common) && is_implicit(&common, next) && !is_implicit(next, &common) {
            common = next.clone();
        }
    }
    let common = match types.iter().all(|sql_type| *sql_type == common) {
        true => common,
        false => without_modifier(&common),
    };
    let stranger = types.iter().find(|sql_type| !is_implicit(sql_type, &common));
    match stranger {
        Some(stranger) => Err((common, stranger.clone())),
        None => Ok(common),
    }
}

/// A type without length or precision.
pub fn without_modifier(sql_type: &SqlType) -> SqlType {
    sql_type.without_modifier()
}

/// A type as error messages name it: without length or precision.
pub fn shown(sql_type: &SqlType) -> String {
    match sql_type {
        SqlType::Numeric(_) => "numeric".to_string(),
        SqlType::Varchar(_) => "character varying".to_string(),
        SqlType::Bpchar(_) => "character".to_string(),
        SqlType::Spelled(Spelled::Bit(_)) => "bit".to_string(),
        SqlType::Spelled(spelled) => spelled.without_modifier().shown_name().into_owned(),
        SqlType::Array(element) => format!("{}[]", shown(element)),
        other => other.without_modifier().to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn branches_agree_as_in_postgres() {
        let common = |names: &[&str]| {
            let types: Vec<SqlType> = names.iter().map(|name| name.parse().unwrap()).collect();
            common_type(&types).map(|found| found.to_string()).ok()
        };
        assert_eq!(common(&["integer", "numeric(3,1)"]).unwrap(), "numeric");
        assert_eq!(common(&["real", "numeric"]).unwrap(), "real");
        assert_eq!(common(&["unknown", "integer"]).unwrap(), "integer");
        assert_eq!(common(&["unknown", "unknown"]).unwrap(), "text");
        assert_eq!(common(&["date", "timestamp"]).unwrap(), "timestamp without time zone");
        assert_eq!(common(&["varchar(3)", "varchar(5)"]).unwrap(), "character varying");
        assert_eq!(common(&["varchar(3)", "text"]).unwrap(), "character varying");
        assert_eq!(common(&["integer", "text"]), None);
        assert_eq!(common(&["integer", "date"]), None);
    }
}
