//! The session settings: declared once in the registry, checked on SET, immutable while a statement runs.

mod declared;
mod definition;
mod registry;
mod session;
mod units;
mod values;
mod without_effect;

pub use definition::{ChangedBy, Definition, Kind, parse_names, quoted_names};
pub use registry::{DEFINITIONS, SERVER_VERSION, SERVER_VERSION_NUMBER, definition};
pub use session::{SessionSettings, SettingsMark, text_of};
pub use units::Unit;
pub use values::{IsolationLevel, MessageLevel, ReadFreshness, Settings, unrecognized};

#[cfg(test)]
mod tests;
