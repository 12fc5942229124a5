//! What the headers declare, read out of their text.
//!
//! The headers are the project's own, so a small part of C is enough; whatever else turns up is an error, not a guess.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};

use crate::sources;

#[derive(Clone)]
pub struct Function {
    pub name: String,
    pub returns: String,
    /// Name and type.
    pub parameters: Vec<(String, String)>,
}

pub struct Structure {
    pub name: String,
    pub union: bool,
    pub members: Vec<Member>,
}

pub enum Member {
    /// Name, type, and how many if it is an array.
    Plain(String, String, Option<usize>),
    /// A structure that has no name of its own.
    Nested(String, bool, Vec<Member>),
}

#[derive(Default)]
pub struct Declarations {
    pub constants: Vec<(String, i64)>,
    /// Names of other types, in the order of their declaration.
    pub aliases: Vec<(String, String)>,
    pub handles: Vec<String>,
    pub enumerations: Vec<(String, Vec<(String, i64)>)>,
    pub structures: Vec<Structure>,
    /// Function types.
    pub callbacks: Vec<Function>,
    pub functions: Vec<Function>,
}

impl Declarations {
    /// Of `header` and all that it includes.
    pub fn read(header: &Path, api_level: u32) -> Result<Self> {
        let mut found = Self::default();
        let mut seen = Vec::new();
        found.file(header, api_level, &mut seen)?;
        Ok(found)
    }

    fn file(&mut self, path: &Path, api_level: u32, seen: &mut Vec<PathBuf>) -> Result<()> {
        if seen.iter().any(|other| other == path) {
            return Ok(());
        }
        seen.push(path.to_owned());
        let text = sources::read(path)?;
        let lines =
            active_lines(&text, api_level).with_context(|| format!("{}", path.display()))?;
        let mut code = String::new();
        for line in lines {
            let Some(directive) = line.strip_prefix('#') else {
                code.push_str(&line);
                code.push('\n');
                continue;
            };
            if let Some(name) = directive.strip_prefix("include \"") {
                let beside = path.parent().expect("a header stands in a folder");
                self.file(&beside.join(name.trim_end_matches('"')), api_level, seen)?;
            } else if let Some(definition) = directive.strip_prefix("define ") {
                self.constant(definition);
            }
        }
        let mut tokens = Tokens::of(&code);
        while !tokens.at_end() {
            self.declaration(&mut tokens).with_context(|| format!("{}", path.display()))?;
        }
        Ok(())
    }

    /// `NAME 0x12`, `NAME ((NTSTATUS)0xC0000001L)`; other macros are no numbers.
    fn constant(&mut self, definition: &str) {
        let Some((name, value)) = definition.split_once(' ') else { return };
        let status = value.strip_prefix("((NTSTATUS)").and_then(|rest| rest.strip_suffix("L)"));
        // A status is a signed number of 32 bits.
        let number = match status {
            Some(text) => number(text).map(|bits| i64::from(bits as u32 as i32)),
            None => number(value),
        };
        if let Some(number) = number
            && name != "DMF_API_LEVEL"
        {
            self.constants.push((name.to_owned(), number));
        }
    }

    fn declaration(&mut self, tokens: &mut Tokens) -> Result<()> {
        match tokens.peek() {
            "DECLARE_HANDLE" => {
                let handle = tokens.until(";")?;
                self.handles.push(handle[2].clone());
            }
            "typedef" => {
                tokens.next();
                self.typedef(tokens)?;
            }
            "struct" if tokens.peek_at(2) == ";" => {
                tokens.until(";")?;
            }
            _ => {
                let function = function(&tokens.until(";")?)?;
                // Some are declared a second time, where a macro needs them.
                if self.functions.iter().all(|other| other.name != function.name) {
                    self.functions.push(function);
                }
            }
        }
        Ok(())
    }

    fn typedef(&mut self, tokens: &mut Tokens) -> Result<()> {
        let kind = tokens.peek().to_owned();
        let braces_at = if tokens.peek_at(1) == "{" { 1 } else { 2 };
        if matches!(&*kind, "enum" | "struct" | "union") && tokens.peek_at(braces_at) == "{" {
            for _ in 0..=braces_at {
                tokens.next();
            }
            if kind == "enum" {
                let values = enumerators(tokens)?;
                self.enumerations.push((tokens.next(), values));
            } else {
                let members = members(tokens)?;
                let structure = Structure { name: tokens.next(), union: kind == "union", members };
                self.structures.push(structure);
            }
            // `, *PNAME` behind it.
            let others = tokens.until(";")?;
            let of = match kind.as_str() {
                "enum" => self.enumerations.last().map(|(name, _)| name),
                _ => self.structures.last().map(|structure| &structure.name),
            };
            if let (Some(pointer), Some(of)) = (others.last(), of) {
                self.aliases.push((pointer.clone(), format!("{of}*")));
            }
            return Ok(());
        }
        let words = tokens.until(";")?;
        match words.iter().position(|word| word == "(") {
            // `VALUE (*NAME)(parameters)`: the name of a pointer.
            Some(at) if words[at + 1] == "*" => {
                let mut plain = words[..at].to_vec();
                plain.push(words[at + 2].clone());
                plain.extend_from_slice(&words[at + 4..]);
                let callback = function(&plain)?;
                self.aliases.push((callback.name.clone(), "function*".to_owned()));
                self.callbacks.push(callback);
            }
            Some(_) => self.callbacks.push(function(&words)?),
            None => {
                let (name, aliased) = words.split_last().context("an empty typedef")?;
                let aliased = type_of(aliased);
                // A function type by another name is one, too.
                match self.callbacks.iter().find(|callback| callback.name == aliased) {
                    Some(same) => {
                        self.callbacks.push(Function { name: name.clone(), ..same.clone() })
                    }
                    None => self.aliases.push((name.clone(), aliased)),
                }
            }
        }
        Ok(())
    }
}

fn number(text: &str) -> Option<i64> {
    match text.strip_prefix("0x") {
        Some(digits) => i64::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

/// `RETURNS NAME ( TYPE NAME , … )`.
fn function(words: &[String]) -> Result<Function> {
    let open = words
        .iter()
        .position(|word| word == "(")
        .with_context(|| format!("no function: {words:?}"))?;
    ensure!(words.last().is_some_and(|word| word == ")"), "no function: {words:?}");
    let (name, returns) = words[..open].split_last().context("a function without a name")?;
    let mut parameters = Vec::new();
    let inside = &words[open + 1..words.len() - 1];
    if inside != ["void"] {
        for parameter in inside.split(|word| word == ",") {
            let (name, kind) =
                parameter.split_last().with_context(|| format!("no parameter: {words:?}"))?;
            parameters.push((name.clone(), type_of(kind)));
        }
    }
    Ok(Function { name: name.clone(), returns: type_of(returns), parameters })
}

/// `const`, `char`, `*` as `const char*`.
fn type_of(words: &[String]) -> String {
    words.join(" ").replace(" *", "*")
}

fn enumerators(tokens: &mut Tokens) -> Result<Vec<(String, i64)>> {
    let mut all: Vec<(String, i64)> = Vec::new();
    for words in tokens.until("}")?.split(|word| word == ",") {
        let value = match words {
            [] => continue,
            [_] => all.last().map_or(0, |(_, last)| last + 1),
            [_, equals, value] if equals == "=" => {
                number(value).with_context(|| format!("{words:?}"))?
            }
            _ => bail!("no enumerator: {words:?}"),
        };
        all.push((words[0].clone(), value));
    }
    Ok(all)
}

/// Behind the opening brace, up to the closing one.
fn members(tokens: &mut Tokens) -> Result<Vec<Member>> {
    let mut all = Vec::new();
    while tokens.peek() != "}" {
        let kind = tokens.peek().to_owned();
        if matches!(&*kind, "struct" | "union") && tokens.peek_at(1) == "{" {
            tokens.next();
            tokens.next();
            let inner = members(tokens)?;
            all.push(Member::Nested(tokens.next(), kind == "union", inner));
            ensure!(tokens.until(";")?.is_empty(), "an array of nested structures");
            continue;
        }
        let mut words = tokens.until(";")?;
        let mut count = None;
        if let [.., open, length, close] = &words[..]
            && (open, close) == (&"[".to_owned(), &"]".to_owned())
        {
            count = Some(length.parse()?);
            words.truncate(words.len() - 3);
        }
        let (name, kind) = words.split_last().context("a member without a name")?;
        all.push(Member::Plain(name.clone(), type_of(kind), count));
    }
    tokens.next();
    Ok(all)
}

/// The lines that a C compiler keeps, without comments, directives among them.
fn active_lines(text: &str, api_level: u32) -> Result<Vec<String>> {
    let text = without_comments(text).replace("\\\n", " ");
    let mut lines = Vec::new();
    // For each condition that is open: whether its lines count.
    let mut open: Vec<bool> = Vec::new();
    for line in text.lines() {
        let Some(directive) = line.trim_start().strip_prefix('#') else {
            if open.iter().all(|&counts| counts) {
                lines.push(line.to_owned());
            }
            continue;
        };
        let words: Vec<&str> = directive.split_whitespace().collect();
        match words[..] {
            ["ifdef", ..] => open.push(false),
            ["ifndef", ..] => open.push(true),
            ["if", "DMF_API_LEVEL", ">=", level] => open.push(api_level >= level.parse()?),
            ["else"] => {
                let last = open.last_mut().context("#else without #if")?;
                *last = !*last;
            }
            ["endif"] => ensure!(open.pop().is_some(), "#endif without #if"),
            ["if", ..] | ["elif", ..] => bail!("a condition that is not understood: {line}"),
            _ if open.iter().all(|&counts| counts) => lines.push(format!("#{}", words.join(" "))),
            _ => {}
        }
    }
    ensure!(open.is_empty(), "#if without #endif");
    Ok(lines)
}

fn without_comments(text: &str) -> String {
    let mut code = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("/*").into_iter().chain(rest.find("//")).min() {
        code.push_str(&rest[..at]);
        let end = if rest[at..].starts_with("/*") {
            rest[at..].find("*/").map(|end| at + end + 2)
        } else {
            rest[at..].find('\n').map(|end| at + end)
        };
        rest = end.map_or("", |end| &rest[end..]);
    }
    code + rest
}

struct Tokens {
    all: Vec<String>,
    at: usize,
}

impl Tokens {
    fn of(code: &str) -> Self {
        let mut all: Vec<String> = Vec::new();
        let mut in_word = false;
        for c in code.chars() {
            let word = c.is_ascii_alphanumeric() || c == '_';
            match all.last_mut() {
                Some(last) if word && in_word => last.push(c),
                _ if !c.is_whitespace() => all.push(c.to_string()),
                _ => {}
            }
            in_word = word;
        }
        Self { all, at: 0 }
    }

    fn at_end(&self) -> bool {
        self.at == self.all.len()
    }

    fn peek(&self) -> &str {
        self.peek_at(0)
    }

    fn peek_at(&self, ahead: usize) -> &str {
        self.all.get(self.at + ahead).map_or("", String::as_str)
    }

    fn next(&mut self) -> String {
        self.at += 1;
        self.all.get(self.at - 1).cloned().unwrap_or_default()
    }

    /// What stands before the next `end`; that is passed over.
    fn until(&mut self, end: &str) -> Result<Vec<String>> {
        let rest = &self.all[self.at..];
        let count =
            rest.iter().position(|token| token == end).with_context(|| format!("no {end}"))?;
        let words = rest[..count].to_vec();
        self.at += count + 1;
        Ok(words)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn declared(text: &str) -> Declarations {
        let mut found = Declarations::default();
        let mut tokens = Tokens::of(&without_comments(text));
        while !tokens.at_end() {
            found.declaration(&mut tokens).unwrap();
        }
        found
    }

    #[test]
    fn a_function_has_its_parameters_types_and_names() {
        let found = declared("const char* f(const X_Y* A, UCHAR** B); // g(\nvoid g(void);");
        assert_eq!(found.functions[0].returns, "const char*");
        let expected = [("A", "const X_Y*"), ("B", "UCHAR**")];
        assert_eq!(
            found.functions[0].parameters,
            expected.map(|(a, b)| (a.to_owned(), b.to_owned()))
        );
        assert!(found.functions[1].parameters.is_empty());
    }

    #[test]
    fn enumerators_without_a_value_count_on() {
        let found = declared("typedef enum _E { A, B = 0x10, C, } E;");
        let expected = [("A", 0), ("B", 16), ("C", 17)];
        assert_eq!(found.enumerations[0].1, expected.map(|(name, value)| (name.to_owned(), value)));
    }

    #[test]
    fn lines_of_other_systems_languages_and_levels_are_left_out() {
        let text =
            "#ifdef _WIN32\nno\n#else\nyes\n#endif\n#if DMF_API_LEVEL >= 2025\nlater\n#endif\n";
        assert_eq!(active_lines(text, 2021).unwrap(), ["yes"]);
        assert_eq!(active_lines(text, 2025).unwrap(), ["yes", "later"]);
    }

    #[test]
    fn a_status_is_negative_and_a_macro_with_parameters_is_no_constant() {
        let mut found = Declarations::default();
        found.constant("STATUS_X ((NTSTATUS)0xC0000001L)");
        found.constant("NT_SUCCESS(Status) (((NTSTATUS)(Status)) >= 0)");
        assert_eq!(found.constants, [("STATUS_X".to_owned(), -0x3FFF_FFFF)]);
    }
}
