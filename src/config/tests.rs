//! Layers and messages.

use std::path::PathBuf;

use super::*;

fn load_text(text: &str) -> std::result::Result<Config, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("boathouse.toml");
    std::fs::write(&path, text).unwrap();
    load_from(Some(&path), &[], &[]).map_err(|error| {
        assert_eq!(error.state().code(), "F0000");
        error.to_string().replace(&path.display().to_string(), "FILE")
    })
}

fn pair(name: &str, value: &str) -> (String, String) {
    (name.to_string(), value.to_string())
}

#[test]
fn defaults_are_complete() {
    let config = load_from(None, &[], &[]).unwrap();
    assert_eq!(config.server.listen.0, ["127.0.0.1:5433"]);
    assert_eq!(config.caches.result, ByteSize(256 << 20));
    assert_eq!(config.memory.limit, MemoryLimit::Fraction(0.6));
    assert!(config.admin_password.is_none() && config.warehouse.options.is_empty());
}

#[test]
fn every_key_is_documented() {
    let mut commented = false;
    for line in DEFAULTS.lines() {
        let is_key = line.chars().next().is_some_and(|first| first.is_ascii_lowercase());
        // A group of keys may share the comment above the first.
        assert!(!is_key || commented || line.starts_with("key ="), "{line}");
        commented = line.starts_with('#') || is_key && commented && line.starts_with("certificate");
    }
}

#[test]
fn later_layers_win() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("c.toml");
    std::fs::write(
        &path,
        "[server]\nlisten = \"0.0.0.0:1\"\nmax_connections = 7\n[warehouse.options]\nregion = \"x\"\n",
    )
    .unwrap();
    let environment = [
        pair("BOATHOUSE_SERVER_MAX_CONNECTIONS", "8"),
        pair("BOATHOUSE_ADMIN_PASSWORD", "secret"),
        pair("BOATHOUSE_BINARY", "/somewhere"),
        pair("BOATHOUSE_MEMORY_LIMIT", "64MB"),
    ];
    let overrides = [Override {
        flag: "--listen".into(),
        key: "server.listen".into(),
        value: "127.0.0.1:2,[::1]:3".into(),
    }];
    let config = load_from(Some(&path), &environment, &overrides).unwrap();
    assert_eq!(config.server.listen.0, ["127.0.0.1:2", "[::1]:3"]);
    assert_eq!(config.server.max_connections, 8);
    assert_eq!(config.memory.limit, MemoryLimit::Bytes(64 << 20));
    assert_eq!(config.warehouse.options["region"], "x");
    assert_eq!(config.admin_password, Some(Secret("secret".into())));
    assert!(!format!("{config:?}").contains("secret\""));
}

#[test]
fn what_is_wrong_is_named() {
    let cases = [
        ("[server\n", "FILE, line 1: "),
        (
            "[server]\nno_such_key = 1\n",
            "FILE, line 2: unknown key \"no_such_key\" in section [server] (Section [server] has the keys listen, max_connections,",
        ),
        (
            "\n[nosuchsection]\na = 1\n",
            "FILE, line 2: unknown section [nosuchsection] (The sections are server, tls, warehouse,",
        ),
        (
            "[server]\nlisten = 12\n",
            "FILE, line 2: server.listen: expected an address",
        ),
        (
            "[server]\nmax_connections = \"many\"\n",
            "FILE, line 2: server.max_connections: invalid type: string \"many\", expected usize",
        ),
        (
            "[memory]\nlimit = \"plenty\"\n",
            "FILE, line 2: memory.limit: \"plenty\" is no limit: write a size such as",
        ),
        (
            "[tls]\nkey = \"k.pem\"\n",
            "tls.certificate and tls.key belong together",
        ),
        (
            "[server]\nlisten = \"0.0.0.0:1\"\ntrust_loopback = true\n",
            "server.trust_loopback is refused",
        ),
    ];
    for (text, expected) in cases {
        let message = load_text(text).unwrap_err();
        assert!(message.starts_with(expected), "{text}: {message}");
    }
    let error = load_from(Some(&PathBuf::from("/nosuch.toml")), &[], &[]).unwrap_err();
    assert!(
        error
            .message()
            .starts_with("could not read configuration file \"/nosuch.toml\"")
    );
    let error = load_from(None, &[pair("BOATHOUSE_CACHES_PLAN", "big")], &[]).unwrap_err();
    assert!(
        error
            .message()
            .starts_with("environment variable BOATHOUSE_CACHES_PLAN: caches.plan: \"big\" is no size")
    );
    let error = load_from(None, &[pair("BOATHOUSE_CACHES_PLANS", "1")], &[]).unwrap_err();
    assert_eq!(
        error.message(),
        "environment variable BOATHOUSE_CACHES_PLANS: unknown setting \"caches.plans\""
    );
}
