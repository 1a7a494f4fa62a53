//! Who may do what: grants, roles, owners and policies.

use super::*;

#[test]
fn creating_needs_the_right_to_create() {
    let mut world = world();
    let (s, alice, bob) = (world.s, world.alice, world.bob);
    let new = |schema| NewView {
        schema,
        name: "v".into(),
        query: "select 1".into(),
        search_path: vec![],
        columns: vec![],
        references: vec![],
        options: Default::default(),
    };
    let error = create_view(&mut world.staged, bob, new(s), WhenTaken::Refuse).unwrap_err();
    assert_eq!(
        (error.state().code(), error.message()),
        ("42501", "permission denied for schema s")
    );
    assert_eq!(
        code(create_view(
            &mut world.staged,
            BOOTSTRAP_ROLE,
            new(PG_CATALOG_SCHEMA),
            WhenTaken::Refuse
        )),
        "42501"
    );
    assert_eq!(
        code(create_schema(
            &mut world.staged,
            bob,
            DEFAULT_DATABASE,
            "x",
            None,
            WhenTaken::Refuse
        )),
        "42501"
    );
    assert_eq!(
        code(create_database(&mut world.staged, bob, "x", None, WhenTaken::Refuse)),
        "42501"
    );
    grant(
        &mut world.staged,
        alice,
        s,
        &[(Privilege::Create, vec![])],
        &[bob],
        false,
    )
    .unwrap();
    create_view(&mut world.staged, bob, new(s), WhenTaken::Refuse).unwrap();
}

#[test]
fn a_protecting_function_stays_even_under_cascade() {
    let mut world = world();
    let (t, f) = (
        table(&mut world, "t"),
        function(&mut world, "f", &[SqlType::Text], SqlType::Bool),
    );
    let (s, alice) = (world.s, world.alice);
    set_row_filter(&mut world.staged, alice, t, &[f], &["region".into()]).unwrap();
    for cascade in [false, true] {
        let error = drop_objects(&mut world.staged, alice, &[f], cascade).unwrap_err();
        assert_eq!(error.state().code(), "2BP01");
        assert!(error.message().contains("protected"), "{error}");
    }
    assert_eq!(
        code(drop_column(&mut world.staged, alice, t, "region", false, true)),
        "2BP01"
    );
    drop_objects(&mut world.staged, alice, &[s], true).unwrap();
}

#[test]
fn renames_keep_policies_and_recreation_inherits_none() {
    let mut world = world();
    let (t, f) = (
        table(&mut world, "t"),
        function(&mut world, "f", &[SqlType::Text], SqlType::Bool),
    );
    let alice = world.alice;
    set_row_filter(&mut world.staged, alice, t, &[f], &["region".into()]).unwrap();
    grant(
        &mut world.staged,
        alice,
        t,
        &[(Privilege::Select, vec![])],
        &[PUBLIC_ROLE],
        false,
    )
    .unwrap();
    rename(&mut world.staged, BOOTSTRAP_ROLE, t, "u").unwrap();
    rename(&mut world.staged, alice, f, "g").unwrap();
    rename_column(&mut world.staged, alice, t, "region", "area").unwrap();
    let filter = world.staged.snapshot().table(t).unwrap().row_filter.clone().unwrap();
    assert_eq!((filter.function, filter.columns), (f, vec![2]));
    drop_objects(&mut world.staged, alice, &[t], false).unwrap();
    let again = table(&mut world, "u");
    let snapshot = world.staged.snapshot();
    let again_table = snapshot.table(again).unwrap();
    assert!(again != t && again_table.row_filter.is_none() && again_table.grants.is_empty());
}

#[test]
fn a_governed_table_is_not_replaced() {
    let mut world = world();
    let (t, f) = (
        table(&mut world, "t"),
        function(&mut world, "f", &[SqlType::Text], SqlType::Bool),
    );
    let (schema, alice) = (world.s, world.alice);
    set_row_filter(&mut world.staged, alice, t, &[f], &["region".into()]).unwrap();
    let columns = vec![column("x", SqlType::Int4)];
    let new = NewTable {
        unlogged: false,
        temporary: None,
        schema,
        name: "t".into(),
        columns,
        partition_by: vec![],
        location: None,
        constraints: vec![],
        comment: None,
    };
    assert_eq!(
        code(create_table(&mut world.staged, alice, new, WhenTaken::Replace)),
        "55000"
    );
}

#[test]
fn policies_check_types_and_owners() {
    let mut world = world();
    let t = table(&mut world, "t");
    let (alice, bob) = (world.alice, world.bob);
    let boolean = function(&mut world, "f", &[SqlType::Text], SqlType::Bool);
    let overload = function(&mut world, "f", &[SqlType::Int8], SqlType::Bool);
    let text = function(&mut world, "m", &[SqlType::Text], SqlType::Text);
    let pay = function(&mut world, "p", &[SqlType::Int8, SqlType::Text], SqlType::Int8);
    let name = |text: &str| vec![text.to_string()];
    let staged = &mut world.staged;
    assert_eq!(
        code(set_row_filter(staged, bob, t, &[boolean], &name("region"))),
        "42501"
    );
    assert_eq!(
        code(set_row_filter(staged, alice, t, &[text], &name("region"))),
        "42804"
    );
    assert_eq!(code(set_row_filter(staged, alice, t, &[boolean], &name("id"))), "42804");
    assert_eq!(code(set_row_filter(staged, alice, t, &[boolean], &[])), "42804");
    assert_eq!(
        code(set_row_filter(staged, alice, t, &[boolean], &name("zzz"))),
        "42703"
    );
    assert_eq!(code(drop_row_filter(staged, alice, t)), "42704");
    set_row_filter(staged, alice, t, &[boolean, overload], &name("id")).unwrap();
    assert_eq!(
        staged
            .snapshot()
            .table(t)
            .unwrap()
            .row_filter
            .as_ref()
            .unwrap()
            .function,
        overload
    );
    assert_eq!(code(set_column_mask(staged, alice, t, "pay", &[text], &[])), "42804");
    assert_eq!(
        code(set_column_mask(staged, alice, t, "region", &[boolean], &[])),
        "42804"
    );
    set_column_mask(staged, alice, t, "pay", &[pay], &name("region")).unwrap();
    assert_eq!(code(drop_column(staged, alice, t, "region", false, false)), "2BP01");
    assert_eq!(code(drop_column_mask(staged, bob, t, "pay")), "42501");
    drop_column_mask(staged, alice, t, "pay").unwrap();
    assert_eq!(code(drop_column_mask(staged, alice, t, "pay")), "42704");
    revoke(staged, alice, boolean, &[], &[PUBLIC_ROLE], false, false).unwrap();
    grant(staged, BOOTSTRAP_ROLE, t, &[], &[bob], false).unwrap();
    change_owner(staged, BOOTSTRAP_ROLE, t, bob).unwrap();
    assert_eq!(
        code(set_row_filter(staged, bob, t, &[boolean], &name("region"))),
        "42501",
        "EXECUTE is needed"
    );
}

#[test]
fn privileges_reach_members_columns_and_everybody() {
    let mut world = world();
    let t = table(&mut world, "t");
    let (alice, bob) = (world.alice, world.bob);
    let staged = &mut world.staged;
    let team = create_role(
        staged,
        BOOTSTRAP_ROLE,
        "team",
        &RoleAttributes::default(),
        WhenTaken::Refuse,
    )
    .unwrap()
    .id();
    let can = |staged: &Staged, privilege| {
        let snapshot = staged.snapshot();
        snapshot.access(bob).has(snapshot.object(t).unwrap(), privilege)
    };
    let columns = |staged: &Staged| {
        let snapshot = staged.snapshot();
        snapshot
            .access(bob)
            .columns_with(snapshot.object(t).unwrap(), Privilege::Select)
    };
    assert_eq!(
        code(grant(staged, bob, t, &[(Privilege::Select, vec![])], &[team], false)),
        "42501"
    );
    grant(
        staged,
        alice,
        t,
        &[(Privilege::Select, vec!["id".into(), "pay".into()])],
        &[team],
        false,
    )
    .unwrap();
    grant_role(staged, BOOTSTRAP_ROLE, team, bob, false).unwrap();
    assert_eq!(columns(staged), [1, 3]);
    assert!(!can(staged, Privilege::Select));
    grant(staged, alice, t, &[(Privilege::Select, vec![])], &[PUBLIC_ROLE], false).unwrap();
    assert!(can(staged, Privilege::Select) && !can(staged, Privilege::Insert));
    revoke(
        staged,
        alice,
        t,
        &[(Privilege::Select, vec![])],
        &[PUBLIC_ROLE, team],
        false,
        false,
    )
    .unwrap();
    assert!(
        columns(staged).is_empty(),
        "revoking on the table revokes on its columns"
    );
    grant(staged, alice, t, &[], &[team], false).unwrap();
    assert!(can(staged, Privilege::Truncate));
    alter_role(
        staged,
        BOOTSTRAP_ROLE,
        bob,
        &RoleAttributes {
            inherit: Some(false),
            ..Default::default()
        },
    )
    .unwrap();
    assert!(!can(staged, Privilege::Truncate));
    assert!(staged.snapshot().access(bob).is_member_of(team));
    for (privilege, columns) in [(Privilege::Usage, vec![]), (Privilege::Delete, vec!["id".to_string()])] {
        assert_eq!(
            code(grant(staged, alice, t, &[(privilege, columns)], &[bob], false)),
            "0LP01"
        );
    }
}

#[test]
fn grant_options_pass_on_and_go_with_their_source() {
    let mut world = world();
    let t = table(&mut world, "t");
    let (alice, bob) = (world.alice, world.bob);
    let staged = &mut world.staged;
    let carol = create_role(
        staged,
        BOOTSTRAP_ROLE,
        "carol",
        &RoleAttributes::default(),
        WhenTaken::Refuse,
    )
    .unwrap()
    .id();
    let select = [(Privilege::Select, vec![])];
    let reads = |staged: &Staged, role| {
        let snapshot = staged.snapshot();
        snapshot
            .access(role)
            .has(snapshot.object(t).unwrap(), Privilege::Select)
    };
    assert_eq!(code(grant(staged, alice, t, &select, &[PUBLIC_ROLE], true)), "0LP01");
    grant(staged, alice, t, &select, &[bob], true).unwrap();
    grant(staged, bob, t, &select, &[carol], true).unwrap();
    assert_eq!(code(grant(staged, carol, t, &select, &[bob], true)), "0LP01");
    assert_eq!(code(revoke(staged, alice, t, &select, &[bob], false, false)), "2BP01");
    let list = crate::catalog::acl::access_list(&staged.snapshot(), staged.snapshot().object(t).unwrap()).unwrap();
    assert_eq!(list, ["alice=arwdDxt/alice", "bob=r*/alice", "carol=r*/bob"]);
    revoke(staged, alice, t, &select, &[bob], true, true).unwrap();
    assert!(reads(staged, bob) && !reads(staged, carol));
    revoke(staged, alice, t, &select, &[bob], false, false).unwrap();
    assert!(!reads(staged, bob));
}

#[test]
fn roles_go_when_nothing_names_them() {
    let mut world = world();
    let (alice, bob, admin) = (world.alice, world.bob, BOOTSTRAP_ROLE);
    let t = table(&mut world, "t");
    let staged = &mut world.staged;
    grant(staged, alice, t, &[], &[bob], false).unwrap();
    let error = drop_role(staged, admin, admin, bob).unwrap_err();
    assert_eq!(
        (error.state().code(), error.detail()),
        ("2BP01", Some("privileges for table s.t"))
    );
    assert_eq!(code(drop_role(staged, admin, admin, alice)), "2BP01");
    assert_eq!(code(drop_role(staged, admin, admin, admin)), "2BP01");
    assert_eq!(code(drop_role(staged, bob, bob, alice)), "42501");
    grant_role(staged, admin, alice, bob, false).unwrap();
    assert_eq!(code(grant_role(staged, admin, bob, alice, false)), "0LP01");
    assert_eq!(code(grant_role(staged, admin, bob, bob, false)), "0LP01");
    drop_objects(staged, admin, &[world.s], true).unwrap();
    drop_role(staged, admin, admin, alice).unwrap();
    assert!(staged.snapshot().role(bob).unwrap().member_of.is_empty());
}

#[test]
fn makers_of_roles_rule_their_own_only() {
    let mut world = world();
    let (alice, bob) = (world.alice, world.bob);
    let staged = &mut world.staged;
    let maker = RoleAttributes {
        create_role: Some(true),
        ..Default::default()
    };
    alter_role(staged, BOOTSTRAP_ROLE, alice, &maker).unwrap();
    let made = create_role(staged, alice, "made", &RoleAttributes::default(), WhenTaken::Refuse)
        .unwrap()
        .id();
    assert!(
        !staged.snapshot().access(alice).is_member_of(made),
        "administering is not being a member"
    );
    let login = RoleAttributes {
        login: Some(true),
        ..Default::default()
    };
    alter_role(staged, alice, made, &login).unwrap();
    assert_eq!(code(alter_role(staged, alice, bob, &login)), "42501");
    assert_eq!(code(alter_role(staged, alice, BOOTSTRAP_ROLE, &login)), "42501");
    assert_eq!(code(grant_role(staged, alice, BOOTSTRAP_ROLE, alice, false)), "42501");
    for attributes in [
        RoleAttributes {
            superuser: Some(true),
            ..Default::default()
        },
        RoleAttributes {
            create_database: Some(true),
            ..Default::default()
        },
    ] {
        assert_eq!(
            code(create_role(staged, alice, "x", &attributes, WhenTaken::Refuse)),
            "42501"
        );
    }
    grant_role(staged, alice, made, bob, false).unwrap();
    assert!(staged.snapshot().access(bob).is_member_of(made));
    let password = RoleAttributes {
        verifier: Some(Some("SCRAM-SHA-256$…".into())),
        ..Default::default()
    };
    alter_role(staged, bob, bob, &password).unwrap();
    assert_eq!(code(alter_role(staged, bob, bob, &login)), "42501");
    let demote = RoleAttributes {
        superuser: Some(false),
        ..Default::default()
    };
    assert_eq!(
        code(alter_role(staged, BOOTSTRAP_ROLE, BOOTSTRAP_ROLE, &demote)),
        "42501"
    );
    for name in ["public", "none", "pg_any"] {
        assert_eq!(
            code(create_role(staged, BOOTSTRAP_ROLE, name, &login, WhenTaken::Refuse)),
            "42939"
        );
    }
}

#[test]
fn owners_and_places_change_hands() {
    let mut world = world();
    let (t, alice, bob, admin) = (table(&mut world, "t"), world.alice, world.bob, BOOTSTRAP_ROLE);
    let staged = &mut world.staged;
    grant(staged, alice, t, &[(Privilege::Select, vec![])], &[PUBLIC_ROLE], false).unwrap();
    assert_eq!(code(change_owner(staged, bob, t, bob)), "42501");
    assert_eq!(code(change_owner(staged, alice, t, bob)), "42501");
    change_owner(staged, admin, t, bob).unwrap();
    let snapshot = staged.snapshot();
    assert_eq!(snapshot.table(t).unwrap().grants[0].grantor, bob);
    assert_eq!(code(set_schema(staged, bob, t, PUBLIC_SCHEMA)), "42501");
    set_schema(staged, admin, t, PUBLIC_SCHEMA).unwrap();
    assert!(staged.snapshot().relation_named(PUBLIC_SCHEMA, "t").is_some());
    let column = CommentedPart::Column("id".into());
    set_comment(staged, bob, t, Some(&column), Some("the number")).unwrap();
    assert_eq!(code(set_comment(staged, alice, t, None, Some("mine"))), "42501");
    assert_eq!(
        staged.snapshot().table(t).unwrap().columns[0].comment.as_deref(),
        Some("the number")
    );
}
