//! The server's half of a SCRAM-SHA-256(-PLUS) exchange (RFC 5802) as a state machine over its four
//! messages. Pure; `authenticate` carries the messages.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use crate::catalog::scram::{Key, Verifier};
use crate::error::{Error, Result, SqlState};

pub const SCRAM: &str = "SCRAM-SHA-256";
pub const SCRAM_PLUS: &str = "SCRAM-SHA-256-PLUS";

/// An exchange whose client spoke first and has been answered.
pub struct Exchange {
    verifier: Verifier,
    client_first_bare: String,
    server_first: String,
    nonce: String,
    /// Base64 of the GS2 header and the channel binding that the client must repeat.
    binding: String,
}

impl Exchange {
    /// Reads client-first. `endpoint_hash` is present when the server offered SCRAM-SHA-256-PLUS.
    pub fn begin(
        verifier: Verifier,
        mechanism: &str,
        client_first: &[u8],
        endpoint_hash: Option<&[u8]>,
        server_nonce: &[u8; 18],
    ) -> Result<Exchange> {
        let client_first = text(client_first)?;
        let (flag, rest) = client_first.split_once(',').ok_or_else(malformed)?;
        let (identity, bare) = rest.split_once(',').ok_or_else(malformed)?;
        if !identity.is_empty() {
            return Err(Error::new(
                SqlState::FeatureNotSupported,
                "client uses authorization identity, but it is not supported",
            ));
        }
        let mut binding = format!("{flag},,").into_bytes();
        match (flag, mechanism, endpoint_hash) {
            ("n", SCRAM, _) | ("y", SCRAM, None) => {}
            ("y", SCRAM, Some(_)) => {
                return Err(Error::new(
                    SqlState::InvalidAuthorization,
                    "SCRAM channel binding negotiation error",
                )
                .with_detail(
                    "The client supports SCRAM channel binding but thinks the server does not.  \
                         However, this server does support channel binding.",
                ));
            }
            ("p=tls-server-end-point", SCRAM_PLUS, Some(hash)) => binding.extend_from_slice(hash),
            (flag, SCRAM_PLUS, Some(_)) if flag.starts_with("p=") => {
                return Err(violation("unsupported SCRAM channel-binding type"));
            }
            _ => return Err(malformed()),
        }

        // The user's name in the exchange is ignored: the startup packet said who logs in.
        let mut attributes = bare.split(',');
        let user = attributes.next().ok_or_else(malformed)?;
        if user.starts_with("m=") {
            return Err(Error::new(
                SqlState::FeatureNotSupported,
                "client requires an unsupported SCRAM extension",
            ));
        }
        let client_nonce = attributes
            .next()
            .and_then(|attribute| attribute.strip_prefix("r="))
            .ok_or_else(malformed)?;
        let printable = client_nonce.bytes().all(|byte| (0x21..=0x7e).contains(&byte));
        if !user.starts_with("n=") || client_nonce.is_empty() || !printable {
            return Err(malformed());
        }

        let nonce = format!("{client_nonce}{}", BASE64.encode(server_nonce));
        let server_first = format!(
            "r={nonce},s={},i={}",
            BASE64.encode(&verifier.salt),
            verifier.iterations
        );
        Ok(Exchange {
            verifier,
            client_first_bare: bare.to_owned(),
            server_first,
            nonce,
            binding: BASE64.encode(binding),
        })
    }

    /// What the server answers to client-first.
    pub fn server_first(&self) -> &str {
        &self.server_first
    }

    /// Reads client-final. `None`: the password is wrong. `Some`: server-final.
    pub fn finish(&self, client_final: &[u8]) -> Result<Option<String>> {
        let client_final = text(client_final)?;
        let (without_proof, proof) = client_final.rsplit_once(",p=").ok_or_else(malformed)?;
        let mut attributes = without_proof.split(',');
        let binding = attributes
            .next()
            .and_then(|attribute| attribute.strip_prefix("c="))
            .ok_or_else(malformed)?;
        let nonce = attributes
            .next()
            .and_then(|attribute| attribute.strip_prefix("r="))
            .ok_or_else(malformed)?;
        if binding != self.binding {
            return Err(Error::new(
                SqlState::InvalidAuthorization,
                "SCRAM channel binding check failed",
            ));
        }
        if nonce != self.nonce {
            return Err(violation("invalid SCRAM response").with_detail("Nonce does not match."));
        }
        let proof: Key = BASE64
            .decode(proof)
            .ok()
            .and_then(|proof| proof.try_into().ok())
            .ok_or_else(malformed)?;
        let auth_message = format!("{},{},{without_proof}", self.client_first_bare, self.server_first);
        let accepted = self.verifier.accepts_proof(auth_message.as_bytes(), &proof);
        let signature = self.verifier.server_signature(auth_message.as_bytes());
        Ok(accepted.then(|| format!("v={}", BASE64.encode(signature))))
    }
}

fn text(bytes: &[u8]) -> Result<&str> {
    std::str::from_utf8(bytes).map_err(|_| malformed())
}

fn malformed() -> Error {
    violation("malformed SCRAM message")
}

fn violation(message: &str) -> Error {
    Error::new(SqlState::ProtocolViolation, message)
}

#[cfg(test)]
pub mod client {
    //! A SCRAM client for tests.

    use super::*;
    use crate::catalog::scram::keyed_hash;
    use sha2::{Digest, Sha256};

    /// client-first for this GS2 header.
    pub fn first(header: &str) -> String {
        format!("{header}n=,r=clientnonce")
    }

    /// client-final that proves `password`, and the server-final to expect.
    pub fn last(password: &str, header: &str, binding: &[u8], server_first: &str) -> (String, String) {
        let mut parts = server_first.split(',');
        let nonce = parts.next().unwrap().strip_prefix("r=").unwrap();
        let salt = BASE64
            .decode(parts.next().unwrap().strip_prefix("s=").unwrap())
            .unwrap();
        let iterations: u32 = parts.next().unwrap().strip_prefix("i=").unwrap().parse().unwrap();
        let salted = pbkdf2::pbkdf2_hmac_array::<Sha256, 32>(password.as_bytes(), &salt, iterations);
        let client_key = keyed_hash(&salted, &[b"Client Key"]);
        let stored_key = Sha256::digest(client_key);
        let bound = BASE64.encode([header.as_bytes(), binding].concat());
        let without_proof = format!("c={bound},r={nonce}");
        let auth_message = format!("n=,r=clientnonce,{server_first},{without_proof}");
        let signature = keyed_hash(&stored_key, &[auth_message.as_bytes()]);
        let proof: Vec<u8> = client_key.iter().zip(signature).map(|(key, mask)| key ^ mask).collect();
        let server = keyed_hash(&keyed_hash(&salted, &[b"Server Key"]), &[auth_message.as_bytes()]);
        (
            format!("{without_proof},p={}", BASE64.encode(proof)),
            format!("v={}", BASE64.encode(server)),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONCE: [u8; 18] = [5; 18];

    fn verifier() -> Verifier {
        Verifier::with_salt("pencil", b"0123456789abcdef", 4096)
    }

    fn run(header: &str, mechanism: &str, hash: Option<&[u8]>, bound: &[u8], password: &str) -> Result<Option<String>> {
        let first = client::first(header);
        let exchange = Exchange::begin(verifier(), mechanism, first.as_bytes(), hash, &NONCE)?;
        let (last, expected) = client::last(password, header, bound, exchange.server_first());
        let answer = exchange.finish(last.as_bytes())?;
        assert!(answer.is_none() || answer.as_ref() == Some(&expected));
        Ok(answer)
    }

    #[test]
    fn passwords_and_channel_bindings() {
        let hash: &[u8] = b"certificate";
        let plus = "p=tls-server-end-point,,";
        assert!(run("n,,", SCRAM, None, b"", "pencil").unwrap().is_some());
        assert!(run("n,,", SCRAM, None, b"", "pen").unwrap().is_none());
        assert!(run("n,,", SCRAM, Some(hash), b"", "pencil").unwrap().is_some());
        assert!(run("y,,", SCRAM, None, b"", "pencil").unwrap().is_some());
        assert!(run(plus, SCRAM_PLUS, Some(hash), hash, "pencil").unwrap().is_some());
        assert!(run(plus, SCRAM_PLUS, Some(hash), hash, "pen").unwrap().is_none());

        let refused = |result: Result<Option<String>>, message: &str| {
            assert_eq!(result.unwrap_err().message(), message);
        };
        refused(
            run("y,,", SCRAM, Some(hash), b"", "pencil"),
            "SCRAM channel binding negotiation error",
        );
        refused(
            run(plus, SCRAM_PLUS, Some(hash), b"another", "pencil"),
            "SCRAM channel binding check failed",
        );
        refused(run(plus, SCRAM, Some(hash), hash, "pencil"), "malformed SCRAM message");
        refused(
            run("n,,", SCRAM_PLUS, Some(hash), b"", "pencil"),
            "malformed SCRAM message",
        );
        refused(
            run("p=tls-unique,,", SCRAM_PLUS, Some(hash), hash, "pencil"),
            "unsupported SCRAM channel-binding type",
        );
        refused(
            run("n,a=admin,", SCRAM, None, b"", "pencil"),
            "client uses authorization identity, but it is not supported",
        );
    }

    #[test]
    fn broken_messages_are_refused() {
        for first in [
            "",
            "n",
            "n,",
            "n,,",
            "n,,n=",
            "n,,n=,r=",
            "n,,r=x,n=",
            "n,,m=x,n=,r=a",
            "n,,n=,r=a b",
            "q,,n=,r=a",
        ] {
            assert!(
                Exchange::begin(verifier(), SCRAM, first.as_bytes(), None, &NONCE).is_err(),
                "{first}"
            );
        }
        assert!(Exchange::begin(verifier(), SCRAM, b"n,,n=,r=\xff", None, &NONCE).is_err());
        let exchange = Exchange::begin(verifier(), SCRAM, b"n,,n=,r=a", None, &NONCE).unwrap();
        let nonce = &exchange.nonce;
        for last in [
            String::new(),
            format!("c=biws,r={nonce}"),
            format!("c=biws,r={nonce},p=AAAA"),
            format!("c=eSws,r={nonce},p={}", BASE64.encode([0; 32])),
            format!("c=biws,r=other,p={}", BASE64.encode([0; 32])),
        ] {
            assert!(exchange.finish(last.as_bytes()).is_err(), "{last}");
        }
    }
}
