//! The `[listen]` section: where clients and administrators come in, and how clients are protected.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use super::reader::{Field, Problems, Section, Text};

/// Longest path of a Unix socket, in bytes: `sun_path` (unix(7)) without its terminator.
const SOCKET_PATH_BYTES_MAX: usize = 107;

/// Where clients and administrators come in.
#[derive(Clone, Debug)]
pub(crate) struct Listen {
    /// For PostgreSQL clients. Port 0 takes a free one.
    pub(crate) postgres: SocketAddr,
    /// For administrators.
    pub(crate) admin_socket: PathBuf,
    /// Users who may use it, besides root and the gateway's own.
    pub(crate) admin_uids: Vec<u32>,
    /// Certificate and private key (PEM files) for clients' connections.
    pub(crate) tls: Option<ListenTls>,
    /// Whether clients of other machines may connect without TLS.
    pub(crate) allow_plaintext: bool,
}

/// PEM files with which the gateway proves itself to clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ListenTls {
    /// Certificate, then the intermediate ones.
    pub(crate) certificate: PathBuf,
    /// Its private key.
    pub(crate) private_key: PathBuf,
    /// Whether clients prove themselves by certificates.
    pub(crate) clients: ClientCertificates,
}

/// Whether clients prove themselves by certificates, and the PEM file of the authorities that issue
/// them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ClientCertificates {
    /// They are not asked for one.
    Off,
    /// One that is its identity's takes the place of the client's token.
    Optional(PathBuf),
    /// A client needs one.
    Required(PathBuf),
}

impl Listen {
    /// Reads the section. `state_dir` is where the admin socket is unless the section says otherwise.
    pub(super) fn read(
        mut section: Section<'_>,
        state_dir: Option<&Path>,
        base: &Path,
        problems: &mut Problems,
    ) -> Option<Self> {
        let address = section.need("postgres", "postgres = \"127.0.0.1:6432\"", problems);
        let address = address.and_then(|field| read_address(field.text(problems)?, problems));
        let socket = section.take("admin_socket").map(|field| field.text(problems));
        let uids = section.take("admin_uids");
        let uids = uids.map_or(Some(Vec::new()), |f| f.integers(0..=u64::from(u32::MAX), problems));
        let plaintext = section.take("allow_plaintext");
        let plaintext = plaintext.map_or(Some(false), |field| field.boolean(problems));
        let tls = read_tls(&mut section, base, problems);
        let place = section.place.clone();
        section.finish(problems);

        let (tls, (postgres, text), allow_plaintext) = (tls.ok()?, address?, plaintext?);
        if tls.is_none() && !allow_plaintext && !postgres.ip().is_loopback() {
            problems.add(
                &text.place,
                format!("{postgres} can be reached from other machines, and there is no TLS"),
                "Set tls_certificate and tls_private_key; or, behind something that encrypts, \
                 allow_plaintext = true",
            );
        }
        let admin_socket = match socket {
            Some(text) => base.join(text?.value),
            None => state_dir?.join("admin.sock"),
        };
        if admin_socket.as_os_str().len() > SOCKET_PATH_BYTES_MAX {
            let what = format!("the admin socket's path {} is too long", admin_socket.display());
            let fix =
                format!("Set admin_socket to a path of at most {SOCKET_PATH_BYTES_MAX} bytes");
            problems.add(&place, what, fix);
        }
        let admin_uids = uids?.into_iter().filter_map(|uid| u32::try_from(uid).ok()).collect();
        Some(Self { postgres, admin_socket, admin_uids, tls, allow_plaintext })
    }
}

fn read_address(text: Text, problems: &mut Problems) -> Option<(SocketAddr, Text)> {
    let address = text.value.parse::<SocketAddr>().ok();
    if address.is_none() {
        let what = format!("`{}` is not an IP address and a port", text.value);
        let fix = "Write, for example, \"127.0.0.1:6432\" or \"[::]:6432\"";
        problems.add(&text.place, what, fix);
    }
    Some((address?, text))
}

/// A mistake of the section was noted.
struct Mistaken;

fn read_tls(
    section: &mut Section<'_>,
    base: &Path,
    problems: &mut Problems,
) -> Result<Option<ListenTls>, Mistaken> {
    let certificate = section.take("tls_certificate").map(|field| field.text(problems));
    let private_key = section.take("tls_private_key").map(|field| field.text(problems));
    let ca = section.take("client_ca");
    let mode = section.take("client_certificates");
    let place = section.place.clone();
    match (certificate, private_key) {
        (None, None) => match ca.or(mode) {
            None => Ok(None),
            Some(field) => {
                let fix = "Set tls_certificate and tls_private_key too";
                problems.add(&field.place, "has no meaning without TLS", fix);
                Err(Mistaken)
            }
        },
        (Some(certificate), Some(private_key)) => {
            let clients = read_clients(ca, mode, base, problems);
            Ok(Some(ListenTls {
                certificate: base.join(certificate.ok_or(Mistaken)?.value),
                private_key: base.join(private_key.ok_or(Mistaken)?.value),
                clients: clients.ok_or(Mistaken)?,
            }))
        }
        (Some(_), None) | (None, Some(_)) => {
            let fix = "Give both tls_certificate and tls_private_key, or neither";
            problems.add(&place, "has one of two TLS files only", fix);
            Err(Mistaken)
        }
    }
}

fn read_clients(
    ca: Option<Field<'_>>,
    mode: Option<Field<'_>>,
    base: &Path,
    problems: &mut Problems,
) -> Option<ClientCertificates> {
    let both = "Give both client_ca and client_certificates, or neither";
    let ca = match ca {
        None => None,
        Some(field) => Some(field.text(problems)?),
    };
    let Some(mode) = mode else {
        let Some(ca) = ca else { return Some(ClientCertificates::Off) };
        problems.add(&ca.place, "does not say whether clients need a certificate", both);
        return None;
    };
    let mode = mode.text(problems)?;
    let path = |ca: Text| base.join(ca.value);
    match (mode.value.as_str(), ca) {
        ("off", None) => Some(ClientCertificates::Off),
        ("optional", Some(ca)) => Some(ClientCertificates::Optional(path(ca))),
        ("required", Some(ca)) => Some(ClientCertificates::Required(path(ca))),
        ("optional" | "required", None) => {
            problems.add(&mode.place, "needs the authorities that issue them", both);
            None
        }
        ("off", Some(ca)) => {
            problems.add(&ca.place, "has no meaning with client_certificates = \"off\"", both);
            None
        }
        (other, _) => {
            let what = format!("`{other}` is not a way to ask for certificates");
            let fix = "Write \"off\", \"optional\" or \"required\"";
            problems.add(&mode.place, what, fix);
            None
        }
    }
}
