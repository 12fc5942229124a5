//! Every exported function by its C name, and which of them were called.

#![allow(non_snake_case, unused_imports)]

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

include!(concat!(env!("OUT_DIR"), "/surface.rs"));

/// Calls a function by its C name, and notes that it was called.
#[macro_export]
macro_rules! call {
    ($name:ident($($argument:expr),* $(,)?)) => {{
        static SEEN: std::sync::atomic::AtomicBool = std::sync::atomic::AtomicBool::new(false);
        $crate::calls::surface::note(&SEEN, stringify!($name));
        // SAFETY: every handle and every enumerator is allowed; whoever calls gives buffers with their lengths.
        #[allow(unused_unsafe)]
        unsafe {
            $crate::calls::surface::$name($($argument),*)
        }
    }};
}

/// A function that is about to be called through its address.
#[macro_export]
macro_rules! entry {
    ($name:ident) => {{
        static SEEN: std::sync::atomic::AtomicBool = std::sync::atomic::AtomicBool::new(false);
        $crate::calls::surface::note(&SEEN, stringify!($name));
        $crate::calls::surface::$name
    }};
}

static CALLED: Mutex<BTreeSet<&str>> = Mutex::new(BTreeSet::new());

pub fn note(seen: &AtomicBool, name: &'static str) {
    if !seen.swap(true, Ordering::Relaxed) {
        CALLED.lock().unwrap().insert(name);
    }
}

/// Writes the names of the functions that were called to the file that DMF_FUZZ_CALLED names; run at exit.
pub extern "C" fn write_called() {
    if let Some(path) = std::env::var_os("DMF_FUZZ_CALLED") {
        let names: Vec<&str> = CALLED.lock().unwrap().iter().copied().collect();
        let _ = std::fs::write(path, names.join("\n") + "\n");
    }
}
