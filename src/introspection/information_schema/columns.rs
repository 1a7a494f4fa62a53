//! columns: those that the principal owns or holds a privilege on.

use super::{catalog, schema_name, yes_or_no};
use crate::binding::updatable;
use crate::catalog::model::{BOOTSTRAP_ROLE, Column, NumberingKind, Object, ObjectKind, Privilege, Sequence, View};
use crate::error::Result;
use crate::functions::Datum;
use crate::functions::builtin::builtin_relations;
use crate::introspection::{Introspection, Rows};
use crate::types::coercion::shown;
use crate::types::{Spelled, SqlType};

/// Each column that the principal may read or write, with its relation.
pub(super) fn columns<'a>(introspection: &'a Introspection<'_>) -> impl Iterator<Item = (&'a Object, &'a Column)> + 'a {
    const READING_OR_WRITING: [Privilege; 4] = [
        Privilege::Select,
        Privilege::Insert,
        Privilege::Update,
        Privilege::References,
    ];
    let access = &introspection.lookup.access;
    let relations = introspection.lookup.relations();
    relations
        .filter(|object| object.kind() != ObjectKind::MaterializedView)
        .flat_map(|object| object.columns().iter().map(move |column| (object, column)))
        .filter(|(object, column)| {
            READING_OR_WRITING
                .iter()
                .any(|privilege| access.has_column(object, column.id, *privilege))
        })
}

pub(super) fn generate(introspection: &Introspection<'_>, rows: &mut Rows) -> Result<()> {
    for (object, column) in columns(introspection) {
        let place = Place {
            schema: schema_name(introspection, object.parent()),
            table: object.name(),
            position: i64::from(column.id),
            is_nullable: column.nullable,
            default: introspection
                .lookup
                .default_of(column)
                .filter(|_| column.generated().is_none()),
            generated: column.generated().map(|generated| generated.text.as_str()),
            is_updatable: match object {
                Object::View(view) => updated_columns(introspection, view).contains(&column.id),
                _ => matches!(object, Object::Table(_)),
            },
            identity: identity(introspection, column),
        };
        add(introspection, rows, place, &column.name, &column.sql_type)?;
    }
    for relation in builtin_relations() {
        for (column, position) in relation.columns.iter().zip(1..) {
            let place = Place {
                schema: relation.schema.into(),
                table: relation.name,
                position,
                is_nullable: !column.is_not_null,
                default: None,
                generated: None,
                is_updatable: relation.kind == 'r',
                identity: None,
            };
            add(introspection, rows, place, column.name, &column.sql_type)?;
        }
    }
    Ok(())
}

/// The columns of a view that are columns of a table below it.
fn updated_columns(introspection: &Introspection<'_>, view: &View) -> Vec<i16> {
    let Ok(found) = updatable(introspection.lookup.catalog, view) else {
        return vec![];
    };
    let columns = view.columns.iter().zip(found.table_columns());
    columns.filter_map(|(column, id)| id.map(|_| column.id)).collect()
}

/// Arrays' elements. Their modifiers are not shown, as in PostgreSQL.
pub(super) fn element_types(introspection: &Introspection<'_>, rows: &mut Rows) -> Result<()> {
    for (object, column) in columns(introspection) {
        let SqlType::Array(element) = &column.sql_type else {
            continue;
        };
        let kind = if matches!(object, Object::View(_)) {
            "VIEW"
        } else {
            "TABLE"
        };
        rows.add([
            ("object_catalog", catalog(introspection)),
            ("object_schema", schema_name(introspection, object.parent())),
            ("object_name", object.name().into()),
            ("object_type", kind.into()),
            ("collection_type_identifier", column.id.to_string().into()),
            ("data_type", without_modifier(element).into()),
            ("udt_catalog", catalog(introspection)),
            ("udt_schema", "pg_catalog".into()),
            ("udt_name", element.internal_name().into()),
            ("dtd_identifier", format!("a{}", column.id).into()),
        ])?;
    }
    Ok(())
}

/// column_udt_usage: columns whose type is the principal's; the system's types are a superuser's.
pub(super) fn type_usage(introspection: &Introspection<'_>, rows: &mut Rows) -> Result<()> {
    let access = &introspection.lookup.access;
    for (object, column) in columns(introspection) {
        let below = match &column.sql_type {
            SqlType::Domain(domain) => &domain.base,
            other => other,
        };
        let owner = introspection
            .lookup
            .user_type(below.oid())
            .map(|(user_type, _)| user_type.owner);
        if !access.has_privileges_of(owner.unwrap_or(BOOTSTRAP_ROLE)) {
            continue;
        }
        rows.add([
            ("udt_catalog", catalog(introspection)),
            ("udt_schema", schema_of_type(below).into()),
            ("udt_name", below.internal_name().into()),
            ("table_catalog", catalog(introspection)),
            ("table_schema", schema_name(introspection, object.parent())),
            ("table_name", object.name().into()),
            ("column_name", column.name.as_str().into()),
        ])?;
    }
    Ok(())
}

struct Place<'a> {
    schema: Datum,
    table: &'a str,
    position: i64,
    is_nullable: bool,
    default: Option<String>,
    generated: Option<&'a str>,
    is_updatable: bool,
    identity: Option<(NumberingKind, &'a Sequence)>,
}

/// How an identity column is numbered.
fn identity<'a>(introspection: &Introspection<'a>, column: &Column) -> Option<(NumberingKind, &'a Sequence)> {
    let numbering = column
        .numbering
        .filter(|numbering| numbering.kind != NumberingKind::Serial)?;
    Some((numbering.kind, introspection.lookup.sequence(numbering.sequence)?))
}

fn add(
    introspection: &Introspection<'_>,
    rows: &mut Rows,
    place: Place<'_>,
    name: &str,
    sql_type: &SqlType,
) -> Result<()> {
    let (domain, below) = match sql_type {
        SqlType::Domain(domain) => (Some(domain), &domain.base),
        other => (None, other),
    };
    let facets = Facets::of(below);
    let of_sequence = |number: fn(&Sequence) -> i64| -> Datum {
        place.identity.map(|(_, sequence)| number(sequence).to_string()).into()
    };
    rows.add([
        ("table_catalog", catalog(introspection)),
        ("table_schema", place.schema),
        ("table_name", place.table.into()),
        ("column_name", name.into()),
        ("ordinal_position", place.position.into()),
        ("column_default", place.default.into()),
        ("is_nullable", yes_or_no(place.is_nullable)),
        ("data_type", facets.data_type.into()),
        ("character_maximum_length", facets.length.into()),
        ("character_octet_length", facets.octets.into()),
        ("numeric_precision", facets.precision.into()),
        ("numeric_precision_radix", facets.radix.into()),
        ("numeric_scale", facets.scale.into()),
        ("datetime_precision", facets.datetime_precision.into()),
        ("interval_type", facets.interval_type.into()),
        ("udt_catalog", catalog(introspection)),
        ("domain_catalog", domain.map_or(Datum::Null, |_| catalog(introspection))),
        ("domain_schema", domain.map(|domain| domain.schema.as_str()).into()),
        ("domain_name", domain.map(|domain| domain.name.as_str()).into()),
        ("udt_schema", schema_of_type(below).into()),
        ("udt_name", below.internal_name().into()),
        ("dtd_identifier", place.position.to_string().into()),
        ("is_self_referencing", "NO".into()),
        ("is_identity", yes_or_no(place.identity.is_some())),
        (
            "identity_generation",
            place
                .identity
                .map(|(kind, _)| {
                    if kind == NumberingKind::Always {
                        "ALWAYS"
                    } else {
                        "BY DEFAULT"
                    }
                })
                .into(),
        ),
        ("identity_start", of_sequence(|sequence| sequence.start)),
        ("identity_increment", of_sequence(|sequence| sequence.increment)),
        ("identity_maximum", of_sequence(|sequence| sequence.maximum)),
        ("identity_minimum", of_sequence(|sequence| sequence.minimum)),
        (
            "identity_cycle",
            yes_or_no(place.identity.is_some_and(|(_, sequence)| sequence.cycle)),
        ),
        (
            "is_generated",
            if place.generated.is_some() { "ALWAYS" } else { "NEVER" }.into(),
        ),
        ("generation_expression", place.generated.into()),
        ("is_updatable", yes_or_no(place.is_updatable)),
    ])
}

/// The schema that a type lies in.
pub(super) fn schema_of_type(sql_type: &SqlType) -> &str {
    match sql_type {
        SqlType::Enum(definition) => &definition.schema,
        SqlType::Composite(composite) => &composite.schema,
        SqlType::Domain(domain) => &domain.schema,
        SqlType::Array(element) => schema_of_type(element),
        _ => "pg_catalog",
    }
}

/// What the standard's views tell about a type.
pub(super) struct Facets {
    pub data_type: String,
    pub length: Option<i64>,
    pub octets: Option<i64>,
    pub precision: Option<i64>,
    pub radix: Option<i64>,
    pub scale: Option<i64>,
    pub datetime_precision: Option<i64>,
    pub interval_type: Option<String>,
}

impl Facets {
    pub fn of(sql_type: &SqlType) -> Facets {
        /// PostgreSQL's octet length of text without a length.
        const LONGEST_TEXT: i64 = 1_073_741_824;
        let mut facets = Facets {
            data_type: without_modifier(sql_type),
            length: None,
            octets: None,
            precision: None,
            radix: None,
            scale: None,
            datetime_precision: None,
            interval_type: None,
        };
        match sql_type {
            SqlType::Varchar(length) | SqlType::Bpchar(length) => {
                facets.length = length.map(i64::from);
                facets.octets = Some(length.map_or(LONGEST_TEXT, |length| i64::from(length) * 4));
            }
            SqlType::Text => facets.octets = Some(LONGEST_TEXT),
            SqlType::Int2 => (facets.precision, facets.radix, facets.scale) = (Some(16), Some(2), Some(0)),
            SqlType::Int4 => (facets.precision, facets.radix, facets.scale) = (Some(32), Some(2), Some(0)),
            SqlType::Int8 => (facets.precision, facets.radix, facets.scale) = (Some(64), Some(2), Some(0)),
            SqlType::Float4 => (facets.precision, facets.radix) = (Some(24), Some(2)),
            SqlType::Float8 => (facets.precision, facets.radix) = (Some(53), Some(2)),
            SqlType::Numeric(modifier) => {
                facets.precision = modifier.map(|(precision, _)| i64::from(precision));
                facets.scale = modifier.map(|(_, scale)| i64::from(scale));
                facets.radix = Some(10);
            }
            SqlType::Date => facets.datetime_precision = Some(0),
            SqlType::Spelled(Spelled::Bit(_) | Spelled::Varbit(_)) => {
                facets.length = Some(i64::from(sql_type.typmod())).filter(|length| *length > 0);
            }
            SqlType::Time(_)
            | SqlType::Timestamp(_)
            | SqlType::Timestamptz(_)
            | SqlType::Interval(_)
            | SqlType::Spelled(Spelled::Timetz(_)) => {
                facets.datetime_precision = sql_type.datetime_precision().map(i64::from);
                let modifier = sql_type
                    .interval_modifier()
                    .filter(|modifier| modifier.fields().is_some());
                facets.interval_type = modifier.map(|modifier| modifier.to_string().trim().to_uppercase());
            }
            _ => {}
        }
        facets
    }
}

fn without_modifier(sql_type: &SqlType) -> String {
    match sql_type {
        SqlType::Array(_) => "ARRAY".into(),
        SqlType::Enum(_) | SqlType::Domain(_) | SqlType::Composite(_) => "USER-DEFINED".into(),
        SqlType::Spelled(_) => shown(sql_type),
        other => other.without_modifier().to_string(),
    }
}
