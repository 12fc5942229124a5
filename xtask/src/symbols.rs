//! `abi/symbols.txt`: the C names that the shared library exports, one a line, sorted.
//!
//! The list is written from the sources and compared with the built library, so that neither a function that the
//! linker dropped nor a symbol that leaked out of a dependency goes unseen.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::sources;

/// Every name of the library is one of the framework's, so that it clashes with nothing in a program.
const PREFIXES: [&str; 3] = ["DMF_", "Wdf", "WDF_"];

fn list(top: &Path) -> PathBuf {
    top.join("abi/symbols.txt")
}

/// Writes the list from the sources.
pub fn write(top: &Path) -> Result<()> {
    let mut text = String::new();
    for name in of_sources(top)? {
        text.push_str(&name);
        text.push('\n');
    }
    let path = list(top);
    std::fs::create_dir_all(path.parent().expect("the list stands in a folder"))?;
    std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
}

/// Compares the list with the sources and with what `library` exports.
pub fn check(top: &Path, library: &Path) -> Result<()> {
    let text = sources::read(&list(top))?;
    let listed: BTreeSet<String> = text.lines().map(str::to_owned).collect();

    let mut differences = Vec::new();
    compare(&listed, &of_sources(top)?, "the sources", &mut differences);
    compare(&listed, &of_library(library)?, &library.display().to_string(), &mut differences);
    if differences.is_empty() {
        println!("{} symbols, as listed", listed.len());
        return Ok(());
    }
    for difference in &differences {
        eprintln!("{difference}");
    }
    bail!(
        "abi/symbols.txt is out of date; if the change is meant, run `make headers` and commit the result"
    );
}

fn compare(
    listed: &BTreeSet<String>,
    found: &BTreeSet<String>,
    place: &str,
    differences: &mut Vec<String>,
) {
    differences
        .extend(found.difference(listed).map(|name| format!("in {place} but not listed: {name}")));
    differences
        .extend(listed.difference(found).map(|name| format!("listed but not in {place}: {name}")));
}

fn of_sources(top: &Path) -> Result<BTreeSet<String>> {
    let mut names = BTreeSet::new();
    for path in sources::capi_files(top)? {
        for name in sources::exported_names(&sources::read(&path)?) {
            let ours = PREFIXES.iter().any(|prefix| name.starts_with(prefix));
            ensure!(ours, "{}: {name} begins with none of {PREFIXES:?}", path.display());
            let new = names.insert(name.to_owned());
            ensure!(new, "{}: {name} is exported a second time", path.display());
        }
    }
    Ok(names)
}

/// What another program can link against: the defined symbols of the dynamic table.
fn of_library(library: &Path) -> Result<BTreeSet<String>> {
    let output = Command::new("nm")
        .args(["-D", "--defined-only", "--format=posix"])
        .arg(library)
        .output()
        .context("cannot run nm (Debian package binutils)")?;
    ensure!(output.status.success(), "nm: {}", String::from_utf8_lossy(&output.stderr).trim());
    let table = String::from_utf8(output.stdout)?;
    Ok(table.lines().filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect())
}
