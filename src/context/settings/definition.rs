//! What a setting is: its type, bounds and who may change it. Text is checked and brought to its
//! canonical form here, with PostgreSQL's messages.

use super::units::{self, Unit};
use crate::error::{Error, Result, SqlState};
use crate::types::TimeZone;
use crate::types::encoding;
use crate::types::format::DateStyle;

/// A setting's declaration; the registry is a list of these.
#[derive(Debug, Clone)]
pub struct Definition {
    pub name: &'static str,
    pub kind: Kind,
    /// As SET would name it.
    pub default: &'static str,
    pub changed_by: ChangedBy,
    pub category: &'static str,
    pub description: &'static str,
    /// Clients are told of changes (ParameterStatus).
    pub reported: bool,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    Bool,
    Integer {
        minimum: i64,
        maximum: i64,
        unit: Unit,
    },
    Real {
        minimum: f64,
        maximum: f64,
        unit: Unit,
    },
    Enum(&'static [&'static str]),
    Text,
    /// Names, each quoted where needed, with commas between.
    Names,
    DateStyle,
    TimeZone,
    /// UTF8 and its aliases.
    Encoding,
}

/// Who may change a setting, in pg_settings' words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangedBy {
    Internal,
    Postmaster,
    /// Whoever edits the configuration and has it read again.
    Sighup,
    SuperuserBackend,
    Backend,
    Superuser,
    User,
}

impl ChangedBy {
    pub(super) fn named(name: &str) -> Option<ChangedBy> {
        let all = [
            ChangedBy::Internal,
            ChangedBy::Postmaster,
            ChangedBy::Sighup,
            ChangedBy::SuperuserBackend,
            ChangedBy::Backend,
            ChangedBy::Superuser,
            ChangedBy::User,
        ];
        all.into_iter().find(|who| who.name() == name)
    }

    pub fn name(self) -> &'static str {
        match self {
            ChangedBy::Internal => "internal",
            ChangedBy::Postmaster => "postmaster",
            ChangedBy::Sighup => "sighup",
            ChangedBy::SuperuserBackend => "superuser-backend",
            ChangedBy::Backend => "backend",
            ChangedBy::Superuser => "superuser",
            ChangedBy::User => "user",
        }
    }
}

impl Definition {
    /// pg_settings.vartype.
    pub fn type_name(&self) -> &'static str {
        match self.kind {
            Kind::Bool => "bool",
            Kind::Integer { .. } => "integer",
            Kind::Real { .. } => "real",
            Kind::Enum(_) => "enum",
            Kind::Text | Kind::Names | Kind::DateStyle | Kind::TimeZone | Kind::Encoding => "string",
        }
    }

    /// pg_settings.unit.
    pub fn unit(&self) -> Option<&'static str> {
        match self.kind {
            Kind::Integer { unit, .. } | Kind::Real { unit, .. } => unit.name(),
            _ => None,
        }
    }

    /// pg_settings.min_val and max_val.
    pub fn bounds(&self) -> Option<(String, String)> {
        match self.kind {
            Kind::Integer { minimum, maximum, .. } => Some((minimum.to_string(), maximum.to_string())),
            Kind::Real { minimum, maximum, .. } => Some((real_text(minimum), real_text(maximum))),
            _ => None,
        }
    }

    /// pg_settings.enumvals.
    pub fn choices(&self) -> Option<&'static [&'static str]> {
        match self.kind {
            Kind::Enum(choices) => Some(choices),
            _ => None,
        }
    }

    /// Refuses a change that the session may not make.
    pub fn check_changeable(&self, is_superuser: bool) -> Result<()> {
        let name = self.name;
        match self.changed_by {
            ChangedBy::User => Ok(()),
            ChangedBy::Superuser if is_superuser => Ok(()),
            ChangedBy::Superuser => Err(Error::new(
                SqlState::InsufficientPrivilege,
                format!("permission denied to set parameter \"{name}\""),
            )),
            ChangedBy::Internal => Err(Error::new(
                SqlState::CantChangeRuntimeParameter,
                format!("parameter \"{name}\" cannot be changed"),
            )),
            ChangedBy::Sighup => Err(Error::new(
                SqlState::CantChangeRuntimeParameter,
                format!("parameter \"{name}\" cannot be changed now"),
            )),
            ChangedBy::SuperuserBackend | ChangedBy::Backend => Err(Error::new(
                SqlState::CantChangeRuntimeParameter,
                format!("parameter \"{name}\" cannot be set after connection start"),
            )),
            ChangedBy::Postmaster => Err(Error::new(
                SqlState::CantChangeRuntimeParameter,
                format!("parameter \"{name}\" cannot be changed without restarting the server"),
            )),
        }
    }

    /// The canonical text of a value: numbers in the setting's unit, on and off, an enum's own spelling.
    /// `current` is the canonical value in force, which a DateStyle of one word refines.
    pub fn canonical(&self, text: &str, current: &str) -> Result<String> {
        match self.kind {
            Kind::Bool => self
                .boolean(text)
                .map(|value| if value { "on" } else { "off" }.to_string()),
            Kind::Integer { minimum, maximum, unit } => {
                let value = units::parse_integer(text, unit).map_err(|hint| self.invalid_with_hint(text, hint))?;
                match (minimum..=maximum).contains(&value) {
                    true => Ok(value.to_string()),
                    false => {
                        let shown = format!(
                            "{value}{}",
                            unit.name().map(|unit| format!(" {unit}")).unwrap_or_default()
                        );
                        Err(self.outside(&shown, &minimum.to_string(), &maximum.to_string()))
                    }
                }
            }
            Kind::Real { minimum, maximum, unit } => {
                let value = units::parse_real(text, unit).map_err(|hint| self.invalid_with_hint(text, hint))?;
                match (minimum..=maximum).contains(&value) {
                    true => Ok(real_text(value)),
                    false => Err(self.outside(&real_text(value), &real_text(minimum), &real_text(maximum))),
                }
            }
            Kind::Enum(choices) => match choices.iter().find(|choice| choice.eq_ignore_ascii_case(text)) {
                Some(choice) => Ok(choice.to_string()),
                None => match self.boolean(text) {
                    // on and off among the choices may be spelled as any boolean.
                    Ok(value) if choices.contains(&if value { "on" } else { "off" }) => {
                        Ok(if value { "on" } else { "off" }.to_string())
                    }
                    _ => Err(self
                        .invalid(text)
                        .with_hint(format!("Available values: {}.", choices.join(", ")))),
                },
            },
            Kind::Text => Ok(text.to_string()),
            Kind::Names => {
                Ok(quoted_names(&parse_names(text).ok_or_else(|| {
                    self.invalid(text).with_detail("List syntax is invalid.")
                })?))
            }
            Kind::DateStyle => {
                let current = DateStyle::parse(current, DateStyle::default()).unwrap_or_default();
                DateStyle::parse(text, current)
                    .map(|style| style.to_string())
                    .ok_or_else(|| {
                        let unknown = text
                            .split(',')
                            .map(str::trim)
                            .find(|word| DateStyle::parse(word, current).is_none());
                        self.invalid(text).with_detail(match unknown {
                            Some(word) => format!("Unrecognized key word: \"{}\".", word.to_ascii_lowercase()),
                            None => "Conflicting \"datestyle\" specifications.".to_string(),
                        })
                    })
            }
            Kind::TimeZone => match TimeZone::parse(text) {
                Some(zone) => Ok(zone.to_string()),
                None => Err(self.invalid(text)),
            },
            Kind::Encoding => {
                let named = encoding::named(text).ok_or_else(|| self.invalid(text))?;
                named.conversion()?;
                Ok(named.name().to_string())
            }
        }
    }

    fn boolean(&self, text: &str) -> Result<bool> {
        crate::types::parse::parse_bool(text).map_err(|_| {
            Error::new(
                SqlState::InvalidParameterValue,
                format!("parameter \"{}\" requires a Boolean value", self.name),
            )
        })
    }

    fn invalid(&self, text: &str) -> Error {
        Error::new(
            SqlState::InvalidParameterValue,
            format!("invalid value for parameter \"{}\": \"{text}\"", self.name),
        )
    }

    fn invalid_with_hint(&self, text: &str, hint: Option<&'static str>) -> Error {
        match hint {
            Some(hint) => self.invalid(text).with_hint(hint),
            None => self.invalid(text),
        }
    }

    fn outside(&self, value: &str, minimum: &str, maximum: &str) -> Error {
        Error::new(
            SqlState::InvalidParameterValue,
            format!(
                "{value} is outside the valid range for parameter \"{}\" ({minimum} .. {maximum})",
                self.name
            ),
        )
    }

    /// What SHOW prints for a canonical value.
    pub fn shown(&self, canonical: &str) -> String {
        match self.kind {
            Kind::Integer { unit, .. } | Kind::Real { unit, .. } => units::show_number(canonical, unit),
            _ => canonical.to_string(),
        }
    }
}

fn real_text(value: f64) -> String {
    let mut out = bytes::BytesMut::new();
    // Six significant digits, as C's %g.
    crate::types::text::write_float8(value, -9, &mut out);
    String::from_utf8_lossy(&out).into_owned()
}

/// Reads a list of names as `search_path` holds it; unquoted names fold to lower case.
pub fn parse_names(text: &str) -> Option<Vec<String>> {
    let mut names = Vec::new();
    let mut rest = text.trim();
    if rest.is_empty() {
        return Some(names);
    }
    loop {
        rest = rest.trim_start();
        if let Some(quoted) = rest.strip_prefix('"') {
            let mut name = String::new();
            let mut after = quoted;
            loop {
                let end = after.find('"')?;
                name.push_str(&after[..end]);
                after = &after[end + 1..];
                match after.strip_prefix('"') {
                    Some(more) => {
                        name.push('"');
                        after = more;
                    }
                    None => break,
                }
            }
            names.push(name);
            rest = after.trim_start();
        } else {
            let end = rest.find(',').unwrap_or(rest.len());
            let name = rest[..end].trim();
            if name.is_empty() || name.contains(|c: char| c.is_whitespace() || c == '"') {
                return None;
            }
            names.push(name.to_lowercase());
            rest = &rest[end..];
        }
        match rest.strip_prefix(',') {
            Some(more) => rest = more,
            None if rest.is_empty() => return Some(names),
            None => return None,
        }
    }
}

/// Writes names so that `parse_names` reads them back.
pub fn quoted_names(names: &[String]) -> String {
    let plain = |name: &str| {
        name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
            && name
                .chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
    };
    let quoted = names.iter().map(|name| match plain(name) {
        true => name.clone(),
        false => format!("\"{}\"", name.replace('"', "\"\"")),
    });
    quoted.collect::<Vec<_>>().join(", ")
}
