//! `countersign connect-string`: the address that a tool connects with.

use std::io::Read;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use model::{IdentityName, TargetName};

use super::{Context, Exit, Failure};
use crate::percent;
use crate::settings::Settings;
use crate::suggest;

/// Stands where the token belongs.
const PLACEHOLDER: &str = "TOKEN";

/// Longest token read from standard input, in bytes.
const TOKEN_BYTES_MAX: u64 = 4096;

/// Arguments of `countersign connect-string`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  countersign connect-string --identity billing-agent --target billing
  countersign identity token issue billing-agent --json | jq -r .token |
      countersign connect-string --identity billing-agent --target billing --token -")]
pub(crate) struct Args {
    /// Who connects
    #[arg(long)]
    identity: IdentityName,
    /// To which target
    #[arg(long)]
    target: TargetName,
    /// The identity's token, or `-` to read it from standard input, where no list of processes shows it
    #[arg(long)]
    token: Option<String>,
    /// The gateway's host name, where it differs from the address in the settings
    #[arg(long, value_name = "NAME")]
    host: Option<String>,
}

pub(crate) fn run(args: &Args, context: &Context) -> Result<Exit, Failure> {
    let settings = context.settings()?;
    check_target(&args.target, &settings)?;
    let token = match args.token.as_deref() {
        Some("-") => Some(read_token()?),
        other => other.map(str::to_owned),
    };
    let address = address(&settings)?;
    let host = args.host.clone().unwrap_or_else(|| host_of(address.ip()));
    let tls = if settings.listen.tls.is_some() { "verify-full" } else { "disable" };
    let dsn = format!(
        "postgresql://{}:{}@{host}:{}/{}?sslmode={tls}",
        args.identity,
        percent::encode(token.as_deref().unwrap_or(PLACEHOLDER)),
        address.port(),
        args.target,
    );
    let value = serde_json::json!({ "dsn": dsn, "has_token": token.is_some() });
    context.printer.result(&value, |_| dsn.clone())?;
    if token.is_none() {
        context.printer.remark(&format!(
            "put the identity's token in place of {PLACEHOLDER}; issue one with: \
             countersign identity token issue {}",
            args.identity
        ))?;
    }
    Ok(Exit::Done)
}

fn check_target(target: &TargetName, settings: &Settings) -> Result<(), Failure> {
    let names: Vec<&str> = settings.targets.iter().map(|target| target.name.as_str()).collect();
    if names.contains(&target.as_str()) {
        return Ok(());
    }
    let hint = match suggest::nearest(target.as_str(), names.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("known are: {}", names.join(", ")),
    };
    Err(Failure::Usage(format!("the settings have no target `{target}`; {hint}")))
}

fn read_token() -> Result<String, Failure> {
    let mut text = String::new();
    let mut input = std::io::stdin().take(TOKEN_BYTES_MAX);
    input.read_to_string(&mut text).map_err(Failure::failed)?;
    match text.trim() {
        "" => Err(Failure::Usage("there is no token on standard input".into())),
        token => Ok(token.to_owned()),
    }
}

/// The listener's address: as in the settings, or, with port 0, as the running gateway noted it.
fn address(settings: &Settings) -> Result<SocketAddr, Failure> {
    if settings.listen.postgres.port() != 0 {
        return Ok(settings.listen.postgres);
    }
    let path = settings.state_dir.join("listen.json");
    let noted = std::fs::read(&path).ok();
    let noted = noted.and_then(|bytes| serde_json::from_slice::<serde_json::Value>(&bytes).ok());
    noted.as_ref().and_then(|value| value.get("postgres")?.as_str()?.parse().ok()).ok_or_else(|| {
        Failure::Failed(format!(
            "the settings take any free port, and {} does not say which: start the gateway first",
            path.display()
        ))
    })
}

/// An address that can be connected to: one that means "all interfaces" becomes the loopback one.
fn host_of(ip: IpAddr) -> String {
    match ip {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.to_string(),
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) if ip.is_unspecified() => "[::1]".to_owned(),
        IpAddr::V6(ip) => format!("[{ip}]"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_is_one_that_can_be_connected_to() {
        for (ip, host) in
            [("0.0.0.0", "127.0.0.1"), ("10.1.2.3", "10.1.2.3"), ("::", "[::1]"), ("::2", "[::2]")]
        {
            assert_eq!(host_of(ip.parse().unwrap()), host);
        }
    }
}
