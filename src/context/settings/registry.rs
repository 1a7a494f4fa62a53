//! Every setting, declared once: SHOW ALL, pg_settings, the checks of SET and the reports to clients
//! come from these lists.

use std::sync::LazyLock;

use super::declared::DECLARED;
use super::definition::{ChangedBy, Definition, Kind};
use super::units::Unit;
use super::without_effect;

pub(super) const PRESET: &str = "Preset Options";
pub(super) const LOCALE: &str = "Client Connection Defaults / Locale and Formatting";
pub(super) const BEHAVIOR: &str = "Client Connection Defaults / Statement Behavior";
pub(super) const CONNECTION: &str = "Connections and Authentication / Connection Settings";
pub(super) const AUTHENTICATION: &str = "Connections and Authentication / Authentication";
pub(super) const MEMORY: &str = "Resource Usage / Memory";
pub(super) const LOGGING: &str = "Reporting and Logging / What to Log";
pub(super) const COMPATIBILITY: &str = "Version and Platform Compatibility / Previous PostgreSQL Versions";
pub(super) const ENGINE: &str = "Boathouse";

pub(super) const ISOLATION_LEVELS: &[&str] = &["serializable", "repeatable read", "read committed", "read uncommitted"];
pub(super) const MESSAGE_LEVELS: &[&str] = &[
    "debug5", "debug4", "debug3", "debug2", "debug1", "log", "notice", "warning", "error",
];

/// The largest timeout, in milliseconds.
pub(super) const MAX_INTEGER: i64 = i32::MAX as i64;

pub(super) const fn user(
    name: &'static str,
    kind: Kind,
    default: &'static str,
    category: &'static str,
    description: &'static str,
) -> Definition {
    Definition {
        name,
        kind,
        default,
        changed_by: ChangedBy::User,
        category,
        description,
        reported: false,
    }
}

pub(super) const fn preset(
    name: &'static str,
    kind: Kind,
    default: &'static str,
    description: &'static str,
) -> Definition {
    Definition {
        name,
        kind,
        default,
        changed_by: ChangedBy::Internal,
        category: PRESET,
        description,
        reported: false,
    }
}

pub(super) const fn server(
    name: &'static str,
    kind: Kind,
    default: &'static str,
    category: &'static str,
    description: &'static str,
) -> Definition {
    Definition {
        name,
        kind,
        default,
        changed_by: ChangedBy::Postmaster,
        category,
        description,
        reported: false,
    }
}

pub(super) const fn reported(definition: Definition) -> Definition {
    Definition {
        reported: true,
        ..definition
    }
}

pub(super) const fn integer(minimum: i64, maximum: i64) -> Kind {
    Kind::Integer {
        minimum,
        maximum,
        unit: Unit::None,
    }
}

pub(super) const fn milliseconds() -> Kind {
    Kind::Integer {
        minimum: 0,
        maximum: MAX_INTEGER,
        unit: Unit::Milliseconds,
    }
}

/// The settings, by name without regard to case.
pub static DEFINITIONS: LazyLock<Vec<Definition>> = LazyLock::new(|| {
    let mut all: Vec<Definition> = DECLARED.iter().cloned().chain(without_effect::definitions()).collect();
    all.sort_by_key(|definition| definition.name.to_lowercase());
    all
});

/// Drivers read the number at its start.
pub const SERVER_VERSION: &str = "17.6 (Boathouse)";
pub const SERVER_VERSION_NUMBER: i64 = 170_006;

/// Finds a setting by its name in any case.
pub fn definition(name: &str) -> Option<&'static Definition> {
    let folded = |name: &'static str| name.bytes().map(|byte| byte.to_ascii_lowercase());
    let wanted = || name.bytes().map(|byte| byte.to_ascii_lowercase());
    let position = DEFINITIONS.binary_search_by(|definition| folded(definition.name).cmp(wanted()));
    position.ok().and_then(|position| DEFINITIONS.get(position))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_valid_and_names_are_sorted_and_unique() {
        for definition in DEFINITIONS.iter() {
            let canonical = definition.canonical(definition.default, definition.default).unwrap();
            assert_eq!(canonical, definition.default, "{}", definition.name);
        }
        let names: Vec<String> = DEFINITIONS
            .iter()
            .map(|definition| definition.name.to_lowercase())
            .collect();
        assert!(names.is_sorted_by(|left, right| left < right), "{names:?}");
    }
}
