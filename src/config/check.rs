//! What no single key can tell: settings that contradict each other.

use std::net::{IpAddr, SocketAddr};

use super::sections::Config;
use super::value::is_address;
use crate::error::{Error, Result, SqlState};

pub(super) fn check(config: &Config) -> Result<()> {
    let wrong = |message: &str| Err(Error::new(SqlState::ConfigFileError, message));
    if config.tls.certificate.is_empty() != config.tls.key.is_empty() {
        return wrong("tls.certificate and tls.key belong together: give both or neither");
    }
    if config.tls.required && config.tls.certificate.is_empty() {
        return wrong("tls.required needs tls.certificate and tls.key");
    }
    if config.server.max_connections == 0 {
        return wrong("server.max_connections must be at least 1");
    }
    if config.server.trust_loopback && !config.server.listen.0.iter().all(|address| is_loopback(address)) {
        return wrong("server.trust_loopback is refused unless every address in server.listen is a loopback address");
    }
    if config.warehouse.url.is_empty() {
        return wrong("warehouse.url must not be empty");
    }
    if !config.metrics.listen.is_empty() && !is_address(&config.metrics.listen) {
        return wrong("metrics.listen must be HOST:PORT, such as \"127.0.0.1:9187\", or \"\"");
    }
    if config
        .admin_password
        .as_ref()
        .is_some_and(|password| password.0.is_empty())
    {
        return wrong("BOATHOUSE_ADMIN_PASSWORD must not be empty");
    }
    Ok(())
}

fn is_loopback(address: &str) -> bool {
    match address.parse::<SocketAddr>() {
        Ok(address) => address.ip().is_loopback(),
        Err(_) => address.rsplit_once(':').is_some_and(|(host, _)| {
            host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
        }),
    }
}
