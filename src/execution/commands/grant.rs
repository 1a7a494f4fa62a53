//! GRANT and REVOKE of privileges and of roles.

use super::CommandContext;
use crate::catalog::CatalogSnapshot;
use crate::catalog::changes::{self, DefaultsChange};
use crate::catalog::model::{Object, ObjectKind, Oid, PUBLIC_ROLE};
use crate::error::{Error, Result};
use crate::statement::ast::{AllOf, DefaultPrivilegesStatement, GrantStatement, GrantTarget};

pub(super) async fn run(command: &mut CommandContext<'_>, grant: &GrantStatement) -> Result<&'static str> {
    let grantees = grantees(command, &grant.grantees)?;
    for target in targets(command, &grant.target)? {
        command
            .stage(|staged, role, _| match grant.revoke {
                false => changes::grant(staged, role, target, &grant.privileges, &grantees, grant.grant_option),
                true => changes::revoke(
                    staged,
                    role,
                    target,
                    &grant.privileges,
                    &grantees,
                    grant.grant_option,
                    grant.cascade,
                ),
            })
            .await?;
    }
    Ok(if grant.revoke { "REVOKE" } else { "GRANT" })
}

pub(super) async fn roles(
    command: &mut CommandContext<'_>,
    roles: &[String],
    members: &[String],
    admin: bool,
    revoke: bool,
) -> Result<&'static str> {
    for granted in roles {
        for member in members {
            let granted = command.context.catalog.resolve_role(granted)?.id;
            let member = command.role_named(member)?;
            command
                .stage(|staged, role, _| match revoke {
                    false => changes::grant_role(staged, role, granted, member, admin),
                    true => changes::revoke_role(staged, role, granted, member, admin),
                })
                .await?;
        }
    }
    Ok(if revoke { "REVOKE ROLE" } else { "GRANT ROLE" })
}

/// ALTER DEFAULT PRIVILEGES.
pub(super) async fn defaults(
    command: &mut CommandContext<'_>,
    change: &DefaultPrivilegesStatement,
) -> Result<&'static str> {
    let roles: Result<Vec<Oid>> = change.roles.iter().map(|name| command.role_named(name)).collect();
    let roles = match roles?.as_slice() {
        [] => vec![command.role()],
        named => named.to_vec(),
    };
    let (catalog, database) = (&command.context.catalog, command.context.database);
    let schemas = change.schemas.iter();
    let schemas: Result<Vec<Oid>> = schemas
        .map(|name| Ok(catalog.resolve_schema(database, &name.0)?.id))
        .collect();
    let change = DefaultsChange {
        roles,
        schemas: schemas?,
        of: change.of,
        revoke: change.revoke,
        privileges: change.privileges.clone(),
        grantees: grantees(command, &change.grantees)?,
        option: change.option,
    };
    command
        .stage(|staged, role, scope| changes::alter_default_privileges(staged, role, scope.database, &change))
        .await?;
    Ok("ALTER DEFAULT PRIVILEGES")
}

/// What a schema has of the kind.
fn all_in(catalog: &CatalogSnapshot, kind: AllOf, schema: Oid) -> Vec<Oid> {
    let is_wanted = |object: &&Object| match object {
        Object::Table(_) | Object::View(_) => kind == AllOf::Tables,
        Object::Sequence(_) => kind == AllOf::Sequences,
        _ => false,
    };
    let relations = catalog.relations(schema).filter(is_wanted).map(Object::id);
    let routines = catalog.functions(schema).filter(|function| match kind {
        AllOf::Functions => !function.is_procedure(),
        AllOf::Procedures => function.is_procedure(),
        AllOf::Routines => true,
        AllOf::Tables | AllOf::Sequences => false,
    });
    relations.chain(routines.map(|function| function.id)).collect()
}

fn grantees(command: &CommandContext<'_>, names: &[String]) -> Result<Vec<Oid>> {
    let one = |name: &String| match name.as_str() {
        "public" => Ok(PUBLIC_ROLE),
        name => command.role_named(name),
    };
    names.iter().map(one).collect()
}

fn targets(command: &CommandContext<'_>, target: &GrantTarget) -> Result<Vec<Oid>> {
    let catalog = &command.context.catalog;
    match target {
        // A bare name, or one after TABLE, may be a view's.
        GrantTarget::Objects {
            kind: ObjectKind::Table,
            names,
        } => names
            .iter()
            .map(|name| Ok(catalog.resolve_relation(command.names(), &name.0)?.id()))
            .collect(),
        GrantTarget::Objects { kind, names } => names
            .iter()
            .map(|name| Ok(catalog.resolve_object(*kind, command.names(), &name.0)?.id()))
            .collect(),
        GrantTarget::Routines(routines) => routines
            .iter()
            .map(|routine| Ok(super::routine::named(command, routine)?.id))
            .collect(),
        GrantTarget::AllInSchemas { kind, schemas } => {
            let mut found = vec![];
            for name in schemas {
                let schema = catalog.resolve_schema(command.context.database, &name.0)?;
                if !catalog.access(command.role()).uses_schema(schema.id) {
                    return Err(Error::denied("schema", &schema.name));
                }
                found.extend(all_in(catalog, *kind, schema.id));
            }
            Ok(found)
        }
    }
}
