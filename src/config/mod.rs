//! Typed configuration, and the only reader of the environment. Four layers, later ones win:
//! `config/default.toml` < `--config FILE` < `BOATHOUSE_<SECTION>_<KEY>` < command line.
//! Nothing here builds or opens anything; what is wrong is said with its file, line and key.

mod check;
mod layer;
mod sections;
mod value;

use std::path::Path;

use crate::error::Result;

pub use sections::{Caches, Catalog, Config, Execution, Log, Memory, Metrics, Server, Storage, Tls, Warehouse};
pub use value::{Addresses, ByteSize, Interval, LogFormat, MemoryLimit, Secret};

/// The file that documents every key, as it is compiled in.
pub const DEFAULTS: &str = include_str!("../../config/default.toml");

/// The environment variable that names the password of the first superuser.
const ADMIN_PASSWORD: &str = "BOATHOUSE_ADMIN_PASSWORD";

/// One setting of the command line: the flag as written, `section.key` and the value.
#[derive(Debug, Clone)]
pub struct Override {
    pub flag: String,
    pub key: String,
    pub value: String,
}

/// Reads every layer. `file` is what `--config` named.
pub fn load(file: Option<&Path>, overrides: &[Override]) -> Result<Config> {
    let environment: Vec<(String, String)> = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect();
    load_from(file, &environment, overrides)
}

fn load_from(file: Option<&Path>, environment: &[(String, String)], overrides: &[Override]) -> Result<Config> {
    let mut layers = vec![layer::from_text(DEFAULTS, "config/default.toml")?];
    if let Some(path) = file {
        layers.push(layer::from_file(path)?);
    }
    layers.push(layer::from_environment(environment)?);
    layers.push(layer::from_overrides(overrides)?);
    let mut config = layer::complete(layers)?;
    config.admin_password = environment
        .iter()
        .find(|(name, _)| name == ADMIN_PASSWORD)
        .map(|(_, value)| Secret(value.clone()));
    check::check(&config)?;
    Ok(config)
}

#[cfg(test)]
mod tests;
