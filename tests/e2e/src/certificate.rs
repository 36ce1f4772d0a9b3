//! A certificate authority for one test run, and certificates of it: a server's for this machine, and
//! clients'.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, SanType,
};

/// Files of one authority and one server.
#[derive(Clone, Debug)]
pub struct Certificates {
    /// The authority's certificate: what a client trusts.
    pub authority: PathBuf,
    /// The server's certificate, for `localhost` and `127.0.0.1`.
    pub certificate: PathBuf,
    /// The server's private key, readable by its owner only.
    pub key: PathBuf,
    directory: PathBuf,
    authority_key: String,
}

/// What stands in a client's certificate.
#[derive(Clone, Debug, Default)]
pub struct ClientNames {
    /// URIs among its alternative names.
    pub uris: Vec<String>,
    /// Its common name, if it has a subject.
    pub common_name: Option<String>,
    /// How many seconds it is good for; a day if nothing is said.
    pub lives_s: Option<i64>,
}

/// Files of one client.
#[derive(Clone, Debug)]
pub struct ClientFiles {
    /// Its certificate.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// Makes an authority and a server in `directory`.
pub fn make(directory: &Path) -> Certificates {
    let authority_key = KeyPair::generate().unwrap();
    let authority = authority_params();
    let authority_certificate = authority.self_signed(&authority_key).unwrap();
    let issuer = Issuer::from_params(&authority, &authority_key);

    let server = CertificateParams::new(vec!["localhost".into(), "127.0.0.1".into()]).unwrap();
    let key = KeyPair::generate().unwrap();
    let certificate = server.signed_by(&key, &issuer).unwrap();

    let files = Certificates {
        authority: directory.join("ca.pem"),
        certificate: directory.join("server.pem"),
        key: directory.join("server.key"),
        directory: directory.to_owned(),
        authority_key: authority_key.serialize_pem(),
    };
    fs::write(&files.authority, authority_certificate.pem()).unwrap();
    fs::write(&files.certificate, certificate.pem()).unwrap();
    write_key(&files.key, &key);
    files
}

impl Certificates {
    /// Makes a client's certificate, signed by the authority.
    pub fn client(&self, file: &str, names: &ClientNames) -> ClientFiles {
        let authority_key = KeyPair::from_pem(&self.authority_key).unwrap();
        let authority = authority_params();
        let issuer = Issuer::from_params(&authority, &authority_key);
        let mut client = CertificateParams::default();
        client.distinguished_name = DistinguishedName::new();
        if let Some(name) = &names.common_name {
            client.distinguished_name.push(DnType::CommonName, name);
        }
        let uris = names.uris.iter().map(|uri| SanType::URI(uri.as_str().try_into().unwrap()));
        client.subject_alt_names = uris.collect();
        client.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let now = std::time::SystemTime::now();
        let lives = names.lives_s.unwrap_or(86_400);
        let end = if lives < 0 {
            now - std::time::Duration::from_secs(lives.unsigned_abs())
        } else {
            now + std::time::Duration::from_secs(lives.unsigned_abs())
        };
        client.not_before = (now - std::time::Duration::from_hours(24)).into();
        client.not_after = end.into();
        let key = KeyPair::generate().unwrap();
        let certificate = client.signed_by(&key, &issuer).unwrap();
        let files = ClientFiles {
            certificate: self.directory.join(format!("{file}.pem")),
            key: self.directory.join(format!("{file}.key")),
        };
        fs::write(&files.certificate, certificate.pem()).unwrap();
        write_key(&files.key, &key);
        files
    }
}

fn authority_params() -> CertificateParams {
    let mut authority = CertificateParams::default();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    authority.distinguished_name.push(DnType::CommonName, "Countersign test authority");
    authority
}

fn write_key(path: &Path, key: &KeyPair) {
    fs::write(path, key.serialize_pem()).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}
