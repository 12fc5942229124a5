//! Where every call from C enters and leaves.
//!
//! A body returns a `Result`; here it becomes the Method's return type. A failure is remembered for
//! `DMF_LastErrorMessageGet`, misuse is reported, a panic becomes STATUS_INTERNAL_ERROR, and the child
//! of a fork is refused.

use crate::framework::handle::Handle;
use crate::framework::span::Span;
use crate::framework::status::{self, Error, Status};
use crate::framework::{misuse, thread};
use std::ffi::{CStr, c_char};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// The answer of a Method that has no status when it did nothing.
pub trait Neutral {
    const NEUTRAL: Self;
}

impl Neutral for () {
    const NEUTRAL: Self = ();
}
impl Neutral for u8 {
    const NEUTRAL: Self = 0;
}
impl Neutral for u32 {
    const NEUTRAL: Self = 0;
}
impl Neutral for u64 {
    const NEUTRAL: Self = 0;
}
impl Neutral for i64 {
    const NEUTRAL: Self = 0;
}
impl Neutral for usize {
    const NEUTRAL: Self = 0;
}
impl<T> Neutral for *mut T {
    const NEUTRAL: Self = std::ptr::null_mut();
}

#[inline]
fn guarded<R>(body: impl FnOnce() -> Result<R, Error>) -> Result<R, Error> {
    if thread::forked() {
        return Err(forked());
    }
    catch_unwind(AssertUnwindSafe(body)).unwrap_or_else(|_| Err(panicked()))
}

#[cold]
fn forked() -> Error {
    Error::new(Status::INVALID_DEVICE_STATE, "the process is a child of fork(); exec first")
}

#[cold]
fn panicked() -> Error {
    Error::misuse(Status::INTERNAL_ERROR, "the library failed; please report this")
}

#[cold]
fn failed(method: &'static CStr, handle: Handle, error: &Error) {
    if error.misuse {
        misuse::report(method, handle, error);
    }
    status::remember(error);
}

/// A Method that returns NTSTATUS.
#[inline]
pub fn status<T>(
    method: &'static CStr,
    handle: *mut T,
    body: impl FnOnce() -> Result<(), Error>,
) -> i32 {
    match guarded(body) {
        Ok(()) => Status::SUCCESS.0,
        Err(error) => {
            failed(method, Handle::from_c(handle), &error);
            error.status.0
        }
    }
}

/// The usual way through a Method that is called very often: `usual` does all of it at once, or nothing
/// (`None`); then the Method goes its ordinary way, which does it or says why not. A function of its own
/// for that keeps what it needs off the stack here. `usual` does not panic, and locks its Module first with
/// one of the functions that find nothing in the child of a fork.
#[inline(always)]
pub fn at_once<R>(usual: impl FnOnce() -> Option<R>) -> Option<R> {
    usual()
}

/// A Method that returns something else: its status is `DMF_LastStatusGet`'s.
#[inline]
pub fn value<T, R: Neutral>(
    method: &'static CStr,
    handle: *mut T,
    body: impl FnOnce() -> Result<R, Error>,
) -> R {
    match guarded(body) {
        Ok(result) => {
            status::set_last_status(Status::SUCCESS);
            result
        }
        Err(error) => {
            failed(method, Handle::from_c(handle), &error);
            status::set_last_status(error.status);
            R::NEUTRAL
        }
    }
}

/// Reports misuse that did not keep the Method from doing its work.
pub fn report<T>(method: &'static CStr, handle: *mut T, found: Option<Error>) {
    if let Some(error) = found {
        misuse::report(method, Handle::from_c(handle), &error);
    }
}

/// Refuses a mandatory pointer that is NULL.
#[inline]
pub fn not_null<T>(pointer: *const T, refusal: &'static str) -> Result<(), Error> {
    if pointer.is_null() { Err(Error::misuse(Status::INVALID_PARAMETER, refusal)) } else { Ok(()) }
}

/// As [`not_null`], for Methods that look at their handle later: a handle that is none is refused
/// first.
#[inline]
pub fn not_null_after<T>(
    pointer: *const T,
    refusal: &'static str,
    handle: impl FnOnce() -> Result<(), Error>,
) -> Result<(), Error> {
    if pointer.is_null() {
        handle()?;
    }
    not_null(pointer, refusal)
}

/// Bytes of the caller; NULL is one with a length of 0 only.
///
/// # Safety
/// `length` bytes at `address` are the caller's while the span is in use.
#[inline]
pub unsafe fn span<T>(
    address: *mut T,
    length: usize,
    refusal: &'static str,
) -> Result<Span, Error> {
    if length > 0 {
        not_null(address, refusal)?;
    }
    // SAFETY: by the contract of this function.
    Ok(unsafe { Span::new(address.cast(), length) })
}

/// As [`span`], for [`at_once`]: NULL is unusual.
///
/// # Safety
/// As for [`span`].
#[inline(always)]
pub unsafe fn usual_span<T>(address: *mut T, length: usize) -> Option<Span> {
    // SAFETY: by the contract of this function.
    (!address.is_null()).then(|| unsafe { Span::new(address.cast(), length) })
}

/// Writes through an optional out-pointer.
///
/// # Safety
/// `target` is NULL or may be written.
#[inline]
pub unsafe fn put<T>(target: *mut T, value: T) {
    if !target.is_null() {
        // SAFETY: by the contract of this function; C may have placed it unaligned in a packed struct.
        unsafe { target.write_unaligned(value) }
    }
}

/// A text of C, if there is one.
///
/// # Safety
/// `text` is NULL or ends with a NUL.
pub unsafe fn text<'a>(text: *const c_char) -> Option<&'a CStr> {
    // SAFETY: by the contract of this function.
    (!text.is_null()).then(|| unsafe { CStr::from_ptr(text) })
}
