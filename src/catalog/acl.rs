//! Grants as the text of PostgreSQL's aclitem, for pg_class.relacl and its kin: `analyst=r*w/admin`.

use super::model::*;
use super::snapshot::CatalogSnapshot;

/// The object's access list, one `grantee=privileges/grantor` a grant, the owner's own first; `None` where
/// PostgreSQL stores NULL because only the defaults hold.
pub fn access_list(snapshot: &CatalogSnapshot, object: &Object) -> Option<Vec<String>> {
    let owner = object.owner()?;
    if object.grants() == default_grants(object.kind(), owner) {
        return None;
    }
    let privileges = Privilege::all_of(object.kind()).to_vec();
    let own = Grant {
        grantee: owner,
        grantor: owner,
        privileges,
        grantable: vec![],
    };
    Some(
        std::iter::once(&own)
            .chain(object.grants())
            .map(|grant| access_item(snapshot, grant))
            .collect(),
    )
}

/// A column's access list; `None` without grants.
pub fn column_access_list(snapshot: &CatalogSnapshot, column: &Column) -> Option<Vec<String>> {
    let items: Vec<String> = column.grants.iter().map(|grant| access_item(snapshot, grant)).collect();
    (!items.is_empty()).then_some(items)
}

/// What a new object of the kind grants by itself: CONNECT and TEMPORARY on databases and EXECUTE on
/// functions and USAGE on types to PUBLIC, nothing else.
pub fn default_grants(kind: ObjectKind, owner: Oid) -> Vec<Grant> {
    let privileges = match kind {
        ObjectKind::Database => vec![Privilege::Connect, Privilege::Temporary],
        ObjectKind::Function => vec![Privilege::Execute],
        ObjectKind::Type | ObjectKind::Domain => vec![Privilege::Usage],
        _ => return vec![],
    };
    vec![Grant {
        grantee: PUBLIC_ROLE,
        grantor: owner,
        privileges,
        grantable: vec![],
    }]
}

/// Grants of an object of its own, as items.
pub fn access_items<'a>(snapshot: &CatalogSnapshot, grants: impl Iterator<Item = &'a Grant>) -> Vec<String> {
    grants.map(|grant| access_item(snapshot, grant)).collect()
}

fn access_item(snapshot: &CatalogSnapshot, grant: &Grant) -> String {
    let name = |role: Oid| match snapshot.role(role) {
        Some(role) => quoted(&role.name),
        None => role.to_string(),
    };
    let grantee = if grant.grantee == PUBLIC_ROLE {
        String::new()
    } else {
        name(grant.grantee)
    };
    let mut letters = String::new();
    for privilege in Privilege::ALL
        .into_iter()
        .filter(|privilege| grant.privileges.contains(privilege))
    {
        letters.push(letter(privilege));
        if grant.grantable.contains(&privilege) {
            letters.push('*');
        }
    }
    format!("{grantee}={letters}/{}", name(grant.grantor))
}

/// PostgreSQL's letters; the two privileges on files, which it does not have, take letters that it leaves free.
fn letter(privilege: Privilege) -> char {
    match privilege {
        Privilege::Insert => 'a',
        Privilege::Select => 'r',
        Privilege::Update => 'w',
        Privilege::Delete => 'd',
        Privilege::Truncate => 'D',
        Privilege::References => 'x',
        Privilege::Trigger => 't',
        Privilege::Execute => 'X',
        Privilege::Usage => 'U',
        Privilege::Create => 'C',
        Privilege::Temporary => 'T',
        Privilege::Connect => 'c',
        Privilege::ReadFiles => 'R',
        Privilege::WriteFiles => 'W',
    }
}

/// aclitem quotes names with other characters than letters, digits and underscores.
fn quoted(name: &str) -> String {
    if name
        .chars()
        .all(|character| character.is_alphanumeric() || character == '_')
    {
        name.to_string()
    } else {
        format!("\"{}\"", name.replace('"', "\"\""))
    }
}
