//! pg_type: the types that PostgreSQL has, so that drivers recognize what they meet.

use std::sync::OnceLock;

use crate::catalog::acl::access_list;
use crate::catalog::model::{BOOTSTRAP_ROLE, Object, Oid, PG_CATALOG_SCHEMA, Type, TypeDefinition};
use crate::error::Result;
use crate::functions::builtin::{builtin_relations, builtin_type, builtin_types, row_array_type, row_type};
use crate::functions::{Datum, builtin_schema};
use crate::introspection::Introspection;
use crate::introspection::rows::{Rows, SharedRow};
use crate::types::SqlType;
use crate::types::user_type::ARRAY_TYPES;

/// array_in, array_out and their kin.
const ARRAY: [i64; 5] = [750, 751, 2400, 2401, 3816];

pub(super) fn generate(introspection: &Introspection<'_>, rows: &mut Rows) -> Result<()> {
    static SYSTEM: OnceLock<Vec<SharedRow>> = OnceLock::new();
    rows.add_once(&SYSTEM, system_types)?;
    let lookup = &introspection.lookup;
    for object in lookup.relations() {
        let (schema, owner) = (object.parent().unwrap_or_default(), object.owner().unwrap_or_default());
        if !matches!(object, Object::Sequence(_)) {
            let schema = lookup.namespace_oid(schema);
            add_row_type(rows, object.id(), object.name(), schema, owner, Datum::Null)?;
        }
    }
    for user_type in lookup.user_types() {
        add_user_type(introspection, rows, user_type)?;
    }
    Ok(())
}

/// A user's type, and the type of arrays of it.
fn add_user_type(introspection: &Introspection<'_>, rows: &mut Rows, user_type: &Type) -> Result<()> {
    let lookup = &introspection.lookup;
    let array = ARRAY_TYPES + user_type.id;
    let acl = access_list(lookup.catalog, &Object::Type(user_type.clone()));
    let domain = user_type.domain();
    let below = domain.and_then(|domain| builtin_type(domain.base.base().oid()));
    let (length, kind, category, functions, storage) = match (&user_type.definition, below) {
        // enum_in, enum_out and their kin.
        (TypeDefinition::Enum(_), _) => (4, "e", "E", [3506, 3507, 3532, 3533, 0], "p"),
        // domain_in and domain_recv, and what writes the type below.
        (TypeDefinition::Domain(_), Some(below)) => (
            i64::from(below.length),
            "d",
            below.category,
            [2597, below.output.into(), 2598, below.send.into(), below.analyze.into()],
            below.storage,
        ),
        (TypeDefinition::Composite(_), _) => {
            let schema = lookup.namespace_oid(user_type.schema);
            return add_row_type(rows, user_type.id, &user_type.name, schema, user_type.owner, acl.into());
        }
        (TypeDefinition::Domain(_), None) => (4, "d", "E", [2597, 3507, 2598, 3533, 0], "p"),
    };
    let own = (
        user_type.id,
        user_type.name.clone(),
        length,
        kind,
        category,
        0,
        array,
        functions,
        0,
        storage,
    );
    let of_arrays = (
        array,
        format!("_{}", user_type.name),
        -1,
        "b",
        "A",
        user_type.id,
        0,
        ARRAY,
        6179,
        "x",
    );
    for (oid, name, length, kind, category, element, array, functions, subscript, storage) in [own, of_arrays] {
        let domain = domain.filter(|_| element == 0);
        let default = domain
            .and_then(|domain| domain.default.as_ref())
            .map(|default| default.text.as_str());
        let collation = domain.and(below).map_or(0, |below| below.collation);
        rows.add([
            ("oid", oid.into()),
            ("typname", name.into()),
            ("typnamespace", lookup.namespace_oid(user_type.schema).into()),
            ("typowner", user_type.owner.into()),
            ("typlen", length.into()),
            ("typbyval", (length > 0).into()),
            ("typtype", kind.into()),
            ("typcategory", category.into()),
            ("typispreferred", false.into()),
            ("typisdefined", true.into()),
            ("typdelim", ",".into()),
            ("typrelid", 0.into()),
            ("typsubscript", subscript.into()),
            ("typelem", element.into()),
            ("typarray", array.into()),
            ("typinput", functions[0].into()),
            ("typoutput", functions[1].into()),
            ("typreceive", functions[2].into()),
            ("typsend", functions[3].into()),
            ("typmodin", 0.into()),
            ("typmodout", 0.into()),
            ("typanalyze", functions[4].into()),
            ("typalign", "i".into()),
            ("typstorage", storage.into()),
            ("typnotnull", domain.is_some_and(|domain| domain.not_null).into()),
            ("typbasetype", domain.map_or(0, |domain| domain.base.oid()).into()),
            ("typtypmod", domain.map_or(-1, |domain| domain.base.typmod()).into()),
            (
                "typndims",
                i64::from(domain.is_some_and(|domain| matches!(domain.base, SqlType::Array(_)))).into(),
            ),
            ("typcollation", collation.into()),
            ("typdefaultbin", default.into()),
            ("typdefault", default.into()),
            ("typacl", if element == 0 { acl.clone().into() } else { Datum::Null }),
        ])?;
    }
    Ok(())
}

/// Types that PostgreSQL ships: base types, and the rows of its own relations.
fn system_types(rows: &mut Rows) -> Result<()> {
    for builtin in builtin_types() {
        rows.add([
            ("oid", builtin.oid.into()),
            ("typname", builtin.name.into()),
            ("typnamespace", PG_CATALOG_SCHEMA.into()),
            ("typowner", BOOTSTRAP_ROLE.into()),
            ("typlen", builtin.length.into()),
            ("typbyval", builtin.by_value.into()),
            ("typtype", builtin.kind.into()),
            ("typcategory", builtin.category.into()),
            ("typispreferred", builtin.is_preferred.into()),
            ("typisdefined", true.into()),
            ("typdelim", builtin.delimiter.into()),
            ("typrelid", 0.into()),
            ("typsubscript", builtin.subscript.into()),
            ("typelem", builtin.element.into()),
            ("typarray", builtin.array.into()),
            ("typinput", builtin.input.into()),
            ("typoutput", builtin.output.into()),
            ("typreceive", builtin.receive.into()),
            ("typsend", builtin.send.into()),
            ("typmodin", builtin.modifier_in.into()),
            ("typmodout", builtin.modifier_out.into()),
            ("typanalyze", builtin.analyze.into()),
            ("typalign", builtin.alignment.into()),
            ("typstorage", builtin.storage.into()),
            ("typnotnull", false.into()),
            ("typbasetype", 0.into()),
            ("typtypmod", (-1).into()),
            ("typndims", 0.into()),
            ("typcollation", builtin.collation.into()),
        ])?;
    }
    for relation in builtin_relations() {
        let schema = builtin_schema(relation.schema).unwrap_or_default();
        add_row_type(rows, relation.oid, relation.name, schema, BOOTSTRAP_ROLE, Datum::Null)?;
    }
    Ok(())
}

/// The type of a relation's rows, and of arrays of them.
fn add_row_type(rows: &mut Rows, relation: Oid, name: &str, schema: Oid, owner: Oid, acl: Datum) -> Result<()> {
    // record_in, record_out and their kin.
    const RECORD: [i64; 5] = [2290, 2291, 2402, 2403, 0];
    let (row, array) = (row_type(relation), row_array_type(relation));
    let types = [
        (row, name.to_string(), "c", "C", relation, 0, array, RECORD, 0),
        (array, format!("_{name}"), "b", "A", 0, row, 0, ARRAY, 6179),
    ];
    for (oid, name, kind, category, relation, element, array, functions, subscript) in types {
        rows.add([
            ("oid", oid.into()),
            ("typname", name.into()),
            ("typnamespace", schema.into()),
            ("typowner", owner.into()),
            ("typlen", (-1).into()),
            ("typbyval", false.into()),
            ("typtype", kind.into()),
            ("typcategory", category.into()),
            ("typispreferred", false.into()),
            ("typisdefined", true.into()),
            ("typdelim", ",".into()),
            ("typrelid", relation.into()),
            ("typsubscript", subscript.into()),
            ("typelem", element.into()),
            ("typarray", array.into()),
            ("typinput", functions[0].into()),
            ("typoutput", functions[1].into()),
            ("typreceive", functions[2].into()),
            ("typsend", functions[3].into()),
            ("typmodin", 0.into()),
            ("typmodout", 0.into()),
            ("typanalyze", functions[4].into()),
            ("typalign", "d".into()),
            ("typstorage", "x".into()),
            ("typnotnull", false.into()),
            ("typbasetype", 0.into()),
            ("typtypmod", (-1).into()),
            ("typndims", 0.into()),
            ("typcollation", 0.into()),
            ("typacl", if element == 0 { acl.clone() } else { Datum::Null }),
        ])?;
    }
    Ok(())
}
