//! The generated headers: which there are, what each is made of, and their writing and comparing.
//!
//! Each header is made of one or a few files of `src/capi/`, parsed on their own: whatever type comes from elsewhere
//! (ULONG, DMFMODULE, the function types of the callbacks) is printed by its name, and the hand-written
//! `include/dmf/types.h` declares it.

pub mod names;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail, ensure};
use cbindgen::{Builder, Config};

use crate::sources;

/// One generated header below `include/dmf/`.
struct Header {
    file: &'static str,
    /// Files of `src/capi/`. One that does not exist is a Module that is not there yet.
    sources: &'static [&'static str],
    /// Beside it in `include/dmf/`, and included by a relative name, so that an include path to the
    /// compatibility headers alone is enough.
    includes: &'static [&'static str],
    /// What cbindgen cannot say, after the declarations.
    trailer: Option<&'static str>,
}

const HEADERS: [Header; 11] = [
    Header {
        file: "wdf.h",
        sources: &["object.rs", "memory.rs", "wdf_request.rs"],
        includes: &["types.h"],
        trailer: None,
    },
    Header {
        file: "module.h",
        sources: &["module.rs", "misuse.rs"],
        includes: &["wdf.h"],
        trailer: None,
    },
    Header {
        file: "io_target.h",
        sources: &["device.rs", "request.rs", "io_target.rs", "hid.rs"],
        includes: &["module.h"],
        trailer: None,
    },
    of_module("Dmf_RingBuffer.h", &["ring_buffer.rs"], &["module.h"]),
    of_module("Dmf_PingPongBuffer.h", &["ping_pong_buffer.rs"], &["module.h"]),
    of_module("Dmf_BufferPool.h", &["buffer_pool.rs"], &["module.h"]),
    of_module("Dmf_BufferQueue.h", &["buffer_queue.rs"], &["Dmf_BufferPool.h"]),
    of_module("Dmf_NotifyUserWithRequest.h", &["notify_user_with_request.rs"], &["Dmf_BufferQueue.h"]),
    Header {
        file: "Dmf_ContinuousRequestTarget.h",
        sources: &["continuous_request_target.rs", "continuous_request_target_send.rs"],
        includes: &["Dmf_BufferPool.h", "io_target.h"],
        trailer: Some(
            "
/* From this level on, the last parameter is RequestTarget_DmfRequestCancel* and there is no CompletionOption. */
#if DMF_API_LEVEL >= 2025
#define DMF_ContinuousRequestTarget_SendEx DMF_ContinuousRequestTarget_SendEx_2025
#endif
",
        ),
    },
    of_module("Dmf_QueuedWorkItem.h", &["queued_work_item.rs"], &["Dmf_BufferQueue.h"]),
    of_module("Dmf_ThreadedBufferQueue.h", &["threaded_buffer_queue.rs"], &["Dmf_BufferQueue.h"]),
];

/// What these declare is not generated a second time.
const HAND_WRITTEN: [&str; 2] = ["types.h", "hid.h"];

const fn of_module(
    file: &'static str,
    sources: &'static [&'static str],
    includes: &'static [&'static str],
) -> Header {
    Header { file, sources, includes, trailer: None }
}

/// Writes every header whose text changed.
pub fn write(top: &Path) -> Result<()> {
    for (path, text) in generate_all(top)? {
        if std::fs::read_to_string(&path).is_ok_and(|old| old == text) {
            continue;
        }
        std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        println!("wrote {}", path.display());
    }
    Ok(())
}

/// Compares every header with its sources and names each that differs.
pub fn check(top: &Path) -> Result<()> {
    let headers = generate_all(top)?;
    let mut differences = 0;
    for (path, text) in &headers {
        let found = std::fs::read_to_string(path).unwrap_or_default();
        if let Some(line) = first_difference(&found, text) {
            eprintln!("{}:{line}: differs from what its sources say", path.display());
            differences += 1;
        }
    }
    ensure!(differences == 0, "headers are out of date: run `make headers` and commit the result");
    println!("{} headers, up to date", headers.len());
    Ok(())
}

/// The number of the first line that differs, counted from 1.
fn first_difference(found: &str, expected: &str) -> Option<usize> {
    if found == expected {
        return None;
    }
    let same = found.lines().zip(expected.lines()).take_while(|(a, b)| a == b).count();
    Some(same + 1)
}

/// `cbindgen.toml`: how declarations are printed, whatever they are for.
pub fn common_config(top: &Path) -> Result<Config> {
    let path = top.join("cbindgen.toml");
    Config::from_file(&path).map_err(|error| anyhow!("{}: {error}", path.display()))
}

/// The types that the hand-written headers declare.
pub fn written_by_hand(top: &Path) -> Result<BTreeSet<String>> {
    let mut all = BTreeSet::new();
    for file in HAND_WRITTEN {
        let text = sources::read(&folder(top).join(file))?;
        all.extend(names::written_by_hand(&text).map(str::to_owned));
    }
    Ok(all)
}

fn folder(top: &Path) -> PathBuf {
    top.join("include/dmf")
}

fn generate_all(top: &Path) -> Result<Vec<(PathBuf, String)>> {
    every_exporting_file_is_in_a_header(top)?;
    let mut all = Vec::new();
    for header in &HEADERS {
        if let Some(text) = generate(top, header)? {
            all.push((folder(top).join(header.file), text));
        }
    }
    Ok(all)
}

fn every_exporting_file_is_in_a_header(top: &Path) -> Result<()> {
    for path in sources::capi_files(top)? {
        let in_a_header =
            HEADERS.iter().flat_map(|header| header.sources).any(|source| path.ends_with(source));
        if !in_a_header && sources::exported_names(&sources::read(&path)?).next().is_some() {
            bail!(
                "{} exports functions but is in no header: see HEADERS in xtask/src/headers.rs",
                path.display()
            );
        }
    }
    Ok(())
}

/// The text of a header, or nothing while none of its sources exists.
fn generate(top: &Path, header: &Header) -> Result<Option<String>> {
    let paths: Vec<PathBuf> =
        header.sources.iter().map(|source| sources::capi(top).join(source)).collect();
    let paths: Vec<PathBuf> = paths.into_iter().filter(|path| path.exists()).collect();
    if paths.is_empty() {
        return Ok(None);
    }
    let texts = paths.iter().map(|path| sources::read(path)).collect::<Result<Vec<_>>>()?;

    let mut builder = Builder::new().with_config(config(top, header, &texts)?);
    for path in &paths {
        builder = builder.with_src(path);
    }
    let mut bytes = Vec::new();
    builder
        .generate()
        .with_context(|| format!("cannot generate {}", header.file))?
        .write(&mut bytes);
    let body = names::tidy_pointers(&String::from_utf8(bytes)?);
    let text = framed(header, &body);

    for name in texts.iter().flat_map(|text| sources::exported_names(text)) {
        // cbindgen passes over what it cannot parse, functions that a macro makes for one.
        ensure!(
            text.contains(&format!("{name}(")),
            "{} lacks {name}: is it made by a macro?",
            header.file
        );
    }
    Ok(Some(text))
}

/// The declarations inside their guard. cbindgen's own guard would leave the trailer outside.
fn framed(header: &Header, body: &str) -> String {
    let made_of: Vec<String> =
        header.sources.iter().map(|source| format!("src/capi/{source}")).collect();
    let made_of = made_of.join(", ");
    let stem = header.file.trim_start_matches("Dmf_").to_uppercase().replace('.', "_");
    let trailer = header.trailer.unwrap_or_default();
    let body = body.trim();
    format!(
        "/* Generated by `make headers` from {made_of}. Do not edit. */\n\n\
         #ifndef DMF_{stem}\n#define DMF_{stem}\n\n{body}\n{trailer}\n#endif /* DMF_{stem} */\n"
    )
}

fn config(top: &Path, header: &Header, texts: &[String]) -> Result<Config> {
    let mut config = common_config(top)?;
    config.includes = header.includes.iter().map(|&include| include.to_owned()).collect();
    config.export.rename = texts.iter().flat_map(|text| names::renamed(text)).collect();
    config.export.exclude = config.export.rename.keys().cloned().collect();
    config.export.exclude.extend(written_by_hand(top)?);
    config.export.include = texts.iter().flat_map(|text| names::declared(text)).collect();
    config.export.include.retain(|name| !config.export.exclude.contains(name));
    Ok(config)
}
