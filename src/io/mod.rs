//! Requests, I/O targets, and one file per transport.
//!
//! - [`request`]: a Request: one completion, whatever races. [`request_state`]: its life.
//! - [`queue`]: pending Requests, oldest first.
//! - [`target`]: what all targets share: pending reads, backlog, removal, statistics.
//! - [`reader`]: the thread that takes reports from a [`reader::Source`] and delivers them.
//! - [`client`]: a target that the program itself implements.
//! - [`replay`] plays a [`recording`]; [`hid`] is a real device; [`report_descriptor`] reads how its
//!   reports look; [`hid_error`] says what went wrong.

pub mod client;
pub mod hid;
pub mod hid_error;
mod hidraw;
pub mod queue;
pub mod reader;
pub mod recording;
pub mod replay;
pub mod report_descriptor;
pub mod request;
pub mod request_state;
pub mod target;
