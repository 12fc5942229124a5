//! Chores of the project that need to understand its sources: the C headers, the list of exported symbols, the facts that
//! bindings need.
//!
//! All are checked in, so that building the library needs no generator; `--check` says whether they still agree
//! with the sources and changes nothing. `twins` makes the C compiler compare what is hand-written.

mod abi;
mod headers;
mod notices;
mod sources;
mod symbols;
mod twins;

use std::path::Path;
use std::process::ExitCode;

const USAGE: &str = "\
usage: cargo run -p xtask -- headers [--check]
           write the generated headers below include/dmf/, or compare them with the sources
       cargo run -p xtask -- symbols [--check LIB]
           write abi/symbols.txt from the sources, or compare it with what the shared library LIB exports
       cargo run -p xtask -- abi [--check]
           write abi/abi.json and the Python package's _abi.py from the headers, or compare them
       cargo run -p xtask -- notices [--check]
           write THIRD-PARTY-NOTICES from what the library depends on, or compare it
       cargo run -p xtask -- twins FILE
           write a C program that compiles only if the hand-written headers and the sources agree";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let top =
        Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask stands in the top folder");

    let outcome = match args.as_slice() {
        ["headers"] => headers::write(top),
        ["headers", "--check"] => headers::check(top),
        ["symbols"] => symbols::write(top),
        ["symbols", "--check", library] => symbols::check(top, Path::new(library)),
        ["abi"] => abi::write(top),
        ["abi", "--check"] => abi::check(top),
        ["notices"] => notices::write(top),
        ["notices", "--check"] => notices::check(top),
        ["twins", file] => twins::write(top, Path::new(file)),
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}
