//! CREATE EXTERNAL LOCATION: a place outside the warehouse below which external tables may lie.

use super::location::normalize;
use super::*;

/// Registers the place; superusers only, since the server's own credentials open it. `warehouse` is the URL of
/// the warehouse itself, which no external location may cover.
pub fn create_external_location(
    staged: &mut Staged,
    role: Oid,
    name: &str,
    url: &str,
    options: Vec<(String, String)>,
    warehouse: &str,
    when_taken: WhenTaken,
) -> Result<Created> {
    let superuser = Permission::Superuser { role };
    staged.require(superuser).map_err(|_| {
        let message = "permission denied to create external location";
        Error::new(SqlState::InsufficientPrivilege, message)
            .with_detail("Only roles with the SUPERUSER attribute may create external locations.")
    })?;
    check_name(ObjectKind::ExternalLocation, name)?;
    if let Some(existing) = staged.snapshot().external_location_named(name) {
        return keep_existing(staged, &existing.clone().into(), when_taken);
    }
    let url = normalize(url)?;
    let warehouse = crate::catalog::requirement::folder(warehouse);
    if url.starts_with(&warehouse) || warehouse.starts_with(&url) {
        let message = format!("external location \"{url}\" overlaps with the warehouse");
        return Err(Error::new(SqlState::InvalidParameterValue, message)
            .with_detail("The warehouse's own files are only reachable through its tables."));
    }
    let id = staged.new_oid()?;
    staged.put(ExternalLocation {
        id,
        name: name.to_string(),
        owner: role,
        url,
        options,
        grants: vec![],
    })?;
    Ok(Created::New(id))
}
