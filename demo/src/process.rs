//! Programs that the demo starts, and that end with it.
//!
//! **Invariant:** a [`Running`] that is dropped has ended: asked first, then killed, by its own id.

use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::Context as _;
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, User, geteuid};

/// How long a program may take to end after it was asked to, in milliseconds.
const STOP_TIMEOUT_MS: u64 = 10_000;
/// Pause between two looks at a program that is ending, in milliseconds.
const STOP_POLL_MS: u64 = 10;

/// Whether the programs end with the demo.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lifetime {
    /// They end with it, also if it is killed.
    EndsWithDemo,
    /// They outlive it.
    Kept,
}

/// A program in the background. Dropping it ends it.
#[derive(Debug)]
pub struct Running {
    child: Option<Child>,
    pid: u32,
    stop: Signal,
}

impl Running {
    /// Starts a program with its output in `log`. `stop` is the signal that asks it to end.
    pub fn start(mut command: Command, log: &Path, stop: Signal) -> anyhow::Result<Self> {
        let output =
            File::create(log).with_context(|| format!("cannot write {}", log.display()))?;
        let child = command
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            // A process group of its own: an interrupt at the terminal is the demo's to handle.
            .process_group(0)
            .spawn()
            .with_context(|| format!("cannot start {}", command.get_program().display()))?;
        let pid = child.id();
        Ok(Self { child: Some(child), pid, stop })
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// How it ended, if it has.
    pub fn ended(&mut self) -> anyhow::Result<Option<ExitStatus>> {
        Ok(match &mut self.child {
            Some(child) => child.try_wait()?,
            None => None,
        })
    }

    /// Lets it run on after the demo.
    pub fn release(mut self) {
        self.child = None;
    }

    /// Asks it to end, and waits.
    ///
    /// # Errors
    ///
    /// It had to be killed.
    pub fn stop(mut self) -> anyhow::Result<()> {
        match self.end() {
            Ended::Asked => Ok(()),
            Ended::Killed => anyhow::bail!(
                "process {} did not end within {STOP_TIMEOUT_MS} ms and was killed",
                self.pid
            ),
        }
    }

    fn end(&mut self) -> Ended {
        let Some(mut child) = self.child.take() else { return Ended::Asked };
        if let Ok(pid) = i32::try_from(child.id()) {
            // An error means that it has ended already; the wait below finds out.
            _ = kill(Pid::from_raw(pid), self.stop);
        }
        for _ in 0..STOP_TIMEOUT_MS / STOP_POLL_MS {
            match child.try_wait() {
                Ok(None) => std::thread::sleep(Duration::from_millis(STOP_POLL_MS)),
                Ok(Some(_)) | Err(_) => return Ended::Asked,
            }
        }
        // Nothing is left to try if this fails.
        _ = child.kill();
        _ = child.wait();
        Ended::Killed
    }
}

enum Ended {
    Asked,
    Killed,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end();
    }
}

/// An account that may run PostgreSQL, which refuses to run as root.
#[derive(Clone, Copy, Debug)]
pub struct Account {
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
}

impl Account {
    /// The account to change to; nothing if the demo runs as an ordinary user.
    ///
    /// # Errors
    ///
    /// The demo runs as root and the system has neither a user `postgres` nor `nobody`.
    pub fn unprivileged() -> anyhow::Result<Option<Self>> {
        if !geteuid().is_root() {
            return Ok(None);
        }
        for name in ["postgres", "nobody"] {
            if let Some(user) = User::from_name(name)? {
                return Ok(Some(Self { uid: user.uid.as_raw(), gid: user.gid.as_raw() }));
            }
        }
        anyhow::bail!(
            "PostgreSQL does not run as root, and there is no user `postgres` or `nobody`: \
             run the demo as an ordinary user"
        )
    }
}

/// A command under another account, and with a parent whose death ends it, where asked for.
///
/// Both need `setpriv` (util-linux, always there on Debian). Without it a command that needs
/// neither privilege change runs as it is.
pub fn command(
    program: impl AsRef<OsStr>,
    account: Option<Account>,
    lifetime: Lifetime,
) -> Command {
    let wants_death_signal = lifetime == Lifetime::EndsWithDemo && Path::new(SETPRIV).exists();
    if account.is_none() && !wants_death_signal {
        return Command::new(program);
    }
    let mut command = Command::new(SETPRIV);
    if wants_death_signal {
        // Both PostgreSQL and the gateway stop in order on SIGINT.
        command.arg("--pdeathsig=INT");
    }
    if let Some(Account { uid, gid }) = account {
        command.arg(format!("--reuid={uid}")).arg(format!("--regid={gid}")).arg("--clear-groups");
    }
    command.arg("--").arg(program);
    command
}

const SETPRIV: &str = "/usr/bin/setpriv";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dropped_program_has_ended() {
        let log = tempfile::NamedTempFile::new().unwrap();
        let mut sleep = command("sleep", None, Lifetime::EndsWithDemo);
        sleep.arg("1000");
        let running = Running::start(sleep, log.path(), Signal::SIGTERM).unwrap();
        let pid = Pid::from_raw(i32::try_from(running.pid()).unwrap());
        assert!(kill(pid, None).is_ok(), "it runs");
        drop(running);
        assert!(kill(pid, None).is_err(), "it has ended");
    }
}
