//! The Modules, one file each: safe Rust that knows nothing of C.

pub mod buffer_pool;
pub mod buffer_queue;
pub mod continuous_request_target;
pub mod notify_user_with_request;
pub mod ping_pong_buffer;
pub mod queued_work_item;
pub mod ring_buffer;
pub mod threaded_buffer_queue;
