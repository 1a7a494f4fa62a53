//! URLs of external locations and tables in one spelling, so that a prefix of text is a prefix of folders.

use percent_encoding::percent_decode_str;
use url::Url;

use crate::error::{Error, Result, SqlState};

/// The URL's one spelling, which ends in a slash; an absolute path is one of `file://`. Refuses what could name
/// a place in two ways: parent steps and empty steps, encoded or not, user information, query and fragment.
pub fn normalize(text: &str) -> Result<String> {
    let refuse = |why: &str| {
        let message = format!("invalid location \"{text}\"");
        Error::new(SqlState::InvalidParameterValue, message).with_detail(format!("{why}."))
    };
    if text.starts_with('/') && !text.split('/').any(|step| step == "." || step == "..") {
        let url = Url::from_directory_path(text).map_err(|()| refuse("It is not an absolute path"))?;
        return normalize(url.as_str());
    }
    let mut url = Url::parse(text).map_err(|error| refuse(&format!("It is not a URL: {error}")))?;
    let same_store = match url.scheme() {
        "s3" | "s3a" | "s3n" => Some("s3"),
        "gs" | "gcs" => Some("gs"),
        "az" | "azure" => Some("az"),
        "abfss" | "abfs" => Some("abfss"),
        "file" | "memory" => None,
        other => return Err(refuse(&format!("Stores of scheme \"{other}\" are not known"))),
    };
    if let Some(scheme) = same_store.filter(|scheme| *scheme != url.scheme()) {
        url.set_scheme(scheme)
            .map_err(|()| refuse("Its scheme cannot be read"))?;
    }
    // abfss://container@account is the one place where user information means a place.
    if url.password().is_some() || (!url.username().is_empty() && url.scheme() != "abfss") {
        return Err(refuse("It must not hold a user name or password"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(refuse("It must not have a query or fragment"));
    }
    if same_store.is_some() && url.host_str().is_none_or(str::is_empty) {
        return Err(refuse("It names no bucket or container"));
    }
    let mut steps = Vec::new();
    for step in text_path(text).split('/').filter(|step| !step.is_empty()) {
        let step = percent_decode_str(step)
            .decode_utf8()
            .map_err(|_| refuse("Its path is not UTF-8"))?;
        if step == "." || step == ".." || step.contains('/') || step.contains('\\') || step.contains('\0') {
            return Err(refuse(
                "Its path must not hold \".\", \"..\", backslashes or encoded slashes",
            ));
        }
        steps.push(step.into_owned());
    }
    if text_path(text).trim_start_matches('/').contains("//") {
        return Err(refuse("Its path holds an empty step"));
    }
    let mut path = url.path_segments_mut().map_err(|()| refuse("It has no path"))?;
    path.clear().extend(&steps).push("");
    drop(path);
    Ok(url.to_string())
}

/// The path as written, before the parser resolves dots.
fn text_path(text: &str) -> &str {
    let after_scheme = text.split_once("://").map_or(text, |(_, rest)| rest);
    match after_scheme.find('/') {
        Some(start) => &after_scheme[start..],
        None => "",
    }
}

#[cfg(test)]
mod tests {
    use super::normalize;

    #[test]
    fn one_place_has_one_spelling() {
        for (text, expected) in [
            ("s3://lake/a/b", Some("s3://lake/a/b/")),
            ("s3a://lake/a/b/", Some("s3://lake/a/b/")),
            ("s3://lake/%61/b c", Some("s3://lake/a/b%20c/")),
            ("s3://lake", Some("s3://lake/")),
            ("file:///data/x", Some("file:///data/x/")),
            (
                "abfss://box@account.dfs.core.windows.net/a",
                Some("abfss://box@account.dfs.core.windows.net/a/"),
            ),
            ("s3://lake/a/../b", None),
            ("s3://lake/a/%2e%2e/b", None),
            ("s3://lake/a//b", None),
            ("s3://lake/a%2fb", None),
            ("s3://key:secret@lake/a", None),
            ("s3://lake/a?x=1", None),
            ("s3:///a", None),
            ("http://host/a", None),
            ("/data/x y%20", Some("file:///data/x%20y%2520/")),
            ("/data/../x", None),
            ("data/x", None),
        ] {
            assert_eq!(normalize(text).ok().as_deref(), expected, "{text}");
        }
    }
}
