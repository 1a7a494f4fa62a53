//! ALTER … SET SCHEMA, for tables, views, functions and types.

use super::*;

/// Moves the object to another schema of the same database. Needs ownership and CREATE there.
pub fn set_schema(staged: &mut Staged, role: Oid, id: Oid, schema: Oid) -> Result<()> {
    let mut object = staged.object(id)?;
    staged.require(Permission::Owns { role, object: id })?;
    require_create(staged, role, schema)?;
    let database = |schema: Option<Oid>| {
        schema
            .and_then(|id| staged.view().schema(id))
            .map(|schema| schema.database)
    };
    if database(object.parent()) != database(Some(schema)) {
        return Err(Error::unsupported("moving an object to another database"));
    }
    super::index::move_indexes(staged, id, |index| index.schema = schema)?;
    match &mut object {
        Object::Table(table) => table.schema = schema,
        Object::View(view) => view.schema = schema,
        Object::Function(function) => function.schema = schema,
        Object::Sequence(sequence) => sequence.schema = schema,
        Object::Type(user_type) => user_type.schema = schema,
        other => {
            let message = format!("{} cannot be moved to another schema", other.kind().word());
            return Err(Error::new(SqlState::WrongObjectType, message));
        }
    }
    staged.put(object)
}
