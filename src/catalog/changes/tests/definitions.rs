//! Creating, changing and dropping: names, dependents, columns, locations.

use super::*;
use crate::catalog::OnCommit;

#[test]
fn names_are_given_once() {
    let mut world = world();
    table(&mut world, "t");
    let (s, alice) = (world.s, world.alice);
    let again = |when| {
        let columns = vec![column("x", SqlType::Int4)];
        (
            NewTable {
                unlogged: false,
                temporary: None,
                schema: s,
                name: "t".into(),
                columns,
                partition_by: vec![],
                location: None,
                constraints: vec![],
                comment: None,
            },
            when,
        )
    };
    let (new, when) = again(WhenTaken::Refuse);
    let error = create_table(&mut world.staged, alice, new, when).unwrap_err();
    assert_eq!(
        (error.state().code(), error.message()),
        ("42P07", "relation \"t\" already exists")
    );
    let (new, when) = again(WhenTaken::Keep);
    assert!(matches!(
        create_table(&mut world.staged, alice, new, when).unwrap(),
        Created::Existing(_)
    ));
    assert_eq!(notices(&mut world), ["relation \"t\" already exists, skipping"]);
    let (new, when) = again(WhenTaken::Replace);
    let Created::New(id) = create_table(&mut world.staged, alice, new, when).unwrap() else {
        panic!()
    };
    assert_eq!(world.staged.snapshot().table(id).unwrap().columns.len(), 1);
    for (name, expected) in [("pg_x", "42939"), ("s", "42P06"), ("system", "42P06"), ("", "42601")] {
        let made = create_schema(
            &mut world.staged,
            BOOTSTRAP_ROLE,
            DEFAULT_DATABASE,
            name,
            None,
            WhenTaken::Refuse,
        );
        assert_eq!(code(made), expected, "{name}");
    }
}

#[test]
fn dependents_keep_what_they_need() {
    let mut world = world();
    let t = table(&mut world, "t");
    let v = view(&mut world, "v", t, vec![(1, "id".into())]);
    let (s, alice, bob) = (world.s, world.alice, world.bob);
    assert_eq!(code(drop_objects(&mut world.staged, bob, &[t], true)), "42501");
    let error = drop_objects(&mut world.staged, alice, &[t], false).unwrap_err();
    assert_eq!(
        error.message(),
        "cannot drop table s.t because other objects depend on it"
    );
    assert_eq!(error.detail(), Some("view s.v depends on table s.t"));
    assert_eq!(code(drop_objects(&mut world.staged, alice, &[s], false)), "2BP01");
    assert_eq!(
        code(drop_column(&mut world.staged, alice, t, "id", false, false)),
        "2BP01"
    );
    assert!(drop_column(&mut world.staged, alice, t, "pay", false, false).unwrap());
    assert_eq!(drop_objects(&mut world.staged, alice, &[t, v], false).unwrap().len(), 2);
    let t = table(&mut world, "t");
    view(&mut world, "v", t, vec![]);
    notices(&mut world);
    drop_objects(&mut world.staged, alice, &[t], true).unwrap();
    assert_eq!(notices(&mut world), ["drop cascades to view s.v"]);
    table(&mut world, "t");
    drop_objects(&mut world.staged, alice, &[s], true).unwrap();
    assert!(world.staged.snapshot().schema(s).is_none());
}

#[test]
fn drop_by_name_says_what_is_missing() {
    let mut world = world();
    let t = table(&mut world, "t");
    view(&mut world, "v", t, vec![]);
    let path = [world.s];
    let scope = Scope {
        database: DEFAULT_DATABASE,
        search_path: &path,
    };
    for (kind, name, expected) in [
        (ObjectKind::Table, "x", "42P01"),
        (ObjectKind::Table, "v", "42809"),
        (ObjectKind::View, "t", "42809"),
        (ObjectKind::Schema, "x", "3F000"),
        (ObjectKind::Schema, "pg_catalog", "2BP01"),
        (ObjectKind::Function, "x", "42883"),
        (ObjectKind::Database, "x", "3D000"),
    ] {
        let names = [vec![name.to_string()]];
        let dropped = drop_named(&mut world.staged, BOOTSTRAP_ROLE, kind, scope, &names, false, false);
        assert_eq!(code(dropped), expected, "{name}");
    }
    let names = [vec!["x".to_string()], vec!["nowhere".to_string(), "y".to_string()]];
    drop_named(
        &mut world.staged,
        BOOTSTRAP_ROLE,
        ObjectKind::Table,
        scope,
        &names,
        true,
        false,
    )
    .unwrap();
    let expected = [
        "table \"x\" does not exist, skipping",
        "schema \"nowhere\" does not exist, skipping",
    ];
    assert_eq!(notices(&mut world), expected);
}

#[test]
fn a_dropped_columns_id_is_not_given_again() {
    let mut world = world();
    let (t, alice) = (table(&mut world, "t"), world.alice);
    drop_column(&mut world.staged, alice, t, "pay", false, false).unwrap();
    let added = add_columns(&mut world.staged, alice, t, &[(column("pay", SqlType::Int8), false)]).unwrap();
    assert_eq!(added, [4]);
    let again = [(column("PAY", SqlType::Int8), false)];
    assert_eq!(code(add_columns(&mut world.staged, alice, t, &again)), "42701");
    let again = [(column("pay", SqlType::Int8), true)];
    assert!(add_columns(&mut world.staged, alice, t, &again).unwrap().is_empty());
    assert_eq!(
        code(drop_column(&mut world.staged, alice, t, "zzz", false, false)),
        "42703"
    );
    assert_eq!(code(rename_column(&mut world.staged, alice, t, "id", "pay")), "42701");
}

#[test]
fn views_are_replaced_compatibly() {
    let mut world = world();
    let t = table(&mut world, "t");
    let v = view(&mut world, "v", t, vec![]);
    let alice = world.alice;
    let new = |columns: Vec<NewColumn>, on: Oid| NewView {
        schema: world.s,
        name: "v".into(),
        query: "…".into(),
        search_path: vec![],
        columns,
        references: vec![Reference {
            object: on,
            name: vec![],
            columns: vec![],
        }],
        options: Default::default(),
    };
    let more = vec![column("id", SqlType::Int4), column("pay", SqlType::Int8)];
    for (bad, expected) in [
        (new(vec![], t), "42P16"),
        (new(vec![column("x", SqlType::Int4)], t), "42P16"),
        (new(vec![column("id", SqlType::Text)], t), "42P16"),
        (new(more.clone(), v), "42P17"),
    ] {
        assert_eq!(
            code(create_view(&mut world.staged, alice, bad, WhenTaken::Replace)),
            expected
        );
    }
    let replaced = create_view(&mut world.staged, alice, new(more, t), WhenTaken::Replace).unwrap();
    assert_eq!(replaced, Created::Replaced(v));
}

#[test]
fn external_tables_share_no_folder() {
    let mut world = world();
    let (schema, alice, admin) = (world.s, world.alice, BOOTSTRAP_ROLE);
    let staged = &mut world.staged;
    let warehouse = "s3://lake/house/";
    let location = |staged: &mut Staged, role, url| {
        create_external_location(staged, role, "l", url, vec![], warehouse, WhenTaken::Refuse)
    };
    for (role, url, expected) in [
        (alice, "s3://lake/open", "42501"),
        (admin, "s3://lake/house/x", "22023"),
        (admin, "s3a://lake/", "22023"),
        (admin, "s3://lake/open/../house", "22023"),
    ] {
        assert_eq!(code(location(staged, role, url)), expected, "{url}");
    }
    let l = location(staged, admin, "s3://lake/open").unwrap().id();
    let new = |name: &str, url: &str| NewTable {
        unlogged: false,
        temporary: None,
        schema,
        name: name.into(),
        columns: vec![column("x", SqlType::Int4)],
        partition_by: vec![],
        location: Some(url.into()),
        constraints: vec![],
        comment: None,
    };
    let create = |staged: &mut Staged, name, url| create_table(staged, alice, new(name, url), WhenTaken::Refuse);
    assert_eq!(code(create(staged, "a", "s3://lake/open/a")), "42501");
    grant(staged, admin, l, &[], &[alice], false).unwrap();
    create(staged, "a", "s3://lake/open/a").unwrap();
    for url in [
        "s3://lake/open/a/",
        "s3a://lake/open/a/b",
        "s3://lake/open",
        "s3://lake/open/%61",
    ] {
        assert_eq!(code(create(staged, "b", url)), "42P16", "{url}");
    }
    assert_eq!(code(create(staged, "b", "s3://lake/openness/b")), "22023");
    create(staged, "b", "s3://lake/open/ab").unwrap();
    assert_eq!(code(drop_objects(staged, admin, &[l], true)), "2BP01");
}

#[test]
fn databases_go_when_only_their_empty_public_is_left() {
    let mut world = world();
    let staged = &mut world.staged;
    let db = create_database(staged, BOOTSTRAP_ROLE, "d", None, WhenTaken::Refuse)
        .unwrap()
        .id();
    let area = create_schema(staged, BOOTSTRAP_ROLE, db, "area", None, WhenTaken::Refuse)
        .unwrap()
        .id();
    assert_eq!(code(drop_objects(staged, BOOTSTRAP_ROLE, &[db], false)), "2BP01");
    drop_objects(staged, BOOTSTRAP_ROLE, &[area], false).unwrap();
    drop_objects(staged, BOOTSTRAP_ROLE, &[db], false).unwrap();
    assert!(staged.snapshot().database_named("d").is_none());
}

#[test]
fn temporary_objects_are_seen_and_no_part_of_the_entry() {
    let mut world = world();
    let (role, table_in_s) = (world.alice, table(&mut world, "t"));
    let before = world.staged.change_list().len();
    let schema = world.staged.temporary_schema(role, DEFAULT_DATABASE, 7).unwrap();
    assert_eq!(
        world.staged.temporary_schema(role, DEFAULT_DATABASE, 7).unwrap(),
        schema
    );
    let temporary = |name: &str| NewTable {
        schema,
        name: name.into(),
        columns: vec![column("id", SqlType::Int4)],
        partition_by: vec![],
        location: None,
        unlogged: false,
        temporary: Some(format!("file:///tmp/{name}/")),
        constraints: vec![],
        comment: None,
    };
    let refuse = WhenTaken::Refuse;
    let kept = create_table(&mut world.staged, role, temporary("t"), refuse)
        .unwrap()
        .id();
    let short = create_table(&mut world.staged, role, temporary("short"), refuse)
        .unwrap()
        .id();
    assert_eq!(world.staged.change_list().len(), before);
    assert!(serde_json::to_string(&world.staged.change_list()).is_ok());

    let snapshot = world.staged.snapshot();
    let path = snapshot.search_path(DEFAULT_DATABASE, &["s".into()], role);
    assert_eq!(path, [schema, world.s]);
    fn scope(path: &[Oid]) -> Scope<'_> {
        Scope {
            database: DEFAULT_DATABASE,
            search_path: path,
        }
    }
    let name = |parts: &[&str]| parts.iter().map(|part| part.to_string()).collect::<Vec<_>>();
    let id = |path: &[Oid], parts: &[&str]| snapshot.resolve_relation(scope(path), &name(parts)).unwrap().id();
    assert_eq!(id(&path, &["t"]), kept);
    assert_eq!(id(&path, &["pg_temp", "t"]), kept);
    assert_eq!(id(&snapshot.without_temporary(&path), &["t"]), table_in_s);
    assert_eq!(
        snapshot.resolve_creation(scope(&path), &name(&["new"])).unwrap().0,
        world.s
    );

    // What lasts does not refer to what goes, and COMMIT drops what it is told to.
    let over = view(&mut world, "v", table_in_s, vec![]);
    assert!(world.staged.object(over).is_ok());
    let new = NewView {
        schema: world.s,
        name: "w".into(),
        query: "select id from t".into(),
        search_path: vec![world.s],
        columns: vec![column("id", SqlType::Int4)],
        references: vec![Reference {
            object: kept,
            name: vec!["t".into()],
            columns: vec![],
        }],
        options: Default::default(),
    };
    assert_eq!(code(create_view(&mut world.staged, role, new, refuse)), "42P16");
    let mut own = world.staged.temporary().unwrap();
    own.remember([
        (short, OnCommit::Drop),
        (kept, OnCommit::DeleteRows),
        (1, OnCommit::Drop),
    ]);
    own.drop_at_commit();
    assert_eq!(own.tables().map(|table| table.id).collect::<Vec<_>>(), [kept]);
    assert_eq!(own.on_commit(kept), OnCommit::DeleteRows);
}
