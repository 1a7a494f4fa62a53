//! DDL intents against a catalog of a few objects: what PostgreSQL refuses, we refuse in its words.

use std::sync::Arc;

mod definitions;
mod rights;

use super::*;
use crate::catalog::identifiers::Identifiers;
use crate::catalog::resolve::Scope;
use crate::catalog::snapshot::Change;
use crate::types::SqlType;

/// A fresh warehouse with the roles alice and bob and alice's schema s.
struct World {
    staged: Staged,
    alice: Oid,
    bob: Oid,
    s: Oid,
}

fn staged() -> Staged {
    let changes = crate::catalog::commit::first_objects(None);
    let changes: Vec<Change> = changes
        .into_iter()
        .map(|object| Change::Put(Arc::new(object)))
        .collect();
    let base = CatalogSnapshot::default().applied(1, 20_000, &changes).unwrap();
    let identifiers = Identifiers::default();
    identifiers.add(16384..20_000);
    Staged::new(Arc::new(base), Arc::new(identifiers))
}

fn world() -> World {
    let mut staged = staged();
    let role = |staged: &mut Staged, name: &str| {
        create_role(
            staged,
            BOOTSTRAP_ROLE,
            name,
            &RoleAttributes::default(),
            WhenTaken::Refuse,
        )
        .unwrap()
        .id()
    };
    let (alice, bob) = (role(&mut staged, "alice"), role(&mut staged, "bob"));
    let s = create_schema(
        &mut staged,
        BOOTSTRAP_ROLE,
        DEFAULT_DATABASE,
        "s",
        Some(alice),
        WhenTaken::Refuse,
    )
    .unwrap()
    .id();
    World { staged, alice, bob, s }
}

fn column(name: &str, sql_type: SqlType) -> NewColumn {
    NewColumn {
        name: name.into(),
        sql_type,
        nullable: true,
        field_id: None,
        default: None,
        numbering: None,
        comment: None,
    }
}

fn table(world: &mut World, name: &str) -> Oid {
    let columns = vec![
        column("id", SqlType::Int4),
        column("region", SqlType::Text),
        column("pay", SqlType::Int8),
    ];
    let (schema, role) = (world.s, world.alice);
    let new = NewTable {
        unlogged: false,
        temporary: None,
        schema,
        name: name.into(),
        columns,
        partition_by: vec![],
        location: None,
        constraints: vec![],
        comment: None,
    };
    create_table(&mut world.staged, role, new, WhenTaken::Refuse)
        .unwrap()
        .id()
}

fn view(world: &mut World, name: &str, on: Oid, columns: Vec<(i16, String)>) -> Oid {
    let new = NewView {
        schema: world.s,
        name: name.into(),
        query: "select id from t".into(),
        search_path: vec![world.s],
        columns: vec![column("id", SqlType::Int4)],
        references: vec![Reference {
            object: on,
            name: vec!["t".into()],
            columns,
        }],
        options: Default::default(),
    };
    create_view(&mut world.staged, world.alice, new, WhenTaken::Refuse)
        .unwrap()
        .id()
}

fn function(world: &mut World, name: &str, arguments: &[SqlType], returns: SqlType) -> Oid {
    let arguments = arguments.iter().enumerate();
    let arguments = arguments.map(|(n, sql_type)| Argument {
        name: format!("a{n}"),
        sql_type: sql_type.clone(),
        default: None,
    });
    let new = NewFunction {
        schema: world.s,
        name: name.into(),
        arguments: arguments.collect(),
        returns,
        body: "true".into(),
        query: None,
        script: None,
        search_path: vec![],
        references: vec![],
        comment: None,
    };
    create_function(&mut world.staged, world.alice, new, WhenTaken::Refuse)
        .unwrap()
        .id()
}

fn code<T: std::fmt::Debug>(result: Result<T>) -> &'static str {
    result.unwrap_err().state().code()
}

fn notices(world: &mut World) -> Vec<String> {
    world
        .staged
        .take_notices()
        .into_iter()
        .map(|notice| notice.message)
        .collect()
}
