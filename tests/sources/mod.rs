//! The library's sources, for tests that read them: comments, strings and characters are taken out.

use std::fs;
use std::path::{Path, PathBuf};

/// A line of source: what the compiler reads, and what people read.
#[derive(Default)]
pub struct Line {
    pub code: String,
    pub comment: String,
}

/// Takes a source apart. Strings and characters become nothing.
pub fn lines_of(source: &str) -> Vec<Line> {
    let text: Vec<char> = source.chars().collect();
    let mut lines = vec![Line::default()];
    let mut at = 0;
    let starts =
        |at: usize, what: &str| what.chars().enumerate().all(|(i, c)| text.get(at + i) == Some(&c));
    while at < text.len() {
        let line = lines.last_mut().unwrap();
        let after_word = line.code.chars().last().is_some_and(|c| c.is_alphanumeric() || c == '_');
        let end = if starts(at, "//") {
            let end = find(&text, at, |at| text[at] == '\n');
            line.comment.extend(&text[at..end]);
            end
        } else if starts(at, "/*") {
            end_of_block_comment(&text, at)
        } else if text[at] == '"' {
            end_of_string(&text, at)
        } else if let Some(end) = end_of_raw_string(&text, at).filter(|_| !after_word) {
            end
        } else if let Some(end) = end_of_character(&text, at) {
            end
        } else {
            if text[at] != '\n' {
                line.code.push(text[at]);
            }
            at + 1
        };
        lines.extend(text[at..end].iter().filter(|c| **c == '\n').map(|_| Line::default()));
        at = end;
    }
    lines
}

/// The first place from `at` on that satisfies `test`, or the end.
fn find(text: &[char], at: usize, test: impl Fn(usize) -> bool) -> usize {
    (at..text.len()).find(|at| test(*at)).unwrap_or(text.len())
}

fn end_of_block_comment(text: &[char], mut at: usize) -> usize {
    let mut depth = 0;
    while at < text.len() {
        match (text[at], text.get(at + 1)) {
            ('/', Some('*')) => (depth, at) = (depth + 1, at + 2),
            ('*', Some('/')) if depth == 1 => return at + 2,
            ('*', Some('/')) => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
    }
    at
}

fn end_of_string(text: &[char], start: usize) -> usize {
    let mut at = start + 1;
    while at < text.len() && text[at] != '"' {
        at += if text[at] == '\\' { 2 } else { 1 };
    }
    (at + 1).min(text.len())
}

fn end_of_raw_string(text: &[char], start: usize) -> Option<usize> {
    let marks = text.get(start + 1..)?.iter().take_while(|c| **c == '#').count();
    if text[start] != 'r' || text.get(start + 1 + marks) != Some(&'"') {
        return None;
    }
    let closes = |at: usize| {
        text[at] == '"' && text[at + 1..].iter().take(marks).filter(|c| **c == '#').count() == marks
    };
    Some((find(text, start + 2 + marks, closes) + 1 + marks).min(text.len()))
}

/// `'x'` and `'\n'`, but not the lifetime `'a`.
fn end_of_character(text: &[char], start: usize) -> Option<usize> {
    if text[start] != '\'' {
        return None;
    }
    if text.get(start + 1) == Some(&'\\') {
        return Some((find(text, start + 3, |at| text[at] == '\'') + 1).min(text.len()));
    }
    (text.get(start + 2) == Some(&'\'')).then_some(start + 3)
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}

/// Every source below `src`, by its path from there.
pub fn library() -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let read = |path: PathBuf| {
        let source = fs::read_to_string(&path).unwrap();
        (path.strip_prefix(&root).unwrap().to_path_buf(), source)
    };
    sources(&root).into_iter().map(read).collect()
}
