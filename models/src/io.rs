//! The library's `src/io`, as far as a stream needs it: its own files, but for the [`target`].

#[path = "../../src/io/queue.rs"]
pub mod queue;
#[path = "../../src/io/request.rs"]
pub mod request;
#[path = "target.rs"]
pub mod target;

pub use crate::request_state;
