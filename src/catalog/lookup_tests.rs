//! Names and rights as one snapshot answers them.

use std::sync::Arc;

use super::commit::first_objects;
use super::model::*;
use super::*;

const ANN: Oid = 16_400;
const OWN: Oid = 16_401;
const SECRET: Oid = 16_402;
const OTHER: Oid = 16_403;
const OTHER_PUBLIC: Oid = 16_404;

fn grants(privileges: &[Privilege]) -> Vec<Grant> {
    vec![Grant {
        grantee: ANN,
        grantor: BOOTSTRAP_ROLE,
        privileges: privileges.to_vec(),
        grantable: vec![],
    }]
}

fn schema(id: Oid, database: Oid, name: &str, owner: Oid) -> Object {
    Schema {
        id,
        database,
        name: name.into(),
        owner,
        grants: vec![],
        comment: None,
    }
    .into()
}

fn view(id: Oid, schema: Oid, name: &str) -> Object {
    let (query, search_path, columns, references) = ("select 1".into(), vec![], vec![], vec![]);
    let (owner, grants, comment) = (BOOTSTRAP_ROLE, vec![], None);
    View {
        id,
        schema,
        name: name.into(),
        owner,
        query,
        search_path,
        columns,
        references,
        options: ViewOptions::default(),
        grants,
        comment,
    }
    .into()
}

/// Ann owns schema `ann`; `v` lies in public, ann, secret and other.public; `pg_class` in public as well.
fn snapshot() -> CatalogSnapshot {
    let mut objects = first_objects(None);
    let mut ann = objects.iter().find_map(|object| match object {
        Object::Role(role) => Some(role.clone()),
        _ => None,
    });
    let role = ann.as_mut().unwrap();
    (role.id, role.name, role.superuser) = (ANN, "ann".into(), false);
    let owner = BOOTSTRAP_ROLE;
    let other = Database {
        id: OTHER,
        name: "other".into(),
        owner,
        grants: grants(&[]),
        default_privileges: vec![],
        comment: None,
    };
    objects.extend([Object::Role(role.clone()), other.into()]);
    objects.push(schema(OWN, DEFAULT_DATABASE, "ann", ANN));
    objects.push(schema(SECRET, DEFAULT_DATABASE, "secret", BOOTSTRAP_ROLE));
    objects.push(schema(OTHER_PUBLIC, OTHER, "public", BOOTSTRAP_ROLE));
    for (id, place) in [
        (16_410, PUBLIC_SCHEMA),
        (16_411, OWN),
        (16_412, SECRET),
        (16_413, OTHER_PUBLIC),
    ] {
        objects.push(view(id, place, "v"));
    }
    objects.push(view(16_414, PUBLIC_SCHEMA, "pg_class"));
    let changes: Vec<Change> = objects
        .into_iter()
        .map(|object| Change::Put(Arc::new(object)))
        .collect();
    CatalogSnapshot::default().applied(1, 20_000, &changes).unwrap()
}

fn names(text: &str) -> Vec<String> {
    text.split('.').map(str::to_string).collect()
}

#[test]
fn the_search_path_leaves_out_what_the_role_cannot_use() {
    let snapshot = snapshot();
    let path = |role, text: &str| {
        let names: Vec<String> = text.split(',').map(str::to_string).collect();
        snapshot.search_path(DEFAULT_DATABASE, &names, role)
    };
    assert_eq!(path(ANN, "$user,public"), [OWN, PUBLIC_SCHEMA]);
    assert_eq!(path(ANN, "secret,missing,public,public"), [PUBLIC_SCHEMA]);
    assert_eq!(
        path(BOOTSTRAP_ROLE, "$user,secret,pg_catalog"),
        [SECRET, PG_CATALOG_SCHEMA]
    );
}

#[test]
fn names_mean_what_postgres_means() {
    let snapshot = snapshot();
    let is_system = |schema: &str, name: &str| (schema, name) == ("pg_catalog", "pg_class");
    let cases: [(&[Oid], &str, Result<&str, &str>); 11] = [
        (&[PUBLIC_SCHEMA], "v", Ok("16410")),
        (&[OWN, PUBLIC_SCHEMA], "v", Ok("16411")),
        (&[], "v", Err("42P01")),
        (&[], "secret.v", Ok("16412")),
        (&[], "other.public.v", Ok("16413")),
        (&[], "boathouse.public.v", Ok("16410")),
        (&[PUBLIC_SCHEMA], "pg_class", Ok("pg_catalog")),
        (&[PUBLIC_SCHEMA, PG_CATALOG_SCHEMA], "pg_class", Ok("16414")),
        (&[], "other.pg_catalog.pg_class", Ok("pg_catalog")),
        (&[], "nowhere.v", Err("42P01")),
        (&[], "a.b.c.d", Err("42601")),
    ];
    for (search_path, name, expected) in cases {
        let scope = Scope {
            database: DEFAULT_DATABASE,
            search_path,
        };
        let parts = names(name);
        let found = snapshot
            .resolve(scope, &parts, &is_system)
            .map(|resolved| match resolved {
                Resolved::Table(table) => table.id.to_string(),
                Resolved::View(view) => view.id.to_string(),
                Resolved::System { schema, .. } => schema.to_string(),
            });
        let found = found.as_deref().map_err(|error| error.state().code());
        assert_eq!(found, expected, "{name}");
    }
}

#[test]
fn new_objects_go_to_the_first_schema() {
    let snapshot = snapshot();
    let creation = |search_path: &[Oid], name: &str| {
        let scope = Scope {
            database: DEFAULT_DATABASE,
            search_path,
        };
        let name = names(name);
        snapshot
            .resolve_creation(scope, &name)
            .map(|(schema, _)| schema)
            .map_err(|error| error.state().code())
    };
    assert_eq!(creation(&[OWN, PUBLIC_SCHEMA], "t"), Ok(OWN));
    assert_eq!(creation(&[], "t"), Err("3F000"));
    assert_eq!(creation(&[], "nowhere.t"), Err("3F000"));
    assert_eq!(creation(&[], "other.public.t"), Ok(OTHER_PUBLIC));
    assert_eq!(creation(&[], "missing.public.t"), Err("3D000"));
    assert_eq!(creation(&[], "pg_catalog.t"), Err("42501"));
    assert_eq!(creation(&[], "system.t"), Err("42501"));
}

#[test]
fn everybody_has_postgres_defaults() {
    let snapshot = snapshot();
    let (admin, ann, nobody) = (
        snapshot.access(BOOTSTRAP_ROLE),
        snapshot.access(ANN),
        snapshot.access(99_999),
    );
    for access in [&ann, &nobody] {
        assert!(access.can_connect(DEFAULT_DATABASE) && !access.can_connect(OTHER));
        assert!(access.uses_schema(PUBLIC_SCHEMA) && access.uses_schema(PG_CATALOG_SCHEMA));
        assert!(!access.uses_schema(SECRET));
        assert!(!access.has(snapshot.object(PUBLIC_SCHEMA).unwrap(), Privilege::Create));
        assert!(!access.has(snapshot.object(16_410).unwrap(), Privilege::Select));
    }
    assert!(admin.can_connect(OTHER) && admin.uses_schema(SECRET));
    assert!(admin.is_member_of(ANN) && !admin.is_strictly_member_of(ANN));
    assert!(ann.owns(snapshot.object(OWN).unwrap()) && !ann.owns(snapshot.object(16_411).unwrap()));
    assert_eq!(
        acl::access_list(&snapshot, snapshot.object(DEFAULT_DATABASE).unwrap()),
        None
    );
    let public = acl::access_list(&snapshot, snapshot.object(PUBLIC_SCHEMA).unwrap()).unwrap();
    assert_eq!(public, ["admin=UC/admin", "=U/admin"]);
}

#[test]
fn dependents_are_found_by_id() {
    let snapshot = snapshot();
    let mut ids: Vec<Oid> = snapshot.dependents(DEFAULT_DATABASE).map(Object::id).collect();
    ids.sort_unstable();
    assert_eq!(ids, [PUBLIC_SCHEMA, OWN, SECRET]);
    assert_eq!(snapshot.role_uses(ANN).map(Object::id).min(), Some(OWN));
    assert_eq!(snapshot.changed_at(OWN), Some(1));
}
