//! pg_description and pg_shdescription: comments on what a database holds, and on what all share.

use std::sync::OnceLock;

use crate::catalog::model::{Object, Oid};
use crate::error::Result;
use crate::functions::builtin::{builtin_descriptions, row_type};
use crate::functions::{
    CONSTRAINT_CLASS, DATABASE_CLASS, FUNCTION_CLASS, NAMESPACE_CLASS, RELATION_CLASS, ROLE_CLASS, TYPE_CLASS,
};
use crate::introspection::Introspection;
use crate::introspection::rows::{Rows, SharedRow};

/// Comments on schemas, tables, views, columns and functions.
pub(super) fn local(introspection: &Introspection<'_>, rows: &mut Rows) -> Result<()> {
    static SYSTEM: OnceLock<Vec<SharedRow>> = OnceLock::new();
    rows.add_once(&SYSTEM, |rows| {
        for (class, oid, description) in builtin_descriptions() {
            rows.add([
                ("objoid", oid.into()),
                ("classoid", class.into()),
                ("objsubid", 0.into()),
                ("description", description.into()),
            ])?;
        }
        Ok(())
    })?;
    let lookup = &introspection.lookup;
    let mut add = |oid: Oid, class: Oid, column: i64, comment: Option<&str>| match comment {
        Some(comment) => rows.add([
            ("objoid", oid.into()),
            ("classoid", class.into()),
            ("objsubid", column.into()),
            ("description", comment.into()),
        ]),
        None => Ok(()),
    };
    for schema in lookup.schemas() {
        add(
            lookup.namespace_oid(schema.id),
            NAMESPACE_CLASS,
            0,
            schema.comment.as_deref(),
        )?;
        for function in lookup.catalog.functions(schema.id) {
            add(function.id, FUNCTION_CLASS, 0, function.comment.as_deref())?;
        }
        for user_type in lookup.catalog.user_types(schema.id) {
            let Some(attributes) = user_type.attributes() else {
                add(user_type.id, TYPE_CLASS, 0, user_type.comment.as_deref())?;
                continue;
            };
            add(row_type(user_type.id), TYPE_CLASS, 0, user_type.comment.as_deref())?;
            for known in attributes {
                add(
                    user_type.id,
                    RELATION_CLASS,
                    known.number.into(),
                    known.comment.as_deref(),
                )?;
            }
        }
    }
    for index in lookup.indexes().filter_map(|index| index.declared()) {
        add(index.id, RELATION_CLASS, 0, index.comment.as_deref())?;
    }
    for relation in lookup.relations() {
        add(relation.id(), RELATION_CLASS, 0, relation.comment())?;
        if let Object::Table(table) = relation {
            for constraint in &table.constraints {
                add(constraint.id, CONSTRAINT_CLASS, 0, constraint.comment.as_deref())?;
            }
        }
        for column in relation.columns() {
            add(
                relation.id(),
                RELATION_CLASS,
                i64::from(column.id),
                column.comment.as_deref(),
            )?;
        }
    }
    Ok(())
}

/// Comments on databases and roles.
pub(super) fn shared(introspection: &Introspection<'_>, rows: &mut Rows) -> Result<()> {
    let catalog = introspection.lookup.catalog;
    let databases = catalog
        .databases()
        .map(|database| (database.id, DATABASE_CLASS, database.comment.as_deref()));
    let roles = catalog
        .roles()
        .map(|role| (role.id, ROLE_CLASS, role.comment.as_deref()));
    for (oid, class, comment) in databases.chain(roles) {
        if let Some(comment) = comment {
            rows.add([
                ("objoid", oid.into()),
                ("classoid", class.into()),
                ("description", comment.into()),
            ])?;
        }
    }
    Ok(())
}
