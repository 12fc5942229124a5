//! The names that differ between the Rust sources and C, found by how they are written.
//!
//! | Rust                         | C               | why                                                          |
//! |------------------------------|-----------------|--------------------------------------------------------------|
//! | `PEVT_X`, an `Option<fn>`    | `EVT_X*`        | C has function types, cbindgen knows pointers only           |
//! | `X_INT`, an integer          | `X`             | an enumerator out of range must not be undefined in Rust     |

use crate::sources;

/// From Rust to C, every name of a source that needs it.
pub fn renamed(text: &str) -> impl Iterator<Item = (String, String)> {
    sources::words(text).filter_map(|word| {
        let name = if word.starts_with("PEVT_") {
            format!("{}*", &word[1..])
        } else {
            word.strip_suffix("_INT")?.to_owned()
        };
        Some((word.to_owned(), name))
    })
}

/// Whether a name is that of a callback's pointer type.
pub fn is_callback(name: &str) -> bool {
    name.starts_with("PEVT_") || name.starts_with("PFN_")
}

/// The types that a source declares for C. cbindgen by itself prints only those that a function names, and
/// enumerations are named by their integer aliases.
pub fn declared(text: &str) -> impl Iterator<Item = String> {
    text.split("#[repr(C").skip(1).filter_map(|item| {
        let mut words =
            sources::words(item).skip_while(|word| !matches!(*word, "struct" | "union" | "enum"));
        words.nth(1).map(str::to_owned)
    })
}

/// The names of the type aliases that a source declares.
pub fn aliases(text: &str) -> impl Iterator<Item = &str> {
    text.lines()
        .filter_map(|line| line.strip_prefix("pub type "))
        .filter_map(|alias| sources::words(alias).next())
}

/// The types that a hand-written header declares, each found by one line.
pub fn written_by_hand(header: &str) -> impl Iterator<Item = &str> {
    header.lines().flat_map(|line| {
        // `} WDFMEMORY_OFFSET, *PWDFMEMORY_OFFSET;`
        let names = if let Some(names) = line.strip_prefix('}') {
            names
        } else if let Some(name) = line.strip_prefix("DECLARE_HANDLE(") {
            name
        } else if let Some(name) = line.strip_prefix("#define ") {
            name.split(' ').next().unwrap_or_default()
        } else if let Some(declaration) = line.strip_prefix("typedef ") {
            name_of_typedef(declaration)
        } else {
            ""
        };
        sources::words(names)
    })
}

/// `int32_t LONG;`, `void (*PFN_X)(void);`, `VOID EVT_X(DMFMODULE DmfModule,`; nothing where a structure begins.
fn name_of_typedef(declaration: &str) -> &str {
    let name = match declaration.split_once('(') {
        Some((_, pointer)) if pointer.starts_with('*') => sources::words(pointer).next(),
        Some((function, _)) => sources::words(function).last(),
        None if declaration.ends_with(';') => sources::words(declaration).last(),
        None => None,
    };
    name.unwrap_or_default()
}

/// Pointers as the hand-written headers print them: `VOID* Name`, where cbindgen prints `VOID *Name`.
pub fn tidy_pointers(header: &str) -> String {
    header.lines().map(|line| tidy_line(line) + "\n").collect()
}

fn tidy_line(line: &str) -> String {
    if matches!(line.trim_start().chars().next(), Some('/' | '*' | '#')) {
        return line.to_owned();
    }
    let mut tidy = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(at) = rest.find(" *") {
        let (before, stars) = rest.split_at(at);
        let name = stars[1..].trim_start_matches('*');
        tidy.push_str(before);
        tidy.push_str(&stars[1..stars.len() - name.len()]);
        tidy.push(' ');
        rest = name;
    }
    tidy + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_callback_becomes_a_pointer_to_its_function_type() {
        let names: Vec<_> = renamed("f: PEVT_DMF_X_Done, g: PFN_Y").collect();
        assert_eq!(names, [("PEVT_DMF_X_Done".to_owned(), "EVT_DMF_X_Done*".to_owned())]);
    }

    #[test]
    fn an_integer_alias_becomes_its_enumeration() {
        let names: Vec<_> = renamed("mode: X_ModeType_INT, count: UINT").collect();
        assert_eq!(names, [("X_ModeType_INT".to_owned(), "X_ModeType".to_owned())]);
    }

    #[test]
    fn declared_types_are_the_repr_c_ones() {
        let text = "#[repr(C)]\n#[derive(Clone)]\npub enum A { B }\n#[repr(C, align(8))] pub struct D {}\nstruct E;";
        assert_eq!(declared(text).collect::<Vec<_>>(), ["A", "D"]);
    }

    #[test]
    fn types_written_by_hand_are_found_in_every_kind_of_line() {
        let text = "\
#define VOID void
DECLARE_HANDLE(H);
typedef uint8_t* P;
typedef H (*PFN_F)(void);
typedef VOID EVT_F(H Handle,
                   int x);
typedef struct _A
{
    int a;
    } u;
} A, *PA;
";
        let names: Vec<_> = written_by_hand(text).collect();
        assert_eq!(names, ["VOID", "H", "P", "PFN_F", "EVT_F", "A", "PA"]);
    }

    #[test]
    fn pointers_are_tidied_in_declarations_only() {
        let text =
            "VOID *f(VOID **Out, const char *Text, EVT_A* Done);\n * text VOID * more *this*\n";
        let tidy =
            "VOID* f(VOID** Out, const char* Text, EVT_A* Done);\n * text VOID * more *this*\n";
        assert_eq!(tidy_pointers(text), tidy);
    }
}
