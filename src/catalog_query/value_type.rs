//! Types of values as the analyzer sees them: a pg_type OID with a modifier, and for records their fields. All facts
//! about a type come from the built-in rows of pg_type.

use std::sync::Arc;

use crate::functions::builtin::{BuiltinType, builtin_type};
use crate::types::{IntervalModifier, Spelled, SqlType};

pub(super) const BOOL: u32 = 16;
pub(super) const CHAR: u32 = 18;
pub(super) const NAME: u32 = 19;
pub(super) const INT8: u32 = 20;
pub(super) const INT2: u32 = 21;
pub(super) const INT2VECTOR: u32 = 22;
pub(super) const INT4: u32 = 23;
pub(super) const REGPROC: u32 = 24;
pub(super) const TEXT: u32 = 25;
pub(super) const OID: u32 = 26;
const TID: u32 = 27;
pub(super) const XID: u32 = 28;
pub(super) const CID: u32 = 29;
pub(super) const OIDVECTOR: u32 = 30;
pub(super) const JSON: u32 = 114;
pub(super) const JSONB: u32 = 3802;
pub(super) const FLOAT4: u32 = 700;
pub(super) const FLOAT8: u32 = 701;
pub(super) const UNKNOWN: u32 = 705;
pub(super) const BPCHAR: u32 = 1042;
pub(super) const VARCHAR: u32 = 1043;
pub(super) const NUMERIC: u32 = 1700;
pub(super) const REGPROCEDURE: u32 = 2202;
pub(super) const REGOPER: u32 = 2203;
pub(super) const REGOPERATOR: u32 = 2204;
pub(super) const REGCLASS: u32 = 2205;
pub(super) const REGTYPE: u32 = 2206;
pub(super) const RECORD: u32 = 2249;
pub(super) const ANYARRAY: u32 = 2277;
pub(super) const REGNAMESPACE: u32 = 4089;
pub(super) const REGROLE: u32 = 4096;
pub(super) const REGCONFIG: u32 = 3734;
pub(super) const REGDICTIONARY: u32 = 3769;
pub(super) const REGCOLLATION: u32 = 4191;

/// The type of an expression or column.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Type {
    pub oid: u32,
    /// -1 without a modifier.
    pub typmod: i32,
    /// What a record is made of, where that is known.
    pub fields: Option<Arc<Vec<Field>>>,
}

/// A named part of a record or a row.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Field {
    pub name: String,
    pub ty: Type,
}

impl Field {
    pub fn new(name: impl Into<String>, ty: impl Into<Type>) -> Field {
        Field {
            name: name.into(),
            ty: ty.into(),
        }
    }
}

impl From<u32> for Type {
    fn from(oid: u32) -> Type {
        Type::of(oid)
    }
}

impl Type {
    pub fn of(oid: u32) -> Type {
        Type {
            oid,
            typmod: -1,
            fields: None,
        }
    }

    pub fn with_modifier(oid: u32, typmod: i32) -> Type {
        Type {
            typmod,
            ..Type::of(oid)
        }
    }

    pub fn record(fields: Vec<Field>) -> Type {
        Type {
            fields: Some(Arc::new(fields)),
            ..Type::of(RECORD)
        }
    }

    pub fn is(&self, oid: u32) -> bool {
        self.oid == oid
    }

    pub fn is_unknown(&self) -> bool {
        self.oid == UNKNOWN
    }

    fn row(&self) -> Option<&'static BuiltinType> {
        builtin_type(self.oid)
    }

    /// The element type of an array or a vector.
    pub fn element(&self) -> Option<Type> {
        let row = self.row()?;
        (row.category == "A" && row.element != 0).then(|| Type {
            oid: row.element,
            typmod: self.typmod,
            fields: self.fields.clone(),
        })
    }

    /// Whether it is an array in the way of `unnest`, `= ANY` and polymorphic functions.
    pub fn is_array(&self) -> bool {
        self.element().is_some()
    }

    /// Vectors and names count their elements from zero, arrays from one.
    pub fn lower_bound(&self) -> i64 {
        match self.oid {
            INT2VECTOR | OIDVECTOR | NAME => 0,
            _ => 1,
        }
    }

    /// The type of arrays of this type; an array's is itself.
    pub fn array(&self) -> Option<Type> {
        if self.is_array() && !matches!(self.oid, INT2VECTOR | OIDVECTOR) {
            return Some(self.clone());
        }
        if self.oid == RECORD {
            return Some(Type {
                fields: self.fields.clone(),
                ..Type::of(2287)
            });
        }
        let array = self.row()?.array;
        (array != 0).then(|| Type {
            oid: array,
            typmod: self.typmod,
            fields: self.fields.clone(),
        })
    }

    pub fn category(&self) -> char {
        match self.row() {
            Some(row) => row.category.chars().next().unwrap_or('U'),
            None => 'U',
        }
    }

    pub fn is_preferred(&self) -> bool {
        self.row().is_some_and(|row| row.is_preferred)
    }

    /// Types whose values are OIDs that are written as names.
    pub fn is_registered(&self) -> bool {
        matches!(
            self.oid,
            REGPROC
                | REGPROCEDURE
                | REGOPER
                | REGOPERATOR
                | REGCLASS
                | REGTYPE
                | REGNAMESPACE
                | REGROLE
                | REGCONFIG
                | REGDICTIONARY
                | REGCOLLATION
        )
    }

    /// As error messages name it.
    pub fn name(&self) -> String {
        crate::functions::builtin::type_name(self.oid, -1)
    }

    /// The type that a column of a result has on the wire.
    pub fn to_sql_type(&self) -> SqlType {
        let plain = match self.oid {
            UNKNOWN => SqlType::Text,
            // The system's relations give them as numbers.
            TID | XID | CID => SqlType::System(self.oid),
            oid => SqlType::from_oid(oid).unwrap_or(SqlType::System(oid)),
        };
        let digits = u8::try_from(self.typmod).ok();
        let length = u32::try_from(self.typmod).ok().filter(|length| *length > 0);
        let modified = |sql_type: SqlType| match sql_type {
            SqlType::Varchar(_) if self.typmod >= 4 => SqlType::Varchar(Some((self.typmod - 4) as u32)),
            SqlType::Bpchar(_) if self.typmod >= 4 => SqlType::Bpchar(Some((self.typmod - 4) as u32)),
            SqlType::Numeric(_) if self.typmod >= 4 => {
                let packed = self.typmod - 4;
                SqlType::Numeric(Some(((packed >> 16) as u8, (packed & 0x7ff) as i8)))
            }
            SqlType::Time(_) => SqlType::Time(digits),
            SqlType::Timestamp(_) => SqlType::Timestamp(digits),
            SqlType::Timestamptz(_) => SqlType::Timestamptz(digits),
            SqlType::Interval(_) => SqlType::Interval(IntervalModifier::of_typmod(self.typmod)),
            SqlType::Spelled(Spelled::Timetz(_)) => SqlType::Spelled(Spelled::Timetz(digits)),
            SqlType::Spelled(Spelled::Bit(_)) => SqlType::Spelled(Spelled::Bit(length)),
            SqlType::Spelled(Spelled::Varbit(_)) => SqlType::Spelled(Spelled::Varbit(length)),
            other => other,
        };
        match plain {
            SqlType::Array(element) => SqlType::Array(Box::new(modified(*element))),
            other => modified(other),
        }
    }

    pub fn of_sql_type(sql_type: &SqlType) -> Type {
        Type::with_modifier(sql_type.oid(), sql_type.typmod())
    }
}

/// Whether a declared type stands for whatever it is given.
pub(super) fn is_polymorphic(oid: u32) -> bool {
    matches!(
        oid,
        2283 | 2277 | 2776 | 3500 | 3831 | 4537 | 5077 | 5078 | 5079 | 5080 | 4538
    )
}

/// The polymorphic types that only arrays fit.
pub(super) fn is_polymorphic_array(oid: u32) -> bool {
    matches!(oid, 2277 | 5078)
}
