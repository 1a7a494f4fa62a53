//! COMMENT ON, for every kind of object and for columns.

use super::role::{existing_role, require_administration};
use super::table::missing_column;
use super::*;

/// Sets the comment, or with `None` takes it away.
pub fn set_comment(staged: &mut Staged, role: Oid, id: Oid, column: Option<&str>, text: Option<&str>) -> Result<()> {
    let mut object = staged.object(id)?;
    match object.kind() {
        ObjectKind::Role => {
            let target = existing_role(staged, id)?;
            require_administration(staged, role, &target, "comment on")?;
        }
        ObjectKind::ExternalLocation => return Err(Error::unsupported("COMMENT ON EXTERNAL LOCATION")),
        _ => staged.require(Permission::Owns { role, object: id })?,
    }
    // PostgreSQL too takes an empty comment for none.
    let text = text.filter(|text| !text.is_empty()).map(str::to_string);
    match column {
        None => object.set_comment(text),
        Some(name) => {
            let relation = object.name().to_string();
            let found = object
                .columns_mut()
                .into_iter()
                .flatten()
                .find(|column| column.name == name);
            found.ok_or_else(|| missing_column(name, &relation))?.comment = text;
        }
    }
    staged.put(object)
}
