//! The C surface: one file per Module or WDF object. The only place that takes raw pointers from C.
//!
//! A function here validates what C gave, converts it, calls down, and converts the answer back, all
//! inside [`boundary`]. Pointers that a Method must dereference (buffers of the length the caller
//! gives, callbacks) are the caller's word; nothing else is.

mod boundary;
pub mod buffer_pool;
pub mod buffer_queue;
pub mod continuous_request_target;
pub mod continuous_request_target_send;
pub mod device;
pub mod hid;
pub mod io_target;
pub mod memory;
pub mod misuse;
pub mod module;
pub mod notify_user_with_request;
pub mod object;
pub mod ping_pong_buffer;
pub mod queued_work_item;
pub mod request;
pub mod ring_buffer;
pub mod threaded_buffer_queue;
pub mod types;
pub mod wdf_request;

#[cfg(test)]
mod faults;
