//! Memory that calls are given: exactly as long as they are told, so that AddressSanitizer sees a byte too many.

use super::input::Input;
use std::ptr::null_mut;
use std::sync::OnceLock;

/// What is longer is in one region that reads as zeros.
const LONGEST: usize = 1 << 16;

/// A buffer for one call, or until a Request is completed.
pub struct Memory {
    /// Kept until the end of this.
    _bytes: Option<Box<[u8]>>,
    address: *mut u8,
    pub length: usize,
}

// SAFETY: plain bytes, of which this is the owner.
unsafe impl Send for Memory {}
// SAFETY: it is handed to the library by address only.
unsafe impl Sync for Memory {}

impl Memory {
    /// A buffer of any length; NULL, rarely, whatever the length.
    pub fn any(input: Input) -> Self {
        let length = input.number() as usize;
        if input.one_in(64) {
            return Self { _bytes: None, address: null_mut(), length };
        }
        Self::of(length, input.byte())
    }

    /// A buffer of that length.
    pub fn of(length: usize, fill: u8) -> Self {
        if length > LONGEST {
            return Self { _bytes: None, address: region(), length };
        }
        let mut bytes: Box<[u8]> = (0..length).map(|i| fill.wrapping_add(i as u8)).collect();
        Self { address: bytes.as_mut_ptr(), _bytes: Some(bytes), length }
    }

    pub fn none() -> Self {
        Self { _bytes: None, address: null_mut(), length: 0 }
    }

    pub fn pointer<T>(&self) -> *mut T {
        self.address.cast()
    }

    pub fn u32(&self) -> u32 {
        self.length as u32
    }

    /// The same place; the bytes stay the original's.
    pub fn alias(&self) -> Self {
        Self { _bytes: None, address: self.address, length: self.length }
    }
}

/// More bytes than a ULONG counts, which take no memory while nobody writes.
fn region() -> *mut u8 {
    static REGION: OnceLock<usize> = OnceLock::new();
    let address = *REGION.get_or_init(|| {
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
        let access = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: a new mapping.
        let mapped = unsafe { libc::mmap(null_mut(), 1 << 33, access, flags, -1, 0) };
        assert!(mapped != libc::MAP_FAILED);
        mapped.expose_provenance()
    });
    std::ptr::with_exposed_provenance_mut(address)
}

/// Reads every byte.
///
/// # Safety
/// They are there.
pub unsafe fn read(address: *const u8, length: usize) -> u8 {
    // SAFETY: by the contract of this function.
    let bytes = unsafe { std::slice::from_raw_parts(address, length.min(LONGEST)) };
    bytes.iter().fold(0, |sum, byte| sum ^ std::hint::black_box(byte))
}
