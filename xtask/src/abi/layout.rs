//! Sizes, alignments and offsets by the rules that all 64-bit systems of today share: a member stands at the next multiple
//! of its alignment, a structure is as aligned as its most aligned member and fills up to a multiple of that.

use std::collections::HashMap;

use anyhow::{Context, Result};

use super::declarations::{Declarations, Member};

pub struct Layouts<'a> {
    aliases: HashMap<&'a str, &'a str>,
    pub structures: HashMap<String, Layout>,
}

#[derive(Default)]
pub struct Layout {
    pub size: usize,
    pub alignment: usize,
    pub members: Vec<Place>,
}

pub struct Place {
    /// Of a nested structure's member, with a dot: `u.HandleType.Memory`.
    pub name: String,
    pub kind: String,
    pub offset: usize,
    pub size: usize,
}

impl<'a> Layouts<'a> {
    pub fn of(declarations: &'a Declarations) -> Result<Self> {
        let mut aliases: HashMap<&str, &str> =
            declarations.aliases.iter().map(|(name, aliased)| (&**name, &**aliased)).collect();
        aliases.extend(declarations.handles.iter().map(|name| (&**name, "void*")));
        aliases.extend(declarations.enumerations.iter().map(|(name, _)| (&**name, "int")));
        let mut layouts = Self { aliases, structures: HashMap::new() };
        // A structure has only members that were declared before it.
        for structure in &declarations.structures {
            let layout = layouts
                .of_members(&structure.members, structure.union)
                .with_context(|| structure.name.clone())?;
            layouts.structures.insert(structure.name.clone(), layout);
        }
        Ok(layouts)
    }

    /// Size and alignment.
    pub fn of_type(&self, name: &str) -> Result<(usize, usize)> {
        if name.ends_with('*') {
            return Ok((8, 8));
        }
        if let Some(layout) = self.structures.get(name) {
            return Ok((layout.size, layout.alignment));
        }
        if let Some(aliased) = self.aliases.get(name) {
            return self.of_type(aliased);
        }
        let size = match name {
            "char" | "uint8_t" => 1,
            "int16_t" | "uint16_t" | "char16_t" => 2,
            "int" | "int32_t" | "uint32_t" => 4,
            "int64_t" | "uint64_t" | "intptr_t" | "uintptr_t" | "size_t" | "double" => 8,
            _ => anyhow::bail!("the size of {name} is not known"),
        };
        Ok((size, size))
    }

    fn of_members(&self, members: &[Member], union: bool) -> Result<Layout> {
        let mut layout = Layout { alignment: 1, ..Layout::default() };
        for member in members {
            let (size, alignment, inner) = match member {
                Member::Plain(name, kind, count) => {
                    let (size, alignment) = self.of_type(kind)?;
                    let (size, kind) = match count {
                        Some(count) => (size * count, format!("{kind}[{count}]")),
                        None => (size, kind.clone()),
                    };
                    (size, alignment, vec![Place { name: name.clone(), kind, offset: 0, size }])
                }
                Member::Nested(name, union, members) => {
                    let mut nested = self.of_members(members, *union)?;
                    nested
                        .members
                        .iter_mut()
                        .for_each(|place| place.name = format!("{name}.{}", place.name));
                    (nested.size, nested.alignment, nested.members)
                }
            };
            let start = if union { 0 } else { layout.size.next_multiple_of(alignment) };
            layout.members.extend(
                inner.into_iter().map(|place| Place { offset: start + place.offset, ..place }),
            );
            layout.size = layout.size.max(start + size);
            layout.alignment = layout.alignment.max(alignment);
        }
        layout.size = layout.size.next_multiple_of(layout.alignment);
        Ok(layout)
    }
}
