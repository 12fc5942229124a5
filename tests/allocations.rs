//! Everything that the library allocates goes through `framework/memory.rs`, where it can fail: what goes
//! around it stands below, with the reason.

mod sources;

use sources::{library, lines_of};
use std::collections::BTreeMap;

/// What allocates, or puts something where room must have been taken before.
const ALLOCATES: [&str; 27] = [
    "Box::new",
    "Box::from(",
    "Vec::with_capacity",
    "vec!",
    "Arc::",
    "Rc::",
    "String::from",
    "String::with",
    "format!",
    ".to_string(",
    ".to_owned(",
    ".to_vec(",
    ".into_owned(",
    ".collect(",
    ".collect::<",
    "HashMap",
    "BTreeMap",
    "HashSet",
    "CString::new",
    ".push(",
    ".push_back(",
    ".push_front(",
    ".extend(",
    ".insert(",
    "read_to_end",
    "read_dir(",
    ".join(",
];

const ROOM: &str = "the room was taken before, where that can fail";
const IN_PLACE: &str = "into a list through the buffers themselves, or through the slabs";
const OWN: &str = "a Method of the library's own, which can fail or takes no memory";
const THREAD: &str = "std allocates a thread's state besides, and says when it cannot start one";
const SYSTEM: &str =
    "reads a folder or a file through std, beside what std allocates for that itself";
const HIDAPI: &str = "three short texts of a device for which hidapi has just allocated the same";

/// The file, the word, how often it stands there, and why that is right.
const ALLOWED: [(&str, &str, usize, &str); 23] = [
    ("capi/hid.rs", "CString::new", 1, HIDAPI),
    ("framework/list.rs", ".push_back(", 1, IN_PLACE),
    ("framework/passive.rs", ".push(", 1, ROOM),
    ("framework/passive.rs", ".push_back(", 1, ROOM),
    ("framework/slab.rs", ".insert(", 1, IN_PLACE),
    ("framework/thread.rs", ".join(", 1, THREAD),
    ("framework/thread.rs", ".to_owned(", 1, THREAD),
    ("framework/timer.rs", ".push(", 1, ROOM),
    ("io/hid_watch.rs", ".join(", 1, SYSTEM),
    ("io/hid_watch.rs", "read_dir(", 1, SYSTEM),
    ("io/hidraw.rs", "read_dir(", 1, SYSTEM),
    ("io/pump.rs", ".push(", 1, ROOM),
    ("io/pump.rs", ".push_back(", 1, ROOM),
    ("io/queue.rs", ".push_back(", 2, ROOM),
    ("io/recording.rs", ".push(", 1, ROOM),
    ("io/replay.rs", "read_to_end", 1, ROOM),
    ("io/target.rs", ".push(", 4, OWN),
    ("modules/buffer_pool.rs", ".push(", 3, IN_PLACE),
    ("modules/buffer_pool.rs", ".push_back(", 4, IN_PLACE),
    ("modules/continuous_request_target/passive.rs", ".push_back(", 1, ROOM),
    ("modules/continuous_request_target/send.rs", ".push_back(", 1, ROOM),
    ("modules/notify_user_with_request.rs", ".push(", 1, OWN),
    ("modules/notify_user_with_request.rs", ".push_back(", 1, IN_PLACE),
];

/// How often each word stands in each file, outside of tests.
fn found() -> BTreeMap<(String, &'static str), usize> {
    let mut found = BTreeMap::new();
    for (path, source) in library() {
        let file = path.display().to_string();
        if file == "framework/memory.rs" || file == "capi/faults.rs" {
            continue;
        }
        // Tests stand at the end of a file.
        let code = source.split("#[cfg(test)]\nmod tests").next().unwrap();
        for line in lines_of(code) {
            for word in ALLOCATES {
                let count = line.code.matches(word).count();
                if count > 0 {
                    *found.entry((file.clone(), word)).or_default() += count;
                }
            }
        }
    }
    found
}

#[test]
fn nothing_allocates_around_the_one_place_that_can_fail() {
    let allowed: BTreeMap<_, _> =
        ALLOWED.iter().map(|(file, word, count, _)| ((file.to_string(), *word), *count)).collect();
    let found = found();
    let wrong: Vec<String> =
        found
            .iter()
            .filter(|(place, count)| allowed.get(place) != Some(count))
            .map(|((file, word), count)| format!("src/{file}: {word} stands there {count} times"))
            .chain(allowed.keys().filter(|place| !found.contains_key(place)).map(|(file, word)| {
                format!("src/{file}: {word} is allowed and does not stand there")
            }))
            .collect();
    assert!(
        wrong.is_empty(),
        "allocations that cannot fail, or are not known:\n{}",
        wrong.join("\n")
    );
}
