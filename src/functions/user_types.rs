//! Finding users' types for functions that show or look up types by name or OID.

use super::lookup::{Lookup, quote_identifier};
use crate::catalog::model::{Oid, Type};
use crate::error::Result;
use crate::types::user_type::{ARRAY_TYPES, ROW_TYPES};

impl<'a> Lookup<'a> {
    /// The user's type of this OID, and whether the OID is that of arrays of it.
    pub fn user_type(&self, oid: Oid) -> Option<(&'a Type, bool)> {
        let here = |oid| {
            let found = self.catalog.user_type(oid)?;
            let schema = self.catalog.schema(found.schema)?;
            (schema.database == self.context.database).then_some(found)
        };
        let of_rows = || here(oid.checked_sub(ROW_TYPES)?);
        let element = || Some((here(oid.checked_sub(ARRAY_TYPES)?)?, true));
        let own = here(oid).or_else(of_rows).filter(|found| found.type_oid() == oid);
        own.map(|found| (found, false)).or_else(element)
    }

    /// Users' types of the connected database.
    pub fn user_types(&self) -> impl Iterator<Item = &'a Type> + '_ {
        let schemas = self.catalog.schemas(self.context.database);
        schemas.flat_map(|schema| self.catalog.user_types(schema.id))
    }

    /// The user's type that a name means; `None` when it means none.
    pub fn type_named(&self, name: &[String]) -> Result<Option<&'a Type>> {
        self.catalog.find_type(self.scope(), name)
    }

    /// Whether the type's unqualified name means this type.
    pub fn is_visible_type(&self, user_type: &Type) -> bool {
        let found = self.type_named(std::slice::from_ref(&user_type.name));
        found.is_ok_and(|found| found.is_some_and(|found| found.id == user_type.id))
    }

    /// format_type() of a user's type, or of arrays of it.
    pub fn type_display(&self, oid: Oid) -> String {
        let Some((user_type, is_array)) = self.user_type(oid) else {
            return "???".to_string();
        };
        let name = quote_identifier(&user_type.name);
        let brackets = if is_array { "[]" } else { "" };
        match self.is_visible_type(user_type) {
            true => format!("{name}{brackets}"),
            false => {
                let schema = quote_identifier(self.catalog.schema_name(user_type.schema));
                format!("{schema}.{name}{brackets}")
            }
        }
    }
}
