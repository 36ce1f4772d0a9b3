//! Runs a Java program that uses the JDBC driver of the distribution.

use std::path::Path;
use std::process::Command;

use crate::programs;

/// Where Debian's `libpostgresql-jdbc-java` puts it.
const DRIVER: &str = "/usr/share/java/postgresql.jar";

/// The command that compiles and runs a source file of `tests/e2e/drivers/java`.
///
/// # Panics
///
/// If the driver is not installed.
pub fn script(script: &str) -> Command {
    assert!(
        Path::new(DRIVER).exists(),
        "the driver tests need JDBC: `apt-get install default-jdk-headless libpostgresql-jdbc-java`"
    );
    let scripts = programs::workspace().join("tests/e2e/drivers/java");
    let mut command = Command::new("java");
    // It runs for seconds: a short start is worth more than fast code.
    command.args(["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xmx256m", "-cp", DRIVER]);
    command.arg(scripts.join(script));
    command
}
