//! Makes copies of the library's files with one mistake each, for the models to find.
//!
//! `mistakes/MODEL.txt` lists them: what stands in the source, exactly once, after "- ", and what takes its place
//! after "+ ". Each copy becomes a module beside a copy of the model's races; `sound` is the file as it is.

use std::env;
use std::fmt::Write;
use std::fs;
use std::path::Path;

/// A model: its name, the library's file, the name of its module, what else it imports from beside it.
struct Model {
    name: &'static str,
    source: &'static str,
    module: &'static str,
    beside: &'static str,
}

const MODELS: &[Model] = &[
    Model {
        name: "pools",
        source: "src/modules/buffer_pool.rs",
        module: "buffer_pool",
        beside: "",
    },
    Model {
        name: "streams",
        source: "src/modules/continuous_request_target/stream.rs",
        module: "stream",
        beside: "pub use crate::continuous_request_target::*;",
    },
];

/// Pairs of what is replaced and what replaces it. Lines of the same mark that follow each other belong
/// together.
fn mistakes_in(list: &str) -> Vec<(String, String)> {
    let mut mistakes: Vec<(String, String)> = Vec::new();
    let mut last = '+';
    for line in list.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (mark, text) = (line.chars().next().unwrap_or(' '), line.get(2..).unwrap_or(""));
        match mark {
            '-' if last == '+' => mistakes.push((text.to_owned(), String::new())),
            '-' => write!(mistakes.last_mut().expect("begun").0, "\n{text}").expect("memory"),
            '+' => {
                let (_, after) = mistakes.last_mut().expect("what is replaced comes first");
                if last == '+' {
                    after.push('\n');
                }
                after.push_str(text);
            }
            _ => panic!("a line of mistakes begins with - or +: {line}"),
        }
        last = mark;
    }
    mistakes
}

fn main() {
    let here = env::var("CARGO_MANIFEST_DIR").expect("cargo sets it");
    let out = env::var("OUT_DIR").expect("cargo sets it");
    let mut code = String::new();
    for Model { name, source, module, beside } in MODELS {
        let list = format!("{here}/mistakes/{name}.txt");
        let source = format!("{here}/../{source}");
        println!("cargo::rerun-if-changed={list}");
        println!("cargo::rerun-if-changed={source}");
        let sound = fs::read_to_string(&source).expect("the library's source");
        let mut copies = vec![("sound".to_owned(), source.clone())];
        let mut names = Vec::new();
        let mistakes = mistakes_in(&fs::read_to_string(&list).expect("the list of mistakes"));
        for (number, (before, after)) in mistakes.iter().enumerate() {
            let count = sound.matches(before).count();
            assert_eq!(count, 1, "{list}: stands {count} times in the source: {before}");
            let path = format!("{out}/{name}_{number}.rs");
            fs::write(Path::new(&path), sound.replace(before, after)).expect("room");
            copies.push((format!("mistake_{number}"), path));
            names.push(format!("{} => {}", before.trim(), after.trim()));
        }
        writeln!(code, "pub mod {name} {{").expect("memory");
        for (copy, path) in &copies {
            writeln!(
                code,
                "#[allow(warnings)] pub mod {copy} {{ {beside} #[path = {path:?}] pub mod {module};\n\
                 #[path = \"{here}/src/{name}.rs\"] pub mod races; }}"
            )
            .expect("memory");
        }
        let runs = (0..names.len()).map(|number| format!("mistake_{number}::races::run, "));
        writeln!(
            code,
            "pub const MISTAKES: &[&str] = &{names:?};\n\
             pub const RUNS: &[fn(usize)] = &[{}];\n}}",
            runs.collect::<String>()
        )
        .expect("memory");
    }
    fs::write(Path::new(&out).join("copies.rs"), code).expect("room");
}
