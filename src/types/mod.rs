//! PostgreSQL's types as Boathouse knows them: their OIDs, names and typmods, and the Arrow type that
//! carries each. A type that Arrow does not have travels in the field's metadata under `TYPE_KEY`.

pub mod format;
mod identifier;
mod system;
pub mod encoding;
pub mod user_type;
mod composite;
pub mod time_zone;
pub mod calendar;
pub mod coercion;
mod compared;
pub mod polymorphic;
pub mod json;
pub mod numeric;
pub mod precision;
pub mod spelled;
mod numeric_functions;
pub mod values;
pub mod text;
pub mod binary;
pub mod parse;
pub mod builder;
pub mod row;
pub mod cast;
pub mod copy;

pub use compared::{ComparedAs, compared_as};
pub use composite::{CompositeField, CompositeType, row_columns, row_fields};
pub use format::{Format, FormatSettings};
pub use identifier::quote_identifier;
pub use precision::IntervalModifier;
pub use row::{BoundColumn, ColumnEncoder, RowEncoder};
pub use spelled::{RangeType, Spelled};
pub use time_zone::TimeZone;
pub use user_type::{DomainType, EnumType};

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field, Fields, IntervalUnit, TimeUnit};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result, SqlState};

/// Field metadata key that names the SQL type, in the spelling of `Display`.
pub const TYPE_KEY: &str = "boathouse.type";

/// A column's or value's SQL type, with its modifier.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum SqlType {
    Bool,
    Int2,
    Int4,
    Int8,
    Float4,
    Float8,
    /// Precision and scale; `None` is numeric without a modifier.
    Numeric(Option<(u8, i8)>),
    Text,
    Varchar(Option<u32>),
    /// char(n), blank-padded.
    Bpchar(Option<u32>),
    Name,
    /// The one-byte type `"char"` of the system catalogs.
    Char,
    Bytea,
    Date,
    /// time(n); without a modifier, to the microsecond, as all of these.
    Time(Option<u8>),
    Timestamp(Option<u8>),
    Timestamptz(Option<u8>),
    Interval(Option<IntervalModifier>),
    Uuid,
    Json,
    Jsonb,
    Oid,
    Regclass,
    Regtype,
    Regproc,
    Void,
    /// A row whose fields its layout tells.
    Record,
    /// A literal or parameter whose type nothing decided.
    Unknown,
    /// A type whose values are carried as text in one spelling.
    Spelled(Spelled),
    /// A type that only the system's own relations and functions give, by its OID.
    System(u32),
    /// A type of the catalog whose values are labels.
    Enum(Arc<EnumType>),
    /// A type of the catalog that is another one with rules.
    Domain(Arc<DomainType>),
    /// A type of the catalog whose values are rows.
    Composite(Arc<CompositeType>),
    /// A type of the catalog by its OID, as the log tells it: every snapshot puts the definition in its place.
    Stored(u32),
    /// The name of a type that a statement's text has and nobody has looked up yet.
    Named(Arc<Vec<String>>),
    Array(Box<SqlType>),
}

impl SqlType {
    /// pg_type.oid.
    pub fn oid(&self) -> u32 {
        match self {
            SqlType::Bool => 16,
            SqlType::Bytea => 17,
            SqlType::Char => 18,
            SqlType::Name => 19,
            SqlType::Int8 => 20,
            SqlType::Int2 => 21,
            SqlType::Int4 => 23,
            SqlType::Regproc => 24,
            SqlType::Text => 25,
            SqlType::Oid => 26,
            SqlType::Json => 114,
            SqlType::Float4 => 700,
            SqlType::Float8 => 701,
            SqlType::Unknown => 705,
            SqlType::Bpchar(_) => 1042,
            SqlType::Varchar(_) => 1043,
            SqlType::Date => 1082,
            SqlType::Time(_) => 1083,
            SqlType::Timestamp(_) => 1114,
            SqlType::Timestamptz(_) => 1184,
            SqlType::Interval(_) => 1186,
            SqlType::Numeric(_) => 1700,
            SqlType::Regclass => 2205,
            SqlType::Regtype => 2206,
            SqlType::Record => 2249,
            SqlType::Void => 2278,
            SqlType::Uuid => 2950,
            SqlType::Jsonb => 3802,
            SqlType::Spelled(spelled) => spelled.oid(),
            SqlType::System(oid) | SqlType::Stored(oid) => *oid,
            SqlType::Enum(definition) => definition.oid,
            SqlType::Domain(domain) => domain.oid,
            SqlType::Composite(composite) => user_type::ROW_TYPES + composite.relation,
            SqlType::Named(_) => 0,
            SqlType::Array(element) => element.array_oid(),
        }
    }

    fn array_oid(&self) -> u32 {
        match self {
            SqlType::Bool => 1000,
            SqlType::Bytea => 1001,
            SqlType::Char => 1002,
            SqlType::Name => 1003,
            SqlType::Int2 => 1005,
            SqlType::Int4 => 1007,
            SqlType::Regproc => 1008,
            SqlType::Text | SqlType::Unknown | SqlType::Void => 1009,
            SqlType::Bpchar(_) => 1014,
            SqlType::Varchar(_) => 1015,
            SqlType::Int8 => 1016,
            SqlType::Float4 => 1021,
            SqlType::Float8 => 1022,
            SqlType::Oid => 1028,
            SqlType::Timestamp(_) => 1115,
            SqlType::Date => 1182,
            SqlType::Time(_) => 1183,
            SqlType::Timestamptz(_) => 1185,
            SqlType::Interval(_) => 1187,
            SqlType::Numeric(_) => 1231,
            SqlType::Json => 199,
            SqlType::Record => 2287,
            SqlType::Regclass => 2210,
            SqlType::Regtype => 2211,
            SqlType::Uuid => 2951,
            SqlType::Jsonb => 3807,
            SqlType::Spelled(spelled) => spelled.array_oid(),
            SqlType::System(oid) => system::system_array(*oid),
            SqlType::Enum(definition) => user_type::ARRAY_TYPES + definition.oid,
            SqlType::Domain(domain) => user_type::ARRAY_TYPES + domain.oid,
            SqlType::Composite(composite) => user_type::ARRAY_TYPES + composite.relation,
            SqlType::Stored(oid) => user_type::ARRAY_TYPES + oid,
            SqlType::Named(_) => 0,
            SqlType::Array(element) => element.array_oid(),
        }
    }

    /// The type with this OID, without a modifier; `None` for one that Boathouse does not have.
    pub fn from_oid(oid: u32) -> Option<SqlType> {
        const SCALARS: [SqlType; 27] = [
            SqlType::Bool,
            SqlType::Int2,
            SqlType::Int4,
            SqlType::Int8,
            SqlType::Float4,
            SqlType::Float8,
            SqlType::Numeric(None),
            SqlType::Text,
            SqlType::Varchar(None),
            SqlType::Bpchar(None),
            SqlType::Name,
            SqlType::Char,
            SqlType::Bytea,
            SqlType::Date,
            SqlType::Time(None),
            SqlType::Timestamp(None),
            SqlType::Timestamptz(None),
            SqlType::Interval(None),
            SqlType::Uuid,
            SqlType::Json,
            SqlType::Jsonb,
            SqlType::Oid,
            SqlType::Regclass,
            SqlType::Regtype,
            SqlType::Regproc,
            SqlType::Void,
            SqlType::Unknown,
        ];
        let scalars = || SCALARS.iter().cloned().chain(Spelled::all().map(SqlType::Spelled));
        let scalar = scalars().find(|scalar| scalar.oid() == oid);
        let array = || {
            let element = scalars().find(|scalar| scalar.array_oid() == oid);
            let element = element.or_else(|| system::system_element(oid).map(SqlType::System));
            element.map(|element| SqlType::Array(Box::new(element)))
        };
        scalar
            .or_else(|| system::is_system_type(oid).then_some(SqlType::System(oid)))
            .or_else(array)
    }

    /// What an array of any depth is an array of; any other type itself.
    pub fn innermost(&self) -> &SqlType {
        match self {
            SqlType::Array(element) => element.innermost(),
            other => other,
        }
    }

    /// pg_type.typlen: -1 for types of variable length.
    pub fn length(&self) -> i16 {
        match self {
            SqlType::Bool | SqlType::Char => 1,
            SqlType::Int2 => 2,
            SqlType::Int4
            | SqlType::Float4
            | SqlType::Date
            | SqlType::Oid
            | SqlType::Regclass
            | SqlType::Regtype
            | SqlType::Regproc
            | SqlType::Enum(_)
            | SqlType::Void => 4,
            SqlType::Int8 | SqlType::Float8 | SqlType::Time(_) | SqlType::Timestamp(_) | SqlType::Timestamptz(_) => 8,
            SqlType::Interval(_) | SqlType::Uuid => 16,
            SqlType::Name => 64,
            SqlType::Spelled(spelled) => spelled.length(),
            SqlType::System(oid) => system::system_length(*oid),
            SqlType::Unknown => -2,
            SqlType::Domain(domain) => domain.base.length(),
            _ => -1,
        }
    }

    /// pg_type.typname: the short internal name (int4, bpchar, _text).
    pub fn internal_name(&self) -> String {
        match self {
            SqlType::Bool => "bool".into(),
            SqlType::Int2 => "int2".into(),
            SqlType::Int4 => "int4".into(),
            SqlType::Int8 => "int8".into(),
            SqlType::Float4 => "float4".into(),
            SqlType::Float8 => "float8".into(),
            SqlType::Numeric(_) => "numeric".into(),
            SqlType::Varchar(_) => "varchar".into(),
            SqlType::Bpchar(_) => "bpchar".into(),
            SqlType::Char => "char".into(),
            SqlType::Time(_) => "time".into(),
            SqlType::Timestamp(_) => "timestamp".into(),
            SqlType::Timestamptz(_) => "timestamptz".into(),
            SqlType::Interval(_) => "interval".into(),
            SqlType::Spelled(spelled) => spelled.internal_name().into(),
            SqlType::Enum(definition) => definition.name.clone(),
            SqlType::Domain(domain) => domain.name.clone(),
            SqlType::Composite(composite) => composite.name.clone(),
            SqlType::Array(element) => format!("_{}", element.internal_name()),
            other => other.to_string(),
        }
    }

    /// The Arrow type that carries this type through the engine.
    pub fn to_arrow(&self) -> DataType {
        match self {
            SqlType::Bool => DataType::Boolean,
            SqlType::Int2 => DataType::Int16,
            SqlType::Int4 => DataType::Int32,
            SqlType::Int8 => DataType::Int64,
            SqlType::Float4 => DataType::Float32,
            SqlType::Float8 => DataType::Float64,
            SqlType::Numeric(modifier) => {
                let (precision, scale) = modifier.unwrap_or(UNCONSTRAINED_NUMERIC);
                DataType::Decimal128(precision, scale)
            }
            SqlType::Bytea => DataType::Binary,
            SqlType::Date => DataType::Date32,
            SqlType::Time(_) => DataType::Time64(TimeUnit::Microsecond),
            SqlType::Timestamp(_) => DataType::Timestamp(TimeUnit::Microsecond, None),
            SqlType::Timestamptz(_) => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            SqlType::Interval(_) => DataType::Interval(IntervalUnit::MonthDayNano),
            SqlType::Oid | SqlType::Regclass | SqlType::Regtype | SqlType::Regproc => DataType::UInt32,
            SqlType::Void => DataType::Null,
            SqlType::Record => DataType::Struct(Fields::empty()),
            SqlType::Array(element) => DataType::List(Field::new("item", element.to_arrow(), true).into()),
            SqlType::Domain(domain) => domain.base.to_arrow(),
            SqlType::Composite(composite) => DataType::Struct(composite.arrow_fields()),
            SqlType::Text
            | SqlType::Varchar(_)
            | SqlType::Bpchar(_)
            | SqlType::Name
            | SqlType::Char
            | SqlType::Uuid
            | SqlType::Json
            | SqlType::Jsonb
            | SqlType::Spelled(_)
            | SqlType::System(_)
            | SqlType::Enum(_)
            | SqlType::Stored(_)
            | SqlType::Named(_)
            | SqlType::Unknown => DataType::Utf8View,
        }
    }

    /// A field that carries this type by name; the exact SQL type is in its metadata when Arrow alone
    /// would not tell.
    pub fn to_field(&self, name: impl Into<String>, nullable: bool) -> Field {
        let field = Field::new(name, self.to_arrow(), nullable);
        if SqlType::from_arrow(field.data_type()) == *self.base() {
            return field;
        }
        field.with_metadata([(TYPE_KEY.to_string(), self.to_metadata())].into())
    }

    /// Whether the Arrow type alone does not tell the type.
    pub fn is_named(&self) -> bool {
        SqlType::from_arrow(&self.to_arrow()) != *self
    }

    /// The SQL type of a column of a plan's output.
    pub fn from_field(field: &Field) -> SqlType {
        field
            .metadata()
            .get(TYPE_KEY)
            .and_then(|name| SqlType::from_metadata(name))
            .filter(|named| named.accepts(field.data_type()))
            .unwrap_or_else(|| SqlType::from_arrow(field.data_type()))
    }

    /// Whether values of this Arrow type can be shown as this type: metadata may outlive a cast.
    fn accepts(&self, data_type: &DataType) -> bool {
        // A numeric on its way to the client may be its text already.
        if matches!((self, data_type), (SqlType::Numeric(_), DataType::Utf8View)) {
            return true;
        }
        if let SqlType::Composite(composite) = self {
            return composite.is_laid_out_as(data_type);
        }
        std::mem::discriminant(&SqlType::from_arrow(&self.to_arrow()))
            == std::mem::discriminant(&SqlType::from_arrow(data_type))
    }

    /// The SQL type that an Arrow type stands for when nothing else is known.
    pub fn from_arrow(data_type: &DataType) -> SqlType {
        match data_type {
            DataType::Boolean => SqlType::Bool,
            DataType::Int8 | DataType::UInt8 | DataType::Int16 => SqlType::Int2,
            DataType::UInt16 | DataType::Int32 => SqlType::Int4,
            // Unsigned are the engine's own counts and positions, which never reach the sign.
            DataType::UInt32 | DataType::Int64 | DataType::UInt64 => SqlType::Int8,
            DataType::Float16 | DataType::Float32 => SqlType::Float4,
            DataType::Float64 => SqlType::Float8,
            DataType::Decimal32(precision, scale)
            | DataType::Decimal64(precision, scale)
            | DataType::Decimal128(precision, scale)
            | DataType::Decimal256(precision, scale) => {
                let has_own_digits = matches!(data_type, DataType::Decimal256(..))
                    && !matches!(
                        numeric::WideDigits::of(*precision, *scale),
                        numeric::WideDigits::Fixed(_)
                    );
                if is_unconstrained(*precision, *scale) || has_own_digits {
                    SqlType::Numeric(None)
                } else {
                    SqlType::Numeric(Some((*precision, *scale)))
                }
            }
            DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => {
                SqlType::Bytea
            }
            DataType::Date32 | DataType::Date64 => SqlType::Date,
            DataType::Time32(_) | DataType::Time64(_) => SqlType::Time(None),
            DataType::Timestamp(_, None) => SqlType::Timestamp(None),
            DataType::Timestamp(_, Some(_)) => SqlType::Timestamptz(None),
            DataType::Interval(_) | DataType::Duration(_) => SqlType::Interval(None),
            DataType::List(field)
            | DataType::LargeList(field)
            | DataType::ListView(field)
            | DataType::LargeListView(field)
            | DataType::FixedSizeList(field, _) => SqlType::Array(Box::new(SqlType::from_field(field))),
            DataType::Dictionary(_, value) => SqlType::from_arrow(value),
            DataType::RunEndEncoded(_, value) => SqlType::from_arrow(value.data_type()),
            DataType::Struct(_) | DataType::Map(_, _) | DataType::Union(_, _) => SqlType::Json,
            DataType::Null | DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => SqlType::Text,
        }
    }
}

/// Precision and scale that carry a numeric without a modifier: behind the point what avg() and divisions give to numbers from 1.
pub const UNCONSTRAINED_NUMERIC: (u8, i8) = (38, 16);

/// Whether a decimal carries a numeric without a modifier: of this version, or of one that kept ten digits behind the point.
pub fn is_unconstrained(precision: u8, scale: i8) -> bool {
    [UNCONSTRAINED_NUMERIC, (38, 10)].contains(&(precision, scale))
}

/// PostgreSQL's format_type(): `character varying(40)`, `numeric(12,2)`, `timestamp with time zone`.
impl fmt::Display for SqlType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SqlType::Bool => f.write_str("boolean"),
            SqlType::Int2 => f.write_str("smallint"),
            SqlType::Int4 => f.write_str("integer"),
            SqlType::Int8 => f.write_str("bigint"),
            SqlType::Float4 => f.write_str("real"),
            SqlType::Float8 => f.write_str("double precision"),
            SqlType::Numeric(None) => f.write_str("numeric"),
            SqlType::Numeric(Some((precision, scale))) => write!(f, "numeric({precision},{scale})"),
            SqlType::Text => f.write_str("text"),
            SqlType::Varchar(None) => f.write_str("character varying"),
            SqlType::Varchar(Some(length)) => write!(f, "character varying({length})"),
            SqlType::Bpchar(None) => f.write_str("bpchar"),
            SqlType::Bpchar(Some(length)) => write!(f, "character({length})"),
            SqlType::Name => f.write_str("name"),
            SqlType::Char => f.write_str("\"char\""),
            SqlType::Bytea => f.write_str("bytea"),
            SqlType::Date => f.write_str("date"),
            SqlType::Time(digits) => write!(f, "time{} without time zone", precision::shown(*digits)),
            SqlType::Timestamp(digits) => write!(f, "timestamp{} without time zone", precision::shown(*digits)),
            SqlType::Timestamptz(digits) => write!(f, "timestamp{} with time zone", precision::shown(*digits)),
            SqlType::Interval(None) => f.write_str("interval"),
            SqlType::Interval(Some(modifier)) => write!(f, "interval{modifier}"),
            SqlType::Uuid => f.write_str("uuid"),
            SqlType::Json => f.write_str("json"),
            SqlType::Jsonb => f.write_str("jsonb"),
            SqlType::Oid => f.write_str("oid"),
            SqlType::Regclass => f.write_str("regclass"),
            SqlType::Regtype => f.write_str("regtype"),
            SqlType::Regproc => f.write_str("regproc"),
            SqlType::Void => f.write_str("void"),
            SqlType::Record => f.write_str("record"),
            SqlType::Unknown => f.write_str("unknown"),
            SqlType::Spelled(spelled) => f.write_str(&spelled.shown_name()),
            SqlType::System(oid) => f.write_str(system::system_name(*oid)),
            SqlType::Enum(definition) => f.write_str(&quote_identifier(&definition.name)),
            SqlType::Domain(domain) => f.write_str(&quote_identifier(&domain.name)),
            SqlType::Composite(composite) => f.write_str(&quote_identifier(&composite.name)),
            SqlType::Stored(oid) => write!(f, "type {oid}"),
            SqlType::Named(name) => f.write_str(&name.join(".")),
            SqlType::Array(element) => write!(f, "{element}[]"),
        }
    }
}

/// Reads the spellings of `Display` and PostgreSQL's and Databricks' usual aliases.
impl FromStr for SqlType {
    type Err = Error;

    fn from_str(text: &str) -> Result<SqlType> {
        let lower = text.trim().to_ascii_lowercase();
        if let Some(element) = lower.strip_suffix("[]") {
            return Ok(SqlType::Array(Box::new(element.parse()?)));
        }
        let (name, arguments) = match lower.split_once('(') {
            Some((name, rest)) => {
                let (inside, after) = rest.split_once(')').ok_or_else(|| unknown_type(text))?;
                (
                    format!("{}{after}", name.trim()),
                    inside
                        .split(',')
                        .map(|part| part.trim().parse::<i32>().map_err(|_| unknown_type(text)))
                        .collect::<Result<Vec<_>>>()?,
                )
            }
            None => (lower.clone(), vec![]),
        };
        let length = || match arguments.first() {
            Some(length @ 1..=10_485_760) => Ok(Some(*length as u32)),
            Some(_) => Err(Error::new(
                SqlState::InvalidParameterValue,
                format!("length for type {name} must be between 1 and 10485760"),
            )),
            None => Ok(None),
        };
        let digits = || precision::digits(&arguments);
        Ok(match name.trim() {
            "bool" | "boolean" => SqlType::Bool,
            "int2" | "smallint" | "tinyint" | "byte" | "short" => SqlType::Int2,
            "int4" | "int" | "integer" => SqlType::Int4,
            "int8" | "bigint" | "long" => SqlType::Int8,
            "float4" | "real" => SqlType::Float4,
            "float" if matches!(arguments.first(), Some(1..=24)) => SqlType::Float4,
            "float8" | "double precision" | "double" | "float" => SqlType::Float8,
            "numeric" | "decimal" | "dec" => SqlType::Numeric(match arguments.as_slice() {
                [] => None,
                [precision @ 1..=38] => Some((*precision as u8, 0)),
                [precision @ 1..=38, scale] if (0..=*precision).contains(scale) => {
                    Some((*precision as u8, *scale as i8))
                }
                _ => {
                    return Err(Error::new(
                        SqlState::InvalidParameterValue,
                        format!("numeric precision and scale of {text} are out of range"),
                    )
                    .with_hint("Delta tables hold a precision of 1 to 38 and a scale of 0 up to the precision."));
                }
            }),
            "text" | "string" => SqlType::Text,
            "varchar" | "character varying" => SqlType::Varchar(length()?),
            "bpchar" => SqlType::Bpchar(length()?),
            "char" | "character" => SqlType::Bpchar(Some(length()?.unwrap_or(1))),
            "name" => SqlType::Name,
            "\"char\"" => SqlType::Char,
            "bytea" | "binary" => SqlType::Bytea,
            "date" => SqlType::Date,
            "time" | "time without time zone" => SqlType::Time(digits()?),
            "timestamp" | "timestamp without time zone" | "timestamp_ntz" => SqlType::Timestamp(digits()?),
            "timestamptz" | "timestamp with time zone" | "timestamp_ltz" => SqlType::Timestamptz(digits()?),
            name if let Some(fields) = name.strip_prefix("interval")
                && !fields.starts_with(char::is_alphanumeric)
                && let Some(modifier) = IntervalModifier::named(fields, digits()?) =>
            {
                SqlType::Interval(modifier)
            }
            "uuid" => SqlType::Uuid,
            "json" => SqlType::Json,
            "jsonb" => SqlType::Jsonb,
            "oid" => SqlType::Oid,
            "regclass" => SqlType::Regclass,
            "regtype" => SqlType::Regtype,
            "regproc" | "regprocedure" => SqlType::Regproc,
            "void" => SqlType::Void,
            "record" => SqlType::Record,
            "unknown" => SqlType::Unknown,
            // The internal name of an array type.
            name if let Some(element) = name.strip_prefix('_')
                && arguments.is_empty()
                && let Ok(element_type) = element.parse::<SqlType>()
                && element_type.internal_name() == element =>
            {
                SqlType::Array(Box::new(element_type))
            }
            name => {
                return Spelled::named(name, &arguments)?
                    .map(SqlType::Spelled)
                    .ok_or_else(|| unknown_type(text));
            }
        })
    }
}

/// 42704 for a type that nobody has.
pub fn unknown_type(text: &str) -> Error {
    Error::new(SqlState::UndefinedObject, format!("type \"{text}\" does not exist"))
}

impl From<SqlType> for String {
    fn from(sql_type: SqlType) -> String {
        sql_type.to_stored()
    }
}

impl TryFrom<String> for SqlType {
    type Error = Error;
    fn try_from(text: String) -> Result<SqlType> {
        SqlType::from_stored(&text)
    }
}

#[cfg(test)]
mod tests;
