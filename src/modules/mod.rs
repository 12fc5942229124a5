//! The Modules, one file each: safe Rust that knows nothing of C.

pub mod buffer_pool;
pub mod continuous_request_target;
pub mod ping_pong_buffer;
pub mod ring_buffer;
