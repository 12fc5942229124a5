//! A belt: equal slots of memory, one behind the other and round again. A writer lays items on it, a
//! reader takes the oldest off.
//!
//! ```text
//!         reader               writer
//!           v                    v
//!  |      | item | item | item |      |      |
//!          <- reader's slots -> <- writer's ->
//! ```
//!
//! Each end counts the slots that are its own. The ends of a belt are used in one of two ways, always:
//! - *apart*, by two threads at the same time: each publishes how many slots it has passed, in all, and
//!   looks at what the other has published only when it has no slot left. Where the other is another thread's, the
//!   cache lines of the slots are with its processor, and are fetched a few slots ahead;
//! - *jointly*: whoever uses one has the other at hand, gives the slot over, and publishes nothing. A
//!   writer for whom there is no room takes the oldest item off.
//!
//! What would let a slot have two owners is refused by a panic; an end that is used alone where it is joint
//! only loses slots.

use super::ends::Joint;
use super::memory::{Block, Shared};
use super::span::prefetch_from_another;
use super::status::Error;
use super::sync::{AtomicBool, AtomicUsize, Ordering};
use super::thread;
use std::hint::cold_path;
use std::ptr::NonNull;

/// Bytes of a cache line.
const LINE: usize = 64;

/// The longest slots that are fetched ahead: of longer ones the processor fetches most by itself in time.
const LONGEST: usize = 2048;

/// What both ends see. What each publishes is alone in its pair of cache lines: whoever looks at it takes
/// these away from the end that writes there.
struct Belt {
    written: Written,
    read: Read,
    count: usize,
    /// What the ends work on.
    _memory: Block,
}

/// What the writer publishes.
#[derive(Default)]
#[repr(align(128))]
struct Written {
    /// Slots that it has passed.
    passed: AtomicUsize,
    /// The thread that has used it last.
    thread: AtomicUsize,
}

/// What the reader publishes.
#[derive(Default)]
#[repr(align(128))]
struct Read {
    /// Slots that it has passed.
    passed: AtomicUsize,
    /// The writer was another thread's when the reader looked last.
    is_far: AtomicBool,
}

/// Where an end is.
struct End {
    /// The memory of all slots.
    first: NonNull<u8>,
    length: usize,
    size: usize,
    /// Where its next slot is, in bytes.
    place: usize,
    /// How many slots it has passed, and will have when none is left for it, as far as it knows.
    passed: usize,
    limit: usize,
    /// How many slots further is the one that it has fetched.
    ahead: usize,
    /// Whether the ends are used jointly.
    is_joint: bool,
    /// The belt if so, else NULL: one look says whether the other end is one of the same belt, and joint.
    joint: *const Belt,
}

/// The end that lays items on the belt. What it keeps is used by one thread while another uses the reader.
#[repr(align(128))]
pub struct Writer {
    end: End,
    /// The end's limit, as far as the writer knows. One that fetches slots goes there a few at a time: the end's own
    /// limit is nearer, and before it goes on it fetches.
    limit: usize,
    /// The reader was another thread's when the writer looked last.
    is_far: bool,
    fetches: bool,
    /// How many slots the writer had passed when it looked in vain last.
    idle_at: usize,
    few: usize,
    belt: Shared<Belt>,
}

/// The end that takes items off the belt.
#[repr(align(128))]
pub struct Reader {
    end: End,
    /// The writer was another thread's when the reader looked last.
    is_far: bool,
    /// How many slots the reader had passed when it looked in vain last.
    idle_at: usize,
    belt: Shared<Belt>,
}

/// Why an item was not laid on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Miss {
    Full,
    /// The writer has caught up with a reader of another thread, and looks better a moment later.
    Early,
}

/// Where somebody is who looks at a belt's items one by one.
pub struct Walk {
    /// The next item, and the end of those that lie one behind the other from `piece` on, as long as the
    /// oldest of all is at `oldest`.
    next: NonNull<u8>,
    end: NonNull<u8>,
    piece: NonNull<u8>,
    oldest: usize,
    /// Bytes of the items before `piece`, and of all.
    before: usize,
    all: usize,
}

/// Whether a writer fetches slots ahead: those that another processor has, and long ones, which the nearest cache has
/// lost when the writer comes round to them.
fn fetches(size: usize, is_far: bool) -> bool {
    size <= LONGEST && (is_far || size >= 1024)
}

// SAFETY: an end reaches the memory of its own slots only, which the belt keeps.
unsafe impl Send for Writer {}
// SAFETY: see above.
unsafe impl Send for Reader {}

/// The two ends of a belt of `count` slots of `size` bytes, neither zero; the product fits.
pub fn new(count: usize, size: usize, is_joint: bool) -> Result<(Reader, Writer), Error> {
    let length = count * size;
    let memory = Block::new(length)?;
    let first = memory.address();
    let (written, read) = Default::default();
    let belt = Shared::new(Belt { written, read, count, _memory: memory })?;
    // So many slots, or cache lines, take as long to copy as one to fetch.
    let ahead = (4 * LINE / size).max(4);
    let few = (LINE / size).max(1);
    let joint = if is_joint { &raw const *belt } else { std::ptr::null() };
    let end =
        |limit| End { first, length, size, place: 0, passed: 0, limit, ahead, is_joint, joint };
    let reader = Reader { end: end(0), is_far: false, idle_at: 0, belt: belt.clone() };
    let writer = Writer {
        end: end(count),
        limit: count,
        is_far: false,
        fetches: fetches(size, false),
        idle_at: 0,
        few,
        belt,
    };
    Ok((reader, writer))
}

impl End {
    /// Whether it is an end of that belt, and used jointly.
    #[inline(always)]
    fn is_joint_of(&self, belt: &Belt) -> bool {
        std::ptr::eq(self.joint, belt)
    }

    /// How many slots are its own, as far as it knows.
    #[inline(always)]
    fn left(&self) -> usize {
        self.limit.wrapping_sub(self.passed)
    }

    /// The slot at `place`.
    ///
    /// # Safety
    /// It is the end's own.
    #[inline(always)]
    unsafe fn slot(&mut self, place: usize) -> &mut [u8] {
        // SAFETY: a slot starts there, nobody else uses it, and the belt keeps the memory.
        unsafe { std::slice::from_raw_parts_mut(self.first.add(place).as_ptr(), self.size) }
    }

    /// The place behind that of a slot.
    #[inline(always)]
    fn behind(&self, place: usize) -> usize {
        let next = place + self.size;
        if next == self.length { 0 } else { next }
    }

    /// The slot that it comes to in a moment.
    ///
    /// # Safety
    /// `left` slots are its own.
    #[inline(always)]
    unsafe fn slot_ahead(&mut self, left: usize) -> Option<&mut [u8]> {
        if left <= self.ahead {
            return None;
        }
        let place = self.wrapped(self.place + self.ahead * self.size);
        // SAFETY: by the contract of this function this is one of them.
        Some(unsafe { self.slot(place) })
    }

    /// A place that may lie behind the memory's end, by less than its length.
    #[inline(always)]
    fn wrapped(&self, place: usize) -> usize {
        if place < self.length { place } else { place - self.length }
    }

    /// Has the next slot used, and stands behind it.
    ///
    /// # Safety
    /// It is the end's own.
    #[inline(always)]
    unsafe fn step(&mut self, usage: impl FnOnce(&mut [u8])) {
        // Computed before the bytes are copied: they could be these very fields, for all the compiler knows.
        let next = self.behind(self.place);
        if next == 0 {
            cold_path();
        }
        // SAFETY: by the contract of this function.
        usage(unsafe { self.slot(self.place) });
        self.place = next;
    }

    /// As [`End::step`], and gives the slot away; how many it has passed.
    ///
    /// # Safety
    /// One is left.
    #[inline(always)]
    unsafe fn pass(&mut self, usage: impl FnOnce(&mut [u8])) -> usize {
        let passed = self.passed.wrapping_add(1);
        // SAFETY: by the contract of this function.
        unsafe { self.step(usage) };
        self.passed = passed;
        passed
    }
}

// SAFETY: it never changes, and both ends of a belt have the same.
unsafe impl Joint for Writer {
    #[inline(always)]
    fn is_joint(&self) -> bool {
        self.end.is_joint
    }
}

// SAFETY: see above.
unsafe impl Joint for Reader {
    #[inline(always)]
    fn is_joint(&self) -> bool {
        self.end.is_joint
    }
}

impl Writer {
    /// Bytes of an item.
    #[inline(always)]
    pub fn size(&self) -> usize {
        self.end.size
    }

    /// Whether the writer, which has no slot left here, has caught up with the reader of another thread as far as it
    /// knows, and has not looked since: see [`Reader::has_caught_up`].
    #[inline(always)]
    fn has_caught_up(&self) -> bool {
        self.is_far && self.limit == self.end.passed && self.end.passed != self.idle_at
    }

    /// Lays on the item that `fill` makes. `None`: there is no room. `reader`: of the same belt, if the
    /// ends are used jointly.
    #[inline(always)]
    pub fn write(
        &mut self,
        reader: Option<&mut Reader>,
        fill: impl FnOnce(&mut [u8]),
    ) -> Option<()> {
        self.write_when(true, reader, fill).ok()
    }

    /// As [`Writer::write`], but for [`Miss::Early`].
    #[inline(always)]
    pub fn write_unless_early(
        &mut self,
        reader: Option<&mut Reader>,
        fill: impl FnOnce(&mut [u8]),
    ) -> Result<(), Miss> {
        self.write_when(false, reader, fill)
    }

    #[inline(always)]
    fn write_when(
        &mut self,
        has_waited: bool,
        reader: Option<&mut Reader>,
        fill: impl FnOnce(&mut [u8]),
    ) -> Result<(), Miss> {
        debug_assert!(self.end.is_joint == reader.is_some());
        if let Some(reader) = reader {
            assert!(reader.end.is_joint_of(&self.belt));
            if self.end.left() == 0 {
                // The oldest item's slot becomes the newest's: nobody's share changes.
                // SAFETY: all slots are the reader's, who is here.
                unsafe { self.end.step(fill) };
                reader.end.place = self.end.place;
            } else {
                // SAFETY: one slot is left at least.
                reader.end.limit = unsafe { self.end.pass(fill) };
            }
            return Ok(());
        }
        if self.end.left() == 0 {
            cold_path();
            if !has_waited && self.has_caught_up() {
                return Err(Miss::Early);
            }
            if self.look() == 0 {
                self.idle_at = self.end.passed;
                return Err(Miss::Full);
            }
        }
        // SAFETY: one slot is left at least.
        let passed = unsafe { self.end.pass(fill) };
        let written = &self.belt.written;
        let me = thread::current_id();
        if written.thread.load(Ordering::Relaxed) != me {
            written.thread.store(me, Ordering::Relaxed);
        }
        written.passed.store(passed, Ordering::Release);
        Ok(())
    }

    /// Whether there is room for an item more, of a belt whose ends are used apart.
    #[inline(always)]
    pub fn has_room(&mut self) -> bool {
        self.end.left() > 0 || self.look() > 0
    }

    /// Goes on, to where it knows or to what the reader has given meanwhile; how many slots are left.
    #[inline(always)]
    fn look(&mut self) -> usize {
        assert!(!self.end.is_joint);
        if self.limit == self.end.passed {
            let read = &self.belt.read;
            self.is_far = read.is_far.load(Ordering::Relaxed);
            self.fetches = fetches(self.end.size, self.is_far);
            self.limit = read.passed.load(Ordering::Acquire).wrapping_add(self.belt.count);
        }
        let left = self.limit.wrapping_sub(self.end.passed);
        self.end.limit = self.limit;
        if self.fetches && left > 0 {
            self.end.limit = self.end.passed.wrapping_add(self.few.min(left));
            // SAFETY: so many are left.
            if let Some(slot) = unsafe { self.end.slot_ahead(left) } {
                prefetch_from_another(slot);
            }
        }
        left
    }
}

impl Reader {
    /// Bytes of an item.
    #[inline(always)]
    pub fn size(&self) -> usize {
        self.end.size
    }

    /// Bytes of all slots.
    pub fn total_size(&self) -> usize {
        self.end.length
    }

    /// Whether the reader, as far as it knows, has caught up with the writer of another thread, and has not looked since.
    /// To look takes the writer's cache line away and slows it down: it is better done a moment later.
    #[inline(always)]
    pub fn has_caught_up(&self) -> bool {
        self.end.left() == 0 && self.is_far && self.end.passed != self.idle_at
    }

    /// The slot that the reader comes to in a moment, if it is better fetched: short ones lie so close together that
    /// the processor sees by itself what is read next.
    #[inline(always)]
    pub fn slot_ahead(&mut self) -> Option<&[u8]> {
        if !self.is_far || self.end.size <= LINE || self.end.size > LONGEST {
            return None;
        }
        let left = self.end.left();
        // SAFETY: so many are left.
        unsafe { self.end.slot_ahead(left) }.map(|slot| &*slot)
    }

    /// Shows the oldest item to `take` and takes it off. `None`: there is none. `writer`: of the same
    /// belt, if the ends are used jointly.
    #[inline(always)]
    pub fn read(&mut self, writer: Option<&mut Writer>, take: impl FnOnce(&[u8])) -> Option<()> {
        debug_assert!(self.end.is_joint == writer.is_some());
        if self.end.left() == 0 && (self.end.is_joint || self.look() == 0) {
            self.idle_at = self.end.passed;
            return None;
        }
        // SAFETY: one slot is left at least.
        let passed = unsafe { self.end.pass(|slot| take(slot)) };
        self.give(writer, passed);
        Some(())
    }

    /// All slots that the reader has passed are the writer's.
    #[inline(always)]
    fn give(&mut self, writer: Option<&mut Writer>, passed: usize) {
        match writer {
            Some(writer) => {
                assert!(writer.end.is_joint_of(&self.belt));
                writer.end.limit = passed.wrapping_add(self.belt.count);
            }
            None => self.belt.read.passed.store(passed, Ordering::Release),
        }
    }

    #[inline]
    fn look(&mut self) -> usize {
        let written = &self.belt.written;
        self.end.limit = written.passed.load(Ordering::Acquire);
        let is_far = written.thread.load(Ordering::Relaxed) != thread::current_id();
        if is_far != self.is_far {
            self.is_far = is_far;
            self.belt.read.is_far.store(is_far, Ordering::Relaxed);
        }
        self.end.left()
    }

    /// How many items there are.
    pub fn count(&mut self) -> usize {
        if !self.end.is_joint {
            self.look();
        }
        self.end.left()
    }

    /// Begins to look at the items one by one, from the oldest.
    pub fn walk(&mut self) -> Walk {
        let all = self.count() * self.end.size;
        let first = self.end.first;
        Walk { next: first, end: first, piece: first, oldest: 0, before: 0, all }
    }

    /// The next item of a walk.
    ///
    /// # Safety
    /// The walk is this reader's, and no item was taken off since it began. They may have been moved.
    #[inline(always)]
    pub unsafe fn next_item(&mut self, walk: &mut Walk) -> Option<&mut [u8]> {
        let is_here = self.end.place == walk.oldest && walk.next != walk.end;
        let item = if is_here { walk.next } else { self.find_piece(walk)? };
        // SAFETY: the slots of all items are the reader's, and this is one.
        unsafe {
            walk.next = item.add(self.end.size);
            Some(std::slice::from_raw_parts_mut(item.as_ptr(), self.end.size))
        }
    }

    /// The first of the items that are still to be looked at and lie one behind the other.
    #[cold]
    fn find_piece(&mut self, walk: &mut Walk) -> Option<NonNull<u8>> {
        walk.before += walk.next.addr().get() - walk.piece.addr().get();
        walk.oldest = self.end.place;
        let place = self.end.wrapped(walk.oldest + walk.before);
        let bytes = (walk.all - walk.before).min(self.end.length - place);
        // SAFETY: the piece lies in the belt's memory.
        unsafe {
            walk.piece = self.end.first.add(place);
            walk.end = walk.piece.add(bytes);
        }
        walk.next = walk.piece;
        (bytes > 0).then_some(walk.piece)
    }

    /// Shows all items to `take`, oldest first, in one piece or two, and takes them off.
    pub fn read_all(&mut self, writer: &mut Writer, mut take: impl FnMut(&[u8])) {
        let count = self.count();
        let bytes = count * self.end.size;
        let first = bytes.min(self.end.length - self.end.place);
        for (place, length) in [(self.end.place, first), (0, bytes - first)] {
            // SAFETY: the slots of all items are the reader's.
            take(unsafe { std::slice::from_raw_parts(self.end.first.add(place).as_ptr(), length) });
        }
        self.end.place = self.end.wrapped(self.end.place + bytes);
        self.end.passed = self.end.passed.wrapping_add(count);
        self.give(self.end.is_joint.then_some(writer), self.end.passed);
    }

    /// Moves the oldest item to the start of the memory and the others behind it; the rest is zero.
    pub fn reorder(&mut self, writer: &mut Writer) {
        assert!(self.belt.same(&writer.belt));
        let used = self.count() * self.end.size;
        let length = self.end.length;
        // SAFETY: both ends are here, and all slots are one's or the other's.
        let memory = unsafe { std::slice::from_raw_parts_mut(self.end.first.as_ptr(), length) };
        memory.rotate_left(self.end.place);
        memory[used..].fill(0);
        self.end.place = 0;
        writer.end.place = if used == length { 0 } else { used };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(item: &[u8]) -> u32 {
        u32::from_ne_bytes(item.try_into().expect("four bytes"))
    }

    #[test]
    fn what_one_thread_writes_another_reads_in_order() {
        const ITEMS: u32 = 20_000;
        for count in [1, 2, 7, 64] {
            let (mut reader, mut writer) = new(count, 4, false).ok().expect("memory");
            std::thread::scope(|scope| {
                scope.spawn(move || {
                    for item in 0..ITEMS {
                        let fill = |slot: &mut [u8]| slot.copy_from_slice(&item.to_ne_bytes());
                        while writer.write(None, fill).is_none() {
                            std::thread::yield_now();
                        }
                    }
                });
                for item in 0..ITEMS {
                    while reader.read(None, |slot| assert_eq!(number(slot), item)).is_none() {
                        std::thread::yield_now();
                    }
                }
                assert!(reader.read(None, |_| ()).is_none());
            });
        }
    }

    #[test]
    fn a_walk_goes_round_and_finds_items_that_were_moved() {
        let (mut reader, mut writer) = new(5, 4, true).ok().expect("memory");
        for item in 0..8u32 {
            let fill = |slot: &mut [u8]| slot.copy_from_slice(&item.to_ne_bytes());
            writer.write(Some(&mut reader), fill).expect("the oldest goes");
        }
        for moved_at in [8, 3, 4, 5, 6, 7] {
            let mut walk = reader.walk();
            for expected in 3..8 {
                if expected == moved_at {
                    reader.reorder(&mut writer);
                }
                // SAFETY: nothing is taken off.
                let item = unsafe { reader.next_item(&mut walk) }.expect("five items");
                assert_eq!(number(item), expected);
            }
            // SAFETY: as above.
            assert!(unsafe { reader.next_item(&mut walk) }.is_none());
            let fill = |slot: &mut [u8]| slot.copy_from_slice(&8u32.to_ne_bytes());
            writer.write(Some(&mut reader), fill).expect("the oldest goes");
            for item in 3..8u32 {
                let fill = |slot: &mut [u8]| slot.copy_from_slice(&item.to_ne_bytes());
                writer.write(Some(&mut reader), fill).expect("the oldest goes");
            }
        }
    }

    #[test]
    fn a_writer_that_fetches_has_all_slots_and_no_other() {
        const SHAPES: [(usize, usize); 8] =
            [(4, 1), (4, 7), (4, 64), (4, 300), (40, 30), (64, 5), (64, 40), (1024, 9)];
        for (size, count) in SHAPES {
            let (mut reader, mut writer) = new(count, size, false).ok().expect("memory");
            writer.belt.read.is_far.store(true, Ordering::Relaxed);
            let (mut written, mut read) = (0u32, 0);
            for round in 0..50 {
                let fill = |item: u32| {
                    move |slot: &mut [u8]| slot[..4].copy_from_slice(&item.to_ne_bytes())
                };
                while writer.write(None, fill(written)).is_some() {
                    written += 1;
                    assert!(written - read <= count as u32);
                }
                assert_eq!(written - read, count as u32);
                for _ in 0..=(round * 7 % count) {
                    reader
                        .read(None, |slot| assert_eq!(number(&slot[..4]), read))
                        .expect("it is full");
                    read += 1;
                }
            }
        }
    }

    #[test]
    fn a_writer_fetches_while_its_reader_is_another_thread() {
        for (size, few) in [(8, 8), (64, 1), (512, 1)] {
            let (mut reader, mut writer) = new(16, size, false).ok().expect("memory");
            let mut write =
                |times| (0..times).for_each(|_| writer.write(None, |_| ()).expect("there is room"));
            write(16);
            std::thread::scope(|scope| {
                scope
                    .spawn(|| (0..16).for_each(|_| reader.read(None, |_| ()).expect("it is full")));
            });
            write(1);
            assert_eq!(reader.count(), 1);
            assert!(writer.fetches && writer.end.left() == few - 1);
            let mut round = || {
                writer.write(None, |_| ()).expect("there is room");
                reader.read(None, |_| ()).expect("there is one");
            };
            (0..32).for_each(|_| round());
            assert!(!writer.fetches);
        }
    }

    #[test]
    fn a_reader_that_has_caught_up_waits_once_for_a_writer_of_another_thread() {
        let (mut reader, mut writer) = new(4, 8, false).ok().expect("memory");
        let mut read = || {
            let early = reader.has_caught_up();
            (early, reader.read(None, |_| ()).is_some())
        };
        let mut elsewhere = || {
            std::thread::scope(|scope| {
                scope.spawn(|| writer.write(None, |_| ()).expect("there is room"));
            });
        };
        assert_eq!(read(), (false, false));
        for _ in 0..3 {
            elsewhere();
            assert_eq!(read(), (false, true));
            assert_eq!(read(), (true, false));
            assert_eq!(read(), (false, false));
        }
        writer.write(None, |_| ()).expect("there is room");
        assert_eq!(read(), (false, true));
        assert_eq!(read(), (false, false));
    }

    #[test]
    fn a_writer_that_has_caught_up_waits_once_for_a_reader_of_another_thread() {
        for size in [8, 64, 4096] {
            let (mut reader, mut writer) = new(4, size, false).ok().expect("memory");
            let write = |writer: &mut Writer| writer.write_unless_early(None, |_| ());
            let mut elsewhere = |times| {
                std::thread::scope(|scope| {
                    scope.spawn(|| {
                        (0..times).for_each(|_| reader.read(None, |_| ()).expect("there is one"));
                    });
                });
            };
            (0..4).for_each(|_| write(&mut writer).expect("there is room"));
            assert_eq!(write(&mut writer), Err(Miss::Full));
            for times in [1, 3, 4] {
                elsewhere(times);
                (0..times).for_each(|_| write(&mut writer).expect("there is room"));
                elsewhere(1);
                assert_eq!(write(&mut writer), Err(Miss::Early));
                assert_eq!(writer.write(None, |_| ()), Some(()));
                assert_eq!(write(&mut writer), Err(Miss::Early));
                assert_eq!(writer.write(None, |_| ()), None);
            }
        }
    }

    #[test]
    fn a_slot_ahead_is_one_that_comes_later() {
        for (size, ahead) in [(4, 64), (24, 10), (64, 4), (1024, 4)] {
            let (_reader, mut writer) = new(ahead + 2, size, false).ok().expect("memory");
            for place in [0, 1, 2, ahead + 1] {
                writer.end.place = place * size;
                let expected = (place + ahead) % (ahead + 2) * size;
                let first = writer.end.first.as_ptr();
                // SAFETY: all slots are the writer's.
                let slot = unsafe { writer.end.slot_ahead(ahead + 1) }.expect("it is left");
                assert_eq!(slot.as_ptr().addr() - first.addr(), expected);
                // SAFETY: as above.
                assert!(unsafe { writer.end.slot_ahead(ahead) }.is_none());
            }
        }
    }

    #[test]
    #[should_panic]
    fn ends_of_two_belts_are_refused() {
        let (mut reader, _writer) = new(2, 4, true).ok().expect("memory");
        let (_reader, mut writer) = new(2, 4, true).ok().expect("memory");
        let _ = writer.write(Some(&mut reader), |_| ());
    }
}
