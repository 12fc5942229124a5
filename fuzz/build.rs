//! Gives every exported function of the library its C name, so that the calls read as a C program's do, and no function
//! can be left out by mistake.

use std::fmt::Write;
use std::fs;
use std::path::Path;

fn main() {
    let sources = Path::new("../src/capi");
    println!("cargo::rerun-if-changed={}", sources.display());
    let mut surface = String::new();
    let mut files: Vec<_> =
        fs::read_dir(sources).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    for file in files {
        println!("cargo::rerun-if-changed={}", file.display());
        let module = file.file_stem().unwrap().to_string_lossy().into_owned();
        let source = fs::read_to_string(&file).unwrap();
        for export in source.split("#[unsafe(export_name = \"").skip(1) {
            let name = export.split('"').next().unwrap();
            let function = export.split("extern \"C\" fn ").nth(1).unwrap();
            let function = function.split('(').next().unwrap();
            writeln!(surface, "pub use dmf::capi::{module}::{function} as {name};").unwrap();
        }
    }
    let out = std::env::var("OUT_DIR").unwrap();
    fs::write(Path::new(&out).join("surface.rs"), surface).unwrap();
}
