//! Writes the seeds of one target into a directory, for `scripts/fuzz`: `seeds NAME DIRECTORY`.

use std::path::PathBuf;
use std::{env, fs, process};

fn main() -> process::ExitCode {
    let mut arguments = env::args().skip(1);
    let (Some(name), Some(directory)) = (arguments.next(), arguments.next().map(PathBuf::from))
    else {
        return process::ExitCode::from(2);
    };
    let Some(target) = fuzz::TARGETS.iter().find(|target| target.name == name) else {
        return process::ExitCode::from(2);
    };
    for (number, seed) in (target.seeds)().into_iter().enumerate() {
        if fs::write(directory.join(format!("seed-{number}")), seed).is_err() {
            return process::ExitCode::FAILURE;
        }
    }
    process::ExitCode::SUCCESS
}
