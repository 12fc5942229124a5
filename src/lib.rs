//! `dmf`: the buffer, notification and streaming Modules of the Driver Module Framework for
//! ordinary programs.
//!
//! The map of the crate, from the outside in; dependencies point downwards only:
//!
//! - [`capi`]: the C surface, one file per Module or WDF object. It alone takes raw pointers from C:
//!   validate, convert, call down, convert back.
//! - [`modules`]: the Modules, one file each, safe Rust.
//! - [`io`]: Requests, I/O targets, and one file per transport.
//! - [`framework`]: what every Module stands on: handles and the object table, the object tree,
//!   buffers, misuse reports, threads.

// What the fuzz targets reach is public only there.
#![cfg_attr(fuzzing, allow(missing_docs))]

#[cfg(not(target_pointer_width = "64"))]
compile_error!("a dmf handle needs 64 bits");

pub mod capi;
mod framework;
mod io;
mod modules;

/// What the fuzz targets reach without the C surface: the readers of untrusted input.
#[cfg(fuzzing)]
pub mod fuzzing {
    pub use crate::framework::status::{Error, Status};
    pub use crate::io::recording::{self, Recording};
    pub use crate::io::report_descriptor::{self, Layout, ReportKind};
}
