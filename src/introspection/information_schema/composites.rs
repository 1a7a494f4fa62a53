//! attributes and user_defined_types: composite types and their fields.

use super::columns::{Facets, schema_of_type};
use super::{catalog, schema_name};
use crate::catalog::model::{Attribute, Type};
use crate::error::Result;
use crate::introspection::{Introspection, Rows};

fn each<'a>(introspection: &'a Introspection<'_>) -> impl Iterator<Item = (&'a Type, &'a [Attribute])> + 'a {
    let types = introspection.lookup.user_types();
    types.filter_map(|user_type| Some((user_type, user_type.attributes()?)))
}

pub(super) fn user_defined_types(introspection: &Introspection<'_>, rows: &mut Rows) -> Result<()> {
    for (user_type, _) in each(introspection) {
        rows.add([
            ("user_defined_type_catalog", catalog(introspection)),
            (
                "user_defined_type_schema",
                schema_name(introspection, Some(user_type.schema)),
            ),
            ("user_defined_type_name", user_type.name.as_str().into()),
            ("user_defined_type_category", "STRUCTURED".into()),
            ("is_instantiable", "YES".into()),
        ])?;
    }
    Ok(())
}

pub(super) fn attributes(introspection: &Introspection<'_>, rows: &mut Rows) -> Result<()> {
    for (user_type, attributes) in each(introspection) {
        for attribute in attributes {
            let facets = Facets::of(&attribute.sql_type);
            let number = i64::from(attribute.number);
            rows.add([
                ("udt_catalog", catalog(introspection)),
                ("udt_schema", schema_name(introspection, Some(user_type.schema))),
                ("udt_name", user_type.name.as_str().into()),
                ("attribute_name", attribute.name.as_str().into()),
                ("ordinal_position", number.into()),
                ("is_nullable", "YES".into()),
                ("data_type", facets.data_type.into()),
                ("character_maximum_length", facets.length.into()),
                ("character_octet_length", facets.octets.into()),
                ("numeric_precision", facets.precision.into()),
                ("numeric_precision_radix", facets.radix.into()),
                ("numeric_scale", facets.scale.into()),
                ("datetime_precision", facets.datetime_precision.into()),
                ("interval_type", facets.interval_type.into()),
                ("attribute_udt_catalog", catalog(introspection)),
                ("attribute_udt_schema", schema_of_type(&attribute.sql_type).into()),
                ("attribute_udt_name", attribute.sql_type.internal_name().into()),
                ("dtd_identifier", number.to_string().into()),
                ("is_derived_reference_attribute", "NO".into()),
            ])?;
        }
    }
    Ok(())
}
