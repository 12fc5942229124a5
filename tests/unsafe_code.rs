//! Where `unsafe` may stand, and that every block says why it holds.
//!
//! A word of the source, not of the compiler: what [`sources`] leaves is searched for the keyword. That sees
//! through no macro, and needs none.

mod sources;

use sources::{Line, library, lines_of};
use std::collections::BTreeMap;
use std::path::Path;

/// The only folders that own memory or take pointers.
const FOLDERS_WITH_UNSAFE: [&str; 2] = ["capi", "framework"];
/// The files of `src/io` that hold the operating-system calls of one interface, and are named for it.
const OPERATING_SYSTEM_CALLS: [&str; 2] = ["epoll", "hidraw"];

/// What follows each keyword `unsafe` of a line: `{` for a block, else a word.
fn uses(code: &str) -> Vec<&str> {
    let word = |c: char| c.is_alphanumeric() || c == '_';
    code.match_indices("unsafe")
        .filter(|(at, keyword)| {
            let after = &code[at + keyword.len()..];
            // `#[unsafe(…)]` is an attribute.
            !code[..*at].ends_with(word) && !after.starts_with(word) && !after.starts_with('(')
        })
        .map(|(at, keyword)| {
            let after = code[at + keyword.len()..].trim_start();
            &after[..after.find(|c: char| !word(c)).unwrap_or(after.len()).max(after.len().min(1))]
        })
        .collect()
}

/// Whether the comment above a line, or above the statement that the line goes on, gives the reason.
fn is_explained(lines: &[Line], number: usize) -> bool {
    for line in lines[..number].iter().rev() {
        if !line.comment.is_empty() && line.code.trim().is_empty() {
            if line.comment.starts_with("// SAFETY") {
                return true;
            }
            continue;
        }
        let code = line.code.trim_end();
        let is_signature = code.ends_with('{') && code.split(' ').any(|word| word == "fn");
        if code.is_empty() || code.ends_with(';') || code.ends_with('}') || is_signature {
            return false;
        }
    }
    false
}

/// The numbers of the lines whose `unsafe` blocks and implementations give no reason.
fn unexplained(source: &str) -> Vec<usize> {
    let lines = lines_of(source);
    let asks_for_reason = |line: &Line| {
        // Where a line ends before the brace, the block begins on the next.
        uses(&line.code).iter().any(|follower| ["{", "", "impl"].contains(follower))
    };
    (0..lines.len())
        .filter(|number| asks_for_reason(&lines[*number]) && !is_explained(&lines, *number))
        .map(|number| number + 1)
        .collect()
}

fn count(source: &str) -> usize {
    lines_of(source).iter().map(|line| uses(&line.code).len()).sum()
}

/// The folder of `src` that a file lies in; "" for `src` itself.
fn folder_of(path: &Path) -> String {
    let first = path.components().next().unwrap().as_os_str();
    if path.components().count() == 1 { String::new() } else { first.to_string_lossy().into() }
}

#[test]
fn unsafe_code_stands_only_where_memory_is_owned_or_comes_from_c() {
    let mut misplaced = BTreeMap::new();
    for (path, source) in library() {
        let folder = folder_of(&path);
        let stem = path.file_stem().unwrap().to_string_lossy().to_string();
        let allowed = FOLDERS_WITH_UNSAFE.contains(&folder.as_str())
            || folder == "io" && OPERATING_SYSTEM_CALLS.contains(&stem.as_str());
        if !allowed && count(&source) > 0 {
            misplaced.insert(path, count(&source));
        }
    }
    assert!(misplaced.is_empty(), "unsafe code, by file: {misplaced:?}");
}

#[test]
fn the_folders_that_may_be_unsafe_are_seen_to_be() {
    let mut per_folder = BTreeMap::<String, usize>::new();
    for (path, source) in library() {
        *per_folder.entry(folder_of(&path)).or_default() += count(&source);
    }
    println!("unsafe, by folder: {per_folder:?}");
    for folder in FOLDERS_WITH_UNSAFE {
        assert!(per_folder[folder] > 0, "the count finds nothing in {folder}");
    }
}

#[test]
fn every_unsafe_block_says_why_it_holds() {
    let missing: Vec<String> = library()
        .iter()
        .flat_map(|(path, source)| {
            unexplained(source)
                .into_iter()
                .map(move |line| format!("src/{}:{line}", path.display()))
        })
        .collect();
    assert!(missing.is_empty(), "no // SAFETY: above\n{}", missing.join("\n"));
}

#[test]
fn the_keyword_is_told_from_the_word() {
    let source = "// unsafe\n/* unsafe /* unsafe */ */\nlet unsafe_code = \"unsafe {\"; r#\"unsafe \" {\"#\n\
                  '\"'; '\\''; #[unsafe(no_mangle)]\nunsafe fn f<'a>() { unsafe { g() } }\n";
    let found: Vec<usize> = lines_of(source).iter().map(|line| uses(&line.code).len()).collect();
    assert_eq!(found, [0, 0, 0, 0, 2, 0]);
}

#[test]
fn a_block_without_reason_is_found() {
    let explained = "// SAFETY: so.\nlet x = unsafe { f() };\n// SAFETY: so.\n// Indeed.\nlet y = match x {\n\
                     1 => g(\n|| unsafe { h() }),\n_ => unsafe\n{ i() }\n};\n";
    assert_eq!(unexplained(explained), []);
    assert_eq!(unexplained("// SAFETY: so.\nlet x = 1;\nlet y = unsafe { f() };"), [3]);
    assert_eq!(unexplained("// SAFETY: so.\nfn f() {\nunsafe { f() }\n}"), [3]);
    assert_eq!(unexplained("// Because.\nlet x = unsafe { f() };"), [2]);
    assert_eq!(unexplained("// SAFETY: so.\n\nunsafe impl Send for X {}"), [3]);
    assert_eq!(unexplained("pub unsafe extern \"C\" fn f() {}\nunsafe fn g() {}"), []);
}
