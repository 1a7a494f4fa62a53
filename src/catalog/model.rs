//! The nouns of the catalog: what the log stores and a `CatalogSnapshot` holds. Everything refers to
//! everything else by id, never by name, so a rename loses no policy and a drop-and-recreate inherits none.

use serde::{Deserialize, Serialize};

use crate::types::SqlType;

pub use super::constraint::{Constraint, ConstraintRule, ForeignKey, ForeignKeyTerms, ReferentialAction, Timing};
use super::default_privileges::DefaultPrivileges;
pub use super::function::{Language, OutputArgument, OutputMode, QueryResult, RoutineKind, Script, Volatility};
pub use super::own_numbers::OwnNumbers;
pub use super::view_options::{CheckOption, ViewOptions};

/// Identifies an object for ever; it is the OID that PostgreSQL clients see. Never reused.
pub type Oid = u32;

/// The pseudo-role of grants to everybody.
pub const PUBLIC_ROLE: Oid = 0;
/// pg_catalog's namespace, and the first schema `public` of the default database.
pub const PG_CATALOG_SCHEMA: Oid = 11;
pub const PUBLIC_SCHEMA: Oid = 2200;
pub const INFORMATION_SCHEMA: Oid = 13000;
pub const SYSTEM_SCHEMA: Oid = 13001;
/// The superuser that an empty warehouse is created with.
pub const BOOTSTRAP_ROLE: Oid = 10;
/// Its name until somebody renames it.
pub const BOOTSTRAP_ROLE_NAME: &str = "admin";
/// The database that an empty warehouse is created with.
pub const DEFAULT_DATABASE: Oid = 5;
/// Beside it the empty one, `postgres`, that tools ask for to look around, and its schema `public`.
pub const ADMINISTRATION_DATABASE: Oid = 6;
pub const ADMINISTRATION_SCHEMA: Oid = 2201;
/// Objects made by users begin here, as in PostgreSQL.
pub const FIRST_USER_OID: Oid = 16384;

/// One object of the catalog at one version.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Object {
    Database(Database),
    Schema(Schema),
    Table(Table),
    View(View),
    Function(Function),
    Role(Role),
    ExternalLocation(ExternalLocation),
    Sequence(Sequence),
    Index(Index),
    Type(Type),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Database {
    pub id: Oid,
    pub name: String,
    pub owner: Oid,
    #[serde(default)]
    pub grants: Vec<Grant>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub default_privileges: Vec<DefaultPrivileges>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Schema {
    pub id: Oid,
    pub database: Oid,
    pub name: String,
    pub owner: Oid,
    #[serde(default)]
    pub grants: Vec<Grant>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Table {
    pub id: Oid,
    pub schema: Oid,
    pub name: String,
    pub owner: Oid,
    pub location: TableLocation,
    pub columns: Vec<Column>,
    /// The next column id; ids of dropped columns are never reused.
    pub next_column: i16,
    #[serde(default)]
    pub partition_columns: Vec<i16>,
    /// Declared UNLOGGED, which changes nothing but what clients see.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unlogged: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub row_filter: Option<RowFilter>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub constraints: Vec<Constraint>,
    /// Whose rows these are, for a materialized view.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub materialized: Option<MaterializedQuery>,
    #[serde(default)]
    pub grants: Vec<Grant>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
}

/// The query of a materialized view, whose rows the table keeps from one REFRESH to the next.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MaterializedQuery {
    /// As written.
    pub query: String,
    /// Schema ids against which unqualified names resolve.
    pub search_path: Vec<Oid>,
    /// What its names meant when it was written.
    #[serde(default)]
    pub references: Vec<Reference>,
    /// Without, the table holds nothing that may be read.
    pub populated: bool,
}

/// An expression that the catalog keeps as text: a column's default, the condition of a CHECK.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoredExpression {
    /// As written.
    pub text: String,
    /// Schema ids against which unqualified names resolve.
    pub search_path: Vec<Oid>,
    /// What its names meant when it was written.
    #[serde(default)]
    pub references: Vec<Reference>,
    /// The table's columns in use, by id, with the names that the text knows them by.
    #[serde(default)]
    pub columns: Vec<(i16, String)>,
    /// Of a column's default: whether every row has this value and no other, GENERATED ALWAYS AS … STORED.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub generated: bool,
}

/// An index that was declared on a table. None is kept: files are skipped by their statistics, and clients see what
/// they made. A unique one is a key, as UNIQUE is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Index {
    pub id: Oid,
    /// The table's.
    pub schema: Oid,
    pub name: String,
    /// The table's.
    pub owner: Oid,
    pub table: Oid,
    /// `btree`, `hash`, `gin` ….
    pub method: String,
    pub unique: bool,
    /// Of a unique one: whether writes are held to it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub enforced: bool,
    pub nulls_not_distinct: bool,
    pub keys: Vec<IndexKey>,
    /// INCLUDE: column ids of the table.
    #[serde(default)]
    pub included: Vec<i16>,
    /// WHERE.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub condition: Option<StoredExpression>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
}

/// One part of an index's key.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IndexKey {
    pub of: IndexedValue,
    /// An operator class other than the type's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operator_class: Option<String>,
    #[serde(default)]
    pub descending: bool,
    #[serde(default)]
    pub nulls_first: bool,
}

/// What an index is declared over.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IndexedValue {
    /// Of the table, by id.
    Column(i16),
    Expression {
        expression: StoredExpression,
        #[serde(rename = "type")]
        sql_type: SqlType,
    },
}

/// Where a table's Delta log lies.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TableLocation {
    /// In a local folder that goes with the session; such a table is never in the log.
    #[serde(skip)]
    Temporary(String),
    /// A folder of the warehouse, named by a UUID that is never reused.
    Managed(uuid::Uuid),
    /// An absolute URL below a registered external location.
    External(String),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Column {
    /// pg_attribute.attnum; counts from 1.
    pub id: i16,
    pub name: String,
    #[serde(rename = "type")]
    pub sql_type: SqlType,
    pub nullable: bool,
    /// Delta's column-mapping id, where the table maps columns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field_id: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<StoredExpression>,
    /// The sequence that numbers the rows, for a serial or identity column.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub numbering: Option<Numbering>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mask: Option<ColumnMask>,
    #[serde(default)]
    pub grants: Vec<Grant>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
}

/// How a column is numbered by its own sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Numbering {
    pub sequence: Oid,
    pub kind: NumberingKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NumberingKind {
    /// serial: a default that anything may override.
    Serial,
    /// GENERATED BY DEFAULT AS IDENTITY.
    ByDefault,
    /// GENERATED ALWAYS AS IDENTITY: only OVERRIDING SYSTEM VALUE gives another value.
    Always,
}

/// Hands out numbers, none of them twice. Each server takes blocks of them, so some are never used.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sequence {
    pub id: Oid,
    pub schema: Oid,
    pub name: String,
    pub owner: Oid,
    #[serde(rename = "type")]
    pub sql_type: SqlType,
    pub start: i64,
    pub increment: i64,
    pub minimum: i64,
    pub maximum: i64,
    pub cycle: bool,
    /// CACHE as declared. Servers take numbers in blocks of their own sizes.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub cache: i64,
    /// The first number that no server has taken; `None` past the last one.
    pub next: Option<i64>,
    #[serde(skip)]
    pub restarted: OwnNumbers,
    /// Table and column that the sequence goes with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owned_by: Option<(Oid, i16)>,
    #[serde(default)]
    pub grants: Vec<Grant>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
}

fn one() -> i64 {
    1
}

fn is_one(number: &i64) -> bool {
    *number == 1
}

/// A type that users defined.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Type {
    pub id: Oid,
    pub schema: Oid,
    pub name: String,
    pub owner: Oid,
    pub definition: TypeDefinition,
    #[serde(default)]
    pub grants: Vec<Grant>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
}

/// What the values of a type are.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TypeDefinition {
    /// One of these labels, which are in their order.
    Enum(Vec<EnumLabel>),
    /// Those of another type that pass these rules.
    Domain(Domain),
    /// Rows of these fields, in order.
    Composite(Vec<Attribute>),
}

/// A field of a composite type.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attribute {
    /// pg_attribute.attnum: the number of one that was dropped is nobody's again.
    pub number: i16,
    pub name: String,
    #[serde(rename = "type")]
    pub sql_type: SqlType,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
}

/// Another type with rules.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Domain {
    pub base: SqlType,
    #[serde(default)]
    pub not_null: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<StoredExpression>,
    /// By name, which is the order in which they are tested.
    #[serde(default)]
    pub checks: Vec<DomainCheck>,
}

/// A condition over `VALUE` that a domain's values are not to fail.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DomainCheck {
    pub id: Oid,
    pub name: String,
    pub condition: StoredExpression,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
}

/// A label of an enumeration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EnumLabel {
    pub id: Oid,
    pub label: String,
    /// pg_enum.enumsortorder: one that comes between two others gets a number between theirs.
    pub order: f32,
}

/// A row is visible where the function, called on these columns, is TRUE.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RowFilter {
    pub function: Oid,
    /// Column ids of the same table, one for each argument.
    pub columns: Vec<i16>,
}

/// The function's result replaces the column; the column itself is its first argument.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ColumnMask {
    pub function: Oid,
    /// Further arguments: column ids of the same table.
    pub using_columns: Vec<i16>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct View {
    pub id: Oid,
    pub schema: Oid,
    pub name: String,
    pub owner: Oid,
    /// The query's text, as written.
    pub query: String,
    /// Schema ids against which unqualified names resolve, fixed when the view was created.
    pub search_path: Vec<Oid>,
    pub columns: Vec<Column>,
    /// What the names in `query` meant when it was written.
    #[serde(default)]
    pub references: Vec<Reference>,
    #[serde(default, skip_serializing_if = "ViewOptions::is_empty")]
    pub options: ViewOptions,
    #[serde(default)]
    pub grants: Vec<Grant>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
}

/// A scalar SQL function: its body is one expression over the arguments, usable in queries and policies.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Function {
    pub id: Oid,
    pub schema: Oid,
    pub name: String,
    pub owner: Oid,
    pub arguments: Vec<Argument>,
    pub returns: SqlType,
    /// An SQL expression, or a query; arguments appear by name or as $1, $2 ….
    pub body: String,
    /// What the rows are whose query the body is; `None` where it is an expression.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub query: Option<QueryResult>,
    /// How the body is run if its statements are run one by one; `query` then tells what it gives.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub script: Option<Script>,
    /// Schema ids against which unqualified names of the body resolve.
    pub search_path: Vec<Oid>,
    /// What the names in `body` meant when it was written.
    #[serde(default)]
    pub references: Vec<Reference>,
    #[serde(default)]
    pub grants: Vec<Grant>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
}

/// One object that a view's or function's text names. Whoever binds the text looks names up here first,
/// so that renames do not break it and no search_path redirects it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reference {
    pub object: Oid,
    /// The name's parts as the text spells them, folded; empty where the text has no name for it.
    #[serde(default)]
    pub name: Vec<String>,
    /// The columns in use, by id, with the names that the text knows them by. Empty: any column may be in use.
    #[serde(default)]
    pub columns: Vec<(i16, String)>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Argument {
    pub name: String,
    #[serde(rename = "type")]
    pub sql_type: SqlType,
    /// The expression that a call without the argument takes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Role {
    pub id: Oid,
    pub name: String,
    pub login: bool,
    pub superuser: bool,
    pub create_database: bool,
    pub create_role: bool,
    pub inherit: bool,
    /// A SCRAM-SHA-256 verifier (RFC 5803 as PostgreSQL spells it), never a password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verifier: Option<String>,
    /// -1: no limit.
    pub connection_limit: i32,
    /// Microseconds since 1970 UTC after which the password no longer works.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_until: Option<i64>,
    /// What its sessions start with: names and values of settings, in the order in which they were set.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub settings: Vec<(String, String)>,
    /// The roles this one is a member of.
    #[serde(default)]
    pub member_of: Vec<Membership>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Membership {
    pub role: Oid,
    /// May grant the role to others.
    pub admin: bool,
    /// Administers the role without being a member: what the creator of a role gets.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub admin_only: bool,
}

/// A place outside the warehouse below which external tables may lie.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExternalLocation {
    pub id: Oid,
    pub name: String,
    pub owner: Oid,
    /// An absolute URL that ends in a slash.
    pub url: String,
    /// Options of the object store (endpoint, region, credentials' names in the environment).
    pub options: Vec<(String, String)>,
    #[serde(default)]
    pub grants: Vec<Grant>,
}

/// Privileges that one role gave another on the object that holds this grant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grant {
    /// `PUBLIC_ROLE` is everybody.
    pub grantee: Oid,
    pub grantor: Oid,
    pub privileges: Vec<Privilege>,
    /// Those of `privileges` that the grantee may pass on.
    #[serde(default)]
    pub grantable: Vec<Privilege>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Privilege {
    Select,
    Insert,
    Update,
    Delete,
    Truncate,
    References,
    Trigger,
    Create,
    Connect,
    Temporary,
    Usage,
    Execute,
    /// READ FILES and WRITE FILES on an external location (Databricks).
    ReadFiles,
    WriteFiles,
}

/// The kinds of nouns that statements name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ObjectKind {
    Database,
    Schema,
    Table,
    View,
    /// A table whose rows are a query's.
    MaterializedView,
    Function,
    Role,
    ExternalLocation,
    Sequence,
    Index,
    Type,
    /// Of types only those that are domains: what a statement names.
    Domain,
    Column,
}
