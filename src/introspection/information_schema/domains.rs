//! domains, domain_constraints, domain_udt_usage and column_domain_usage.

use super::columns::{Facets, columns, schema_of_type};
use super::{catalog, schema_name};
use crate::catalog::model::{Domain, Type};
use crate::error::Result;
use crate::introspection::{Introspection, Rows};
use crate::types::SqlType;

fn each<'a>(introspection: &'a Introspection<'_>) -> impl Iterator<Item = (&'a Type, &'a Domain)> + 'a {
    let types = introspection.lookup.user_types();
    types.filter_map(|user_type| Some((user_type, user_type.domain()?)))
}

pub(super) fn domains(introspection: &Introspection<'_>, rows: &mut Rows) -> Result<()> {
    for (user_type, domain) in each(introspection) {
        let base = &domain.base;
        let facets = Facets::of(base);
        let default = domain.default.as_ref().map(|default| default.text.as_str());
        rows.add([
            ("domain_catalog", catalog(introspection)),
            ("domain_schema", schema_name(introspection, Some(user_type.schema))),
            ("domain_name", user_type.name.as_str().into()),
            ("data_type", facets.data_type.into()),
            ("character_maximum_length", facets.length.into()),
            ("character_octet_length", facets.octets.into()),
            ("numeric_precision", facets.precision.into()),
            ("numeric_precision_radix", facets.radix.into()),
            ("numeric_scale", facets.scale.into()),
            ("datetime_precision", facets.datetime_precision.into()),
            ("interval_type", facets.interval_type.into()),
            ("domain_default", default.into()),
            ("udt_catalog", catalog(introspection)),
            ("udt_schema", schema_of_type(base).into()),
            ("udt_name", base.internal_name().into()),
            ("dtd_identifier", "1".into()),
        ])?;
    }
    Ok(())
}

pub(super) fn constraints(introspection: &Introspection<'_>, rows: &mut Rows) -> Result<()> {
    for (user_type, domain) in each(introspection) {
        let schema = || schema_name(introspection, Some(user_type.schema));
        for check in &domain.checks {
            rows.add([
                ("constraint_catalog", catalog(introspection)),
                ("constraint_schema", schema()),
                ("constraint_name", check.name.as_str().into()),
                ("domain_catalog", catalog(introspection)),
                ("domain_schema", schema()),
                ("domain_name", user_type.name.as_str().into()),
                ("is_deferrable", "NO".into()),
                ("initially_deferred", "NO".into()),
            ])?;
        }
    }
    Ok(())
}

pub(super) fn udt_usage(introspection: &Introspection<'_>, rows: &mut Rows) -> Result<()> {
    for (user_type, domain) in each(introspection) {
        let base = &domain.base;
        rows.add([
            ("udt_catalog", catalog(introspection)),
            ("udt_schema", schema_of_type(base).into()),
            ("udt_name", base.internal_name().into()),
            ("domain_catalog", catalog(introspection)),
            ("domain_schema", schema_name(introspection, Some(user_type.schema))),
            ("domain_name", user_type.name.as_str().into()),
        ])?;
    }
    Ok(())
}

pub(super) fn column_usage(introspection: &Introspection<'_>, rows: &mut Rows) -> Result<()> {
    for (object, column) in columns(introspection) {
        let SqlType::Domain(domain) = &column.sql_type else {
            continue;
        };
        rows.add([
            ("domain_catalog", catalog(introspection)),
            ("domain_schema", domain.schema.as_str().into()),
            ("domain_name", domain.name.as_str().into()),
            ("table_catalog", catalog(introspection)),
            ("table_schema", schema_name(introspection, object.parent())),
            ("table_name", object.name().into()),
            ("column_name", column.name.as_str().into()),
        ])?;
    }
    Ok(())
}
