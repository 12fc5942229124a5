//! The library's files as they are, and copies with one mistake each, every one with its model's races; see
//! `build.rs`.

include!(concat!(env!("OUT_DIR"), "/copies.rs"));
