//! The `[[target]]` sections: what is guarded, how the gateway logs in there, what is masked.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use model::{Mask, MaskDeclaration, TargetName};
use pgwire::BindingPolicy;
use proxy::TlsNegotiation;

use super::free_text;
use super::reader::{Field, Problems, Section, Text};
use super::secret::SecretRef;
use crate::suggest;

/// PostgreSQL's port where none is given.
const PORT_DEFAULT: u64 = 5432;

/// Where Debian and its kin keep the certificates of public authorities.
const CA_DEFAULT: &str = "/etc/ssl/certs/ca-certificates.crt";

/// Where a target listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum TargetHost {
    /// A name or an address.
    Tcp(String),
    /// The directory of a Unix socket.
    Unix(PathBuf),
}

/// How the connection to a target is protected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum TargetTls {
    /// Not at all.
    Disabled,
    /// TLS; the certificate must chain to one of this file's and name the host.
    VerifyFull {
        /// PEM file of certificate authorities.
        ca: PathBuf,
        /// How it begins.
        negotiation: TlsNegotiation,
        /// Whether the log-in must be bound to it.
        binding: BindingPolicy,
    },
}

/// One guarded database.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    /// What clients give as their database.
    pub(crate) name: TargetName,
    /// Where it listens.
    pub(crate) host: TargetHost,
    /// Port, also part of a Unix socket's name.
    pub(crate) port: u16,
    /// The database there.
    pub(crate) database: String,
    /// The account with which the gateway logs in.
    pub(crate) user: String,
    /// Where its password is, if it has one.
    pub(crate) password: Option<SecretRef>,
    /// How the connection is protected.
    pub(crate) tls: TargetTls,
    /// Whether the password may be given as md5 or in the clear, should the target ask so.
    pub(crate) allow_weak_password: bool,
    /// What is masked.
    pub(crate) masks: Vec<MaskDeclaration>,
    /// Who makes the roles of a fence, if there is to be one.
    pub(crate) provision: Option<Provision>,
}

/// The account that makes and removes short-lived roles.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Provision {
    /// Its name.
    pub(crate) user: String,
    /// Where its password is, if it has one.
    pub(crate) password: Option<SecretRef>,
}

impl Target {
    /// Where it is, without any credential: `host:port/database`.
    pub(crate) fn address(&self) -> String {
        match &self.host {
            TargetHost::Tcp(host) if host.contains(':') => {
                format!("[{host}]:{}/{}", self.port, self.database)
            }
            TargetHost::Tcp(host) => format!("{host}:{}/{}", self.port, self.database),
            TargetHost::Unix(directory) => {
                format!("{}:{}/{}", directory.display(), self.port, self.database)
            }
        }
    }

    /// `fenced` or `mask-only`, as records name it.
    pub(crate) fn mode(&self) -> &'static str {
        if self.provision.is_some() { model::MODE_FENCED } else { model::MODE_MASK_ONLY }
    }

    /// True if what is said to the target can be read by others on the network.
    pub(crate) fn is_in_the_clear(&self) -> bool {
        match (&self.tls, &self.host) {
            (TargetTls::VerifyFull { .. }, _) | (TargetTls::Disabled, TargetHost::Unix(_)) => false,
            (TargetTls::Disabled, TargetHost::Tcp(host)) => {
                host != "localhost" && !host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
            }
        }
    }

    /// Reads one section. A target with a problem is not returned.
    pub(super) fn read(
        mut section: Section<'_>,
        base: &Path,
        problems: &mut Problems,
    ) -> Option<Self> {
        let name = section.need("name", "name = \"billing\"", problems);
        let name = name.and_then(|field| read_name(field.text(problems)?, problems));
        let kind = section.need("kind", "kind = \"postgres\"", problems);
        let kind = kind.and_then(|field| read_kind(field.text(problems)?, problems));
        let host = section.need("host", "host = \"db.example.com\"", problems);
        let host = host.and_then(|field| field.text(problems)).map(read_host);
        let port = section.take("port").map(|field| field.integer(1..=65_535, problems));
        let port = port.unwrap_or(Some(PORT_DEFAULT)).and_then(|port| u16::try_from(port).ok());
        let database = section.need("database", "database = \"billing\"", problems);
        let database = database.and_then(|field| field.text(problems));
        let user = section.need("user", "user = \"countersign\"", problems);
        let user = user.and_then(|field| field.text(problems));
        let password = section.take("password");
        let password = password.map(|field| SecretRef::read(field, base, problems));
        let tls = read_tls(&mut section, host.as_ref(), base, problems);
        let weak = section.take("allow_weak_password");
        let weak = weak.map_or(Some(false), |field| field.boolean(problems));
        let masks = section.take("mask").map(|field| field.sections(problems)).unwrap_or_default();
        let mut masks = read_masks(masks, problems);
        let free = section.take("free_text").map(|field| field.sections(problems));
        free_text::read(free.unwrap_or_default(), &mut masks, problems);
        let provision = section.take("provision");
        let provision = provision.map(|field| read_provision(field, base, problems));
        section.finish(problems);
        kind?;
        Some(Self {
            name: name?,
            host: host?,
            port: port?,
            database: database?.value,
            user: user?.value,
            password: match password {
                None => None,
                Some(reference) => Some(reference?),
            },
            tls: tls?,
            allow_weak_password: weak?,
            masks,
            provision: match provision {
                None => None,
                Some(provision) => Some(provision?),
            },
        })
    }
}

fn read_provision(field: Field<'_>, base: &Path, problems: &mut Problems) -> Option<Provision> {
    let mut section = field.section(problems)?;
    let user = section.need("user", "user = \"countersign_provision\"", problems);
    let user = user.and_then(|field| field.text(problems));
    let password = section.take("password");
    let password = password.map(|field| SecretRef::read(field, base, problems));
    section.finish(problems);
    Some(Provision {
        user: user?.value,
        password: match password {
            None => None,
            Some(reference) => Some(reference?),
        },
    })
}

fn read_name(text: Text, problems: &mut Problems) -> Option<TargetName> {
    let name = text.value.parse().ok();
    if name.is_none() {
        problems.add(
            &text.place,
            format!("`{}` is not a name", text.value),
            "Use 1 to 63 of a-z, 0-9, `-`, `_`, `.`, and begin with a letter or digit",
        );
    }
    name
}

fn read_kind(text: Text, problems: &mut Problems) -> Option<()> {
    if text.value == "postgres" {
        return Some(());
    }
    let what = format!("`{}` is not a kind of target", text.value);
    problems.add(&text.place, what, "Write \"postgres\", the only kind so far");
    None
}

fn read_host(text: Text) -> TargetHost {
    if text.value.starts_with('/') {
        TargetHost::Unix(text.value.into())
    } else {
        TargetHost::Tcp(text.value)
    }
}

fn read_tls(
    section: &mut Section<'_>,
    host: Option<&TargetHost>,
    base: &Path,
    problems: &mut Problems,
) -> Option<TargetTls> {
    let tls = section.take("tls");
    let ca = section.take("ca");
    let negotiation_field = section.take("tls_negotiation");
    let binding_field = section.take("channel_binding");
    let is_unix = matches!(host, Some(TargetHost::Unix(_)));
    let is_verified = match tls {
        None => !is_unix,
        Some(field) => {
            let text = field.text(problems)?;
            match (text.value.as_str(), is_unix) {
                ("disable", _) => false,
                ("verify-full", false) => true,
                ("verify-full", true) => {
                    let fix = "Write tls = \"disable\" or remove it: the socket is on this machine";
                    problems.add(&text.place, "a Unix socket has no TLS", fix);
                    return None;
                }
                (other, _) => {
                    problems.add(
                        &text.place,
                        format!("`{other}` is not a way to protect the connection"),
                        "Write \"verify-full\" or, on a network where nobody listens, \"disable\"",
                    );
                    return None;
                }
            }
        }
    };
    if is_verified {
        let ca = match ca {
            None => CA_DEFAULT.into(),
            Some(field) => base.join(field.text(problems)?.value),
        };
        let negotiation =
            [("request", TlsNegotiation::Requested), ("direct", TlsNegotiation::Direct)];
        let binding = [("prefer", BindingPolicy::Preferred), ("require", BindingPolicy::Required)];
        return Some(TargetTls::VerifyFull {
            ca,
            negotiation: choose(negotiation_field, negotiation, problems)?,
            binding: choose(binding_field, binding, problems)?,
        });
    }
    match ca.or(negotiation_field).or(binding_field) {
        None => Some(TargetTls::Disabled),
        Some(field) => {
            let fix = "Remove it, or write tls = \"verify-full\"";
            problems.add(&field.place, "has no meaning without TLS", fix);
            None
        }
    }
}

/// Reads one of two words, of which the first is the default.
fn choose<T: Copy>(
    field: Option<Field<'_>>,
    [default, other]: [(&str, T); 2],
    problems: &mut Problems,
) -> Option<T> {
    let Some(field) = field else { return Some(default.1) };
    let text = field.text(problems)?;
    let found = [default, other].into_iter().find(|(word, _)| *word == text.value);
    if found.is_none() {
        let what = format!("`{}` is not known here", text.value);
        let fix = format!("Write \"{}\", the default, or \"{}\"", default.0, other.0);
        problems.add(&text.place, what, fix);
    }
    found.map(|(_, value)| value)
}

fn read_masks(sections: Vec<Section<'_>>, problems: &mut Problems) -> Vec<MaskDeclaration> {
    let mut masks: Vec<MaskDeclaration> = Vec::new();
    for mut section in sections {
        let column = section.need("column", "column = \"billing.customers.ssn\"", problems);
        let column = column.and_then(|field| field.text(problems));
        let column = column.filter(|text| is_column(text, problems));
        let mask = read_mask(&mut section, problems);
        section.finish(problems);
        let (Some(column), Some(mask)) = (column, mask) else { continue };
        if masks.iter().any(|other| other.column == column.value) {
            let what = format!("`{}` has a mask already", column.value);
            problems.add(&column.place, what, "Keep one of the two");
            continue;
        }
        masks.push(MaskDeclaration { column: column.value, mask });
    }
    masks
}

pub(super) fn is_column(text: &Text, problems: &mut Problems) -> bool {
    let parts: Vec<&str> = text.value.split('.').collect();
    let is_right = parts.len() == 3 && parts.iter().all(|part| !part.is_empty());
    if !is_right {
        let what = format!("`{}` does not name a column", text.value);
        problems.add(&text.place, what, "Write schema.table.column, without quotes inside");
    }
    is_right
}

fn read_mask(section: &mut Section<'_>, problems: &mut Problems) -> Option<Mask> {
    const NAMES: [&str; 6] = ["full", "null", "fixed", "last4", "hash", "email"];
    let with = section.need("with", "with = \"full\"", problems);
    let value = section.take("value");
    let with = with?.text(problems)?;
    match (with.value.as_str(), value) {
        ("fixed", Some(value)) => Some(Mask::Fixed(value.text(problems)?.value)),
        ("fixed", None) => {
            problems.add(&with.place, "`fixed` needs a value", "Add, for example: value = \"n/a\"");
            None
        }
        (_, Some(value)) => {
            let fix = "Remove it, or write with = \"fixed\"";
            problems.add(&value.place, "belongs to the mask `fixed` only", fix);
            None
        }
        (name, None) => {
            let mask = name.parse().ok();
            if mask.is_none() {
                let fix = match suggest::nearest(name, NAMES) {
                    Some(near) => format!("Did you mean \"{near}\"?"),
                    None => format!("Use one of: {}", NAMES.join(", ")),
                };
                problems.add(&with.place, format!("`{name}` is not a mask"), fix);
            }
            mask
        }
    }
}
