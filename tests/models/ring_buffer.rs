//! RingBuffer beside a queue of items.

use super::*;
use dmf::capi::ring_buffer as ring;
use proptest::prelude::*;
use std::collections::VecDeque;
use std::ptr::null_mut;

const FAIL_IF_FULL: i32 = 1;
const DELETE_OLDEST: i32 = 2;

#[derive(Clone, Copy, Debug)]
struct Setting {
    item_count: u32,
    item_size: u32,
    mode: i32,
}

#[derive(Clone, Debug)]
struct Segment {
    size: u32,
    offset: u32,
    null: bool,
}

/// What the callback of an enumeration calls, the first time.
#[derive(Clone, Copy, Debug)]
enum Inside {
    Nothing,
    Write,
    EnumerateUnlocked,
    ReorderLocked,
    ReorderUnlocked,
}

#[derive(Clone, Debug)]
enum Operation {
    /// Of the item size plus `excess` bytes.
    Write {
        first: u8,
        excess: i32,
        null: bool,
    },
    Read {
        excess: i32,
        null: bool,
    },
    /// Into room for so many items, plus `excess` bytes.
    ReadAll {
        items: u32,
        excess: i32,
        null: bool,
    },
    Enumerate {
        lock: bool,
        stop_after: usize,
        change: u8,
        inside: Inside,
    },
    /// Looks for the first bytes of an item, or for bytes that start with `first`.
    Find {
        like: usize,
        first: u8,
        size: u32,
        null: bool,
    },
    Reorder {
        lock: bool,
    },
    SegmentsWrite {
        first: u8,
        segments: Vec<Segment>,
    },
    SegmentsRead {
        segments: Vec<Segment>,
    },
    TotalSizeGet,
}

fn settings() -> impl Strategy<Value = Setting> {
    (1..=9_u32, 1..=12_u32, prop_oneof![Just(FAIL_IF_FULL), Just(DELETE_OLDEST)])
        .prop_map(|(item_count, item_size, mode)| Setting { item_count, item_size, mode })
}

/// Mostly right, sometimes a little off, rarely far off.
fn excess() -> impl Strategy<Value = i32> {
    prop_oneof![10 => Just(0), 1 => -12..=12_i32, 1 => Just(i32::MAX)]
}

fn rarely() -> impl Strategy<Value = bool> {
    prop::bool::weighted(0.04)
}

fn segments() -> impl Strategy<Value = Vec<Segment>> {
    let number = || prop_oneof![30 => 0..=6_u32, 5 => 0..=14_u32, 1 => (u32::MAX - 12)..=u32::MAX];
    vec((number(), number(), rarely()), 0..5).prop_map(|segments| {
        let segment = |(size, offset, null)| Segment { size, offset, null };
        segments.into_iter().map(segment).collect()
    })
}

fn operations() -> impl Strategy<Value = Operation> {
    let inside = prop_oneof![
        6 => Just(Inside::Nothing),
        1 => Just(Inside::Write),
        1 => Just(Inside::EnumerateUnlocked),
        1 => Just(Inside::ReorderLocked),
        1 => Just(Inside::ReorderUnlocked),
    ];
    prop_oneof![
        8 => (any::<u8>(), excess(), rarely())
            .prop_map(|(first, excess, null)| Operation::Write { first, excess, null }),
        6 => (excess(), rarely()).prop_map(|(excess, null)| Operation::Read { excess, null }),
        1 => (0..=10_u32, excess(), rarely())
            .prop_map(|(items, excess, null)| Operation::ReadAll { items, excess, null }),
        3 => (any::<bool>(), 0..12_usize, prop_oneof![Just(0), any::<u8>()], inside).prop_map(
            |(lock, stop_after, change, inside)| Operation::Enumerate {
                lock, stop_after, change, inside,
            }
        ),
        2 => (0..12_usize, any::<u8>(), 0..=14_u32, rarely())
            .prop_map(|(like, first, size, null)| Operation::Find { like, first, size, null }),
        1 => any::<bool>().prop_map(|lock| Operation::Reorder { lock }),
        4 => (any::<u8>(), segments())
            .prop_map(|(first, segments)| Operation::SegmentsWrite { first, segments }),
        3 => segments().prop_map(|segments| Operation::SegmentsRead { segments }),
        1 => Just(Operation::TotalSizeGet),
    ]
}

/// Bytes that tell which write and which place they are from.
fn bytes(first: u8, size: usize) -> Vec<u8> {
    (0..size).map(|i| first.wrapping_add(i as u8 * 17)).collect()
}

/// What an enumeration callback does, and what it sees.
struct Visitor {
    module: DMFMODULE,
    stop_after: usize,
    change: u8,
    inside: Inside,
    item: Vec<u8>,
    seen: Vec<Vec<u8>>,
    places: Vec<usize>,
    seen_inside: Vec<Vec<u8>>,
    status_inside: Option<NTSTATUS>,
    wrong_handle: bool,
}

impl Visitor {
    fn new(module: DMFMODULE) -> Self {
        Self {
            module,
            stop_after: usize::MAX,
            change: 0,
            inside: Inside::Nothing,
            item: Vec::new(),
            seen: Vec::new(),
            places: Vec::new(),
            seen_inside: Vec::new(),
            status_inside: None,
            wrong_handle: false,
        }
    }

    fn context(&mut self) -> *mut VOID {
        (self as *mut Self).cast()
    }
}

unsafe extern "C" fn visit(module: DMFMODULE, item: *mut u8, size: u32, context: *mut VOID) -> u8 {
    // SAFETY: the context is a Visitor that nothing else uses during the enumeration, and the ring
    // lends its item for the call.
    let (visitor, bytes) = unsafe {
        (&mut *context.cast::<Visitor>(), std::slice::from_raw_parts_mut(item, size as usize))
    };
    visitor.wrong_handle |= module != visitor.module;
    visitor.seen.push(bytes.to_vec());
    visitor.places.push(item.addr());
    bytes.iter_mut().for_each(|byte| *byte ^= visitor.change);
    if visitor.seen.len() == 1 {
        call_inside(visitor);
    }
    u8::from(visitor.seen.len() <= visitor.stop_after)
}

fn call_inside(visitor: &mut Visitor) {
    let module = visitor.module;
    // SAFETY: pointers of this function, valid during the calls.
    unsafe {
        match visitor.inside {
            Inside::Nothing => {}
            Inside::Write => {
                let item = visitor.item.as_mut_ptr();
                visitor.status_inside = Some(ring::write(module, item, visitor.item.len() as u32));
            }
            Inside::EnumerateUnlocked => {
                let mut inner = Visitor::new(module);
                ring::enumerate(module, 0, Some(visit), inner.context());
                visitor.status_inside = Some(misuse::last_status_get());
                visitor.seen_inside = inner.seen;
            }
            Inside::ReorderLocked => {
                ring::reorder(module, 1);
                visitor.status_inside = Some(misuse::last_status_get());
            }
            Inside::ReorderUnlocked => {
                ring::reorder(module, 0);
                visitor.status_inside = Some(misuse::last_status_get());
            }
        }
    }
}

struct Pair {
    module: Module,
    setting: Setting,
    items: VecDeque<Vec<u8>>,
    /// Where the ring's memory starts, once a Reorder has shown it.
    start: Option<usize>,
}

impl Pair {
    fn new(setting: Setting) -> Self {
        let fill = |config: &mut ring::DMF_CONFIG_RingBuffer| {
            config.item_count = setting.item_count;
            config.item_size = setting.item_size;
            config.mode = setting.mode;
        };
        let module = create(ring::config_and_attributes_init, fill, ring::create);
        Self { module, setting, items: VecDeque::new(), start: None }
    }

    fn size(&self) -> usize {
        self.setting.item_size as usize
    }

    fn is_full(&self) -> bool {
        self.items.len() == self.setting.item_count as usize
    }

    fn push(&mut self, item: Vec<u8>) -> NTSTATUS {
        if self.is_full() && self.setting.mode == FAIL_IF_FULL {
            return UNSUCCESSFUL;
        }
        if self.is_full() {
            self.items.pop_front();
        }
        self.items.push_back(item);
        SUCCESS
    }

    fn size_with(&self, excess: i32) -> u32 {
        self.setting.item_size.saturating_add_signed(excess)
    }

    /// Both do `operation`.
    fn step(&mut self, operation: &Operation) -> Outcome {
        match operation {
            Operation::Write { first, excess, null } => self.write(*first, *excess, *null),
            Operation::Read { excess, null } => self.read(*excess, *null),
            Operation::ReadAll { items, excess, null } => self.read_all(*items, *excess, *null),
            Operation::Enumerate { lock, stop_after, change, inside } => {
                self.enumerate(*lock, *stop_after, *change, *inside)
            }
            Operation::Find { like, first, size, null } => self.find(*like, *first, *size, *null),
            Operation::Reorder { lock } => self.reorder(*lock),
            Operation::SegmentsWrite { first, segments } => self.segments_write(*first, segments),
            Operation::SegmentsRead { segments } => self.segments_read(segments),
            Operation::TotalSizeGet => self.total_size_get(),
        }?;
        self.items_are_the_same()
    }

    fn items_are_the_same(&self) -> Outcome {
        let mut visitor = Visitor::new(self.module.0);
        // SAFETY: the context lives during the call.
        unsafe { ring::enumerate(self.module.0, 1, Some(visit), visitor.context()) };
        same("items", visitor.seen, Vec::from(self.items.clone()))?;
        same("reports", reports(), 0)
    }

    fn write(&mut self, first: u8, excess: i32, null: bool) -> Outcome {
        let mut item = bytes(first, self.size());
        let size = self.size_with(excess);
        let source = if null { null_mut() } else { item.as_mut_ptr() };
        // SAFETY: another size than the item's is refused before a byte is read.
        let got = unsafe { ring::write(self.module.0, source, size) };
        if null && size as usize != self.size() {
            return reports_are_possible();
        }
        let expected = match () {
            () if null => INVALID_PARAMETER,
            () if size as usize != self.size() => INVALID_BUFFER_SIZE,
            () => self.push(item),
        };
        same_status("Write", got, expected)
    }

    fn read(&mut self, excess: i32, null: bool) -> Outcome {
        let room = self.size_with(excess.min(64));
        let mut target = vec![0xA5; room as usize];
        let address = if null { null_mut() } else { target.as_mut_ptr() };
        // SAFETY: the target has that size, or is NULL.
        let got = unsafe { ring::read(self.module.0, address, room) };
        let too_small = (room as usize) < self.size();
        let mut expected_target = vec![0xA5; room as usize];
        if null || too_small {
            // Which of several reasons is told is open; that nothing changes is not.
            same("Read fails", got < 0, true)?;
            same("target", &target, &expected_target)?;
            if !null && !self.items.is_empty() {
                same("Read", got, BUFFER_TOO_SMALL)?;
            }
            return reports_are_possible();
        }
        let expected = match self.items.pop_front() {
            Some(item) => {
                expected_target[..item.len()].copy_from_slice(&item);
                SUCCESS
            }
            None => UNSUCCESSFUL,
        };
        same_status("Read", got, expected)?;
        same("target", target, expected_target)
    }

    fn read_all(&mut self, items: u32, excess: i32, null: bool) -> Outcome {
        let room = (items * self.setting.item_size).saturating_add_signed(excess.min(64));
        let mut target = vec![0xA5; room as usize];
        let address = if null { null_mut() } else { target.as_mut_ptr() };
        let mut written = 4711;
        // SAFETY: the target has that size, or is NULL.
        let got = unsafe { ring::read_all(self.module.0, address, room, &mut written) };
        // Whether NULL of no bytes is a target is open.
        if null && (room > 0 || got == INVALID_PARAMETER) {
            same("ReadAll fails", got, INVALID_PARAMETER)?;
            return same("reports", reports(), 1);
        }
        let present: Vec<u8> = self.items.iter().flatten().copied().collect();
        let mut expected_target = vec![0xA5; room as usize];
        if present.len() > room as usize {
            same_status("ReadAll", got, BUFFER_TOO_SMALL)?;
            same("BytesWritten", written, 0)?;
        } else {
            expected_target[..present.len()].copy_from_slice(&present);
            self.items.clear();
            same_status("ReadAll", got, SUCCESS)?;
            same("BytesWritten", written as usize, present.len())?;
        }
        same("target", target, expected_target)
    }

    fn enumerate(&mut self, lock: bool, stop_after: usize, change: u8, inside: Inside) -> Outcome {
        let mut visitor = Visitor::new(self.module.0);
        visitor.stop_after = stop_after;
        visitor.change = change;
        visitor.inside = inside;
        visitor.item = bytes(0, self.size());
        // SAFETY: the context lives during the call.
        unsafe { ring::enumerate(self.module.0, lock.into(), Some(visit), visitor.context()) };
        let visited = self.items.len().min(stop_after + 1);
        let before: Vec<_> = self.items.iter().take(visited).cloned().collect();
        same("visited", visitor.seen, before)?;
        same("wrong handle", visitor.wrong_handle, false)?;
        let mut inner = Vec::from(self.items.clone());
        if let Some(first) = inner.first_mut() {
            first.iter_mut().for_each(|byte| *byte ^= change);
        }
        for item in self.items.iter_mut().take(visited) {
            item.iter_mut().for_each(|byte| *byte ^= change);
        }
        let ran_inside = visited > 0;
        let (status, reported) = match inside {
            Inside::Nothing => (None, 0),
            Inside::Write | Inside::ReorderLocked => (Some(INVALID_DEVICE_STATE), 1),
            Inside::EnumerateUnlocked | Inside::ReorderUnlocked => (Some(SUCCESS), 0),
        };
        same("status inside", visitor.status_inside, status.filter(|_| ran_inside))?;
        same("reports", reports(), if ran_inside { reported } else { 0 })?;
        if ran_inside && matches!(inside, Inside::EnumerateUnlocked) {
            same("seen inside", visitor.seen_inside, inner)?;
        }
        Ok(())
    }

    fn find(&mut self, like: usize, first: u8, size: u32, null: bool) -> Outcome {
        let mut wanted = bytes(first, size as usize);
        if let Some(item) = self.items.get(like) {
            let common = item.len().min(wanted.len());
            wanted[..common].copy_from_slice(&item[..common]);
        }
        let address = if null { null_mut() } else { wanted.as_mut_ptr() };
        let mut visitor = Visitor::new(self.module.0);
        // What the callback returns is ignored.
        visitor.stop_after = 0;
        // SAFETY: the item has that size, or is NULL; the context lives during the call.
        unsafe {
            ring::enumerate_to_find_item(
                self.module.0,
                Some(visit),
                visitor.context(),
                address,
                size,
            );
        }
        if null && size == 0 {
            return reports_are_possible();
        }
        let refused = null || size > self.setting.item_size;
        let matches = |item: &&Vec<u8>| !refused && item.starts_with(&wanted);
        let expected: Vec<_> = self.items.iter().filter(matches).cloned().collect();
        same("found", visitor.seen, expected)?;
        same("reports", reports(), refused.into())
    }

    fn reorder(&mut self, lock: bool) -> Outcome {
        // SAFETY: no pointer is involved.
        unsafe { ring::reorder(self.module.0, lock.into()) };
        same_status("Reorder", misuse::last_status_get(), SUCCESS)?;
        let mut visitor = Visitor::new(self.module.0);
        // SAFETY: the context lives during the call.
        unsafe { ring::enumerate(self.module.0, 1, Some(visit), visitor.context()) };
        let Some(first) = visitor.places.first().copied() else { return Ok(()) };
        same("start of the memory", first, *self.start.get_or_insert(first))?;
        let expected: Vec<_> = (0..self.items.len()).map(|i| first + i * self.size()).collect();
        same("places", visitor.places, expected)?;
        let used = self.items.len() * self.size();
        let total = self.setting.item_count as usize * self.size();
        let memory = std::ptr::with_exposed_provenance::<u8>(first);
        // SAFETY: the ring's memory is one piece of that size, and nobody else calls the Module.
        let unused = unsafe { std::slice::from_raw_parts(memory.add(used), total - used) };
        same("unused slots", unused.iter().any(|byte| *byte != 0), false)
    }

    /// Whether a list of segments is legal, and its arrays.
    fn arrays(&self, segments: &[Segment], memory: &mut [Vec<u8>]) -> (bool, Arrays) {
        let mut arrays = Arrays { addresses: vec![], sizes: vec![], offsets: vec![] };
        let mut legal = true;
        for (segment, memory) in segments.iter().zip(memory) {
            let Segment { size, offset, null } = *segment;
            // Where a part of no bytes would stand says nothing.
            let offset = if size == 0 { offset.min(self.setting.item_size) } else { offset };
            legal &= size == 0
                || !null
                    && u64::from(size) + u64::from(offset) <= u64::from(self.setting.item_size);
            arrays.addresses.push(if null { null_mut() } else { memory.as_mut_ptr() });
            arrays.sizes.push(size);
            arrays.offsets.push(offset);
        }
        (legal, arrays)
    }

    fn segments_write(&mut self, first: u8, segments: &[Segment]) -> Outcome {
        let mut sources: Vec<_> =
            (0..segments.len()).map(|i| bytes(first.wrapping_add(i as u8 * 41), 16)).collect();
        let (legal, mut arrays) = self.arrays(segments, &mut sources);
        // SAFETY: segments that do not lie within an item are refused before a byte is read, and
        // the others are at most as long as their memory.
        let got = unsafe {
            ring::segments_write(
                self.module.0,
                arrays.addresses.as_mut_ptr(),
                arrays.sizes.as_mut_ptr(),
                arrays.offsets.as_mut_ptr(),
                segments.len() as u32,
            )
        };
        if !legal {
            return same_status("SegmentsWrite", got, INVALID_PARAMETER);
        }
        let mut item = vec![0; self.size()];
        for (i, source) in sources.iter().enumerate() {
            let (size, offset) = (arrays.sizes[i] as usize, arrays.offsets[i] as usize);
            item[offset..offset + size].copy_from_slice(&source[..size]);
        }
        let expected = self.push(item);
        same_status("SegmentsWrite", got, expected)
    }

    fn segments_read(&mut self, segments: &[Segment]) -> Outcome {
        let mut targets = vec![vec![0xA5; 16]; segments.len()];
        let (legal, mut arrays) = self.arrays(segments, &mut targets);
        // SAFETY: as for `segments_write`.
        let got = unsafe {
            ring::segments_read(
                self.module.0,
                arrays.addresses.as_mut_ptr(),
                arrays.sizes.as_mut_ptr(),
                arrays.offsets.as_mut_ptr(),
                segments.len() as u32,
            )
        };
        let mut expected_targets = vec![vec![0xA5; 16]; segments.len()];
        let expected = match self.items.front() {
            _ if !legal => INVALID_PARAMETER,
            None => UNSUCCESSFUL,
            Some(item) => {
                for (i, target) in expected_targets.iter_mut().enumerate() {
                    let (size, offset) = (arrays.sizes[i] as usize, arrays.offsets[i] as usize);
                    target[..size].copy_from_slice(&item[offset..offset + size]);
                }
                self.items.pop_front();
                SUCCESS
            }
        };
        same_status("SegmentsRead", got, expected)?;
        same("targets", targets, expected_targets)
    }

    fn total_size_get(&mut self) -> Outcome {
        let mut total = 0;
        // SAFETY: the pointer is this function's.
        unsafe { ring::total_size_get(self.module.0, &mut total) };
        same("total size", total, self.setting.item_count * self.setting.item_size)
    }
}

/// The three arrays that a Segments Method takes.
struct Arrays {
    addresses: Vec<*mut u8>,
    sizes: Vec<u32>,
    offsets: Vec<u32>,
}

/// One sequence, from new Modules to deleted ones.
fn agree(setting: &Setting, operations: &[Operation]) -> Outcome {
    let mut pair = Pair::new(*setting);
    reports();
    operations.iter().try_for_each(|operation| pair.step(operation))
}

#[test]
fn a_ring_answers_as_a_queue_of_items_does() {
    check(settings(), operations(), agree);
}

/// The sequence that a fuzzer's bytes stand for.
#[cfg(fuzzing)]
pub fn agree_on(bytes: &[u8]) {
    replay(bytes, settings(), operations(), agree);
}
