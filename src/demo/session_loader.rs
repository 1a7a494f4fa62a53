//! Makes the sample through a session of its own: statements take the same path as a client's, rows go
//! straight into the table's files.

use std::sync::Arc;

use datafusion::execution::SendableRecordBatchStream;

use super::{Loader, SCHEMA};
use crate::binding::table_address;
use crate::catalog::model::{BOOTSTRAP_ROLE, Object, Table};
use crate::context::interrupt::Interrupt;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::session::{Binding, Fetched, Login, Session, Source};
use crate::storage::{Freshness, Operation};

/// The superuser's hands on a warehouse.
pub struct SessionLoader {
    engine: Arc<Engine>,
    session: Session,
}

impl SessionLoader {
    pub async fn open(engine: Arc<Engine>) -> Result<SessionLoader> {
        let catalog = engine.services.refresh_catalog().await?;
        let admin = catalog
            .role(BOOTSTRAP_ROLE)
            .ok_or_else(|| Error::internal("the warehouse has no superuser"))?;
        let database = catalog.databases().map(|database| database.id).min();
        let database = database
            .and_then(|id| catalog.database(id))
            .ok_or_else(|| Error::internal("the warehouse has no database"))?;
        let login = Login {
            role: admin.id,
            role_name: admin.name.clone(),
            database: database.name.clone(),
            parameters: vec![("application_name".into(), "boathouse demo".into())],
            peer: None,
            process_id: 0,
            interrupt: Arc::new(Interrupt::default()),
        };
        let session = Session::start(Arc::clone(&engine), login).await?;
        Ok(SessionLoader { engine, session })
    }

    async fn table(&mut self, name: &str) -> Result<Option<Table>> {
        let catalog = self.engine.services.refresh_catalog().await?;
        let schema = catalog
            .databases()
            .filter_map(|database| catalog.schema_named(database.id, SCHEMA))
            .next();
        Ok(
            match schema.and_then(|schema| catalog.relation_named(schema.id, name)) {
                Some(Object::Table(table)) => Some(table.clone()),
                _ => None,
            },
        )
    }
}

impl Loader for SessionLoader {
    /// A table without rows was interrupted before its rows came.
    async fn has_table(&mut self, name: &str) -> Result<bool> {
        let Some(table) = self.table(name).await? else {
            return Ok(false);
        };
        let catalog = self.engine.services.catalog.current();
        let delta = self.engine.services.storage.table(&table_address(&catalog, &table)?)?;
        Ok(delta.snapshot(Freshness::Strict).await?.row_count().unwrap_or(0) > 0)
    }

    async fn has_role(&mut self, name: &str) -> Result<bool> {
        Ok(self.engine.services.refresh_catalog().await?.role_named(name).is_some())
    }

    async fn execute(&mut self, sql: &str) -> Result<()> {
        for statement in self.session.split(sql)? {
            self.session.parse("", Source::Parsed(statement), &[]).await?;
            self.session.bind(Binding::unnamed()).await?;
            while !matches!(self.session.fetch("", 0).await?, Fetched::Complete(_) | Fetched::Empty) {}
        }
        self.session.sync().await
    }

    async fn fill(&mut self, name: &str, rows: SendableRecordBatchStream) -> Result<()> {
        let table = self
            .table(name)
            .await?
            .ok_or_else(|| Error::internal(format!("table {name} was not made")))?;
        let catalog = self.engine.services.catalog.current();
        let delta = self.engine.services.storage.table(&table_address(&catalog, &table)?)?;
        let base = delta.snapshot(Freshness::Strict).await?;
        let files = delta.stage(&base, vec![rows]).await?;
        delta.append(files, Operation::new("WRITE").with_user("admin")).await?;
        Ok(())
    }
}
