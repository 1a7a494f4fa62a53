//! One layer each from a file, the environment and the command line; an error names the place and the key.

use std::path::Path;

use super::sections::{Config, KEYS, Layer};
use super::{ADMIN_PASSWORD, Override};
use crate::error::{Error, Result, SqlState};

const PREFIX: &str = "BOATHOUSE_";

pub(super) fn from_file(path: &Path) -> Result<Layer> {
    let shown = path.display().to_string();
    let text = std::fs::read_to_string(path).map_err(|error| {
        Error::new(
            SqlState::ConfigFileError,
            format!("could not read configuration file \"{shown}\": {error}"),
        )
    })?;
    from_text(&text, &shown)
}

pub(super) fn from_text(text: &str, file: &str) -> Result<Layer> {
    toml::from_str(text).map_err(|error| file_error(text, file, &error))
}

fn file_error(text: &str, file: &str, error: &toml::de::Error) -> Error {
    let start = error.span().map_or(0, |span| span.start.min(text.len()));
    let before = &text[..start];
    let line_number = before.matches('\n').count() + 1;
    let line = text.lines().nth(line_number - 1).unwrap_or_default();
    let key = line.split(['=', '#']).next().unwrap_or_default().trim();
    let section = before
        .lines()
        .rev()
        .find(|line| line.trim_start().starts_with('['))
        .unwrap_or_default()
        .trim();
    let section = section.trim_matches(['[', ']']);
    let message = error.message();
    let what = if let Some(rest) = message.strip_prefix("unknown field `") {
        let name = rest.split('`').next().unwrap_or_default();
        let error = if key.starts_with('[') {
            Error::new(
                SqlState::ConfigFileError,
                format!("{file}, line {line_number}: unknown section [{name}]"),
            )
        } else {
            Error::new(
                SqlState::ConfigFileError,
                format!("{file}, line {line_number}: unknown key \"{name}\" in section [{section}]"),
            )
        };
        let among = if key.starts_with('[') { None } else { Some(section) };
        return error.with_hint(accepted(among));
    } else if key.is_empty() || key.starts_with('[') || !line.contains('=') {
        message.to_string()
    } else {
        format!("{section}.{key}: {message}")
    };
    Error::new(SqlState::ConfigFileError, format!("{file}, line {line_number}: {what}"))
}

/// The sections, or the keys of one.
fn accepted(section: Option<&str>) -> String {
    match section {
        Some(section) => {
            let keys: Vec<&str> = KEYS
                .iter()
                .filter(|(owner, _)| *owner == section)
                .map(|(_, key)| *key)
                .collect();
            format!("Section [{section}] has the keys {}.", keys.join(", "))
        }
        None => {
            let mut sections: Vec<&str> = KEYS.iter().map(|(section, _)| *section).collect();
            sections.dedup();
            format!("The sections are {}.", sections.join(", "))
        }
    }
}

/// Variables named after a section are settings and must be known; others with our prefix belong to
/// someone else, as BOATHOUSE_ADMIN_PASSWORD does.
pub(super) fn from_environment(environment: &[(String, String)]) -> Result<Layer> {
    let mut layer = Layer::default();
    for (name, value) in environment {
        let Some(rest) = name.strip_prefix(PREFIX).filter(|_| name != ADMIN_PASSWORD) else {
            continue;
        };
        let rest = rest.to_ascii_lowercase();
        let section = KEYS
            .iter()
            .map(|(section, _)| *section)
            .find(|section| rest.strip_prefix(section).is_some_and(|key| key.starts_with('_')));
        let Some(section) = section else { continue };
        let key = &rest[section.len() + 1..];
        set(&mut layer, section, key, value, &format!("environment variable {name}"))?;
    }
    Ok(layer)
}

pub(super) fn from_overrides(overrides: &[Override]) -> Result<Layer> {
    let mut layer = Layer::default();
    for Override { flag, key, value } in overrides {
        let (section, key) = key.split_once('.').unwrap_or((key, ""));
        set(&mut layer, section, key, value, flag)?;
    }
    Ok(layer)
}

fn set(layer: &mut Layer, section: &str, key: &str, value: &str, place: &str) -> Result<()> {
    match layer.set(section, key, value) {
        Some(Ok(())) => Ok(()),
        Some(Err(message)) => Err(Error::new(
            SqlState::ConfigFileError,
            format!("{place}: {section}.{key}: {message}"),
        )),
        None => {
            let known = KEYS.iter().any(|(owner, _)| *owner == section);
            let message = format!("{place}: unknown setting \"{section}.{key}\"");
            Err(Error::new(SqlState::ConfigFileError, message).with_hint(accepted(known.then_some(section))))
        }
    }
}

/// Lays the layers over each other, the last on top.
pub(super) fn complete(layers: Vec<Layer>) -> Result<Config> {
    let mut merged = Layer::default();
    for layer in layers {
        merged.overlay(layer);
    }
    merged
        .complete()
        .map_err(|key| Error::internal(format!("config/default.toml does not give {key}")))
}
