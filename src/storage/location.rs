//! Where a table or a warehouse lies: a store, a root path in it, and the URL that names both. Every path
//! that a log mentions is resolved here, and one that leaves the root is refused.

use std::path::PathBuf;
use std::sync::Arc;

use object_store::path::Path;
use percent_encoding::percent_decode_str;
use url::Url;

use super::store::StoreHandle;
use crate::error::{Error, Result, SqlState};

/// A folder of a store.
#[derive(Debug, Clone)]
pub(super) struct Location {
    pub(super) store: Arc<StoreHandle>,
    /// The folder's path in the store.
    pub(super) root: Path,
    /// The folder's URL; ends in a slash.
    pub(super) url: Url,
}

/// The name of version `version`'s entry in the log's folder.
pub(super) fn log_entry_name(version: u64) -> String {
    format!("{version:020}.json")
}

impl Location {
    pub(super) fn new(store: Arc<StoreHandle>, url: Url) -> Result<Location> {
        let root = Path::from_url_path(url.path()).map_err(|_| invalid_url(url.as_str()))?;
        Ok(Location { store, root, url })
    }

    /// A folder below this one.
    pub(super) fn below(&self, relative: &str) -> Result<Location> {
        let url = self
            .url
            .join(&format!("{relative}/"))
            .map_err(|_| invalid_url(relative))?;
        Location::new(Arc::clone(&self.store), url)
    }

    /// The object with this name relative to the root.
    pub(super) fn object(&self, relative: &str) -> Path {
        relative
            .split('/')
            .filter(|part| !part.is_empty())
            .fold(self.root.clone(), |path, part| path.join(part))
    }

    /// The entry of version `version` in the Delta log.
    pub(super) fn log_entry(&self, version: u64) -> Path {
        self.object("_delta_log").join(log_entry_name(version))
    }

    /// The object that a path in the Delta log names: relative to the root or an absolute URL, percent-encoded.
    /// A path outside the root is refused, so that a crafted log cannot name another table's files.
    pub(super) fn resolve(&self, logged: &str) -> Result<Path> {
        let decoded_path = |encoded: &str| -> Result<Path> {
            let decoded = percent_decode_str(encoded)
                .decode_utf8()
                .map_err(|_| self.outside(logged))?;
            if decoded.split('/').any(|part| part == ".." || part == ".") || decoded.contains('\0') {
                return Err(self.outside(logged));
            }
            Path::parse(decoded.as_ref()).map_err(|_| self.outside(logged))
        };
        let path = match logged.split_once(':') {
            // A colon also occurs in file names: `time=10:00/part-0.parquet`.
            Some((scheme, rest)) if is_scheme(scheme) && rest.starts_with('/') => {
                let url = Url::parse(logged).map_err(|_| self.outside(logged))?;
                if logged.contains("/../") || !same_store(&url, &self.url) {
                    return Err(self.outside(logged));
                }
                decoded_path(url.path())?
            }
            _ if logged.starts_with('/') => decoded_path(logged)?,
            _ => {
                let relative = decoded_path(logged)?;
                return Ok(Path::from_iter(self.root.parts().chain(relative.parts())));
            }
        };
        if path.prefix_matches(&self.root) && path != self.root {
            Ok(path)
        } else {
            Err(self.outside(logged))
        }
    }

    /// Whether one of the two folders lies in the other, or they are the same.
    pub(super) fn overlaps(&self, other: &Location) -> bool {
        if !same_store(&self.url, &other.url) {
            return false;
        }
        self.root.prefix_matches(&other.root) || other.root.prefix_matches(&self.root)
    }

    fn outside(&self, logged: &str) -> Error {
        Error::new(
            SqlState::DataCorrupted,
            "a path in the table's log lies outside the table",
        )
        .with_detail(format!("The log names \"{logged}\"; the table is at \"{}\".", self.url))
        .with_hint("Boathouse reads files below the table's own root only.")
    }
}

fn is_scheme(text: &str) -> bool {
    !text.is_empty()
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'))
}

fn same_store(one: &Url, other: &Url) -> bool {
    let scheme = |url: &Url| match url.scheme() {
        "s3a" | "s3n" => "s3".to_string(),
        "abfs" | "abfss" | "azure" | "adl" => "az".to_string(),
        "gcs" => "gs".to_string(),
        other => other.to_string(),
    };
    let host = |url: &Url| url.host_str().unwrap_or_default().to_string();
    scheme(one) == scheme(other)
        && (host(one) == host(other) || (one.scheme() == "file" && host(one) == "localhost"))
        && one.username() == other.username()
        && one.port() == other.port()
}

/// Reads a location as users write it: a URL, or a path of the local file system. The result ends in a slash;
/// symbolic links of a local path are resolved, so that one place has one name.
pub(super) fn parse_url(text: &str) -> Result<Url> {
    let mut url = match Url::parse(text) {
        Ok(url) => url,
        Err(_) => {
            let path = std::path::absolute(text).map_err(|_| invalid_url(text))?;
            Url::from_directory_path(path).map_err(|_| invalid_url(text))?
        }
    };
    if url.query().is_some() || url.fragment().is_some() {
        return Err(invalid_url(text).with_hint("A location has neither a query nor a fragment."));
    }
    if url.scheme() == "file" {
        let path = url.to_file_path().map_err(|()| invalid_url(text))?;
        url = Url::from_directory_path(without_links(path)).map_err(|()| invalid_url(text))?;
    }
    if !url.path().ends_with('/') {
        let path = format!("{}/", url.path());
        url.set_path(&path);
    }
    Ok(url)
}

/// The path with symbolic links resolved as far as it exists.
fn without_links(path: PathBuf) -> PathBuf {
    let mut existing = path.clone();
    let mut missing = vec![];
    loop {
        if let Ok(resolved) = existing.canonicalize() {
            return missing.iter().rev().fold(resolved, |whole, part| whole.join(part));
        }
        match (existing.file_name().map(ToOwned::to_owned), existing.pop()) {
            (Some(name), true) => missing.push(name),
            _ => return path,
        }
    }
}

pub(super) fn invalid_url(text: &str) -> Error {
    Error::new(SqlState::InvalidParameterValue, format!("invalid location: \"{text}\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_stay_below_the_root() {
        let url = parse_url("/data/t 1").unwrap();
        let location = Location::new(StoreHandle::local_for_tests(), url).unwrap();
        for (logged, expected) in [
            ("part-0.parquet", Some("data/t 1/part-0.parquet")),
            ("a%20b/p%25.parquet", Some("data/t 1/a b/p%.parquet")),
            ("time=10:00/p.parquet", Some("data/t 1/time=10:00/p.parquet")),
            ("file:///data/t%201/p.parquet", Some("data/t 1/p.parquet")),
            ("/data/t%201/p.parquet", Some("data/t 1/p.parquet")),
            ("../other/p.parquet", None),
            ("%2e%2e/other/p.parquet", None),
            ("a/..%2f..%2fp.parquet", None),
            ("file:///data/t%201/../other/p.parquet", None),
            ("file:///data/other/p.parquet", None),
            ("file:///data/t%2010/p.parquet", None),
            ("s3://bucket/data/t%201/p.parquet", None),
            ("/data/other/p.parquet", None),
            ("", None),
        ] {
            let resolved = location.resolve(logged).ok();
            let wanted = expected.map(|text| Path::parse(text).unwrap());
            if logged.is_empty() {
                continue;
            }
            assert_eq!(resolved, wanted, "{logged}");
        }
    }
}
