//! Whose SELECT privilege a scan needs, and on which columns.

use std::sync::Arc;

use datafusion::catalog::TableProvider;

use super::fixture::{World, recognise, staff_table};
use crate::catalog::changes::{NewColumn, NewTable, RoleAttributes, WhenTaken, create_role, create_table, grant};
use crate::catalog::model::{BOOTSTRAP_ROLE, Oid, PUBLIC_SCHEMA, Privilege};
use crate::catalog::store::memory::MemoryStore;
use crate::catalog::{Catalog, CatalogOptions, CatalogSnapshot};
use crate::governance::authorize::authorize;
use crate::types::SqlType;

struct Roles {
    catalog: Arc<CatalogSnapshot>,
    table: Oid,
    /// SELECT on the table, on id and name, on nothing.
    reader: Oid,
    partial: Oid,
    stranger: Oid,
}

async fn roles() -> Roles {
    let catalog = Catalog::open(Arc::new(MemoryStore::default()), CatalogOptions::default())
        .await
        .unwrap();
    catalog.bootstrap(None).await.unwrap();
    let mut staged = catalog.begin().await.unwrap();
    let mut role = |name: &str| {
        let attributes = RoleAttributes::default();
        create_role(&mut staged, BOOTSTRAP_ROLE, name, &attributes, WhenTaken::Refuse)
            .unwrap()
            .id()
    };
    let (reader, partial, stranger) = (role("reader"), role("partial"), role("stranger"));
    let column = |name: &str, sql_type| NewColumn {
        name: name.into(),
        sql_type,
        nullable: true,
        field_id: None,
        default: None,
        numbering: None,
        comment: None,
    };
    let columns = vec![
        column("id", SqlType::Int4),
        column("name", SqlType::Text),
        column("region", SqlType::Text),
        column("salary", SqlType::Numeric(Some((12, 2)))),
        column("ssn", SqlType::Text),
    ];
    let new = NewTable {
        unlogged: false,
        temporary: None,
        schema: PUBLIC_SCHEMA,
        name: "staff".into(),
        columns,
        partition_by: vec![],
        location: None,
        constraints: vec![],
        comment: None,
    };
    let table = create_table(&mut staged, BOOTSTRAP_ROLE, new, WhenTaken::Refuse)
        .unwrap()
        .id();
    let select = |columns: &[&str]| vec![(Privilege::Select, columns.iter().map(|name| name.to_string()).collect())];
    grant(&mut staged, BOOTSTRAP_ROLE, table, &select(&[]), &[reader], false).unwrap();
    grant(
        &mut staged,
        BOOTSTRAP_ROLE,
        table,
        &select(&["id", "name"]),
        &[partial],
        false,
    )
    .unwrap();
    Roles {
        catalog: staged.snapshot(),
        table,
        reader,
        partial,
        stranger,
    }
}

#[tokio::test]
async fn the_columns_that_are_read_need_the_privilege() {
    let roles = roles().await;
    let cases = [
        ("SELECT * FROM staff", "reader"),
        ("SELECT id, upper(name) FROM staff ORDER BY name", "reader partial"),
        ("SELECT count(*) FROM staff", "reader partial"),
        ("SELECT 1 FROM staff", "reader partial"),
        ("SELECT id FROM staff WHERE salary > 0", "reader"),
        ("SELECT id FROM staff ORDER BY salary", "reader"),
        ("SELECT name, sum(salary) FROM staff GROUP BY name", "reader"),
        ("SELECT count(ssn) FROM staff", "reader"),
        ("SELECT a.id FROM staff a JOIN staff b ON a.id = b.id", "reader partial"),
        ("SELECT a.id FROM staff a JOIN staff b ON a.ssn = b.ssn", "reader"),
        (
            "SELECT id FROM staff WHERE id IN (SELECT id FROM staff WHERE name = 'x')",
            "reader partial",
        ),
        (
            "SELECT id FROM staff WHERE id IN (SELECT id FROM staff WHERE ssn = 'x')",
            "reader",
        ),
        ("SELECT (SELECT max(salary) FROM staff)", "reader"),
        (
            "SELECT id FROM staff s WHERE EXISTS (SELECT 1 FROM staff t WHERE t.id = s.id)",
            "reader partial",
        ),
        (
            "SELECT id FROM staff s WHERE EXISTS (SELECT 1 FROM staff t WHERE t.name = s.ssn)",
            "reader",
        ),
        (
            "WITH s AS (SELECT id, name FROM staff) SELECT s.id FROM s",
            "reader partial",
        ),
        ("SELECT rank() OVER (ORDER BY salary) FROM staff", "reader"),
        ("SELECT 1", "reader partial stranger"),
    ];
    for (sql, allowed) in cases {
        let named = [
            ("reader", roles.reader),
            ("partial", roles.partial),
            ("stranger", roles.stranger),
        ];
        for (name, role) in named.into_iter().chain([("reader", BOOTSTRAP_ROLE)]) {
            let world = World::new();
            let table = roles.catalog.table(roles.table).unwrap().clone();
            let raw = Arc::new(staff_table(table, role)) as Arc<dyn TableProvider>;
            world.session.register_table("staff", raw).unwrap();
            let verdict = authorize(&world.bind(sql).await, &roles.catalog, recognise);
            let expected = allowed.split(' ').any(|allowed| allowed == name);
            assert_eq!(verdict.is_ok(), expected, "{name}: {sql}: {verdict:?}");
            if let Err(error) = verdict {
                let shown = (error.state().code(), error.message().to_string());
                assert_eq!(shown, ("42501", "permission denied for table staff".to_string()));
            }
        }
    }
}
