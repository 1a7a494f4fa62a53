//! What new objects grant by themselves because ALTER DEFAULT PRIVILEGES said so: kept with the database.

use serde::{Deserialize, Serialize};

use super::acl::default_grants;
use super::model::{Database, Grant, ObjectKind, Oid, PUBLIC_ROLE};

/// What one role's new objects of a kind grant, everywhere in the database or in one schema.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DefaultPrivileges {
    /// pg_default_acl.oid.
    pub id: Oid,
    /// Whose new objects.
    pub role: Oid,
    /// What a schema has comes on top of what holds everywhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<Oid>,
    pub of: DefaultsOf,
    /// Without a schema all that is granted, PUBLIC's part included; the creator's own privileges go without saying.
    pub grants: Vec<Grant>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DefaultsOf {
    /// Views too.
    Tables,
    Sequences,
    /// Procedures too.
    Functions,
    /// Domains too.
    Types,
    Schemas,
}

impl DefaultsOf {
    fn of(kind: ObjectKind) -> Option<DefaultsOf> {
        match kind {
            ObjectKind::Table | ObjectKind::View | ObjectKind::MaterializedView => Some(DefaultsOf::Tables),
            ObjectKind::Sequence => Some(DefaultsOf::Sequences),
            ObjectKind::Function => Some(DefaultsOf::Functions),
            ObjectKind::Type | ObjectKind::Domain => Some(DefaultsOf::Types),
            ObjectKind::Schema => Some(DefaultsOf::Schemas),
            _ => None,
        }
    }

    pub fn kind(self) -> ObjectKind {
        match self {
            DefaultsOf::Tables => ObjectKind::Table,
            DefaultsOf::Sequences => ObjectKind::Sequence,
            DefaultsOf::Functions => ObjectKind::Function,
            DefaultsOf::Types => ObjectKind::Type,
            DefaultsOf::Schemas => ObjectKind::Schema,
        }
    }

    /// As messages name one of them.
    pub fn word(self) -> &'static str {
        match self {
            DefaultsOf::Tables => "relation",
            DefaultsOf::Sequences => "sequence",
            DefaultsOf::Functions => "function",
            DefaultsOf::Types => "type",
            DefaultsOf::Schemas => "schema",
        }
    }

    /// pg_default_acl.defaclobjtype.
    pub fn code(self) -> &'static str {
        match self {
            DefaultsOf::Tables => "r",
            DefaultsOf::Sequences => "S",
            DefaultsOf::Functions => "f",
            DefaultsOf::Types => "T",
            DefaultsOf::Schemas => "n",
        }
    }
}

impl DefaultPrivileges {
    /// What holds before anything was said.
    pub fn initial(of: DefaultsOf, role: Oid, schema: Option<Oid>) -> Vec<Grant> {
        match schema {
            Some(_) => vec![],
            None => default_grants(of.kind(), role),
        }
    }

    /// Roles that it names, PUBLIC left out.
    pub fn roles(&self) -> impl Iterator<Item = Oid> {
        let named = self.grants.iter().flat_map(|grant| [grant.grantee, grant.grantor]);
        std::iter::once(self.role)
            .chain(named)
            .filter(|role| *role != PUBLIC_ROLE)
    }
}

impl Database {
    /// What a new object of the role grants.
    pub fn grants_of_new(&self, role: Oid, kind: ObjectKind, schema: Oid) -> Vec<Grant> {
        let said = |wanted: Option<Oid>| {
            let mut all = self.default_privileges.iter();
            let of = DefaultsOf::of(kind);
            all.find(|known| known.role == role && Some(known.of) == of && known.schema == wanted)
        };
        let mut grants = said(None).map_or_else(|| default_grants(kind, role), |known| known.grants.clone());
        for grant in said(Some(schema)).into_iter().flat_map(|known| &known.grants) {
            let same = |known: &&mut Grant| known.grantee == grant.grantee && known.grantor == grant.grantor;
            match grants.iter_mut().find(same) {
                None => grants.push(grant.clone()),
                Some(known) => {
                    let merge = |into: &mut Vec<_>, from: &Vec<_>| {
                        into.extend_from_slice(from);
                        into.sort_unstable();
                        into.dedup();
                    };
                    merge(&mut known.privileges, &grant.privileges);
                    merge(&mut known.grantable, &grant.grantable);
                }
            }
        }
        grants
    }
}
