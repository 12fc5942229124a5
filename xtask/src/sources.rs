//! What both chores read out of the text of a Rust file: its words, and the C names that it exports.
//!
//! Plain text is enough: an exported function is written as `#[unsafe(export_name = "…")]`, nowhere else.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// The C surface: every exported function stands in a file below it.
pub fn capi(top: &Path) -> PathBuf {
    top.join("src/capi")
}

pub fn read(path: &Path) -> Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

/// The files directly in the C surface, in the order of their names.
pub fn capi_files(top: &Path) -> Result<Vec<PathBuf>> {
    let folder = capi(top);
    let mut files = Vec::new();
    for entry in
        std::fs::read_dir(&folder).with_context(|| format!("cannot list {}", folder.display()))?
    {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// The C names that a file exports, in its own order.
pub fn exported_names(text: &str) -> impl Iterator<Item = &str> {
    text.lines()
        .filter_map(|line| line.trim_start().strip_prefix("#[unsafe(export_name = \""))
        .filter_map(|rest| rest.split('"').next())
}

/// Every identifier of a file, comments included, as often as it stands there.
pub fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').filter(|word| !word.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exported_names_are_those_of_the_attribute_only() {
        let text = "/// See export_name = \"DMF_No\".\n    #[unsafe(export_name = \"DMF_Yes\")]\npub fn yes() {}\n";
        assert_eq!(exported_names(text).collect::<Vec<_>>(), ["DMF_Yes"]);
    }

    #[test]
    fn words_end_where_an_identifier_ends() {
        let text = "callback: *mut PEVT_DMF_X, mode: X_Mode_INT)";
        assert_eq!(
            words(text).collect::<Vec<_>>(),
            ["callback", "mut", "PEVT_DMF_X", "mode", "X_Mode_INT"]
        );
    }
}
