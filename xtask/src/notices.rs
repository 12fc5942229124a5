//! `THIRD-PARTY-NOTICES`: the crates whose code is in the library, with their licences and the notices that these ask for.
//!
//! It covers every system that the library is written for, but neither what only builds nor what only tests it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::sources;

const PREAMBLE: &str = "\
The library contains code of the crates below, each under its own licence. Where a
crate offers a choice that includes MIT, it is used under MIT.

It also contains parts of Rust's standard library, which is under MIT or Apache-2.0;
its notices come with the Rust toolchain, in share/doc/rust.

Generated from the crates' own metadata and licence files by `make headers`.
";

fn file(top: &Path) -> PathBuf {
    top.join("THIRD-PARTY-NOTICES")
}

pub fn write(top: &Path) -> Result<()> {
    let path = file(top);
    std::fs::write(&path, text(top)?).with_context(|| format!("cannot write {}", path.display()))
}

pub fn check(top: &Path) -> Result<()> {
    let checked_in = sources::read(&file(top))?;
    let now = text(top)?;
    if checked_in != now {
        let old: BTreeSet<&str> = checked_in.lines().collect();
        for line in now.lines().filter(|line| !old.contains(line)) {
            eprintln!("not in THIRD-PARTY-NOTICES: {line}");
        }
        let new: BTreeSet<&str> = now.lines().collect();
        for line in checked_in.lines().filter(|line| !new.contains(line)) {
            eprintln!("only in THIRD-PARTY-NOTICES: {line}");
        }
        bail!("THIRD-PARTY-NOTICES is out of date; run `make headers` and commit the result");
    }
    println!("THIRD-PARTY-NOTICES is up to date");
    Ok(())
}

fn text(top: &Path) -> Result<String> {
    let metadata = metadata(top)?;
    let packages = by_id(&metadata)?;
    let mut text = PREAMBLE.to_owned();
    for id in in_the_library(&metadata)? {
        let package = packages[id];
        let name = word(package, "name")?;
        let licence = word(package, "license").with_context(|| format!("licence of {name}"))?;
        let folder = Path::new(word(package, "manifest_path")?)
            .parent()
            .context("a manifest stands in a folder")?;
        let rule = "=".repeat(72);
        writeln!(text, "\n{rule}\n{name} {}\n{licence}", word(package, "version")?)?;
        if let Some(url) = package["repository"].as_str() {
            writeln!(text, "{url}")?;
        }
        writeln!(text)?;
        let notices = notices_in(folder)?;
        if notices.is_empty() {
            ensure!(licence.contains("MIT"), "{name} ships no licence file, and is not under MIT");
            let authors = package["authors"].as_array().context("authors")?;
            let authors: Vec<&str> = authors.iter().filter_map(Value::as_str).collect();
            writeln!(
                text,
                "The crate ships no licence file.\n\nCopyright (c) {}",
                authors.join(", ")
            )?;
            let ours = sources::read(&top.join("LICENSE-MIT"))?;
            let (_, terms) = ours.split_once('\n').context("LICENSE-MIT has lines")?;
            text.push_str(terms);
        }
        for notice in notices {
            let notice = sources::read(&notice)?;
            for line in notice.lines() {
                writeln!(text, "{}", line.trim_end())?;
            }
        }
    }
    Ok(text)
}

fn metadata(top: &Path) -> Result<Value> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--locked", "--format-version=1"])
        .current_dir(top)
        .output()
        .context("cannot run cargo metadata")?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr).trim());
    Ok(serde_json::from_slice(&output.stdout)?)
}

fn by_id(metadata: &Value) -> Result<BTreeMap<&str, &Value>> {
    let mut found = BTreeMap::new();
    for package in metadata["packages"].as_array().context("packages")? {
        found.insert(word(package, "id")?, package);
    }
    Ok(found)
}

/// What dmf depends on, directly or not, other than to build or test; sorted by name.
fn in_the_library(metadata: &Value) -> Result<Vec<&str>> {
    let mut nodes = BTreeMap::new();
    for node in metadata["resolve"]["nodes"].as_array().context("nodes")? {
        nodes.insert(word(node, "id")?, node);
    }
    let own = metadata["resolve"]["root"].as_str().context("dmf is the root package")?;
    let (mut found, mut left) = (BTreeSet::new(), vec![own]);
    while let Some(id) = left.pop() {
        for dependency in nodes[id]["deps"].as_array().context("deps")? {
            let kinds = dependency["dep_kinds"].as_array().context("dep_kinds")?;
            let id = word(dependency, "pkg")?;
            if kinds.iter().any(|kind| kind["kind"].is_null()) && found.insert(id) {
                left.push(id);
            }
        }
    }
    let packages = by_id(metadata)?;
    let mut found: Vec<_> = found.into_iter().collect();
    found.sort_by_key(|id| (packages[id]["name"].as_str(), packages[id]["version"].as_str()));
    Ok(found)
}

/// The MIT licence's file if there is one, else every licence file; and whatever is called a notice.
fn notices_in(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut licences = Vec::new();
    let mut notices = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().to_uppercase();
        if ["LICENSE", "LICENCE", "COPYING"].iter().any(|word| name.starts_with(word)) {
            licences.push((name, path));
        } else if name.starts_with("NOTICE") || name.starts_with("COPYRIGHT") {
            notices.push(path);
        }
    }
    licences.sort();
    if licences.iter().any(|(name, _)| name.contains("MIT")) {
        licences.retain(|(name, _)| name.contains("MIT"));
    }
    notices.sort();
    Ok(licences.into_iter().map(|(_, path)| path).chain(notices).collect())
}

fn word<'a>(value: &'a Value, key: &str) -> Result<&'a str> {
    value[key].as_str().with_context(|| format!("cargo metadata names no {key}"))
}
