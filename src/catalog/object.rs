//! What all nouns have in common: id, name, owner, grants, the objects that they refer to, and the
//! sentence that names one in a message.

use std::fmt;

use super::default_privileges::DefaultPrivileges;
use super::entry::OLDEST_FORMAT;
use super::model::*;
use crate::types::SqlType;
use crate::types::user_type::ROW_TYPES;

impl Object {
    pub fn id(&self) -> Oid {
        match self {
            Object::Database(object) => object.id,
            Object::Schema(object) => object.id,
            Object::Table(object) => object.id,
            Object::View(object) => object.id,
            Object::Function(object) => object.id,
            Object::Role(object) => object.id,
            Object::ExternalLocation(object) => object.id,
            Object::Sequence(object) => object.id,
            Object::Index(object) => object.id,
            Object::Type(object) => object.id,
        }
    }

    pub fn name(&self) -> &str {
        match self {
            Object::Database(object) => &object.name,
            Object::Schema(object) => &object.name,
            Object::Table(object) => &object.name,
            Object::View(object) => &object.name,
            Object::Function(object) => &object.name,
            Object::Role(object) => &object.name,
            Object::ExternalLocation(object) => &object.name,
            Object::Sequence(object) => &object.name,
            Object::Index(object) => &object.name,
            Object::Type(object) => &object.name,
        }
    }

    pub(crate) fn name_mut(&mut self) -> &mut String {
        match self {
            Object::Database(object) => &mut object.name,
            Object::Schema(object) => &mut object.name,
            Object::Table(object) => &mut object.name,
            Object::View(object) => &mut object.name,
            Object::Function(object) => &mut object.name,
            Object::Role(object) => &mut object.name,
            Object::ExternalLocation(object) => &mut object.name,
            Object::Sequence(object) => &mut object.name,
            Object::Index(object) => &mut object.name,
            Object::Type(object) => &mut object.name,
        }
    }

    pub fn kind(&self) -> ObjectKind {
        match self {
            Object::Database(_) => ObjectKind::Database,
            Object::Schema(_) => ObjectKind::Schema,
            Object::Table(table) if table.materialized.is_some() => ObjectKind::MaterializedView,
            Object::Table(_) => ObjectKind::Table,
            Object::View(_) => ObjectKind::View,
            Object::Function(_) => ObjectKind::Function,
            Object::Role(_) => ObjectKind::Role,
            Object::ExternalLocation(_) => ObjectKind::ExternalLocation,
            Object::Sequence(_) => ObjectKind::Sequence,
            Object::Index(_) => ObjectKind::Index,
            Object::Type(_) => ObjectKind::Type,
        }
    }

    /// The role that owns it; roles have none.
    pub fn owner(&self) -> Option<Oid> {
        match self {
            Object::Database(object) => Some(object.owner),
            Object::Schema(object) => Some(object.owner),
            Object::Table(object) => Some(object.owner),
            Object::View(object) => Some(object.owner),
            Object::Function(object) => Some(object.owner),
            Object::ExternalLocation(object) => Some(object.owner),
            Object::Sequence(object) => Some(object.owner),
            Object::Index(object) => Some(object.owner),
            Object::Type(object) => Some(object.owner),
            Object::Role(_) => None,
        }
    }

    pub(crate) fn owner_mut(&mut self) -> Option<&mut Oid> {
        match self {
            Object::Database(object) => Some(&mut object.owner),
            Object::Schema(object) => Some(&mut object.owner),
            Object::Table(object) => Some(&mut object.owner),
            Object::View(object) => Some(&mut object.owner),
            Object::Function(object) => Some(&mut object.owner),
            Object::ExternalLocation(object) => Some(&mut object.owner),
            Object::Sequence(object) => Some(&mut object.owner),
            Object::Index(object) => Some(&mut object.owner),
            Object::Type(object) => Some(&mut object.owner),
            Object::Role(_) => None,
        }
    }

    /// The database of a schema, the schema of a table, view or function.
    pub fn parent(&self) -> Option<Oid> {
        match self {
            Object::Schema(object) => Some(object.database),
            Object::Table(object) => Some(object.schema),
            Object::View(object) => Some(object.schema),
            Object::Function(object) => Some(object.schema),
            Object::Sequence(object) => Some(object.schema),
            Object::Index(object) => Some(object.schema),
            Object::Type(object) => Some(object.schema),
            Object::Database(_) | Object::Role(_) | Object::ExternalLocation(_) => None,
        }
    }

    /// Grants on the object as a whole; those on columns are in the columns.
    pub fn grants(&self) -> &[Grant] {
        match self {
            Object::Database(object) => &object.grants,
            Object::Schema(object) => &object.grants,
            Object::Table(object) => &object.grants,
            Object::View(object) => &object.grants,
            Object::Function(object) => &object.grants,
            Object::ExternalLocation(object) => &object.grants,
            Object::Sequence(object) => &object.grants,
            Object::Type(object) => &object.grants,
            Object::Role(_) | Object::Index(_) => &[],
        }
    }

    pub(crate) fn grants_mut(&mut self) -> Option<&mut Vec<Grant>> {
        match self {
            Object::Database(object) => Some(&mut object.grants),
            Object::Schema(object) => Some(&mut object.grants),
            Object::Table(object) => Some(&mut object.grants),
            Object::View(object) => Some(&mut object.grants),
            Object::Function(object) => Some(&mut object.grants),
            Object::ExternalLocation(object) => Some(&mut object.grants),
            Object::Sequence(object) => Some(&mut object.grants),
            Object::Type(object) => Some(&mut object.grants),
            Object::Role(_) | Object::Index(_) => None,
        }
    }

    /// The columns of a table or view; nothing for other kinds.
    pub fn columns(&self) -> &[Column] {
        match self {
            Object::Table(object) => &object.columns,
            Object::View(object) => &object.columns,
            _ => &[],
        }
    }

    pub(crate) fn columns_mut(&mut self) -> Option<&mut Vec<Column>> {
        match self {
            Object::Table(object) => Some(&mut object.columns),
            Object::View(object) => Some(&mut object.columns),
            _ => None,
        }
    }

    pub fn comment(&self) -> Option<&str> {
        match self {
            Object::Database(object) => object.comment.as_deref(),
            Object::Schema(object) => object.comment.as_deref(),
            Object::Table(object) => object.comment.as_deref(),
            Object::View(object) => object.comment.as_deref(),
            Object::Function(object) => object.comment.as_deref(),
            Object::Role(object) => object.comment.as_deref(),
            Object::Sequence(object) => object.comment.as_deref(),
            Object::Index(object) => object.comment.as_deref(),
            Object::Type(object) => object.comment.as_deref(),
            Object::ExternalLocation(_) => None,
        }
    }

    /// Objects that cannot go while this one stays: its parent, what its text names, the functions of its
    /// policies.
    pub fn depends_on(&self) -> Vec<Oid> {
        let mut ids: Vec<Oid> = self.parent().into_iter().collect();
        ids.extend(self.sql_types().into_iter().filter_map(SqlType::user_type));
        match self {
            Object::Table(table) => {
                ids.extend(table.policy_functions());
                let query = table.materialized.iter().flat_map(|query| &query.references);
                ids.extend(query.map(|reference| reference.object));
                let referenced = table.foreign_keys().map(|key| key.table);
                ids.extend(referenced.filter(|id| *id != table.id));
            }
            Object::View(view) => ids.extend(view.references.iter().map(|reference| reference.object)),
            Object::Sequence(sequence) => ids.extend(sequence.owned_by.map(|(table, _)| table)),
            Object::Index(index) => {
                ids.push(index.table);
                ids.extend(index.references().map(|reference| reference.object));
            }
            Object::Function(function) => ids.extend(function.references.iter().map(|reference| reference.object)),
            Object::Type(user_type) => {
                let expressions = user_type.domain().into_iter().flat_map(Domain::expressions);
                let references = expressions.flat_map(|expression| &expression.references);
                ids.extend(references.map(|reference| reference.object));
            }
            _ => {}
        }
        sorted(ids)
    }

    /// The query that a view, or a materialized one, stands for.
    pub fn stored_view(&self) -> Option<std::borrow::Cow<'_, View>> {
        match self {
            Object::View(view) => Some(std::borrow::Cow::Borrowed(view)),
            Object::Table(table) => table.defining_view().map(std::borrow::Cow::Owned),
            _ => None,
        }
    }

    /// The format of the log that tells of such an object: older programs must not pass over it.
    pub(super) fn format(&self) -> u32 {
        let has_user_types = self
            .sql_types()
            .into_iter()
            .any(|sql_type| sql_type.user_type().is_some());
        match self {
            Object::Function(function) if function.is_polymorphic() => 8,
            Object::Function(Function {
                script: Some(script), ..
            }) if script.has_surroundings() => 7,
            Object::Function(function) if function.script.is_some() => 5,
            Object::Function(function) if matches!(function.returns, SqlType::Composite(_)) => 5,
            Object::Table(table) if table.foreign_keys().next().is_some() => 6,
            Object::Type(_) => 4,
            _ if has_user_types => 4,
            Object::Table(table) if table.materialized.is_some() => 3,
            Object::Index(_) => 3,
            _ => OLDEST_FORMAT,
        }
    }

    /// Roles that it names: owner, grantees, grantors, roles that it is a member of.
    pub fn roles_named(&self) -> Vec<Oid> {
        let mut ids: Vec<Oid> = self.owner().into_iter().collect();
        let column_grants = self.columns().iter().flat_map(|column| &column.grants);
        for grant in self.grants().iter().chain(column_grants) {
            ids.extend([grant.grantee, grant.grantor]);
        }
        if let Object::Database(database) = self {
            ids.extend(database.default_privileges.iter().flat_map(DefaultPrivileges::roles));
        }
        if let Object::Role(role) = self {
            ids.extend(role.member_of.iter().map(|membership| membership.role));
        }
        ids.retain(|id| *id != PUBLIC_ROLE);
        sorted(ids)
    }

    /// Whether `other` means the same to whoever reads it: all but grants and comments.
    pub fn same_definition(&self, other: &Object) -> bool {
        self.definition() == other.definition()
    }

    fn definition(&self) -> Object {
        let mut object = self.clone();
        if let Some(grants) = object.grants_mut() {
            grants.clear();
        }
        for column in object.columns_mut().into_iter().flatten() {
            column.grants.clear();
            column.comment = None;
        }
        object.set_comment(None);
        object
    }

    pub(crate) fn set_comment(&mut self, text: Option<String>) {
        match self {
            Object::Database(object) => object.comment = text,
            Object::Schema(object) => object.comment = text,
            Object::Table(object) => object.comment = text,
            Object::View(object) => object.comment = text,
            Object::Function(object) => object.comment = text,
            Object::Role(object) => object.comment = text,
            Object::Sequence(object) => object.comment = text,
            Object::Index(object) => object.comment = text,
            Object::Type(object) => object.comment = text,
            Object::ExternalLocation(_) => {}
        }
    }
}

impl Table {
    /// Whether it is one session's own.
    pub fn is_temporary(&self) -> bool {
        matches!(self.location, TableLocation::Temporary(_))
    }

    /// Whether it lies in the warehouse, where nobody else's catalog names it.
    pub fn is_managed(&self) -> bool {
        matches!(self.location, TableLocation::Managed(_))
    }

    /// Whether all that write to it can be held to its keys: outside the warehouse other engines write too.
    pub fn holds_writers(&self) -> bool {
        self.is_managed() || self.is_temporary()
    }

    /// The view that would read what a materialized one keeps.
    pub fn defining_view(&self) -> Option<View> {
        let materialized = self.materialized.clone()?;
        Some(View {
            id: self.id,
            schema: self.schema,
            name: self.name.clone(),
            owner: self.owner,
            query: materialized.query,
            search_path: materialized.search_path,
            columns: self.columns.clone(),
            references: materialized.references,
            options: ViewOptions::default(),
            grants: vec![],
            comment: None,
        })
    }

    pub fn column(&self, id: i16) -> Option<&Column> {
        self.columns.iter().find(|column| column.id == id)
    }

    pub fn column_named(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// The columns of the primary key and of each UNIQUE, by constraint.
    pub fn keys(&self) -> impl Iterator<Item = (&Constraint, &[i16])> {
        let constraints = self.constraints.iter();
        constraints.filter_map(|constraint| Some((constraint, constraint.key_columns()?)))
    }

    /// The foreign keys that its rows are held to.
    pub fn foreign_keys(&self) -> impl Iterator<Item = ForeignKey<'_>> {
        self.constraints.iter().filter_map(Constraint::enforced_foreign_key)
    }

    /// The conditions that every row must not fail.
    pub fn checks(&self) -> impl Iterator<Item = (&Constraint, &StoredExpression)> {
        self.constraints.iter().filter_map(|constraint| match &constraint.rule {
            ConstraintRule::Check { condition } => Some((constraint, condition)),
            _ => None,
        })
    }

    /// The functions of the row filter and of the masks.
    pub fn policy_functions(&self) -> impl Iterator<Item = Oid> {
        let masks = self
            .columns
            .iter()
            .filter_map(|column| column.mask.as_ref().map(|mask| mask.function));
        self.row_filter.iter().map(|filter| filter.function).chain(masks)
    }

    /// Whether any policy governs the table.
    pub fn is_governed(&self) -> bool {
        self.policy_functions().next().is_some()
    }
}

impl Constraint {
    /// The columns of a primary key or UNIQUE.
    pub fn key_columns(&self) -> Option<&[i16]> {
        match &self.rule {
            ConstraintRule::PrimaryKey { columns } | ConstraintRule::Unique { columns, .. } => Some(columns),
            _ => None,
        }
    }

    /// Whether it names this column of its table.
    pub fn uses(&self, column: i16) -> bool {
        match &self.rule {
            ConstraintRule::PrimaryKey { columns }
            | ConstraintRule::Unique { columns, .. }
            | ConstraintRule::ForeignKey { columns, .. } => columns.contains(&column),
            ConstraintRule::Check { condition } => condition.columns.iter().any(|(id, _)| *id == column),
        }
    }
}

impl Column {
    /// The expression that every row's value comes from, for a generated column.
    pub fn generated(&self) -> Option<&StoredExpression> {
        self.default.as_ref().filter(|default| default.generated)
    }
}

impl Type {
    /// What it is, if it is a domain.
    pub fn domain(&self) -> Option<&Domain> {
        match &self.definition {
            TypeDefinition::Domain(domain) => Some(domain),
            TypeDefinition::Enum(_) | TypeDefinition::Composite(_) => None,
        }
    }

    /// pg_type.oid: the object of a composite type is the relation behind it.
    pub fn type_oid(&self) -> u32 {
        match &self.definition {
            TypeDefinition::Composite(_) => ROW_TYPES + self.id,
            TypeDefinition::Enum(_) | TypeDefinition::Domain(_) => self.id,
        }
    }

    /// Its fields, if its values are rows.
    pub fn attributes(&self) -> Option<&[Attribute]> {
        match &self.definition {
            TypeDefinition::Composite(attributes) => Some(attributes),
            TypeDefinition::Enum(_) | TypeDefinition::Domain(_) => None,
        }
    }
}

impl Domain {
    /// Its default and its conditions.
    pub(super) fn expressions(&self) -> impl Iterator<Item = &StoredExpression> {
        let checks = self.checks.iter().map(|check| &check.condition);
        self.default.iter().chain(checks)
    }
}

impl Index {
    /// Its expressions and its condition.
    pub(super) fn expressions(&self) -> impl Iterator<Item = &StoredExpression> {
        let keys = self.keys.iter().filter_map(|key| match &key.of {
            IndexedValue::Column(_) => None,
            IndexedValue::Expression { expression, .. } => Some(expression),
        });
        keys.chain(&self.condition)
    }

    fn references(&self) -> impl Iterator<Item = &Reference> {
        self.expressions().flat_map(|expression| &expression.references)
    }

    /// The columns of its key, where it is over columns alone.
    pub fn key_columns(&self) -> Option<Vec<i16>> {
        let column = |key: &IndexKey| match key.of {
            IndexedValue::Column(id) => Some(id),
            IndexedValue::Expression { .. } => None,
        };
        self.keys.iter().map(column).collect()
    }

    /// The columns that no two rows of the table are declared to share.
    pub fn declared_key(&self) -> Option<Vec<i16>> {
        self.key_columns().filter(|_| self.unique && self.condition.is_none())
    }

    /// Whether it names this column of its table.
    pub fn uses(&self, column: i16) -> bool {
        let is_key = |key: &IndexKey| matches!(key.of, IndexedValue::Column(id) if id == column);
        let mut expressions = self.expressions();
        self.keys.iter().any(is_key)
            || self.included.contains(&column)
            || expressions.any(|expression| expression.columns.iter().any(|(id, _)| *id == column))
    }
}

impl Reference {
    /// What the text that recorded the references means by a name: more than one for overloaded functions.
    pub fn named<'a>(references: &'a [Reference], name: &'a [String]) -> impl Iterator<Item = &'a Reference> {
        references.iter().filter(move |reference| reference.name == name)
    }

    /// The name that the text knows a column by; `None` for a column that it does not use by name.
    pub fn column_name(&self, id: i16) -> Option<&str> {
        self.columns
            .iter()
            .find(|(used, _)| *used == id)
            .map(|(_, name)| name.as_str())
    }
}

impl View {
    /// Whose rights what it reads is for, where `role` reads the view.
    pub fn reads_as(&self, role: Oid) -> Oid {
        match self.options.security_invoker {
            true => role,
            false => self.owner,
        }
    }

    pub fn column(&self, id: i16) -> Option<&Column> {
        self.columns.iter().find(|column| column.id == id)
    }
}

impl ObjectKind {
    /// The word for it in messages.
    pub fn word(self) -> &'static str {
        match self {
            ObjectKind::Database => "database",
            ObjectKind::Schema => "schema",
            ObjectKind::Table => "table",
            ObjectKind::View => "view",
            ObjectKind::MaterializedView => "materialized view",
            ObjectKind::Function => "function",
            ObjectKind::Role => "role",
            ObjectKind::ExternalLocation => "external location",
            ObjectKind::Sequence => "sequence",
            ObjectKind::Index => "index",
            ObjectKind::Type => "type",
            ObjectKind::Domain => "domain",
            ObjectKind::Column => "column",
        }
    }
}

/// `table t`, `function f(integer)`: as dependency messages name an object.
impl fmt::Display for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Object::Function(function) => write!(f, "{} {}", function.word(), function.signature()),
            other => write!(f, "{} {}", other.kind().word(), other.name()),
        }
    }
}

fn sorted(mut ids: Vec<Oid>) -> Vec<Oid> {
    ids.sort_unstable();
    ids.dedup();
    ids
}

macro_rules! into_object {
    ($($kind:ident),*) => {
        $(impl From<$kind> for Object {
            fn from(object: $kind) -> Object {
                Object::$kind(object)
            }
        })*
    };
}

into_object!(
    Database,
    Schema,
    Table,
    View,
    Function,
    Role,
    ExternalLocation,
    Sequence,
    Index,
    Type
);
