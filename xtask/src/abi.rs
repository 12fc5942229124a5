//! `abi/abi.json`: what a binding in another language has to know of the C ABI, at the API level that is the default, and
//! what differs at the later one. And the part of the Python package that follows from it.
//!
//! The facts are read out of the headers, hand-written and generated, and laid out by the rules of 64-bit systems; a test
//! makes C and C++ compilers compare each of them with what they see themselves. `declarations` reads, `layout` computes.

mod declarations;
mod layout;
mod python;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde_json::{Map, Value, json};

use crate::sources;
use declarations::{Declarations, Function};
use layout::Layouts;

const HEADER: &str = "include/dmf.h";
const LEVEL: u32 = 2021;
const LATER_LEVEL: u32 = 2025;

/// Writes the files whose text changed.
pub fn write(top: &Path) -> Result<()> {
    for (path, text) in generate(top)? {
        if std::fs::read_to_string(&path).is_ok_and(|old| old == text) {
            continue;
        }
        std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        println!("wrote {}", path.display());
    }
    Ok(())
}

/// Compares the files with the headers.
pub fn check(top: &Path) -> Result<()> {
    for (path, text) in generate(top)? {
        let found = std::fs::read_to_string(&path).unwrap_or_default();
        let same = found.lines().zip(text.lines()).take_while(|(a, b)| a == b).count();
        ensure!(
            found == text,
            "{}:{} differs from what the headers say: run `make headers` and commit the result",
            path.display(),
            same + 1
        );
        println!("{}: up to date", path.display());
    }
    Ok(())
}

fn generate(top: &Path) -> Result<[(PathBuf, String); 2]> {
    let declarations = Declarations::read(&top.join(HEADER), LEVEL)?;
    let later = Declarations::read(&top.join(HEADER), LATER_LEVEL)?;
    let number: u32 = sources::read(&top.join("abi/version"))?.trim().parse()?;

    let mut facts = json!({
        "abi": number,
        "model": "64-bit little-endian, LP64 or LLP64; sizes, alignments and offsets in bytes",
        "api_level": LEVEL,
    });
    let here = sections(&declarations)?;
    let there = sections(&later)?;
    let mut differences = Map::new();
    for (name, section) in &there {
        let changed = changed(&here[name], section);
        if !changed.is_empty() {
            differences.insert(name.clone(), Value::Object(changed));
        }
    }
    let object = facts.as_object_mut().expect("made as one above");
    object.extend(here);
    object.insert(format!("at_api_level_{LATER_LEVEL}"), Value::Object(differences));

    let mut text = String::new();
    print(&facts, 0, &mut text);
    text.push('\n');
    Ok([
        (top.join("abi/abi.json"), text),
        (top.join("bindings/python/dmf/_abi.py"), python::module(&declarations, number)?),
    ])
}

/// What `later` has otherwise, or has alone.
fn changed(now: &Value, later: &Value) -> Map<String, Value> {
    let Value::Object(later) = later else { return Map::new() };
    later
        .iter()
        .filter(|(name, value)| now.get(name) != Some(value))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

fn sections(declarations: &Declarations) -> Result<Map<String, Value>> {
    let layouts = Layouts::of(declarations)?;
    let mut all = Map::new();
    let mut put = |name: &str, section: Map<String, Value>| {
        all.insert(name.to_owned(), Value::Object(section))
    };

    let constants = declarations.constants.iter();
    put("constants", constants.map(|(name, value)| (name.clone(), json!(value))).collect());

    let mut types = Map::new();
    for (name, aliased) in &declarations.aliases {
        let (size, alignment) = layouts.of_type(name)?;
        types.insert(name.clone(), json!({ "is": aliased, "size": size, "alignment": alignment }));
    }
    for name in &declarations.handles {
        let (size, alignment) = layouts.of_type(name)?;
        types.insert(name.clone(), json!({ "is": "handle", "size": size, "alignment": alignment }));
    }
    put("types", types);

    let mut enumerations = Map::new();
    for (name, values) in &declarations.enumerations {
        let (size, _) = layouts.of_type(name)?;
        let values: Map<_, _> =
            values.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
        enumerations.insert(name.clone(), json!({ "size": size, "values": values }));
    }
    put("enumerations", enumerations);

    let mut structures = Map::new();
    for structure in &declarations.structures {
        let layout = &layouts.structures[&structure.name];
        let members: Vec<Value> = layout
            .members
            .iter()
            .map(|m| json!({ "name": m.name, "type": m.kind, "offset": m.offset, "size": m.size }))
            .collect();
        let kind = if structure.union { "union" } else { "struct" };
        let facts = json!({ "kind": kind, "size": layout.size, "alignment": layout.alignment, "members": members });
        structures.insert(structure.name.clone(), facts);
    }
    put("structures", structures);
    put("callbacks", functions(&declarations.callbacks));
    put("functions", functions(&declarations.functions));
    Ok(all)
}

fn functions(all: &[Function]) -> Map<String, Value> {
    all.iter()
        .map(|function| {
            let parameters: Vec<Value> = function
                .parameters
                .iter()
                .map(|(name, kind)| json!({ "name": name, "type": kind }))
                .collect();
            (
                function.name.clone(),
                json!({ "returns": function.returns, "parameters": parameters }),
            )
        })
        .collect()
}

/// JSON that people can read and compare: what fits a line stands in one.
fn print(value: &Value, indent: usize, text: &mut String) {
    const WIDTH: usize = 118;
    let line = value.to_string();
    let items: Vec<(String, &Value)> = match value {
        Value::Object(all) if indent == 0 || indent + line.len() > WIDTH => {
            all.iter().map(|(name, value)| (format!("{}: ", json!(name)), value)).collect()
        }
        Value::Array(all) if indent + line.len() > WIDTH => {
            all.iter().map(|value| (String::new(), value)).collect()
        }
        _ => return text.push_str(&line),
    };
    let [open, close] = if value.is_object() { ['{', '}'] } else { ['[', ']'] };
    text.push(open);
    for (index, (name, item)) in items.into_iter().enumerate() {
        text.push_str(if index == 0 { "\n" } else { ",\n" });
        text.push_str(&" ".repeat(indent + 2));
        text.push_str(&name);
        print(item, indent + 2, text);
    }
    text.push('\n');
    text.push_str(&" ".repeat(indent));
    text.push(close);
}
