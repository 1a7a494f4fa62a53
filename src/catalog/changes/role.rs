//! CREATE, ALTER and DROP ROLE with PostgreSQL 16's rules: CREATEROLE makes roles and administers those that
//! it made; only superusers make or change superusers; nobody gives an attribute that he does not have.

use super::default_privileges::{kept_by, without_role};
use super::*;

/// Attributes that a statement names; `None` leaves one as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RoleAttributes {
    pub login: Option<bool>,
    pub superuser: Option<bool>,
    pub create_database: Option<bool>,
    pub create_role: Option<bool>,
    pub inherit: Option<bool>,
    /// A SCRAM verifier; `Some(None)` takes the password away.
    pub verifier: Option<Option<String>>,
    pub connection_limit: Option<i32>,
    /// Microseconds since 1970 UTC; `Some(None)` is 'infinity'.
    pub valid_until: Option<Option<i64>>,
}

impl RoleAttributes {
    fn apply(&self, role: &mut Role) {
        role.login = self.login.unwrap_or(role.login);
        role.superuser = self.superuser.unwrap_or(role.superuser);
        role.create_database = self.create_database.unwrap_or(role.create_database);
        role.create_role = self.create_role.unwrap_or(role.create_role);
        role.inherit = self.inherit.unwrap_or(role.inherit);
        role.connection_limit = self.connection_limit.unwrap_or(role.connection_limit);
        role.valid_until = self.valid_until.unwrap_or(role.valid_until);
        if let Some(verifier) = &self.verifier {
            role.verifier.clone_from(verifier);
        }
    }

    /// Whether nothing but the password is named: what everybody may do to himself.
    fn only_password(&self) -> bool {
        RoleAttributes {
            verifier: None,
            ..self.clone()
        } == RoleAttributes::default()
    }
}

/// Creates the role; needs CREATEROLE. Memberships (IN ROLE, ROLE, ADMIN) are `grant_role`'s.
pub fn create_role(
    staged: &mut Staged,
    role: Oid,
    name: &str,
    attributes: &RoleAttributes,
    when_taken: WhenTaken,
) -> Result<Created> {
    staged.require(Permission::CreateRole { role })?;
    check_name(ObjectKind::Role, name)?;
    check_attributes(staged, role, attributes, "create")?;
    if let Some(existing) = staged.snapshot().role_named(name) {
        return keep_existing(staged, &existing.clone().into(), when_taken);
    }
    let id = staged.new_oid()?;
    let mut new = Role {
        id,
        name: name.to_string(),
        login: false,
        superuser: false,
        create_database: false,
        create_role: false,
        inherit: true,
        verifier: None,
        connection_limit: -1,
        valid_until: None,
        settings: vec![],
        member_of: vec![],
        comment: None,
    };
    attributes.apply(&mut new);
    staged.put(new)?;
    // Who makes a role administers it, without becoming a member.
    if let Some(mut creator) = staged.view().role(role).filter(|creator| !creator.superuser).cloned() {
        creator.member_of.push(Membership {
            role: id,
            admin: true,
            admin_only: true,
        });
        staged.put(creator)?;
    }
    Ok(Created::New(id))
}

/// Changes attributes. Everybody may change his own password.
pub fn alter_role(staged: &mut Staged, role: Oid, target: Oid, attributes: &RoleAttributes) -> Result<()> {
    let mut changed = existing_role(staged, target)?;
    if !(role == target && attributes.only_password()) {
        require_administration(staged, role, &changed, "alter")?;
        check_attributes(staged, role, attributes, "alter")?;
    }
    if target == BOOTSTRAP_ROLE && attributes.superuser == Some(false) {
        return Err(
            Error::new(SqlState::InsufficientPrivilege, "permission denied to alter role")
                .with_detail("The bootstrap superuser must have the SUPERUSER attribute."),
        );
    }
    attributes.apply(&mut changed);
    staged.put(changed)
}

/// Sets what the role's sessions start with, or takes it back where there is no value. Everybody may change his own.
pub fn set_role_setting(staged: &mut Staged, role: Oid, target: Oid, name: &str, value: Option<&str>) -> Result<()> {
    let mut changed = own_or_administered(staged, role, target)?;
    let found = changed.settings.iter().position(|(known, _)| known == name);
    match (found, value) {
        (Some(place), Some(value)) => changed.settings[place].1 = value.to_string(),
        (Some(place), None) => drop(changed.settings.remove(place)),
        (None, Some(value)) => changed.settings.push((name.to_string(), value.to_string())),
        (None, None) => {}
    }
    staged.put(changed)
}

/// Takes back all that the role's sessions start with.
pub fn reset_role_settings(staged: &mut Staged, role: Oid, target: Oid) -> Result<()> {
    let mut changed = own_or_administered(staged, role, target)?;
    changed.settings.clear();
    staged.put(changed)
}

fn own_or_administered(staged: &mut Staged, role: Oid, target: Oid) -> Result<Role> {
    let found = existing_role(staged, target)?;
    if role != target {
        require_administration(staged, role, &found, "alter")?;
    }
    Ok(found)
}

/// Drops the role, and with it the memberships in it. `login` is the session's role, which like the effective
/// one cannot go. 2BP01 while it owns anything or was granted anything.
pub fn drop_role(staged: &mut Staged, role: Oid, login: Oid, target: Oid) -> Result<()> {
    let in_use = |who: &str| {
        Err(Error::new(
            SqlState::ObjectInUse,
            format!("{who} user cannot be dropped"),
        ))
    };
    let dropped = existing_role(staged, target)?;
    require_administration(staged, role, &dropped, "drop")?;
    if target == BOOTSTRAP_ROLE {
        let message = format!(
            "cannot drop role {} because it is required by the database system",
            dropped.name
        );
        return Err(Error::new(SqlState::DependentObjectsStillExist, message));
    }
    if target == role {
        return in_use("current");
    }
    if target == login {
        return in_use("session");
    }
    let snapshot = staged.snapshot();
    let uses: Vec<&Object> = snapshot.role_uses(target).collect();
    let is_kept_by = |object: &&&Object| match object {
        Object::Role(_) => false,
        // Its own defaults go with it.
        Object::Database(database) => {
            let granted = database.grants.iter().any(|grant| grant.grantee == target);
            database.owner == target || granted
        }
        _ => true,
    };
    let objects: Vec<&&Object> = uses.iter().filter(is_kept_by).collect();
    let databases = uses.iter().filter_map(|object| match object {
        Object::Database(database) => Some(database),
        _ => None,
    });
    let defaults = databases.flat_map(|database| kept_by(&snapshot, database, target));
    let defaults: Vec<String> = defaults.collect();
    if !objects.is_empty() || !defaults.is_empty() {
        let message = format!(
            "role \"{}\" cannot be dropped because some objects depend on it",
            dropped.name
        );
        let lines = objects.iter().map(|object| {
            let owned = object.owner() == Some(target);
            format!(
                "{} {}",
                if owned { "owner of" } else { "privileges for" },
                describe(&snapshot, object)
            )
        });
        let mut lines: Vec<String> = lines.chain(defaults).collect();
        lines.sort();
        return Err(Error::new(SqlState::DependentObjectsStillExist, message).with_detail(lines.join("\n")));
    }
    staged.rely_on_role_uses(target);
    for object in uses {
        if let Object::Role(member) = object {
            let mut member = member.clone();
            member.member_of.retain(|membership| membership.role != target);
            staged.put(member)?;
        } else if let Object::Database(database) = object {
            staged.put(without_role(database.clone(), target))?;
        }
    }
    staged.drop_object(target)
}

pub(super) fn existing_role(staged: &Staged, id: Oid) -> Result<Role> {
    match staged.object(id)? {
        Object::Role(role) => Ok(role),
        other => Err(Error::internal(format!("{other} is not a role"))),
    }
}

/// Superusers administer all, holders of CREATEROLE those roles that they hold ADMIN OPTION on.
pub(super) fn require_administration(staged: &mut Staged, role: Oid, target: &Role, verb: &str) -> Result<()> {
    let denied = |detail: String| {
        Error::new(
            SqlState::InsufficientPrivilege,
            format!("permission denied to {verb} role"),
        )
        .with_detail(detail)
    };
    if target.superuser {
        return staged.require(Permission::Superuser { role }).map_err(|_| {
            denied(format!(
                "Only roles with the SUPERUSER attribute may {verb} roles with the SUPERUSER attribute."
            ))
        });
    }
    let both = staged.require(Permission::CreateRole { role });
    both.and_then(|()| staged.require(Permission::Administers { role, of: target.id }))
        .map_err(|_| {
            let name = &target.name;
            denied(format!(
                "Only roles with the CREATEROLE attribute and the ADMIN option on role \"{name}\" may {verb} this role."
            ))
        })
}

/// Nobody gives an attribute that he does not have.
fn check_attributes(staged: &mut Staged, role: Oid, attributes: &RoleAttributes, verb: &str) -> Result<()> {
    let wanted = [
        (attributes.superuser, "SUPERUSER", Permission::Superuser { role }),
        (
            attributes.create_database,
            "CREATEDB",
            Permission::CreateDatabase { role },
        ),
        (attributes.create_role, "CREATEROLE", Permission::CreateRole { role }),
    ];
    for (value, attribute, permission) in wanted {
        let taken = value == Some(true) || (value == Some(false) && attribute == "SUPERUSER" && verb == "alter");
        if taken && staged.require(permission).is_err() {
            let message = format!("permission denied to {verb} role");
            return Err(
                Error::new(SqlState::InsufficientPrivilege, message).with_detail(format!(
                    "Only roles with the {attribute} attribute may {verb} roles with the {attribute} attribute."
                )),
            );
        }
    }
    if let Some(limit) = attributes.connection_limit.filter(|limit| *limit < -1) {
        return Err(Error::new(
            SqlState::InvalidParameterValue,
            format!("invalid connection limit: {limit}"),
        ));
    }
    Ok(())
}
