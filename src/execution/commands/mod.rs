//! One file a statement. Each turns names into ids, asks for the privileges, and stages its change in the
//! transaction; nothing takes effect before the transaction commits.

mod alter;
mod alter_column;
mod analyze;
mod checkpoint;
mod collected_rows;
mod comment;
mod constraint;
pub mod copy_in;
pub mod copy_out;
mod create;
pub mod create_function;
pub mod create_table;
pub mod create_view;
mod describe_detail;
mod describe_history;
mod describe_table;
mod domain;
mod drop;
mod extension;
mod grant;
mod index;
pub(super) mod insert;
mod like;
pub mod lock_rows;
mod lock_table;
pub mod materialized_view;
pub mod modify;
mod numbering;
mod optimize;
mod policy;
mod reshape;
mod restore;
mod role;
mod routine;
mod routine_settings;
pub mod row_checks;
mod sequence;
mod set_constraints;
mod show;
mod truncate;
mod user_type;
mod vacuum;

use super::outcome::{Notice, NoticeSeverity, Outcome, OutputColumn};
use super::services::Services;
use super::transaction::Transaction;
use crate::binding::BindingServices;
use crate::catalog::model::{Object, Oid, Table};
use crate::catalog::{Scope, Severity, Staged};
use crate::context::QueryContext;
use crate::context::settings::Settings;
use crate::error::{Error, Result, SqlState};
use crate::planning::PlanningSession;
use crate::statement::ast::{ObjectName, ShowTarget, Statement};
use crate::types::format::FormatSettings;

/// What a command may use.
pub struct CommandContext<'a> {
    pub services: &'a Services,
    pub context: &'a QueryContext,
    pub transaction: &'a mut Transaction,
    pub notices: &'a mut Vec<Notice>,
    /// For expressions that a statement stores.
    pub binding: BindingServices,
    /// The statement as it was written, for the catalog's audit trail.
    pub text: &'a str,
    pub settings: &'a Settings,
    pub format_settings: FormatSettings,
    /// For expressions that a statement evaluates by itself.
    pub session: PlanningSession,
}

impl CommandContext<'_> {
    /// The effective role.
    pub fn role(&self) -> Oid {
        self.context.principal.role
    }

    /// Where unqualified names are looked up.
    pub fn names(&self) -> Scope<'_> {
        Scope {
            database: self.context.database,
            search_path: &self.context.search_path,
        }
    }

    /// Makes a DDL change and passes its notices on.
    pub async fn stage<T>(&mut self, change: impl FnOnce(&mut Staged, Oid, Scope<'_>) -> Result<T>) -> Result<T> {
        let role = self.role();
        let scope = Scope {
            database: self.context.database,
            search_path: &self.context.search_path,
        };
        let staged = self.transaction.staged(self.services).await?;
        staged.add_statement(self.text);
        let changed = change(staged, role, scope)?;
        for notice in staged.take_notices() {
            let severity = match notice.severity {
                Severity::Debug => NoticeSeverity::Debug,
                Severity::Notice => NoticeSeverity::Notice,
                Severity::Warning => NoticeSeverity::Warning,
            };
            self.notices.push(Notice {
                severity,
                state: notice.state,
                message: notice.message,
                detail: notice.detail,
                hint: None,
                context: None,
            });
        }
        Ok(changed)
    }

    /// Whether the name says that the object lies in the session's temporary schema.
    pub fn names_temporary(&self, name: &ObjectName) -> bool {
        let [schema, _] = name.0.as_slice() else { return false };
        let catalog = &self.context.catalog;
        let named = || {
            catalog
                .schema_named(self.context.database, schema)
                .map(|schema| schema.id)
        };
        schema == "pg_temp" || (catalog.temporary_schema().is_some() && named() == catalog.temporary_schema())
    }

    /// The schema of a new object that lasts, or that its name places in the temporary schema, and its name there.
    pub async fn creation_place(&mut self, name: &ObjectName) -> Result<(Oid, String)> {
        if self.names_temporary(name) {
            return Ok((self.temporary_schema(name).await?, name.last().to_string()));
        }
        let (schema, name) = self.context.catalog.resolve_creation(self.names(), &name.0)?;
        Ok((schema, name.to_string()))
    }

    /// The session's temporary schema, for a new object of this name there.
    pub async fn temporary_schema(&mut self, name: &ObjectName) -> Result<Oid> {
        if name.0.len() > 1 && !self.names_temporary(name) {
            let message = "cannot create temporary relation in non-temporary schema";
            return Err(Error::new(SqlState::InvalidTableDefinition, message));
        }
        let (database, process_id) = (self.context.database, self.context.session.process_id);
        self.stage(|staged, role, _| staged.temporary_schema(role, database, process_id))
            .await
    }

    /// A role by its name, or by what it is to the session.
    pub fn role_named(&self, name: &str) -> Result<Oid> {
        match name {
            "current_user" | "current_role" => Ok(self.context.principal.role),
            "session_user" => Ok(self.context.principal.login),
            name => Ok(self.context.catalog.resolve_role(name)?.id),
        }
    }

    /// The table of that name; a view or a system table is 42809, and so is a materialized view, whose rows and
    /// columns are its query's.
    pub fn table(&self, name: &ObjectName) -> Result<Table> {
        let table = self.relation_with_rows(name)?;
        match table.materialized {
            None => Ok(table),
            Some(_) => Err(not_a_table(name)),
        }
    }

    /// The table or materialized view of that name: what policies may protect.
    pub fn relation_with_rows(&self, name: &ObjectName) -> Result<Table> {
        match self.context.catalog.resolve_relation(self.names(), &name.0)? {
            Object::Table(table) if !self.context.catalog.access(self.role()).uses_schema(table.schema) => {
                let schema = self
                    .context
                    .catalog
                    .schema(table.schema)
                    .map(|schema| schema.name.clone());
                Err(Error::denied("schema", &schema.unwrap_or_default()))
            }
            Object::Table(table) => Ok(table.clone()),
            _ => Err(not_a_table(name)),
        }
    }
}

fn not_a_table(name: &ObjectName) -> Error {
    let message = format!("\"{}\" is not a table", name.last());
    Error::new(SqlState::WrongObjectType, message)
}

/// Runs a statement that has no rows to read first.
pub async fn run(command: &mut CommandContext<'_>, statement: &Statement) -> Result<Outcome> {
    let tag = match statement {
        Statement::LockTable(lock) => lock_table::run(command, lock).await?,
        Statement::SetConstraints { names, deferred } => set_constraints::run(command, names, *deferred).await?,
        Statement::Truncate {
            tables,
            restarts,
            cascade,
        } => truncate::run(command, tables, *restarts, *cascade).await?,
        Statement::Analyze(analyze) => analyze::run(command, analyze).await?,
        Statement::Vacuum(vacuum) => vacuum::run(command, vacuum).await?,
        Statement::CreateDatabase {
            name,
            if_not_exists,
            owner,
        } => create::database(command, name, *if_not_exists, owner.as_deref()).await?,
        Statement::Checkpoint => checkpoint::checkpoint(command)?,
        Statement::Load { library } => checkpoint::load(command, library)?,
        Statement::CreateSchema(create) => create::schema(command, create).await?,
        Statement::CreateExternalLocation {
            name,
            if_not_exists,
            url,
            options,
        } => create::external_location(command, name, *if_not_exists, url, options).await?,
        Statement::CreateIndex(create) => index::create(command, create).await?,
        Statement::Reindex(reindex) => index::reindex(command, reindex)?,
        Statement::CreateExtension { name, if_not_exists } => extension::create(command, name, *if_not_exists)?,
        Statement::CreateSequence {
            name,
            temporary,
            if_not_exists,
            options,
            owned_by,
        } => {
            let schema = match temporary {
                true => Some(command.temporary_schema(name).await?),
                false => None,
            };
            sequence::create(command, name, schema, *if_not_exists, options, owned_by.as_ref()).await?
        }
        Statement::CreateEnum { name, labels } => user_type::create_enum(command, name, labels).await?,
        Statement::CreateComposite(create) => user_type::create_composite(command, create).await?,
        Statement::CreateDomain(create) => domain::create(command, create).await?,
        Statement::CreateRole {
            name,
            if_not_exists,
            options,
        } => role::create(command, name, *if_not_exists, options).await?,
        Statement::Drop {
            kind,
            names,
            if_exists,
            cascade,
        } => drop::run(command, *kind, names, *if_exists, *cascade).await?,
        Statement::DropRoutines(drop) => routine::drop(command, drop).await?,
        Statement::DropOwned { roles, cascade } => drop::owned(command, roles, *cascade).await?,
        Statement::ReassignOwned { roles, to } => drop::reassign(command, roles, to).await?,
        Statement::ChangeRoutine { routine, change } => routine::change(command, routine, change).await?,
        Statement::Alter { alter, if_exists } => alter::run(command, alter, *if_exists).await?,
        Statement::Grant(grant) => grant::run(command, grant).await?,
        Statement::DefaultPrivileges(change) => grant::defaults(command, change).await?,
        Statement::GrantRole {
            roles,
            members,
            admin,
            revoke,
        } => grant::roles(command, roles, members, *admin, *revoke).await?,
        Statement::Comment { kind, name, part, text } => {
            comment::run(command, *kind, name, part.as_ref(), text.as_deref()).await?
        }
        Statement::DescribeTable { name } => return Ok(Outcome::Rows(describe_table::run(command, name)?)),
        Statement::DescribeDetail { name } => return Ok(Outcome::Rows(describe_detail::run(command, name).await?)),
        Statement::DescribeHistory { name, limit } => {
            return Ok(Outcome::Rows(describe_history::run(command, name, *limit).await?));
        }
        Statement::Optimize(optimize) => return Ok(Outcome::Rows(optimize::run(command, optimize).await?)),
        Statement::Restore(restore) => return Ok(Outcome::Rows(restore::run(command, restore).await?)),
        Statement::Show { name } => return Ok(Outcome::Rows(show::run(command, name)?)),
        other => return Err(Error::internal(format!("no command runs {other:?}"))),
    };
    Ok(Outcome::Done(tag.to_string()))
}

/// The columns of a statement that is no query; `None` where it has no rows.
pub fn columns_of(statement: &Statement) -> Option<Vec<OutputColumn>> {
    match statement {
        Statement::Explain { format, .. } => Some(super::explain::columns(*format)),
        Statement::DescribeTable { .. } => Some(describe_table::columns()),
        Statement::DescribeDetail { .. } => Some(describe_detail::columns()),
        Statement::DescribeHistory { .. } => Some(describe_history::columns()),
        Statement::Optimize(_) => Some(optimize::columns()),
        Statement::Restore(_) => Some(restore::columns()),
        Statement::Show {
            name: ShowTarget::Tables { .. },
        } => Some(show::columns(&show::TABLES)),
        Statement::Show {
            name: ShowTarget::Schemas,
        } => Some(show::columns(&show::SCHEMAS)),
        Statement::Show {
            name: ShowTarget::Databases,
        } => Some(show::columns(&show::DATABASES)),
        _ => None,
    }
}
