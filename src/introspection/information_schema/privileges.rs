//! table_privileges, column_privileges, routine_privileges and their role_…_grants: grants that the
//! principal gave or received, an owner's own included.

use super::{catalog, schema_name, yes_or_no};
use crate::catalog::model::{Grant, Object, ObjectKind, Oid, PUBLIC_ROLE, Privilege};
use crate::error::Result;
use crate::functions::Datum;
use crate::introspection::{Introspection, Rows};

/// One privilege that one role has from another.
struct Held {
    grantor: Oid,
    grantee: Oid,
    privilege: Privilege,
    is_grantable: bool,
}

/// The privileges behind these grants and the ownership, as far as they concern the principal.
fn held(introspection: &Introspection<'_>, kind: ObjectKind, owner: Option<Oid>, grants: &[Grant]) -> Vec<Held> {
    let access = &introspection.lookup.access;
    let owned = owner.into_iter().flat_map(|owner| {
        let privileges = Privilege::all_of(kind).iter();
        privileges.map(move |privilege| Held {
            grantor: owner,
            grantee: owner,
            privilege: *privilege,
            is_grantable: true,
        })
    });
    let granted = grants.iter().flat_map(|grant| {
        grant.privileges.iter().map(|privilege| Held {
            grantor: grant.grantor,
            grantee: grant.grantee,
            privilege: *privilege,
            is_grantable: grant.grantable.contains(privilege),
        })
    });
    let concerns = |held: &Held| {
        held.grantee == PUBLIC_ROLE || access.has_privileges_of(held.grantee) || access.has_privileges_of(held.grantor)
    };
    owned.chain(granted).filter(concerns).collect()
}

fn role(introspection: &Introspection<'_>, role: Oid) -> Datum {
    match role {
        PUBLIC_ROLE => "PUBLIC".into(),
        role => introspection
            .lookup
            .catalog
            .role(role)
            .map(|role| role.name.as_str())
            .into(),
    }
}

pub(super) fn on_tables(introspection: &Introspection<'_>, rows: &mut Rows) -> Result<()> {
    for object in introspection.lookup.relations().filter(is_table_or_view) {
        for held in held(introspection, object.kind(), object.owner(), object.grants()) {
            rows.add([
                ("grantor", role(introspection, held.grantor)),
                ("grantee", role(introspection, held.grantee)),
                ("table_catalog", catalog(introspection)),
                ("table_schema", schema_name(introspection, object.parent())),
                ("table_name", object.name().into()),
                ("privilege_type", held.privilege.keyword().into()),
                ("is_grantable", yes_or_no(held.is_grantable)),
                ("with_hierarchy", yes_or_no(held.privilege == Privilege::Select)),
            ])?;
        }
    }
    Ok(())
}

/// The standard knows no materialized views.
fn is_table_or_view(object: &&Object) -> bool {
    !matches!(object, Object::Sequence(_)) && object.kind() != ObjectKind::MaterializedView
}

pub(super) fn on_columns(introspection: &Introspection<'_>, rows: &mut Rows) -> Result<()> {
    for object in introspection.lookup.relations().filter(is_table_or_view) {
        let of_table = |held: &Held| Privilege::all_of(ObjectKind::Column).contains(&held.privilege);
        for column in object.columns() {
            let whole = held(introspection, object.kind(), object.owner(), object.grants());
            let own = held(introspection, ObjectKind::Column, None, &column.grants);
            for held in whole.into_iter().filter(of_table).chain(own) {
                rows.add([
                    ("grantor", role(introspection, held.grantor)),
                    ("grantee", role(introspection, held.grantee)),
                    ("table_catalog", catalog(introspection)),
                    ("table_schema", schema_name(introspection, object.parent())),
                    ("table_name", object.name().into()),
                    ("column_name", column.name.as_str().into()),
                    ("privilege_type", held.privilege.keyword().into()),
                    ("is_grantable", yes_or_no(held.is_grantable)),
                ])?;
            }
        }
    }
    Ok(())
}

pub(super) fn on_routines(introspection: &Introspection<'_>, rows: &mut Rows) -> Result<()> {
    let lookup = &introspection.lookup;
    for schema in lookup.catalog.schemas(lookup.context.database) {
        for function in lookup.catalog.functions(schema.id) {
            let object = Object::Function(function.clone());
            for held in held(introspection, object.kind(), object.owner(), object.grants()) {
                rows.add([
                    ("grantor", role(introspection, held.grantor)),
                    ("grantee", role(introspection, held.grantee)),
                    ("specific_catalog", catalog(introspection)),
                    ("specific_schema", schema.name.as_str().into()),
                    ("specific_name", format!("{}_{}", function.name, function.id).into()),
                    ("routine_catalog", catalog(introspection)),
                    ("routine_schema", schema.name.as_str().into()),
                    ("routine_name", function.name.as_str().into()),
                    ("privilege_type", held.privilege.keyword().into()),
                    ("is_grantable", yes_or_no(held.is_grantable)),
                ])?;
            }
        }
    }
    Ok(())
}
