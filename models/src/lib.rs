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
//! The tests are in `tests/every_schedule.rs` (loom) and `tests/random.rs` (shuttle). [`lock`] is another
//! model: the lock of a slot, with `tests/lock.rs`.

pub mod checker;
pub mod lock;
pub mod races;
pub mod request;
#[path = "../../src/io/request_state.rs"]
pub mod request_state;
pub mod seeded;
