//! Takes secrets out of a statement's text before the log keeps it for ever: every string literal that
//! follows a word such as PASSWORD or SECRET becomes '***'.

/// The text with the literals after secret-bearing words replaced.
pub fn redact(statement: &str) -> String {
    let bytes = statement.as_bytes();
    let mut output = String::with_capacity(statement.len());
    let mut position = 0;
    let mut secret = false;
    while position < bytes.len() {
        let end = token_end(bytes, position);
        let token = &statement[position..end];
        match kind(token) {
            Kind::Word | Kind::QuotedName => {
                secret = is_secret(token);
                output.push_str(token);
            }
            Kind::Literal if secret => {
                // A literal may go on after a line break, so the next one is secret too.
                output.push_str("'***'");
            }
            Kind::Literal => {
                // A key may be a literal itself: OPTIONS ('secret_key' 'x').
                secret = is_secret(token);
                output.push_str(token);
            }
            Kind::Space => output.push_str(token),
            Kind::Symbol => {
                secret &= matches!(token, "=" | ">" | ":" | "(");
                output.push_str(token);
            }
        }
        position = end;
    }
    output
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Word,
    QuotedName,
    Literal,
    Space,
    Symbol,
}

fn kind(token: &str) -> Kind {
    match token.as_bytes() {
        [b'\'', ..] | [b'e' | b'E' | b'n' | b'N' | b'b' | b'B' | b'x' | b'X', b'\'', ..] => Kind::Literal,
        [b'u' | b'U', b'&', b'\'', ..] => Kind::Literal,
        [b'$', rest @ ..] if rest.contains(&b'$') => Kind::Literal,
        [b'"', ..] => Kind::QuotedName,
        [b'-', b'-', ..] | [b'/', b'*', ..] => Kind::Space,
        [first, ..] if first.is_ascii_whitespace() => Kind::Space,
        [first, ..] if is_word(*first) => Kind::Word,
        _ => Kind::Symbol,
    }
}

fn is_secret(token: &str) -> bool {
    let lower = token.to_ascii_lowercase();
    [
        "password",
        "passwd",
        "secret",
        "token",
        "access_key",
        "account_key",
        "credential",
        "sas_",
    ]
    .iter()
    .any(|word| lower.contains(word))
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}

/// Where the token that starts here ends. Always on a character's boundary: only ASCII bytes end a token.
fn token_end(bytes: &[u8], start: usize) -> usize {
    let rest = &bytes[start..];
    let end = match rest {
        [b'\'', ..] => quoted_end(rest, 1, b'\'', false),
        [b'e' | b'E', b'\'', ..] => quoted_end(rest, 2, b'\'', true),
        [b'n' | b'N' | b'b' | b'B' | b'x' | b'X', b'\'', ..] => quoted_end(rest, 2, b'\'', false),
        [b'u' | b'U', b'&', b'\'', ..] => quoted_end(rest, 3, b'\'', false),
        [b'"', ..] => quoted_end(rest, 1, b'"', false),
        [b'-', b'-', ..] => rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len()),
        [b'/', b'*', ..] => find(rest, 2, b"*/").unwrap_or(rest.len()),
        [b'$', ..] => dollar_end(rest).unwrap_or(1),
        [first, ..] if first.is_ascii_whitespace() => run(rest, |byte| byte.is_ascii_whitespace()),
        [first, ..] if is_word(*first) => run(rest, is_word),
        _ => 1,
    };
    start + end
}

fn run(bytes: &[u8], belongs: impl Fn(u8) -> bool) -> usize {
    bytes.iter().position(|byte| !belongs(*byte)).unwrap_or(bytes.len())
}

fn quoted_end(bytes: &[u8], body: usize, quote: u8, escapes: bool) -> usize {
    let mut position = body;
    while position < bytes.len() {
        match bytes[position] {
            b'\\' if escapes => position += 2,
            byte if byte == quote && bytes.get(position + 1) == Some(&quote) => position += 2,
            byte if byte == quote => return position + 1,
            _ => position += 1,
        }
    }
    bytes.len()
}

fn dollar_end(bytes: &[u8]) -> Option<usize> {
    let tag = bytes[1..].iter().position(|byte| *byte == b'$')? + 2;
    let named = &bytes[1..tag - 1];
    if named.first().is_some_and(u8::is_ascii_digit) || !named.iter().all(|byte| is_word(*byte)) {
        return None;
    }
    Some(find(bytes, tag, &bytes[..tag]).unwrap_or(bytes.len()))
}

/// The end of the first occurrence of `needle` at or after `from`.
fn find(bytes: &[u8], from: usize, needle: &[u8]) -> Option<usize> {
    bytes[from..]
        .windows(needle.len())
        .position(|window| window == needle)
        .map(|at| from + at + needle.len())
}

#[cfg(test)]
mod tests {
    use super::redact;

    #[test]
    fn secrets_leave_and_the_rest_stays() {
        let cases = [
            (
                "CREATE ROLE a PASSWORD 'x''y' LOGIN",
                "CREATE ROLE a PASSWORD '***' LOGIN",
            ),
            (
                "alter role a encrypted password E'a\\'b' valid until 'infinity'",
                "alter role a encrypted password '***' valid until 'infinity'",
            ),
            (
                "create user a with password $q$it's$q$",
                "create user a with password '***'",
            ),
            (
                "create user a with password /* 'no' */ 'ü'",
                "create user a with password /* 'no' */ '***'",
            ),
            (
                "ALTER ROLE a PASSWORD NULL; COMMENT ON ROLE a IS 'boss'",
                "ALTER ROLE a PASSWORD NULL; COMMENT ON ROLE a IS 'boss'",
            ),
            (
                "… OPTIONS (aws_secret_access_key 's', region 'eu')",
                "… OPTIONS (aws_secret_access_key '***', region 'eu')",
            ),
            (
                "OPTIONS ('sas_token' = 's', 'endpoint' = 'http://x')",
                "OPTIONS ('sas_token' = '***', 'endpoint' = 'http://x')",
            ),
            ("create table t (a text) -- don't", "create table t (a text) -- don't"),
            ("create user a password 'open", "create user a password '***'"),
            ("select $1, 'x'", "select $1, 'x'"),
        ];
        for (statement, expected) in cases {
            assert_eq!(redact(statement), expected);
        }
    }
}
