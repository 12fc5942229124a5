//! Requests, I/O targets, and one file per transport.
//!
//! - [`request`]: a Request: one completion, whatever races. [`request_state`]: its life.
//! - [`queue`]: pending Requests, oldest first, and those that are worked on.
//! - [`target`]: what all targets share: pending reads, removal, [`statistics`]; [`backlog`]: reports that
//!   nobody has asked for.
//! - [`reader`] takes reports from a [`reader::Source`] and delivers them, on a thread of the target;
//!   [`pump`] on one thread for all HID devices, which waits in [`epoll`].
//! - [`worker`]: the thread of a target on which operations may block.
//! - [`client`]: a target that the program itself implements.
//! - [`replay`] plays a [`recording`].
//! - [`hid`] finds and opens real devices, [`hid_reports`] reads them, [`hid_device`] writes and
//!   controls them, [`hid_watch`] sees them come and go; [`hidraw`] is the descriptor behind hidapi;
//!   [`report_descriptor`] reads how reports look; [`hid_error`] says what went wrong.

mod backlog;
pub mod client;
#[cfg(target_os = "linux")]
mod epoll;
pub mod hid;
mod hid_device;
pub mod hid_error;
mod hid_reports;
pub mod hid_watch;
mod hidraw;
#[cfg(target_os = "linux")]
mod pump;
pub mod queue;
pub mod reader;
pub mod recording;
pub mod replay;
pub mod report_descriptor;
pub mod request;
pub mod request_state;
mod statistics;
pub mod target;
mod worker;
