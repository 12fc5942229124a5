//! What the fuzz targets do with the fuzzer's bytes. `README.md` says how to run them.

pub mod calls;
#[path = "../../tests/models/main.rs"]
#[allow(dead_code, unused_imports)]
pub mod models;
pub mod recording;
pub mod report_descriptor;
