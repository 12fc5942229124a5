//! What every Module stands on. It knows no Module.
//!
//! - [`status`]: NTSTATUS values, [`status::Error`], and what the calling thread last failed with.
//! - [`misuse`]: reports of broken contracts.
//! - [`memory`]: the one fallible allocation helper. [`sync`]: the one place locks come from.
//! - [`lock`]: the lock of a slot, with [`owners`], the threads that own one, and [`asymmetric`] fences;
//!   [`guarded`]: a value with such a lock.
//! - [`handle`], [`slot`], [`table`]: handles, the slots they name, locking and entering an object;
//!   [`ends`]: locking one of its two ends.
//! - [`tree`]: life of an object from creation to destruction; [`deletion`]: its end; parents delete
//!   children.
//! - [`frames`]: which library code the calling thread is inside of.
//! - [`slab`], [`buffer`], [`list`]: the memory of pools and who owns which buffer. [`belt`]: the memory of
//!   a ring, with two ends; [`chute`]: one for buffers.
//! - [`span`]: bytes that somebody else vouches for.
//! - [`environment`]: variables that a user may set. [`thread`]: worker threads and fork. [`timer`],
//!   [`alarms`]: one thread for all timers, and the timers of a list's buffers. [`passive`]: threads for
//!   work that may block.

pub mod alarms;
pub mod asymmetric;
pub mod belt;
pub mod buffer;
pub mod chute;
pub mod clock;
pub mod deletion;
pub mod ends;
pub mod environment;
pub mod frames;
pub mod guarded;
pub mod handle;
pub mod list;
pub mod lock;
pub mod memory;
pub mod misuse;
pub mod owners;
pub mod passive;
pub mod slab;
pub mod slot;
pub mod span;
pub mod status;
pub mod sync;
pub mod table;
pub mod thread;
pub mod timer;
pub mod tree;
