//! What a client may ask for, after parsing and before any name is looked up.

mod constraint;
mod cursor;
mod default_privileges;
mod domain;
mod grant;
mod index;
mod like;
mod maintenance;
mod materialized_view;
mod modification;
mod role_setting;
mod routine;
mod schema;
mod user_types;

use datafusion::sql::sqlparser::ast as sql;

pub use crate::catalog::OnCommit;
pub use constraint::{ConstraintDefinition, TableConstraint};
pub use cursor::{DeclareCursor, Fetch, FetchDirection};
pub use default_privileges::DefaultPrivilegesStatement;
pub use domain::{CreateDomain, DomainAction};
pub use grant::{AllOf, GrantStatement, GrantTarget};
pub use index::{CreateIndex, IndexKeyDefinition, IndexedDefinition, Reindex};
pub use like::{LikeOptions, LikeTable};
pub use maintenance::{Analyze, Optimize, Restore, Vacuum};
pub use materialized_view::{CreateMaterializedView, RefreshMaterializedView};
pub use modification::{
    AssignedColumn, ConflictAction, ConflictTarget, Delete, Insert, Merge, MergeAction, MergeClause, MergeWhen,
    OnConflict, Overriding, Update,
};
pub use role_setting::RoleSetting;
pub use routine::{Call, CreateFunction, DropRoutines, Inline, RoutineChange, RoutineName};
pub use schema::CreateSchema;
pub use user_types::{AlterAttributes, CreateComposite};

use crate::catalog::changes::{CommentedPart, EnumPlace, IdentityChange, SequenceOptions};
pub use crate::catalog::model::ObjectKind;
use crate::catalog::model::{NumberingKind, ViewOptions};
use crate::types::SqlType;
pub use crate::types::copy::{CopyFormat, CopyOptions, Forced, Header};

/// A possibly qualified name, folded as PostgreSQL folds: the last part is the object.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ObjectName(pub Vec<String>);

impl ObjectName {
    pub fn last(&self) -> &str {
        self.0.last().map(String::as_str).unwrap_or_default()
    }
}

impl std::fmt::Display for ObjectName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0.join("."))
    }
}

/// One statement with the text that it was written as.
#[derive(Debug, Clone)]
pub struct ParsedStatement {
    pub statement: Statement,
    /// The slice of the client's text that is this statement, without the semicolon. Spans in the AST are on line 1, and
    /// their columns one-based characters of the client's whole text, as errors tell them.
    pub text: String,
    /// The highest `$n` used, so the number of parameters.
    pub parameter_count: usize,
}

/// A statement whose WITH changes rows.
#[derive(Debug, Clone)]
pub struct WithChanges {
    /// In the order in which they are written.
    pub changes: Vec<WithChange>,
    pub main: Box<ParsedStatement>,
}

/// A part of WITH that changes rows.
#[derive(Debug, Clone)]
pub struct WithChange {
    pub name: String,
    /// Other names for the columns that it returns.
    pub columns: Vec<String>,
    pub statement: ParsedStatement,
}

/// How EXPLAIN writes its report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ExplainFormat {
    #[default]
    Text,
    Json,
    Xml,
    Yaml,
}

#[derive(Debug, Clone)]
pub enum Statement {
    WithChanges(WithChanges),
    /// SELECT, VALUES, TABLE and WITH; no INTO.
    Query(Box<sql::Query>),
    Explain {
        analyze: bool,
        verbose: bool,
        format: ExplainFormat,
        statement: Box<Statement>,
    },
    Insert(Box<Insert>),
    Update(Update),
    Delete(Delete),
    Merge(Merge),
    Copy(Copy),
    Analyze(Analyze),
    Vacuum(Vacuum),
    Optimize(Box<Optimize>),
    Restore(Box<Restore>),
    Truncate {
        tables: Vec<ObjectName>,
        /// RESTART IDENTITY.
        restarts: bool,
        cascade: bool,
    },
    CreateDatabase {
        name: String,
        if_not_exists: bool,
        owner: Option<String>,
    },
    CreateSchema(CreateSchema),
    Checkpoint,
    Load {
        library: String,
    },
    CreateTable(CreateTable),
    CreateView {
        name: ObjectName,
        or_replace: bool,
        if_not_exists: bool,
        temporary: bool,
        columns: Vec<String>,
        query: Box<sql::Query>,
        query_text: String,
        options: ViewOptions,
    },
    CreateMaterializedView(CreateMaterializedView),
    CreateIndex(CreateIndex),
    Reindex(Reindex),
    /// CREATE EXTENSION: none but those that are there can be had.
    CreateExtension {
        name: String,
        if_not_exists: bool,
    },
    RefreshMaterializedView(RefreshMaterializedView),
    CreateFunction(CreateFunction),
    Do(Inline),
    Call(Call),
    DropRoutines(DropRoutines),
    ChangeRoutine {
        routine: RoutineName,
        change: RoutineChange,
    },
    CreateRole {
        name: String,
        if_not_exists: bool,
        options: RoleOptions,
    },
    CreateSequence {
        name: ObjectName,
        temporary: bool,
        if_not_exists: bool,
        options: SequenceOptions,
        /// Table and column.
        owned_by: Option<(ObjectName, String)>,
    },
    /// CREATE TYPE … AS ENUM.
    CreateEnum {
        name: ObjectName,
        labels: Vec<String>,
    },
    CreateDomain(CreateDomain),
    CreateComposite(CreateComposite),
    CreateExternalLocation {
        name: String,
        if_not_exists: bool,
        url: String,
        options: Vec<(String, String)>,
    },
    Drop {
        kind: ObjectKind,
        names: Vec<ObjectName>,
        if_exists: bool,
        cascade: bool,
    },
    /// `if_exists`: ALTER TABLE IF EXISTS, so a missing object is a notice.
    Alter {
        alter: Alter,
        if_exists: bool,
    },
    Grant(GrantStatement),
    DefaultPrivileges(DefaultPrivilegesStatement),
    DropOwned {
        roles: Vec<String>,
        cascade: bool,
    },
    ReassignOwned {
        roles: Vec<String>,
        to: String,
    },
    /// GRANT role TO role, or REVOKE of it.
    GrantRole {
        roles: Vec<String>,
        members: Vec<String>,
        admin: bool,
        revoke: bool,
    },
    Comment {
        kind: ObjectKind,
        name: ObjectName,
        part: Option<CommentedPart>,
        text: Option<String>,
    },
    DescribeTable {
        name: ObjectName,
    },
    DescribeDetail {
        name: ObjectName,
    },
    DescribeHistory {
        name: ObjectName,
        limit: Option<u64>,
    },
    Set {
        name: String,
        value: SetValue,
        local: bool,
    },
    Show {
        name: ShowTarget,
    },
    Reset {
        name: Option<String>,
    },
    SetRole {
        role: Option<String>,
        local: bool,
    },
    SetSessionAuthorization {
        role: Option<String>,
        local: bool,
    },
    SetTransaction {
        modes: TransactionModes,
        session: bool,
    },
    Begin(TransactionModes),
    Commit {
        chain: bool,
    },
    Rollback {
        chain: bool,
    },
    Savepoint {
        name: String,
    },
    ReleaseSavepoint {
        name: String,
    },
    RollbackTo {
        name: String,
    },
    DeclareCursor(DeclareCursor),
    Fetch(Fetch),
    /// `None` is ALL.
    CloseCursor {
        name: Option<String>,
    },
    Listen {
        channel: String,
    },
    /// `None` is `*`.
    Unlisten {
        channel: Option<String>,
    },
    Notify {
        channel: String,
        payload: String,
    },
    LockTable(LockTable),
    /// No names are ALL.
    SetConstraints {
        names: Vec<ObjectName>,
        /// `None` changes nothing, and compares what does not wait.
        deferred: Option<bool>,
    },
    Prepare {
        name: String,
        types: Vec<SqlType>,
        statement: Box<ParsedStatement>,
    },
    Execute {
        name: String,
        arguments: Vec<sql::Expr>,
    },
    Deallocate {
        name: Option<String>,
    },
    Discard(DiscardKind),
    /// Nothing between two semicolons.
    Empty,
}

#[derive(Debug, Clone)]
pub struct Copy {
    pub target: CopyTarget,
    pub direction: CopyDirection,
    pub options: CopyOptions,
    /// The text of a condition that rows must fulfil to be taken.
    pub condition: Option<String>,
}

#[derive(Debug, Clone)]
pub enum CopyTarget {
    Table { name: ObjectName, columns: Vec<String> },
    Query(Box<sql::Query>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CopyDirection {
    FromStdin,
    ToStdout,
}

#[derive(Debug, Clone)]
pub struct CreateTable {
    pub name: ObjectName,
    /// LIKE among the columns.
    pub likes: Vec<LikeTable>,
    pub if_not_exists: bool,
    pub or_replace: bool,
    /// TEMPORARY, and what COMMIT does to it.
    pub temporary: Option<OnCommit>,
    pub columns: Vec<ColumnDefinition>,
    /// CREATE TABLE AS; WITH NO DATA keeps the schema only.
    pub query: Option<Box<sql::Query>>,
    /// CREATE TABLE AS EXECUTE: the prepared query and its arguments; `query` is then the session's to find.
    pub execute: Option<(String, Vec<sql::Expr>)>,
    pub with_no_data: bool,
    /// Shown, and nothing else: Delta tables have no log to leave out.
    pub unlogged: bool,
    /// CREATE TABLE t (a, b) AS: names for the query's columns; `columns` is empty then.
    pub column_names: Vec<String>,
    pub location: Option<String>,
    pub partition_by: Vec<String>,
    pub properties: Vec<(String, String)>,
    pub comment: Option<String>,
    /// WITH ROW FILTER.
    pub row_filter: Option<PolicyFunction>,
    /// Of the table and of its columns.
    pub constraints: Vec<TableConstraint>,
}

#[derive(Debug, Clone)]
pub struct ColumnDefinition {
    pub name: String,
    pub sql_type: SqlType,
    pub not_null: bool,
    /// The text of DEFAULT's expression.
    pub default: Option<String>,
    /// The text of the expression of GENERATED ALWAYS AS … STORED.
    pub generated: Option<String>,
    /// serial, or GENERATED … AS IDENTITY.
    pub numbering: Option<(NumberingKind, SequenceOptions)>,
    pub constraints: Vec<TableConstraint>,
    pub comment: Option<String>,
    pub mask: Option<PolicyFunction>,
}

/// The function of a row filter with its argument columns, or of a column mask with its further ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyFunction {
    pub function: ObjectName,
    pub columns: Vec<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RoleOptions {
    pub login: Option<bool>,
    pub superuser: Option<bool>,
    pub create_database: Option<bool>,
    pub create_role: Option<bool>,
    pub inherit: Option<bool>,
    /// `Some(None)` is PASSWORD NULL. May be a SCRAM verifier.
    pub password: Option<Option<String>>,
    pub connection_limit: Option<i32>,
    pub valid_until: Option<String>,
    pub in_roles: Vec<String>,
    pub members: Vec<String>,
    pub admins: Vec<String>,
}

#[derive(Debug, Clone)]
pub enum Alter {
    /// One after the other; none of them is `Several`.
    Several(Vec<Alter>),
    RoleSetting {
        name: String,
        setting: RoleSetting,
    },
    Rename {
        kind: ObjectKind,
        name: ObjectName,
        to: String,
    },
    Owner {
        kind: ObjectKind,
        name: ObjectName,
        to: String,
    },
    SetSchema {
        kind: ObjectKind,
        name: ObjectName,
        to: ObjectName,
    },
    RenameConstraint {
        table: ObjectName,
        name: String,
        to: String,
    },
    SetLogged {
        table: ObjectName,
        unlogged: bool,
    },
    /// Each column with its IF NOT EXISTS.
    AddColumns {
        table: ObjectName,
        columns: Vec<(ColumnDefinition, bool)>,
    },
    /// `if_exists` is the column's.
    DropColumn {
        table: ObjectName,
        column: String,
        if_exists: bool,
        cascade: bool,
    },
    /// Of a table or a view.
    RenameColumn {
        kind: ObjectKind,
        table: ObjectName,
        column: String,
        to: String,
    },
    SetNotNull {
        table: ObjectName,
        column: String,
        not_null: bool,
    },
    /// `using`: the text of the expression that makes the new values.
    SetType {
        table: ObjectName,
        column: String,
        sql_type: SqlType,
        using: Option<String>,
    },
    /// `owned_by`: `Some(None)` is OWNED BY NONE.
    Sequence {
        name: ObjectName,
        options: SequenceOptions,
        owned_by: Option<Option<(ObjectName, String)>>,
    },
    /// ALTER TYPE … ADD VALUE.
    AddLabel {
        name: ObjectName,
        label: String,
        place: EnumPlace,
        if_not_exists: bool,
    },
    /// ALTER TYPE … RENAME VALUE.
    RenameLabel {
        name: ObjectName,
        from: String,
        to: String,
    },
    Attributes(AlterAttributes),
    /// ALTER DOMAIN.
    Domain {
        name: ObjectName,
        action: DomainAction,
    },
    /// `None` is DROP DEFAULT.
    SetDefault {
        table: ObjectName,
        column: String,
        default: Option<String>,
    },
    Identity {
        table: ObjectName,
        column: String,
        change: IdentityChange,
    },
    /// `not_valid`: rows that exist are not looked at.
    AddConstraint {
        table: ObjectName,
        constraint: TableConstraint,
        not_valid: bool,
    },
    DropConstraint {
        table: ObjectName,
        name: String,
        if_exists: bool,
        cascade: bool,
    },
    ValidateConstraint {
        table: ObjectName,
        name: String,
    },
    SetRowFilter {
        table: ObjectName,
        function: ObjectName,
        columns: Vec<String>,
    },
    DropRowFilter {
        table: ObjectName,
    },
    SetColumnMask {
        table: ObjectName,
        column: String,
        function: ObjectName,
        using_columns: Vec<String>,
    },
    DropColumnMask {
        table: ObjectName,
        column: String,
    },
    Role {
        name: String,
        options: RoleOptions,
    },
    TableProperties {
        table: ObjectName,
        properties: Vec<(String, String)>,
    },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SetValue {
    Default,
    /// Several values: a list such as search_path.
    Values(Vec<String>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ShowTarget {
    All,
    Setting(String),
    Tables { schema: Option<ObjectName> },
    Schemas,
    Databases,
}

/// What BEGIN, START TRANSACTION and SET TRANSACTION may ask for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TransactionModes {
    pub isolation: Option<String>,
    pub read_only: Option<bool>,
    pub deferrable: Option<bool>,
}

#[derive(Debug, Clone)]
pub struct LockTable {
    pub tables: Vec<ObjectName>,
    pub mode: crate::context::locks::LockMode,
    pub nowait: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DiscardKind {
    All,
    Plans,
    Sequences,
    Temp,
}
