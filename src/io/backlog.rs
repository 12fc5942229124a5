//! The reports of a target that nobody has asked for yet: a ring, oldest first. All of its memory is taken
//! when it is made.

use crate::framework::memory::{self, Block};
use crate::framework::status::Error;

/// How many reports wait, unless the program says how many.
pub const DEPTH: usize = 32;

/// How many the program may have wait.
pub const DEPTHS: std::ops::RangeInclusive<usize> = 2..=512;

/// See the file's head.
pub struct Backlog {
    bytes: Block,
    lengths: Vec<u32>,
    /// Bytes a report may have.
    room: usize,
    first: usize,
    count: usize,
}

impl Backlog {
    pub fn new(depth: usize, room: usize) -> Result<Self, Error> {
        let mut lengths = Vec::new();
        memory::permit()?;
        lengths.try_reserve_exact(depth).map_err(|_| memory::no_memory())?;
        lengths.resize(depth, 0);
        Ok(Self { bytes: Block::new(depth * room)?, lengths, room, first: 0, count: 0 })
    }

    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.count
    }

    pub fn depth(&self) -> usize {
        self.lengths.len()
    }

    pub fn clear(&mut self) {
        self.count = 0;
    }

    /// Appends a report. True: the oldest one had to go.
    pub fn push(&mut self, report: &[u8]) -> bool {
        let depth = self.lengths.len();
        let full = self.count == depth;
        if full {
            self.first = (self.first + 1) % depth;
            self.count -= 1;
        }
        let place = (self.first + self.count) % depth;
        let length = report.len().min(self.room);
        let start = place * self.room;
        self.bytes[start..start + length].copy_from_slice(&report[..length]);
        self.lengths[place] = length as u32;
        self.count += 1;
        full
    }

    /// Calls `with` on the oldest report and removes it.
    pub fn pop<R>(&mut self, with: impl FnOnce(&[u8]) -> R) -> Option<R> {
        if self.count == 0 {
            return None;
        }
        let start = self.first * self.room;
        let result = with(&self.bytes[start..start + self.lengths[self.first] as usize]);
        self.first = (self.first + 1) % self.lengths.len();
        self.count -= 1;
        Some(result)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_backlog_drops_its_oldest_report() {
        let mut backlog = Backlog::new(2, 3).ok().unwrap();
        assert!(!backlog.push(&[1]));
        assert!(!backlog.push(&[2, 2]));
        assert!(backlog.push(&[3, 3, 3]));
        assert_eq!(backlog.pop(<[u8]>::to_vec), Some(vec![2, 2]));
        assert_eq!(backlog.pop(<[u8]>::to_vec), Some(vec![3, 3, 3]));
        assert_eq!(backlog.pop(<[u8]>::to_vec), None);
    }
}
