//! Requests, I/O targets, and one file per transport.
//!
//! - [`request`]: the life of a Request: one completion, whatever races.
//! - [`queue`]: pending Requests, oldest first.
//! - [`target`]: what all targets share: pending reads, backlog, removal, statistics.
//! - [`reader`]: the thread that takes reports from a [`reader::Source`] and delivers them.
//! - [`replay`] plays a [`recording`]; [`hid`] is a real device; [`report_descriptor`] reads how its
//!   reports look; [`hid_error`] says what went wrong.

pub mod hid;
pub mod hid_error;
pub mod queue;
pub mod reader;
pub mod recording;
pub mod replay;
pub mod report_descriptor;
pub mod request;
pub mod target;
