//! A catalog, a session on it, and running a query as one of its roles.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::physical_plan::common::collect;
use tokio_util::sync::CancellationToken;

use crate::catalog::CatalogSnapshot;
use crate::catalog::model::*;
use crate::catalog_query::{Asked, answer};
use crate::context::sessions::{SessionHandle, SessionIdentity};
use crate::context::{Principal, QueryContext};
use crate::error::{Error, Result};
use crate::execution::outcome::{OutputColumn, Rows};
use crate::functions::{Datum, FunctionEnvironment};
use crate::introspection::NoMonitoring;
use crate::statement::ast::Statement;
use crate::telemetry::{QueryIdentity, QueryRecord};
use crate::types::{FormatSettings, SqlType};

pub(super) const ANALYST: Oid = 16384;
pub(super) const READERS: Oid = 16385;
pub(super) const SALES: Oid = 16386;
pub(super) const ORDERS: Oid = 16390;
pub(super) const CUSTOMER: Oid = 16391;
pub(super) const HIDDEN: Oid = 16392;
pub(super) const V_ORDERS: Oid = 16393;
pub(super) const REGION_FILTER: Oid = 16394;

fn grant(grantee: Oid, privileges: &[Privilege]) -> Vec<Grant> {
    vec![Grant {
        grantee,
        grantor: BOOTSTRAP_ROLE,
        privileges: privileges.to_vec(),
        grantable: vec![],
    }]
}

fn column(id: i16, name: &str, sql_type: &str, nullable: bool) -> Column {
    Column {
        id,
        name: name.into(),
        sql_type: sql_type.parse().unwrap(),
        nullable,
        field_id: None,
        mask: None,
        grants: vec![],
        default: None,
        numbering: None,
        comment: None,
    }
}

fn role(id: Oid, name: &str, superuser: bool, login: bool) -> Role {
    Role {
        id,
        name: name.into(),
        login,
        superuser,
        create_database: superuser,
        create_role: superuser,
        inherit: true,
        verifier: None,
        connection_limit: -1,
        valid_until: None,
        settings: vec![],
        member_of: vec![],
        comment: None,
    }
}

fn table(id: Oid, schema: Oid, name: &str, columns: Vec<Column>) -> Table {
    Table {
        id,
        schema,
        name: name.into(),
        owner: BOOTSTRAP_ROLE,
        location: TableLocation::Managed(uuid::Uuid::nil()),
        next_column: columns.len() as i16 + 1,
        columns,
        unlogged: false,
        partition_columns: vec![],
        row_filter: None,
        grants: vec![],
        constraints: vec![],
        materialized: None,
        comment: None,
    }
}

pub(super) fn catalog() -> CatalogSnapshot {
    let schema = |id, name: &str| Schema {
        id,
        database: DEFAULT_DATABASE,
        name: name.into(),
        owner: BOOTSTRAP_ROLE,
        grants: grant(PUBLIC_ROLE, &[Privilege::Usage]),
        comment: (id == SALES).then(|| "what was sold".into()),
    };
    let mut orders = table(
        ORDERS,
        SALES,
        "orders",
        vec![
            column(1, "id", "bigint", false),
            column(2, "region", "varchar(40)", true),
            column(3, "amount", "numeric(12,2)", true),
            column(4, "placed", "timestamptz", true),
            column(5, "tags", "text[]", true),
        ],
    );
    orders.grants = grant(READERS, &[Privilege::Select]);
    orders.comment = Some("all orders".into());
    orders.columns[2].comment = Some("in euro".into());
    orders.row_filter = Some(RowFilter {
        function: REGION_FILTER,
        columns: vec![2],
    });
    let mut customer = table(
        CUSTOMER,
        PUBLIC_SCHEMA,
        "customer",
        vec![column(1, "id", "integer", false), column(2, "name", "text", true)],
    );
    customer.columns[1].grants = grant(ANALYST, &[Privilege::Select]);
    let hidden = table(HIDDEN, PUBLIC_SCHEMA, "hidden", vec![column(1, "secret", "text", true)]);
    let mut analyst = role(ANALYST, "analyst", false, true);
    analyst.member_of = vec![Membership {
        role: READERS,
        admin: false,
        admin_only: false,
    }];
    CatalogSnapshot::of_objects(vec![
        role(BOOTSTRAP_ROLE, "admin", true, true).into(),
        role(READERS, "readers", false, false).into(),
        analyst.into(),
        Database {
            id: DEFAULT_DATABASE,
            name: "boathouse".into(),
            owner: BOOTSTRAP_ROLE,
            grants: grant(PUBLIC_ROLE, &[Privilege::Connect, Privilege::Temporary]),
            default_privileges: vec![],
            comment: None,
        }
        .into(),
        schema(PUBLIC_SCHEMA, "public").into(),
        schema(SALES, "sales").into(),
        orders.into(),
        customer.into(),
        hidden.into(),
        View {
            id: V_ORDERS,
            schema: SALES,
            name: "v_orders".into(),
            owner: BOOTSTRAP_ROLE,
            query: "SELECT id, amount FROM sales.orders".into(),
            search_path: vec![PUBLIC_SCHEMA],
            options: ViewOptions::default(),
            columns: vec![
                column(1, "id", "bigint", true),
                column(2, "amount", "numeric(12,2)", true),
            ],
            references: vec![Reference {
                object: ORDERS,
                name: vec!["sales".into(), "orders".into()],
                columns: vec![],
            }],
            grants: grant(READERS, &[Privilege::Select]),
            comment: None,
        }
        .into(),
        Function {
            id: REGION_FILTER,
            schema: SALES,
            name: "region_filter".into(),
            owner: BOOTSTRAP_ROLE,
            arguments: vec![Argument {
                name: "region".into(),
                sql_type: SqlType::Text,
                default: None,
            }],
            returns: SqlType::Bool,
            body: "region = 'north'".into(),
            query: None,
            script: None,
            search_path: vec![PUBLIC_SCHEMA],
            references: vec![],
            grants: grant(PUBLIC_ROLE, &[Privilege::Execute]),
            comment: None,
        }
        .into(),
    ])
}

struct Session(QueryContext);

impl FunctionEnvironment for Session {
    fn context(&self) -> &QueryContext {
        &self.0
    }

    fn setting(&self, name: &str) -> Option<String> {
        (name == "search_path").then(|| "\"$user\", public".into())
    }
}

/// A session of `admin` or `analyst`.
pub(super) fn context(role_name: &str) -> QueryContext {
    let catalog = Arc::new(catalog());
    let role = catalog.role_named(role_name).unwrap().id;
    let now: DateTime<Utc> = DateTime::from_timestamp(1_700_000_000, 0).unwrap();
    let identity = SessionIdentity {
        process_id: 42,
        login: role,
        login_name: role_name.into(),
        database: DEFAULT_DATABASE,
        ..SessionIdentity::default()
    };
    QueryContext {
        principal: Principal {
            login: role,
            login_name: role_name.into(),
            role,
            role_name: role_name.into(),
        },
        committed: Arc::clone(&catalog),
        outdated: Default::default(),
        catalog,
        database: DEFAULT_DATABASE,
        database_name: "boathouse".into(),
        search_path: vec![PUBLIC_SCHEMA],
        cancel: CancellationToken::new(),
        transaction_start: now,
        statement_start: now,
        session: Arc::new(SessionHandle::new(identity, Arc::default())),
        pins: Default::default(),
        own_writes: false,
        lock_timeout: None,
        record: Arc::new(QueryRecord::new(QueryIdentity {
            process_id: 42,
            login_name: role_name.into(),
            role_name: role_name.into(),
            database: "boathouse".into(),
            application_name: "psql".into(),
            kind: "select",
            text: "".into(),
            fingerprint: 0,
        })),
        changed_settings: Default::default(),
        changes_settings: Default::default(),
        warnings: Default::default(),
        messages: Default::default(),
        routines: None,
        level: 0,
    }
}

/// Runs one query as the role; `None` where the evaluator does not cover it.
pub(super) async fn run(role_name: &str, text: &str) -> Result<Option<(Vec<OutputColumn>, Vec<RecordBatch>)>> {
    let parsed = crate::statement::parse(text)?.remove(0);
    let Statement::Query(query) = parsed.statement else {
        return Err(Error::unsupported("anything but a query in this test"));
    };
    let asked = Asked {
        query: &query,
        declared: &[],
        parameter_count: parsed.parameter_count,
        environment: &Session(context(role_name)),
        monitoring: &NoMonitoring,
        settings: &FormatSettings::default(),
    };
    let Some(rows) = answer(&asked, &[], &[])? else {
        return Ok(None);
    };
    let Rows::Stream { stream, .. } = rows.rows else {
        return Err(Error::internal("a catalog query's rows were cached"));
    };
    Ok(Some((rows.columns.to_vec(), collect(stream).await?)))
}

/// Rows as text, columns separated by `|`, NULL as nothing: what `psql -At` prints.
pub(super) fn lines(batches: &[RecordBatch]) -> Vec<String> {
    let mut lines = vec![];
    for batch in batches {
        for row in 0..batch.num_rows() {
            let values = batch
                .columns()
                .iter()
                .map(|column| Datum::from_array(column, row).map(|value| shown(&value)));
            lines.push(values.collect::<Result<Vec<_>>>().unwrap().join("|"));
        }
    }
    lines
}

fn shown(value: &Datum) -> String {
    match value {
        Datum::Null => String::new(),
        Datum::Bool(value) => if *value { "t" } else { "f" }.into(),
        Datum::Int(value) => value.to_string(),
        Datum::Text(text) => text.clone(),
        Datum::List(elements) => format!("{{{}}}", elements.iter().map(shown).collect::<Vec<_>>().join(",")),
        other => format!("{other:?}"),
    }
}
