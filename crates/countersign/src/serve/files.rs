//! What the running gateway shows of itself in the file system: its admin socket and `listen.json`.

use std::fs::{self, Permissions};
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::PathBuf;

use tokio::net::UnixListener;

use crate::cli::Failure;
use crate::settings::{Listen, Settings};

/// Binds the admin socket. One that an earlier run left is replaced; the ledgers' lock says that no
/// other gateway uses it.
///
/// # Errors
///
/// [`Failure::Failed`] names the path.
pub(super) fn bind_admin(listen: &Listen) -> Result<UnixListener, Failure> {
    let path = &listen.admin_socket;
    let failed = |error: io::Error| {
        Failure::Failed(format!(
            "the admin socket {} cannot be made: {error}\nset listen.admin_socket to another path",
            path.display()
        ))
    };
    match fs::symlink_metadata(path) {
        Ok(found) if found.file_type().is_socket() => fs::remove_file(path).map_err(failed)?,
        Ok(_) => return Err(failed(io::Error::other("there is something else with that name"))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(failed(error)),
    }
    let socket = UnixListener::bind(path).map_err(failed)?;
    // The mode is the first wall, the kernel's word for the caller's user the second. Users who are
    // named in the settings must pass the first.
    let mode = if listen.admin_uids.is_empty() { 0o600 } else { 0o666 };
    fs::set_permissions(path, Permissions::from_mode(mode)).map_err(failed)?;
    Ok(socket)
}

/// Writes where the gateway listens, for programs that wait for it.
///
/// # Errors
///
/// [`Failure::Failed`] names the path.
pub(super) fn announce(settings: &Settings, address: SocketAddr) -> Result<(), Failure> {
    let path = note(settings);
    let draft = path.with_extension("json.new");
    let note = serde_json::json!({ "postgres": address, "pid": std::process::id() });
    fs::write(&draft, format!("{note}\n"))
        .and_then(|()| fs::rename(&draft, &path))
        .map_err(|error| Failure::Failed(format!("{}: {error}", path.display())))
}

/// Removes what [`bind_admin`] and [`announce`] made. What is not there need not be removed.
pub(super) fn withdraw(settings: &Settings) {
    for path in [note(settings), settings.listen.admin_socket.clone()] {
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!(path = %path.display(), %error, "a file is left behind");
            }
            Ok(()) | Err(_) => {}
        }
    }
}

fn note(settings: &Settings) -> PathBuf {
    settings.state_dir.join("listen.json")
}
