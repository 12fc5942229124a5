//! The Request's state machine under model checkers: every schedule of a few threads (loom, with at
//! most three preemptions) and random ones (shuttle).
//!
//! [`request_state`] is the library's own source file, not a copy. [`request`] puts it behind the
//! checker's lock as the library puts it behind a slot's, and keeps the books: a schedule after which
//! they do not balance fails. [`races`] are what the threads do.
//!
//! That the checks can fail is shown as well, for all of the machine and for the ways of using it:
//! - [`seeded`] finds every transition of the machine by trying all calls in all states, and drops any
//!   one of them, in two ways: the call answers as it should but nothing changes, or it answers that
//!   there was nothing to do. Each of these machines must fail at least one race. The machine's source
//!   has no part in this: the dropped transition is undone by making the calls before it again on a
//!   new machine.
//! - [`request::Slip`] are mistakes around a sound machine. Each must fail at least one race.
//!
//! The tests are in `tests/every_schedule.rs` (loom) and `tests/random.rs` (shuttle).
//!
//! [`belts`] has the two ends of a ring's belt under loom, with `tests/belt.rs`.
//!
//! Other models run whole parts of the library, its own files again, on a [`machine`] under random schedules:
//! - [`lock`]: the lock of a slot, with `tests/lock.rs`;
//! - [`objects`]: the object table, validate against delete against reuse;
//! - `pools`: the timers of a pool against Get, Put, Enumerate and Delete;
//! - `streams`: stop against completion against restart.
//!
//! The last three are run by `src/bin/schedules.rs`, with `tests/library.rs`, which also shows that mistakes are
//! found: operations that lapse ([`machine::Lapse`]) and copies of the library's files with a mistake
//! (`mistakes/`, `build.rs`).

// The library's files are private there; here some have a mistake.
#![allow(
    clippy::duplicate_mod,
    clippy::len_without_is_empty,
    clippy::new_without_default,
    clippy::result_unit_err,
    clippy::never_loop,
    clippy::default_constructed_unit_structs
)]

pub mod belts;
pub mod checker;
pub mod continuous_request_target;
pub mod copies;
pub mod framework;
pub mod io;
pub mod lock;
pub mod machine;
pub mod modules;
pub mod objects;
pub mod races;
pub mod request;
#[path = "../../src/io/request_state.rs"]
pub mod request_state;
pub mod schedules;
pub mod seeded;
