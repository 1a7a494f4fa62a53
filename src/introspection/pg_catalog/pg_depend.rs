//! pg_depend: what views, tables, their parts and functions depend on.

use super::constants::BOATHOUSE;
use crate::catalog::model::{ConstraintRule, Object, Oid, SYSTEM_SCHEMA, Sequence, Table, View};
use crate::error::Result;
use crate::functions::builtin::{builtin_relations, default_oid, index_of_constraint, row_array_type, row_type};
use crate::functions::{
    CONSTRAINT_CLASS, DEFAULT_CLASS, FUNCTION_CLASS, NAMESPACE_CLASS, RELATION_CLASS, REWRITE_CLASS, TYPE_CLASS,
};
use crate::introspection::{Introspection, Rows};
use crate::types::user_type::ARRAY_TYPES;

/// pg_extension's OID.
const EXTENSION_CLASS: Oid = 3079;

/// An object of a catalog, or a column of it.
#[derive(Clone, Copy)]
struct Address {
    class: Oid,
    oid: Oid,
    column: i16,
}

fn relation(oid: Oid) -> Address {
    whole(RELATION_CLASS, oid)
}

fn whole(class: Oid, oid: Oid) -> Address {
    Address { class, oid, column: 0 }
}

fn column(table: Oid, column: i16) -> Address {
    Address {
        class: RELATION_CLASS,
        oid: table,
        column,
    }
}

/// pg_depend's rows as they are added: who depends on what, and how.
struct Dependencies<'a, 'i> {
    introspection: &'a Introspection<'i>,
    rows: &'a mut Rows,
}

pub(super) fn generate(introspection: &Introspection<'_>, rows: &mut Rows) -> Result<()> {
    let mut dependencies = Dependencies { introspection, rows };
    let lookup = &introspection.lookup;
    for index in lookup.indexes() {
        if index.declared().is_some() {
            for key in index.key_columns() {
                let attribute = column(index.table().id, key.attribute);
                dependencies.add(relation(index.oid()), attribute, "a")?;
            }
        }
    }
    for object in lookup.relations() {
        if let Some(schema) = object.parent() {
            dependencies.on_schema(RELATION_CLASS, object.id(), schema)?;
        }
        for known in object.columns() {
            if known.sql_type.user_type().is_some() {
                let of_type = whole(TYPE_CLASS, known.sql_type.oid());
                dependencies.add(column(object.id(), known.id), of_type, "n")?;
            }
        }
        match object {
            Object::Sequence(sequence) => dependencies.of_sequence(sequence)?,
            Object::View(view) => {
                dependencies.of_row_type(view.id)?;
                dependencies.of_view(view)?;
            }
            Object::Table(table) => {
                dependencies.of_row_type(table.id)?;
                dependencies.of_defaults(table)?;
                dependencies.of_constraints(table)?;
                if let Some(view) = table.defining_view() {
                    dependencies.of_view(&view)?;
                }
            }
            _ => {}
        }
    }
    for user_type in lookup.user_types() {
        if let Some(attributes) = user_type.attributes() {
            dependencies.on_schema(RELATION_CLASS, user_type.id, user_type.schema)?;
            dependencies.of_row_type(user_type.id)?;
            for attribute in attributes.iter().filter(|known| known.sql_type.user_type().is_some()) {
                let own = column(user_type.id, attribute.number);
                dependencies.add(own, whole(TYPE_CLASS, attribute.sql_type.oid()), "n")?;
            }
            continue;
        }
        dependencies.on_schema(TYPE_CLASS, user_type.id, user_type.schema)?;
        if let Some(domain) = user_type.domain() {
            let own = whole(TYPE_CLASS, user_type.id);
            if domain.base.user_type().is_some() {
                dependencies.add(own, whole(TYPE_CLASS, domain.base.oid()), "n")?;
            }
            for check in &domain.checks {
                dependencies.add(whole(CONSTRAINT_CLASS, check.id), own, "a")?;
            }
        }
        let array = whole(TYPE_CLASS, ARRAY_TYPES + user_type.id);
        dependencies.add(array, whole(TYPE_CLASS, user_type.id), "i")?;
    }
    for schema in lookup.catalog.schemas(lookup.context.database) {
        for function in lookup.catalog.functions(schema.id) {
            if lookup.sees(&Object::Function(function.clone())) {
                dependencies.on_schema(FUNCTION_CLASS, function.id, schema.id)?;
            }
        }
    }
    dependencies.of_extension()
}

impl Dependencies<'_, '_> {
    /// `kind` is "n" for what is there by itself, "a" for what goes with the other, "i" for a part of it, "e" for what
    /// an extension brought.
    fn add(&mut self, dependent: Address, referenced: Address, kind: &str) -> Result<()> {
        self.rows.add([
            ("classid", dependent.class.into()),
            ("objid", dependent.oid.into()),
            ("objsubid", i64::from(dependent.column).into()),
            ("refclassid", referenced.class.into()),
            ("refobjid", referenced.oid.into()),
            ("refobjsubid", i64::from(referenced.column).into()),
            ("deptype", kind.into()),
        ])
    }

    fn on_schema(&mut self, class: Oid, oid: Oid, schema: Oid) -> Result<()> {
        let namespace = self.introspection.lookup.namespace_oid(schema);
        self.add(whole(class, oid), whole(NAMESPACE_CLASS, namespace), "n")
    }

    /// The schema `system` and its views are not the user's.
    fn of_extension(&mut self) -> Result<()> {
        let extension = whole(EXTENSION_CLASS, BOATHOUSE);
        self.add(whole(NAMESPACE_CLASS, SYSTEM_SCHEMA), extension, "e")?;
        for view in builtin_relations()
            .iter()
            .filter(|relation| relation.schema == "system")
        {
            self.add(relation(view.oid), extension, "e")?;
        }
        Ok(())
    }

    fn of_row_type(&mut self, table: Oid) -> Result<()> {
        let row = whole(TYPE_CLASS, row_type(table));
        self.add(whole(TYPE_CLASS, row_array_type(table)), row, "i")?;
        // The type of a table's rows goes with the table, a composite type's relation with the type.
        match self.introspection.lookup.catalog.user_type(table) {
            Some(_) => self.add(relation(table), row, "i"),
            None => self.add(row, relation(table), "i"),
        }
    }

    fn of_sequence(&mut self, sequence: &Sequence) -> Result<()> {
        let Some((table, number)) = sequence.owned_by else {
            return Ok(());
        };
        let kind = if self.introspection.lookup.is_of_identity(sequence) {
            "i"
        } else {
            "a"
        };
        self.add(relation(sequence.id), column(table, number), kind)
    }

    fn of_view(&mut self, view: &View) -> Result<()> {
        // A view has exactly one rule, which has its OID.
        let rule = whole(REWRITE_CLASS, view.id);
        self.add(rule, relation(view.id), "i")?;
        self.add(rule, relation(view.id), "n")?;
        let lookup = &self.introspection.lookup;
        for reference in &view.references {
            let class = match lookup.catalog.object(reference.object) {
                Some(Object::Function(_)) => FUNCTION_CLASS,
                Some(referenced) if lookup.sees(referenced) => RELATION_CLASS,
                _ => continue,
            };
            if reference.columns.is_empty() {
                self.add(rule, whole(class, reference.object), "n")?;
            }
            for (number, _) in &reference.columns {
                self.add(rule, column(reference.object, *number), "n")?;
            }
        }
        Ok(())
    }

    fn of_defaults(&mut self, table: &Table) -> Result<()> {
        let lookup = &self.introspection.lookup;
        for known in &table.columns {
            if lookup.default_of(known).is_none() {
                continue;
            }
            let default = whole(DEFAULT_CLASS, default_oid(table.id, known.id));
            self.add(default, column(table.id, known.id), "a")?;
            if let Some(numbering) = known.numbering {
                self.add(default, relation(numbering.sequence), "n")?;
            }
        }
        Ok(())
    }

    fn of_constraints(&mut self, table: &Table) -> Result<()> {
        for known in &table.constraints {
            let constraint = whole(CONSTRAINT_CLASS, known.id);
            let own: Vec<i16> = match &known.rule {
                ConstraintRule::PrimaryKey { columns } | ConstraintRule::Unique { columns, .. } => {
                    self.add(relation(index_of_constraint(known.id)), constraint, "i")?;
                    columns.clone()
                }
                ConstraintRule::ForeignKey {
                    columns,
                    table: other,
                    referenced,
                    ..
                } => {
                    for number in referenced {
                        self.add(constraint, column(*other, *number), "n")?;
                    }
                    let mut keys = self.introspection.lookup.keys();
                    let key = keys.find(|key| key.table.id == *other && key.columns == referenced.as_slice());
                    if let Some(index) = key.map(|key| key.index()) {
                        self.add(constraint, relation(index), "n")?;
                    }
                    columns.clone()
                }
                ConstraintRule::Check { condition } => condition.columns.iter().map(|(number, _)| *number).collect(),
            };
            for number in own {
                self.add(constraint, column(table.id, number), "a")?;
            }
        }
        Ok(())
    }
}
