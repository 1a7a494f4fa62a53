//! The values of all settings at one moment: immutable, shared by `Arc`, with typed fields for what the
//! engine asks on every statement.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::definition::{Definition, parse_names};
use super::registry::{DEFINITIONS, definition};
use crate::error::{Error, Result, SqlState};
use crate::types::FormatSettings;
use crate::types::encoding::{self, Encoding};
use crate::types::format::{ByteaOutput, DateStyle, IntervalStyle};
use crate::types::time_zone::TimeZone;

/// One session's settings as a statement sees them.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Canonical values by lower-case name; a setting at its default is absent.
    changed: BTreeMap<Arc<str>, Arc<str>>,
    /// What text output and input depend on.
    pub format: FormatSettings,
    /// `$user` stands for the current role.
    pub search_path: Vec<String>,
    /// `None` waits for ever; so in the other timeouts.
    pub statement_timeout: Option<Duration>,
    pub lock_timeout: Option<Duration>,
    pub idle_in_transaction_session_timeout: Option<Duration>,
    pub idle_session_timeout: Option<Duration>,
    pub transaction_timeout: Option<Duration>,
    pub application_name: Arc<str>,
    /// What the client's text is converted with; `None` for UTF-8.
    pub client_encoding: Option<&'static Encoding>,
    pub client_min_messages: MessageLevel,
    /// Whether a backslash in '…' is a plain character.
    pub standard_conforming_strings: bool,
    pub default_transaction_isolation: IsolationLevel,
    pub default_transaction_read_only: bool,
    pub transaction_isolation: IsolationLevel,
    pub transaction_read_only: bool,
    pub row_security: bool,
    pub plan_cache: bool,
    pub result_cache: bool,
    pub footer_cache: bool,
    pub hot_columns: bool,
    pub partial_aggregates: bool,
    pub fused_operators: bool,
    pub read_freshness: ReadFreshness,
    /// `None` chooses by size and load.
    pub target_partitions: Option<usize>,
}

/// Least first; a message is sent when its level is not below `client_min_messages`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MessageLevel {
    Debug,
    Log,
    Notice,
    Warning,
    Error,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum IsolationLevel {
    /// Also READ UNCOMMITTED, as in PostgreSQL.
    ReadCommitted,
    RepeatableRead,
    Serializable,
}

/// Whether a statement asks storage for newer versions of its tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ReadFreshness {
    Bounded,
    Strict,
}

impl Default for Settings {
    fn default() -> Self {
        Settings::from_values(BTreeMap::new())
    }
}

impl Settings {
    fn from_values(changed: BTreeMap<Arc<str>, Arc<str>>) -> Settings {
        let value = |name: &str| -> &str {
            changed
                .get(name)
                .map(|value| &**value)
                .or_else(|| definition(name).map(|found| found.default))
                .unwrap_or("")
        };
        let flag = |name: &str| value(name) == "on";
        let timeout = |name: &str| match value(name).parse() {
            Ok(0) | Err(_) => None,
            Ok(milliseconds) => Some(Duration::from_millis(milliseconds)),
        };
        let isolation = |name: &str| match value(name) {
            "serializable" => IsolationLevel::Serializable,
            "repeatable read" => IsolationLevel::RepeatableRead,
            _ => IsolationLevel::ReadCommitted,
        };
        let format = FormatSettings {
            date_style: DateStyle::parse(value("datestyle"), DateStyle::default()).unwrap_or_default(),
            time_zone: TimeZone::parse(value("timezone")).unwrap_or_default(),
            interval_style: IntervalStyle::parse(value("intervalstyle")).unwrap_or_default(),
            bytea_output: if value("bytea_output") == "escape" {
                ByteaOutput::Escape
            } else {
                ByteaOutput::Hex
            },
            extra_float_digits: value("extra_float_digits").parse().unwrap_or(1),
        };
        Settings {
            format,
            search_path: parse_names(value("search_path")).unwrap_or_default(),
            statement_timeout: timeout("statement_timeout"),
            lock_timeout: timeout("lock_timeout"),
            idle_in_transaction_session_timeout: timeout("idle_in_transaction_session_timeout"),
            idle_session_timeout: timeout("idle_session_timeout"),
            transaction_timeout: timeout("transaction_timeout"),
            application_name: value("application_name").into(),
            client_encoding: encoding::named(value("client_encoding"))
                .and_then(|named| named.conversion().ok())
                .flatten(),
            client_min_messages: match value("client_min_messages") {
                "notice" => MessageLevel::Notice,
                "warning" => MessageLevel::Warning,
                "error" => MessageLevel::Error,
                "log" => MessageLevel::Log,
                _ => MessageLevel::Debug,
            },
            standard_conforming_strings: flag("standard_conforming_strings"),
            default_transaction_isolation: isolation("default_transaction_isolation"),
            default_transaction_read_only: flag("default_transaction_read_only"),
            transaction_isolation: isolation("transaction_isolation"),
            transaction_read_only: flag("transaction_read_only"),
            row_security: flag("row_security"),
            plan_cache: flag("boathouse.plan_cache"),
            result_cache: flag("boathouse.result_cache"),
            footer_cache: flag("boathouse.footer_cache"),
            hot_columns: flag("boathouse.hot_columns"),
            partial_aggregates: flag("boathouse.partial_aggregates"),
            fused_operators: flag("boathouse.fused_operators"),
            read_freshness: match value("boathouse.read_freshness") {
                "strict" => ReadFreshness::Strict,
                _ => ReadFreshness::Bounded,
            },
            target_partitions: value("boathouse.target_partitions")
                .parse()
                .ok()
                .filter(|count| *count > 0),
            changed,
        }
    }

    /// These settings with one more canonical value; the name may be in any case.
    pub(super) fn with(&self, name: &str, canonical: &str) -> Settings {
        let mut changed = self.changed.clone();
        changed.insert(name.to_ascii_lowercase().into(), canonical.into());
        Settings::from_values(changed)
    }

    /// A value that this session may set, in its canonical form.
    pub fn check(&self, name: &str, value: &str, is_superuser: bool) -> Result<String> {
        let Some(found) = definition(name) else {
            check_custom_name(name)?;
            return Ok(value.to_string());
        };
        found.check_changeable(is_superuser)?;
        found.canonical(value, self.canonical(name).unwrap_or_default())
    }

    /// The canonical value; `None` for a name that is not known.
    pub fn canonical(&self, name: &str) -> Option<&str> {
        match self.changed.get(name.to_ascii_lowercase().as_str()) {
            Some(value) => Some(value),
            None => definition(name).map(|found| found.default),
        }
    }

    /// What SHOW and current_setting() print; `None` for a name that is not known.
    pub fn shown(&self, name: &str) -> Option<String> {
        let canonical = self.canonical(name)?;
        Some(definition(name).map_or_else(|| canonical.to_string(), |found| found.shown(canonical)))
    }

    /// Whether a value was set, rather than declared.
    pub fn is_changed(&self, name: &str) -> bool {
        self.has_own(&name.to_ascii_lowercase())
    }

    /// The same for a name in small letters.
    pub(super) fn has_own(&self, name: &str) -> bool {
        self.changed.contains_key(name)
    }

    /// Settings with a dot in their name that the registry does not have.
    pub fn custom(&self) -> impl Iterator<Item = (&str, &str)> {
        self.changed
            .iter()
            .filter(|(name, _)| definition(name).is_none())
            .map(|(name, value)| (&**name, &**value))
    }

    /// SHOW ALL: name, value, description.
    pub fn show_all(&self) -> Vec<(String, String, String)> {
        let row = |found: &Definition| {
            let shown = self.shown(found.name).unwrap_or_default();
            (found.name.to_string(), shown, found.description.to_string())
        };
        let mut rows: Vec<_> = DEFINITIONS.iter().map(row).collect();
        rows.extend(
            self.custom()
                .map(|(name, value)| (name.to_string(), value.to_string(), String::new())),
        );
        rows.sort_by_cached_key(|(name, _, _)| name.to_lowercase());
        rows
    }
}

/// 42704.
/// 42704 for a setting that nobody knows.
pub fn unrecognized(name: &str) -> Error {
    Error::new(
        SqlState::UndefinedObject,
        format!("unrecognized configuration parameter \"{name}\""),
    )
}

/// A name with a dot is the client's own, unless its prefix is ours.
fn check_custom_name(name: &str) -> Result<()> {
    let identifier = |part: &str| {
        part.starts_with(|c: char| c.is_alphabetic() || c == '_')
            && part.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '$')
    };
    let Some((prefix, _)) = name.split_once('.') else {
        return Err(unrecognized(name));
    };
    let invalid = || {
        Error::new(
            SqlState::InvalidName,
            format!("invalid configuration parameter name \"{name}\""),
        )
    };
    if prefix.eq_ignore_ascii_case("boathouse") {
        return Err(invalid().with_detail("\"boathouse\" is a reserved prefix."));
    }
    match name.split('.').all(identifier) {
        true => Ok(()),
        false => {
            Err(invalid()
                .with_detail("Custom parameter names must be two or more simple identifiers separated by dots."))
        }
    }
}
