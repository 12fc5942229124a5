//! The library's `src/modules`, its own files.

pub use crate::copies::pools::sound::buffer_pool;
