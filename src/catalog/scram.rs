//! SCRAM-SHA-256 (RFC 5802, RFC 7677): verifiers as PostgreSQL stores them, and the server's half of the
//! proof. Pure. A verifier lets its holder check a password, never learn or replay it.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::error::{Error, Result, SqlState};

/// Rounds of key stretching in new verifiers; PostgreSQL's default.
pub const DEFAULT_ITERATIONS: u32 = 4096;
/// More than this pgjdbc refuses, and a stored verifier could keep every client busy.
pub const MOST_ITERATIONS: u32 = 100_000;
/// Bytes of salt in new verifiers.
pub const SALT_LENGTH: usize = 16;

pub type Key = [u8; 32];

/// What the server knows of a password: `SCRAM-SHA-256$iterations:salt$StoredKey:ServerKey`.
#[derive(Clone, PartialEq, Eq)]
pub struct Verifier {
    pub iterations: u32,
    pub salt: Vec<u8>,
    pub stored_key: Key,
    pub server_key: Key,
}

impl Verifier {
    /// A verifier for this password, with a fresh salt.
    pub fn from_password(password: &str) -> Verifier {
        Verifier::with_salt(password, &rand::random::<[u8; SALT_LENGTH]>(), DEFAULT_ITERATIONS)
    }

    /// A verifier for this password, with given salt and iterations.
    pub fn with_salt(password: &str, salt: &[u8], iterations: u32) -> Verifier {
        let salted = salted_password(password, salt, iterations);
        let client_key = keyed_hash(&salted, &[b"Client Key"]);
        Verifier {
            iterations,
            salt: salt.to_vec(),
            stored_key: Sha256::digest(client_key).into(),
            server_key: keyed_hash(&salted, &[b"Server Key"]),
        }
    }

    /// What an unknown user is shown: the same for the same name as long as the secret is, and
    /// impossible to satisfy. The exchange then takes the same steps as for a known user.
    pub fn mock(secret: &Key, user: &str) -> Verifier {
        let salt = keyed_hash(secret, &[b"salt", user.as_bytes()]);
        Verifier {
            iterations: DEFAULT_ITERATIONS,
            salt: salt[..SALT_LENGTH].to_vec(),
            stored_key: keyed_hash(secret, &[b"stored key", user.as_bytes()]),
            server_key: keyed_hash(secret, &[b"server key", user.as_bytes()]),
        }
    }

    /// Whether the client that sent `proof` over this exchange knows the password.
    pub fn accepts_proof(&self, auth_message: &[u8], proof: &Key) -> bool {
        let signature = keyed_hash(&self.stored_key, &[auth_message]);
        let mut client_key = *proof;
        client_key
            .iter_mut()
            .zip(signature)
            .for_each(|(byte, mask)| *byte ^= mask);
        let stored_key: Key = Sha256::digest(client_key).into();
        stored_key.ct_eq(&self.stored_key).into()
    }

    /// The server's own proof, which tells the client that it speaks to somebody who has the verifier.
    pub fn server_signature(&self, auth_message: &[u8]) -> Key {
        keyed_hash(&self.server_key, &[auth_message])
    }

    /// Whether this password belongs to the verifier. Costs the key stretching.
    pub fn accepts_password(&self, password: &str) -> bool {
        let other = Verifier::with_salt(password, &self.salt, self.iterations);
        other.stored_key.ct_eq(&self.stored_key).into()
    }
}

/// What `CREATE ROLE … PASSWORD` stores for this text: a SCRAM verifier stays as it is, anything else is
/// taken for the password itself. MD5 verifiers are refused.
pub fn verifier_for(password: &str) -> Result<String> {
    if password.starts_with("SCRAM-SHA-256$") {
        return password.parse::<Verifier>().map(|verifier| verifier.to_string());
    }
    let is_md5 = password.len() == 35
        && password.starts_with("md5")
        && password[3..].bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_md5 {
        return Err(Error::new(
            SqlState::FeatureNotSupported,
            "MD5 password verifiers are not supported",
        )
        .with_hint("Give the password itself or a SCRAM-SHA-256 verifier."));
    }
    if password.is_empty() {
        return Err(Error::new(
            SqlState::InvalidParameterValue,
            "the password must not be empty",
        ));
    }
    Ok(Verifier::from_password(password).to_string())
}

/// PostgreSQL's spelling, as in pg_authid.rolpassword.
impl fmt::Display for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "SCRAM-SHA-256${}:{}${}:{}",
            self.iterations,
            BASE64.encode(&self.salt),
            BASE64.encode(self.stored_key),
            BASE64.encode(self.server_key)
        )
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Verifier(…)")
    }
}

impl FromStr for Verifier {
    type Err = Error;

    fn from_str(text: &str) -> Result<Verifier> {
        parse_verifier(text)
            .ok_or_else(|| Error::new(SqlState::InvalidParameterValue, "invalid SCRAM-SHA-256 verifier"))
    }
}

fn parse_verifier(text: &str) -> Option<Verifier> {
    let mut parts = text.strip_prefix("SCRAM-SHA-256$")?.split('$');
    let (iterations, salt) = parts.next()?.split_once(':')?;
    let (stored_key, server_key) = parts.next()?.split_once(':')?;
    if parts.next().is_some() {
        return None;
    }
    let iterations: u32 = iterations.parse().ok()?;
    let salt = BASE64.decode(salt).ok()?;
    if !(1..=MOST_ITERATIONS).contains(&iterations) || salt.is_empty() || salt.len() > 256 {
        return None;
    }
    Some(Verifier {
        iterations,
        salt,
        stored_key: BASE64.decode(stored_key).ok()?.try_into().ok()?,
        server_key: BASE64.decode(server_key).ok()?.try_into().ok()?,
    })
}

/// Stretches the password. One that SASLprep refuses is used as it is, like PostgreSQL and libpq do.
fn salted_password(password: &str, salt: &[u8], iterations: u32) -> Key {
    let prepared = stringprep::saslprep(password);
    let prepared = prepared.as_deref().unwrap_or(password);
    pbkdf2::pbkdf2_hmac_array::<Sha256, 32>(prepared.as_bytes(), salt, iterations)
}

/// HMAC-SHA-256 of the parts' concatenation.
pub fn keyed_hash(key: &[u8], parts: &[&[u8]]) -> Key {
    // HMAC takes keys of any length, so the error cannot occur; an all-zero block is what HMAC itself
    // makes of an empty key.
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap_or_else(|_| Hmac::new(&Default::default()));
    parts.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example exchange of RFC 7677.
    #[test]
    fn rfc_7677() {
        let salt = BASE64.decode("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap();
        let verifier = Verifier::with_salt("pencil", &salt, 4096);
        let auth_message = b"n=user,r=rOprNGfwEbeRWgbNEkqO,\
            r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,\
            c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
        let proof: Key = BASE64
            .decode("dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=")
            .unwrap()
            .try_into()
            .unwrap();
        assert!(verifier.accepts_proof(auth_message, &proof));
        assert!(!verifier.accepts_proof(b"another exchange", &proof));
        assert_eq!(
            BASE64.encode(verifier.server_signature(auth_message)),
            "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="
        );
    }

    #[test]
    fn verifiers_round_trip_and_accept_their_password_only() {
        let text = verifier_for("sécret").unwrap();
        let verifier: Verifier = text.parse().unwrap();
        assert_eq!(verifier.to_string(), text);
        assert_eq!(verifier_for(&text).unwrap(), text);
        assert!(verifier.accepts_password("sécret"));
        assert!(!verifier.accepts_password("secret"));
        assert_eq!(format!("{verifier:?}"), "Verifier(…)");
    }

    #[test]
    fn broken_verifiers_are_refused() {
        let keys = format!("{0}:{0}", BASE64.encode([1; 32]));
        for text in [
            "SCRAM-SHA-256$4096:c2FsdA==$".to_string(),
            format!("SCRAM-SHA-256$0:c2FsdA==${keys}"),
            format!("SCRAM-SHA-256$100001:c2FsdA==${keys}"),
            format!("SCRAM-SHA-256$4096:${keys}"),
            format!("SCRAM-SHA-256$4096:c2FsdA==${keys}$"),
            "SCRAM-SHA-256$4096:c2FsdA==$AAAA:AAAA".to_string(),
        ] {
            assert!(verifier_for(&text).is_err(), "{text}");
        }
        assert!(verifier_for("md50123456789abcdef0123456789abcdef").is_err());
        assert!(verifier_for("").is_err());
        assert!(
            format!("SCRAM-SHA-256$100000:c2FsdA==${keys}")
                .parse::<Verifier>()
                .is_ok()
        );
    }

    #[test]
    fn mock_verifiers_are_stable_by_name_and_secret() {
        let secret = [7; 32];
        assert!(Verifier::mock(&secret, "eve") == Verifier::mock(&secret, "eve"));
        assert!(Verifier::mock(&secret, "eve").salt != Verifier::mock(&secret, "mallory").salt);
        assert!(Verifier::mock(&secret, "eve").salt != Verifier::mock(&[8; 32], "eve").salt);
    }
}
