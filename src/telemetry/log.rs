//! Structured logs on standard error: text for people, one JSON object a line for machines.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::config::{Log, LogFormat};
use crate::error::{Error, Result, SqlState};

/// Libraries whose own information is noise at our level. The kernel logs errors that it also returns, such as
/// a table that is not there yet; whoever handles them logs them.
const QUIETER: [&str; 3] = ["buoyant_kernel=off", "delta_kernel=off", "object_store=warn"];

/// Sets up logging for the whole process; to be called once.
pub fn init(settings: &Log) -> Result<()> {
    let wrong = |error: &dyn std::fmt::Display| {
        Error::new(
            SqlState::ConfigFileError,
            format!("log.level: \"{}\" is no filter: {error}", settings.level),
        )
        .with_hint("Write error, warn, info, debug or trace, or a filter such as \"info,boathouse::storage=debug\".")
    };
    let mut filter = EnvFilter::builder()
        .parse(&settings.level)
        .map_err(|error| wrong(&error))?;
    // A filter that names targets is taken as it is.
    if !settings.level.contains('=') {
        for directive in QUIETER {
            filter = filter.add_directive(directive.parse().map_err(|error| wrong(&error))?);
        }
    }
    let builder = fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let initialized = match settings.format {
        LogFormat::Text => builder
            .with_ansi(std::io::stderr().is_terminal())
            .with_target(false)
            .compact()
            .finish()
            .try_init(),
        LogFormat::Json => builder
            .json()
            .flatten_event(true)
            .with_current_span(false)
            .finish()
            .try_init(),
    };
    initialized.map_err(|error| Error::internal(format!("logging is set up already: {error}")))
}
