//! The running timers of a list's buffers: a heap that knows where each buffer stands in it, so that
//! a timer stops in O(log n). The lock of the list's owner guards it.

use super::list::Place;
use super::memory::try_push;
use super::slab::{Alarm, Meta};
use super::status::Error;
use std::ptr::NonNull;

/// See the file's head. The entry that is due first stands at 0; children of i at 2i+1 and 2i+2.
#[derive(Default)]
pub struct Alarms {
    entries: Vec<(u64, NonNull<Meta>)>,
}

// SAFETY: the entries are buffers of the owner's list.
unsafe impl Send for Alarms {}
// SAFETY: shared access only reads times.
unsafe impl Sync for Alarms {}

/// What is known of a buffer that a list owns.
fn of(meta: &NonNull<Meta>) -> &Meta {
    // SAFETY: buffers stay while they are in a list.
    unsafe { meta.as_ref() }
}

impl Alarms {
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// When the first one is due.
    pub fn next(&self) -> Option<u64> {
        self.entries.first().map(|entry| entry.0)
    }

    /// The buffer that is due first, if it is due.
    pub fn due(&self, now: u64) -> Option<Place> {
        let &(at, meta) = self.entries.first()?;
        (at <= now).then(|| Place::of(meta))
    }

    /// Starts the timer of a buffer of the list, which has a timer that does not run.
    pub fn start(&mut self, place: Place, at: u64) -> Result<(), Error> {
        let meta = place.meta();
        try_push(&mut self.entries, (at, meta))?;
        let last = self.entries.len() - 1;
        of(&meta).set_position(Some(last));
        self.rise(last);
        Ok(())
    }

    /// Stops the timer of a buffer; when it was due, if it ran.
    pub fn stop(&mut self, place: Place) -> Option<u64> {
        let meta = place.meta();
        let position = of(&meta).position()?;
        let (at, _) = self.entries.swap_remove(position);
        of(&meta).set_position(None);
        if position < self.entries.len() {
            of(&self.entries[position].1).set_position(Some(position));
            self.rise(position);
            self.sink(position);
        }
        Some(at)
    }

    /// Forgets all timers, of buffers that leave the list together.
    pub fn clear(&mut self) {
        for (_, meta) in self.entries.drain(..) {
            of(&meta).set_position(None);
        }
    }

    fn swap(&mut self, a: usize, b: usize) {
        self.entries.swap(a, b);
        of(&self.entries[a].1).set_position(Some(a));
        of(&self.entries[b].1).set_position(Some(b));
    }

    fn rise(&mut self, mut position: usize) {
        while position > 0 {
            let parent = (position - 1) / 2;
            if self.entries[parent].0 <= self.entries[position].0 {
                return;
            }
            self.swap(parent, position);
            position = parent;
        }
    }

    fn sink(&mut self, mut position: usize) {
        loop {
            let earlier = |a: usize, b: usize| {
                if b < self.entries.len() && self.entries[b].0 < self.entries[a].0 { b } else { a }
            };
            let first = earlier(earlier(position, 2 * position + 1), 2 * position + 2);
            if first == position {
                return;
            }
            self.swap(first, position);
            position = first;
        }
    }
}

impl Place {
    /// What the buffer's timer calls, and its full period.
    pub fn alarm(&self) -> Alarm {
        of(&self.meta()).alarm.get()
    }

    pub fn set_alarm(&self, alarm: Alarm) {
        of(&self.meta()).alarm.set(alarm);
    }
}
