//! The wire's seam bound to the real thing: roles and databases from the catalog, sessions of the engine.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::Notify;

use super::backend::{
    Answered, Arguments, Backend, Binding, Callable, Called, Fetched, Login, LoginRole, Notice, NoticeOutlet,
    Notification, RowShape, Service, Source, StatementShape,
};
use crate::catalog::scram::{Key, keyed_hash};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::session::{ParsedStatement, Session};
use crate::types::encoding::Encoding;
use crate::types::format::FormatSettings;

/// Opens sessions of one engine.
pub struct EngineService {
    engine: Arc<Engine>,
}

impl EngineService {
    pub fn new(engine: Arc<Engine>) -> EngineService {
        EngineService { engine }
    }
}

impl Service for EngineService {
    type Session = Session;

    async fn find_role(&self, name: &str) -> Result<Option<LoginRole>> {
        let catalog = self.engine.services.refresh_catalog().await?;
        Ok(catalog.role_named(name).map(|role| LoginRole {
            id: role.id,
            superuser: role.superuser,
            login: role.login,
            verifier: role.verifier.clone(),
            valid_until: role.valid_until,
            connection_limit: role.connection_limit,
        }))
    }

    async fn has_database(&self, name: &str) -> Result<bool> {
        Ok(self
            .engine
            .services
            .refresh_catalog()
            .await?
            .database_named(name)
            .is_some())
    }

    /// Derived from the first superuser's verifier, which every server of the warehouse reads and no client
    /// can: salts of unknown users stay the same for as long as that one does.
    fn mock_secret(&self) -> Key {
        let catalog = self.engine.services.catalog.current();
        let seed = catalog
            .role(crate::catalog::model::BOOTSTRAP_ROLE)
            .and_then(|role| role.verifier.clone());
        keyed_hash(b"boathouse mock verifier", &[seed.unwrap_or_default().as_bytes()])
    }

    async fn open(&self, login: Login) -> Result<Session> {
        Session::start(Arc::clone(&self.engine), login).await
    }
}

impl Backend for Session {
    type Statement = ParsedStatement;
    type Answered = Answered;

    fn parameter_statuses(&mut self) -> Vec<(String, String)> {
        Session::parameter_statuses(self)
    }

    fn take_parameter_changes(&mut self) -> Vec<(String, String)> {
        Session::take_parameter_changes(self)
    }

    fn take_notices(&mut self) -> Vec<Notice> {
        Session::take_notices(self)
    }

    fn notice_outlet(&self) -> Option<Arc<NoticeOutlet>> {
        Some(Session::notice_outlet(self))
    }

    fn transaction_status(&self) -> u8 {
        Session::transaction_status(self)
    }

    fn format_settings(&self) -> FormatSettings {
        Session::format_settings(self)
    }

    fn client_encoding(&self) -> Option<&'static Encoding> {
        Session::client_encoding(self)
    }

    fn split(&mut self, sql: &str) -> Result<Vec<ParsedStatement>> {
        Session::split(self, sql)
    }

    async fn parse(&mut self, name: &str, source: Source<ParsedStatement>, parameter_oids: &[u32]) -> Result<()> {
        Session::parse(self, name, source, parameter_oids).await
    }

    async fn describe_statement(&mut self, name: &str) -> Result<StatementShape> {
        Session::describe_statement(self, name).await
    }

    async fn bind(&mut self, binding: Binding) -> Result<()> {
        Session::bind(self, binding).await
    }

    async fn describe_portal(&mut self, name: &str) -> Result<Option<RowShape>> {
        Session::describe_portal(self, name).await
    }

    async fn fetch(&mut self, portal: &str, max_rows: u64) -> Result<Fetched> {
        Session::fetch(self, portal, max_rows).await
    }

    async fn copy_data(&mut self, data: Bytes) -> Result<()> {
        Session::copy_data(self, data).await
    }

    async fn copy_done(&mut self) -> Result<String> {
        Session::copy_done(self).await
    }

    async fn copy_fail(&mut self, message: &str) {
        Session::copy_fail(self, message).await
    }

    async fn find_function(&mut self, oid: u32) -> Result<Callable> {
        Session::find_function(self, oid).await
    }

    async fn call_function(&mut self, function: Callable, arguments: Arguments) -> Result<Called> {
        Session::call_function(self, function, arguments).await
    }

    fn close_statement(&mut self, name: &str) -> Result<()> {
        Session::close_statement(self, name)
    }

    fn close_portal(&mut self, name: &str) -> Result<()> {
        Session::close_portal(self, name)
    }

    async fn sync(&mut self) -> Result<()> {
        Session::sync(self).await
    }

    fn rest(&mut self) {
        Session::rest(self);
    }

    fn take_notifications(&mut self) -> Vec<Notification> {
        Session::take_notifications(self)
    }

    fn notification_bell(&self) -> Option<Arc<Notify>> {
        Some(Session::notification_bell(self))
    }

    fn idle_limit(&self) -> Option<(Duration, Error)> {
        Session::idle_limit(self)
    }

    fn take_answered(&mut self) -> Option<Answered> {
        Session::take_answered(self)
    }

    async fn answers_again(&mut self, answered: &Answered) -> Result<bool> {
        Session::answers_again(self, answered).await
    }

    async fn failed(&mut self, error: &Error) {
        Session::failed(self, error).await
    }
}
