//! A C program that compiles only if what is declared twice, in Rust and in a hand-written header, is the same.
//!
//! The generated headers name callback types and shared structures without declaring them, so the C compiler alone would
//! never see that Rust takes them to be something else. Here cbindgen prints Rust's view under the name `Rust_X`, and
//! static assertions compare it with the header's `X`.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use cbindgen::{Builder, Config, ItemType, Style};

use crate::headers::{self, names};
use crate::sources;

/// What Rust's view of a type is called in the program.
const PREFIX: &str = "Rust_";

/// The text of a file, and where it stands.
type Source = (String, PathBuf);

const PREAMBLE: &str = "\
#include <dmf.h>

#include <stddef.h>

#define SAME_TYPE(Rust, Header) _Static_assert(__builtin_types_compatible_p(Rust, Header), #Header)
#define SAME_SIZE(Name) _Static_assert(sizeof(Rust_##Name) == sizeof(Name), #Name)
#define SAME_MEMBER(Name, Member)                                               \\
    _Static_assert(offsetof(Rust_##Name, Member) == offsetof(Name, Member) &&   \\
                   sizeof(((Rust_##Name*)0)->Member) == sizeof(((Name*)0)->Member), #Name \".\" #Member)

";

/// Writes the program to `output`.
pub fn write(top: &Path, output: &Path) -> Result<()> {
    let text = program(top)?;
    std::fs::write(output, text).with_context(|| format!("cannot write {}", output.display()))
}

fn program(top: &Path) -> Result<String> {
    let mut sources = Vec::new();
    for path in sources::capi_files(top)? {
        sources.push((sources::read(&path)?, path));
    }
    let in_c = headers::written_by_hand(top)?;

    let mut program = PREAMBLE.to_owned();
    callbacks(top, &sources, &in_c, &mut program)?;
    structures(top, &sources, &in_c, &mut program)?;
    Ok(program)
}

/// Function pointers: Rust's `PEVT_X` against the header's `EVT_X*`, and `PFN_X` against `PFN_X`. One that no header
/// declares is Rust's own affair.
fn callbacks(
    top: &Path,
    sources: &[Source],
    in_c: &BTreeSet<String>,
    program: &mut String,
) -> Result<()> {
    let mut config = config(top, sources, vec![ItemType::Typedefs])?;
    config.export.exclude.extend(in_c.iter().filter(|name| !names::is_callback(name)).cloned());
    let mut pairs = Vec::new();
    for name in aliases_of_callbacks(sources) {
        config.export.include.push(name.to_owned());
        let function = name.strip_prefix('P').filter(|function| in_c.contains(*function));
        let header = match function {
            Some(function) => format!("{function}*"),
            None if in_c.contains(name) => name.to_owned(),
            None => continue,
        };
        pairs.push((config.export.rename[name].clone(), header));
    }
    ensure!(!pairs.is_empty(), "src/capi has no callback type of the headers");

    program.push_str(&generate(config, sources)?);
    for (rust, header) in pairs {
        writeln!(program, "SAME_TYPE({rust}, {header});")?;
    }
    Ok(())
}

/// Structures: size, and offset and size of each member.
fn structures(
    top: &Path,
    sources: &[Source],
    in_c: &BTreeSet<String>,
    program: &mut String,
) -> Result<()> {
    let mut config = config(top, sources, vec![ItemType::Structs, ItemType::Unions])?;
    for name in sources.iter().flat_map(|(text, _)| names::declared(text)) {
        config.export.rename.insert(name.clone(), format!("{PREFIX}{name}"));
        config.export.include.push(name);
    }

    let declarations = generate(config, sources)?;
    program.push('\n');
    program.push_str(&declarations);
    for (rust, members) in structures_in(&declarations) {
        let name = rust.trim_start_matches(PREFIX);
        if !in_c.contains(name) {
            continue;
        }
        writeln!(program, "SAME_SIZE({name});")?;
        for member in members {
            writeln!(program, "SAME_MEMBER({name}, {member});")?;
        }
    }
    Ok(())
}

fn aliases_of_callbacks(sources: &[Source]) -> impl Iterator<Item = &str> {
    sources
        .iter()
        .flat_map(|(text, _)| names::aliases(text))
        .filter(|name| names::is_callback(name))
}

/// Prints one kind of item; callback types go by Rust's view of them, enumerations by their C names.
fn config(top: &Path, sources: &[Source], items: Vec<ItemType>) -> Result<Config> {
    let mut config = headers::common_config(top)?;
    config.documentation = false;
    // With a tag, so that a structure may point to its own kind.
    config.style = Style::Both;
    config.export.item_types = items;
    let words = sources.iter().flat_map(|(text, _)| names::renamed(text));
    config.export.rename = words.filter(|(name, _)| !names::is_callback(name)).collect();
    config.export.exclude = config.export.rename.keys().cloned().collect();
    for name in aliases_of_callbacks(sources) {
        config.export.rename.insert(name.to_owned(), format!("{PREFIX}{name}"));
    }
    Ok(config)
}

fn generate(config: Config, sources: &[Source]) -> Result<String> {
    let mut builder = Builder::new().with_config(config);
    for (_, path) in sources {
        builder = builder.with_src(path);
    }
    let mut bytes = Vec::new();
    builder.generate()?.write(&mut bytes);
    Ok(String::from_utf8(bytes)?)
}

/// The structures of generated text, each with the names of its members.
fn structures_in(text: &str) -> Vec<(String, Vec<String>)> {
    let mut found = Vec::new();
    let mut members = Vec::new();
    for line in text.lines() {
        if let Some(name) = line.strip_prefix("} ") {
            found.push((name.trim_end_matches(';').to_owned(), std::mem::take(&mut members)));
        } else if let Some(member) = line.strip_prefix("    ") {
            members.extend(member_name(member).map(str::to_owned));
        }
    }
    found
}

/// `ULONG Size;`, `USHORT Tail[11];`, `void (*Callback)(ULONG);`. Further lines of a long one name nothing.
fn member_name(declaration: &str) -> Option<&str> {
    if declaration.starts_with(' ') {
        return None;
    }
    match declaration.split_once("(*") {
        Some((_, callback)) => sources::words(callback).next(),
        None => declaration.split(['[', ';']).next().and_then(|text| sources::words(text).last()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_found_in_each_kind_of_declaration() {
        let text = "\
typedef struct Rust_X {
    ULONG Size;
    const char *Path;
    USHORT Tail[11];
    void (*Callback)(ULONG,
                     WDFDEVICE);
} Rust_X;
";
        let members = ["Size", "Path", "Tail", "Callback"].map(str::to_owned).to_vec();
        assert_eq!(structures_in(text), [("Rust_X".to_owned(), members)]);
    }
}
