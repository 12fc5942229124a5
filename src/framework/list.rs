//! A list of buffers, linked through their metas: any number of buffers of any pools, nothing is
//! allocated, each step O(1). The lock of the list's owner guards it.

use super::buffer::{Buffer, ClientBuffer};
use super::slab::Meta;
use std::ptr::NonNull;

/// Where a buffer goes in a list.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum End {
    Head,
    Tail,
}

/// See the file's head. Dropped, it frees its buffers.
#[derive(Default)]
pub struct List {
    head: Option<NonNull<Meta>>,
    tail: Option<NonNull<Meta>>,
    length: u32,
}

// SAFETY: the list owns its buffers.
unsafe impl Send for List {}
// SAFETY: a shared list only tells its length and views.
unsafe impl Sync for List {}

/// A place in a list; it stays valid until its buffer leaves the list.
#[derive(Clone, Copy)]
pub struct Place(NonNull<Meta>);

// SAFETY: a place is an address; the list's owner decides who uses it.
unsafe impl Send for Place {}

impl Place {
    pub(super) fn of(meta: NonNull<Meta>) -> Self {
        Self(meta)
    }

    pub(super) fn meta(self) -> NonNull<Meta> {
        self.0
    }
}

impl List {
    pub fn len(&self) -> u32 {
        self.length
    }

    #[inline]
    pub fn push_back(&mut self, buffer: Buffer) {
        let meta = buffer.into_meta();
        self.link(meta, self.tail, None);
    }

    #[inline]
    pub fn push(&mut self, buffer: Buffer, end: End) {
        match end {
            End::Head => {
                let meta = buffer.into_meta();
                self.link(meta, None, self.head);
            }
            End::Tail => self.push_back(buffer),
        }
    }

    #[inline]
    pub fn pop_front(&mut self) -> Option<Buffer> {
        self.head.map(|head| self.remove(Place(head)))
    }

    pub fn first(&self) -> Option<Place> {
        self.head.map(Place)
    }

    pub fn last(&self) -> Option<Place> {
        self.tail.map(Place)
    }

    /// The place behind `place`, which is in this list.
    pub fn after(&self, place: Place) -> Option<Place> {
        self.meta(place.0).next.get().map(Place)
    }

    /// What the Client would see of the buffer at `place`, which is in this list.
    pub fn view(&self, place: Place) -> ClientBuffer {
        // SAFETY: the list owns the buffer; the token is forgotten, so it is not freed.
        let buffer = std::mem::ManuallyDrop::new(unsafe { Buffer::from_meta(place.0) });
        buffer.view()
    }

    /// Takes the buffer at `place`, which is in this list, out of it.
    #[inline]
    pub fn remove(&mut self, place: Place) -> Buffer {
        let meta = self.meta(place.0);
        let (previous, next) = (meta.previous.take(), meta.next.take());
        match previous {
            Some(previous) => self.meta(previous).next.set(next),
            None => self.head = next,
        }
        match next {
            Some(next) => self.meta(next).previous.set(previous),
            None => self.tail = previous,
        }
        self.length -= 1;
        // SAFETY: the list owned the buffer, and now gives it up.
        unsafe { Buffer::from_meta(place.0) }
    }

    #[inline]
    fn link(
        &mut self,
        meta: NonNull<Meta>,
        previous: Option<NonNull<Meta>>,
        next: Option<NonNull<Meta>>,
    ) {
        self.meta(meta).previous.set(previous);
        self.meta(meta).next.set(next);
        match previous {
            Some(previous) => self.meta(previous).next.set(Some(meta)),
            None => self.head = Some(meta),
        }
        match next {
            Some(next) => self.meta(next).previous.set(Some(meta)),
            None => self.tail = Some(meta),
        }
        self.length += 1;
    }

    #[inline]
    fn meta(&self, meta: NonNull<Meta>) -> &Meta {
        // SAFETY: the list owns the buffer, and its slab lives as long as the buffer.
        unsafe { meta.as_ref() }
    }
}

impl Drop for List {
    fn drop(&mut self) {
        while let Some(buffer) = self.pop_front() {
            drop(buffer);
        }
    }
}
