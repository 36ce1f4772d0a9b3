//! What a certificate says: whom it names, until when, and the hash that binds a log-in to it.
//!
//! **Boundary:** nothing is verified here. TLS has checked the chain, the signature and the dates
//! before anybody asks what the certificate names.
//!
//! **Invariant:** what has no single clear name has none: a certificate with two URIs has no SPIFFE
//! ID, and one with an attribute that is not known has no subject.
//!
//! Source: RFC 5280; X.509-SVID sections 2 and 5; RFC 5929 section 4.1.

use std::time::Duration;

use model::{CertificateName, SpiffeId, SubjectName, Timestamp};
use x509_parser::prelude::{FromDer as _, GeneralName, X509Certificate};
use x509_parser::signature_algorithm::RsaSsaPssParams;

/// A client's certificate, which TLS has verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// Every name under which it can be an identity's.
    pub names: Vec<CertificateName>,
    /// SHA-256 of it, in hexadecimal.
    pub sha256: String,
    /// When it, or one that was presented with it, ends. Inclusive, by the second.
    pub not_after: Timestamp,
}

impl Certificate {
    /// Reads the chain that a client presented, its own certificate first. Nothing if there is none,
    /// or one of them cannot be read.
    pub fn of_chain<'a>(chain: impl IntoIterator<Item = &'a [u8]>) -> Option<Self> {
        let mut first: Option<Self> = None;
        for der in chain {
            let certificate = read(der)?;
            let not_after = not_after(&certificate)?;
            let own = first.get_or_insert_with(|| Self {
                names: [spiffe_id(&certificate), subject(&certificate)]
                    .into_iter()
                    .flatten()
                    .collect(),
                sha256: hex::encode(crypto::sha256(&[der])),
                not_after,
            });
            own.not_after = own.not_after.min(not_after);
        }
        first
    }
}

/// The hash of a server's certificate to which a log-in is bound, `tls-server-end-point`. Nothing if
/// the certificate cannot be read, or no hash is defined for the way in which it is signed.
pub fn end_point(der: &[u8]) -> Option<Vec<u8>> {
    let certificate = read(der)?;
    let algorithm = &certificate.signature_algorithm;
    let mut id = algorithm.algorithm.to_id_string();
    if id == RSA_PSS {
        let parameters = RsaSsaPssParams::try_from(algorithm.parameters.as_ref()?).ok()?;
        id = parameters.hash_algorithm_oid().to_id_string();
    }
    let (_, hash) = HASHES.iter().find(|(ids, _)| ids.contains(&id.as_str()))?;
    Some(hash(der))
}

/// RSASSA-PSS: the hash stands in its parameters.
const RSA_PSS: &str = "1.2.840.113549.1.1.10";

type Hash = fn(&[u8]) -> Vec<u8>;

/// Signature and hash algorithms, and the hash of RFC 5929 for them: their own, but SHA-256 in the
/// place of MD5 and SHA-1.
const HASHES: &[(&[&str], Hash)] = &[
    (
        &[
            "1.2.840.113549.1.1.4",   // md5WithRSAEncryption
            "1.2.840.113549.1.1.5",   // sha1WithRSAEncryption
            "1.2.840.113549.1.1.11",  // sha256WithRSAEncryption
            "1.2.840.10045.4.1",      // ecdsa-with-SHA1
            "1.2.840.10045.4.3.2",    // ecdsa-with-SHA256
            "1.3.14.3.2.26",          // SHA-1
            "2.16.840.1.101.3.4.2.1", // SHA-256
        ],
        |der| crypto::sha256(&[der]).to_vec(),
    ),
    (
        &[
            "1.2.840.113549.1.1.12",  // sha384WithRSAEncryption
            "1.2.840.10045.4.3.3",    // ecdsa-with-SHA384
            "2.16.840.1.101.3.4.2.2", // SHA-384
        ],
        |der| crypto::sha384(der).to_vec(),
    ),
    (
        &[
            "1.2.840.113549.1.1.13",  // sha512WithRSAEncryption
            "1.2.840.10045.4.3.4",    // ecdsa-with-SHA512
            "2.16.840.1.101.3.4.2.3", // SHA-512
        ],
        |der| crypto::sha512(der).to_vec(),
    ),
];

/// Reads one certificate with nothing behind it.
fn read(der: &[u8]) -> Option<X509Certificate<'_>> {
    match X509Certificate::from_der(der) {
        Ok(([], certificate)) => Some(certificate),
        Ok(_) | Err(_) => None,
    }
}

fn not_after(certificate: &X509Certificate<'_>) -> Option<Timestamp> {
    let seconds = u64::try_from(certificate.validity().not_after.timestamp()).ok()?;
    Some(Timestamp::from_unix(Duration::from_secs(seconds)))
}

/// X.509-SVID section 2: exactly one URI, and it is the SPIFFE ID. Section 5.2: of no authority.
fn spiffe_id(certificate: &X509Certificate<'_>) -> Option<CertificateName> {
    let names = certificate.subject_alternative_name().ok()??;
    let mut uris = names
        .value
        .general_names
        .iter()
        .filter_map(|name| if let GeneralName::URI(uri) = name { Some(*uri) } else { None });
    let (uri, None) = (uris.next()?, uris.next()) else { return None };
    let id: SpiffeId = uri.parse().ok()?;
    (!certificate.is_ca()).then_some(CertificateName::Spiffe(id))
}

/// The whole subject, or nothing: a part of it that is not understood could make it another's.
fn subject(certificate: &X509Certificate<'_>) -> Option<CertificateName> {
    let mut parts = Vec::new();
    for part in certificate.subject().iter_rdn() {
        let mut attributes = part.iter();
        let (attribute, None) = (attributes.next()?, attributes.next()) else { return None };
        let id = attribute.attr_type().to_id_string();
        let (_, kind) = KINDS.iter().find(|(known, _)| *known == id)?;
        parts.push((*kind, attribute.as_str().ok()?));
    }
    parts.reverse();
    SubjectName::of_parts(parts).ok().map(CertificateName::Subject)
}

/// RFC 4514 section 3, and `serialNumber` of RFC 4519.
const KINDS: &[(&str, &str)] = &[
    ("2.5.4.3", "CN"),
    ("2.5.4.10", "O"),
    ("2.5.4.11", "OU"),
    ("2.5.4.6", "C"),
    ("2.5.4.8", "ST"),
    ("2.5.4.7", "L"),
    ("2.5.4.9", "STREET"),
    ("0.9.2342.19200300.100.1.25", "DC"),
    ("0.9.2342.19200300.100.1.1", "UID"),
    ("2.5.4.5", "SERIALNUMBER"),
];

#[cfg(test)]
mod tests {
    use rcgen::{
        BasicConstraints, CertificateParams, DnType, DnValue, IsCa, KeyPair, SanType, date_time_ymd,
    };

    use super::*;

    fn der(change: impl FnOnce(&mut CertificateParams)) -> Vec<u8> {
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.not_after = date_time_ymd(2030, 1, 2);
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        params.self_signed(&key).unwrap().der().to_vec()
    }

    fn uri(text: &str) -> SanType {
        SanType::URI(text.try_into().unwrap())
    }

    fn names(change: impl FnOnce(&mut CertificateParams)) -> Vec<String> {
        let der = der(change);
        let certificate = Certificate::of_chain([der.as_slice()]).unwrap();
        certificate.names.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_certificate_has_the_names_that_are_clear() {
        let id = "spiffe://example.org/agent";
        let empty: [&str; 0] = [];
        assert_eq!(names(|params| params.subject_alt_names = vec![uri(id)]), [id]);
        let two = vec![uri(id), uri("spiffe://example.org/other")];
        assert_eq!(names(|params| params.subject_alt_names = two), empty);
        let other = vec![uri("https://example.org/agent")];
        assert_eq!(names(|params| params.subject_alt_names = other), empty);
        let authority = names(|params| {
            params.subject_alt_names = vec![uri(id)];
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        });
        assert_eq!(authority, empty);
        let both = names(|params| {
            params.subject_alt_names = vec![uri(id)];
            params.distinguished_name.push(DnType::OrganizationName, "Company, Ltd");
            params.distinguished_name.push(DnType::CommonName, "agent");
        });
        assert_eq!(both, [id, r"CN=agent,O=Company\, Ltd"]);
        let unknown = names(|params| {
            params.distinguished_name.push(DnType::CommonName, "agent");
            params.distinguished_name.push(DnType::CustomDnType(vec![2, 5, 4, 12]), "title");
        });
        assert_eq!(unknown, empty);
        let strange = names(|params| {
            let value = DnValue::BmpString("agent".try_into().unwrap());
            params.distinguished_name.push(DnType::CommonName, value);
        });
        assert_eq!(strange, empty);
    }

    #[test]
    fn the_shortest_life_of_a_chain_counts() {
        let (own, issuer) =
            (der(|_| {}), der(|params| params.not_after = date_time_ymd(2029, 1, 1)));
        let alone = Certificate::of_chain([own.as_slice()]).unwrap();
        assert_eq!(alone.not_after.to_string(), "2030-01-02T00:00:00.000000000Z");
        let chain = Certificate::of_chain([own.as_slice(), issuer.as_slice()]).unwrap();
        assert_eq!(chain.not_after.to_string(), "2029-01-01T00:00:00.000000000Z");
        assert_eq!((chain.names, chain.sha256), (alone.names, alone.sha256));
        assert_eq!(Certificate::of_chain([]), None);
        assert_eq!(Certificate::of_chain([own.as_slice(), b"x"]), None);
        assert_eq!(Certificate::of_chain([[&own[..], b"x"].concat().as_slice()]), None);
    }

    #[test]
    fn the_end_point_is_hashed_as_its_signature_is() {
        let signed = |algorithm| {
            let key = KeyPair::generate_for(algorithm).unwrap();
            CertificateParams::default().self_signed(&key).unwrap().der().to_vec()
        };
        let one = signed(&rcgen::PKCS_ECDSA_P256_SHA256);
        assert_eq!(end_point(&one).unwrap(), crypto::sha256(&[&one]));
        let other = signed(&rcgen::PKCS_ECDSA_P384_SHA384);
        assert_eq!(end_point(&other).unwrap(), crypto::sha384(&other));
        // No hash is defined for Ed25519 (RFC 5929 section 4.1).
        assert_eq!(end_point(&signed(&rcgen::PKCS_ED25519)), None);
        assert_eq!(end_point(b""), None);
    }
}
