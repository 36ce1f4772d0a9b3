//! Ends processes and removes directories when the test program is gone, however it went.
//!
//! A small shell waits on a pipe whose other end only this process holds. A panic, an `exit` or a
//! `kill -9` closes the pipe, and the shell cleans up. Statics are not dropped, so `Drop` alone
//! would leave the shared PostgreSQL running.

use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{ChildStdin, Command, Stdio};
use std::sync::{Mutex, OnceLock};

/// Reads `end SIGNAL PID`, `spare PID` and `remove DIRECTORY`; acts when its input ends.
const SCRIPT: &str = r#"
ends=; dirs=
while read -r verb a b; do
  case $verb in
    end) ends="$ends $a:$b" ;;
    spare) kept=; for e in $ends; do [ "${e#*:}" = "$a" ] || kept="$kept $e"; done; ends=$kept ;;
    remove) dirs="$dirs $a" ;;
  esac
done
alive() { [ -d "/proc/$1" ] && ! grep -q '^State:.*Z' "/proc/$1/status" 2>/dev/null; }
for e in $ends; do kill -"${e%%:*}" "${e#*:}" 2>/dev/null; done
for e in $ends; do
  i=0
  while alive "${e#*:}" && [ $i -lt 50 ]; do sleep 0.1; i=$((i+1)); done
  kill -9 "${e#*:}" 2>/dev/null
done
for d in $dirs; do rm -rf "$d"; done
"#;

/// How a process is asked to end.
#[derive(Clone, Copy, Debug)]
pub enum End {
    /// At once, without a chance to tidy up.
    Kill,
    /// PostgreSQL's immediate shutdown, which also ends its children.
    Quit,
}

/// Has the process ended when the test program is gone.
pub fn end_later(pid: u32, how: End) {
    let signal = match how {
        End::Kill => "KILL",
        End::Quit => "QUIT",
    };
    tell(&format!("end {signal} {pid}"));
}

/// Forgets a process that has ended: its number may be another's by then.
pub fn spare(pid: u32) {
    tell(&format!("spare {pid}"));
}

/// Has the directory removed when the test program is gone. Its path must hold no blank.
pub fn remove_later(directory: &Path) {
    tell(&format!("remove {}", directory.display()));
}

fn tell(line: &str) {
    let mut pipe = watcher().lock().unwrap();
    writeln!(pipe, "{line}").expect("the watcher process is gone");
}

fn watcher() -> &'static Mutex<ChildStdin> {
    static WATCHER: OnceLock<Mutex<ChildStdin>> = OnceLock::new();
    WATCHER.get_or_init(|| {
        // A group of its own, so that Ctrl-C ends the tests but not the watcher.
        let child = Command::new("sh")
            .args(["-c", SCRIPT])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .expect("sh does not start");
        Mutex::new(child.stdin.expect("the pipe was asked for"))
    })
}
