//! The input reports of a HID device, in the library's own form: the ID first, always.

use super::hid::memory_of_the_system;
use super::hid_error;
use super::hidraw::Descriptor;
use super::reader::{Drain, Next, Source};
use super::report_descriptor::Layout;
use super::target::{Core, Kept};
use crate::framework::memory::{Block, Shared, try_box};
use crate::framework::status::{Error, Status};
use crate::framework::sync::Mutex;
use hidapi::HidDevice;
use std::time::Duration;

/// How reports are read.
pub enum Means {
    /// Without waiting: somebody else waits for the descriptor.
    Descriptor(Shared<Descriptor>),
    /// Through hidapi, which waits as long at a time.
    Slices(Mutex<HidDevice>, Duration),
}

/// Where reports are read, and what is kept there forgotten.
pub struct Way {
    means: Means,
    /// How often what was kept was forgotten; held by whoever reads.
    forgets: Mutex<u64>,
}

/// A thread that is still in hidapi's read has a report, or is about to, if the device kept one; it
/// needs no longer to come back with it.
const COMES_BACK: Duration = Duration::from_millis(50);

impl Way {
    pub fn new(means: Means) -> Self {
        Self { means, forgets: Mutex::new(0) }
    }
}

impl Kept for Shared<Way> {
    fn forget(&self) -> Option<u64> {
        // As many as the system can have kept, and no more, so that a fast device cannot hold us.
        let most = memory_of_the_system();
        let forgets = match &self.means {
            Means::Descriptor(descriptor) => {
                let forgets = self.forgets.lock();
                descriptor.discard(most);
                Some(forgets)
            }
            Means::Slices(device, slice) => {
                let forgets = self.forgets.try_lock_for(COMES_BACK.min(*slice));
                if forgets.is_some() {
                    discard_through_hidapi(&device.lock(), most);
                }
                forgets
            }
        };
        forgets.map(|mut forgets| {
            *forgets += 1;
            *forgets
        })
    }
}

fn discard_through_hidapi(device: &HidDevice, most: usize) {
    let mut report = [0; 1];
    for _ in 0..most {
        if !matches!(read_through_hidapi(device, &mut report, Duration::ZERO), Ok(1..)) {
            return;
        }
    }
}

/// See the file's head.
pub struct Reports {
    way: Shared<Way>,
    scratch: Block,
    /// The way's number when a report was read last.
    forgets: u64,
    layout: Layout,
    drain: Drain,
    core: Shared<Core>,
}

impl Reports {
    pub fn new(core: &Shared<Core>, means: Means) -> Result<Self, Error> {
        let way = Shared::new(Way::new(means))?;
        let layout = core.layout;
        core.set_kept(try_box(way.clone())?);
        Ok(Self {
            way,
            scratch: Block::new(layout.longest_input.max(64) + 1)?,
            forgets: 0,
            layout,
            drain: Drain::new(ROOM_IN_THE_SYSTEM),
            core: core.clone(),
        })
    }

    /// Reads into the scratch buffer; the report's length there, with its ID byte. 0: there is none.
    fn read(&mut self, may_wait: bool) -> Result<usize, Status> {
        let start = usize::from(!self.layout.has_ids);
        let room = &mut self.scratch[start..];
        let forgets = self.way.forgets.lock();
        if *forgets != self.forgets {
            self.forgets = *forgets;
            self.drain.ran_dry();
        }
        let length = match &self.way.means {
            Means::Descriptor(descriptor) => descriptor.read(room)?,
            Means::Slices(device, slice) => {
                let wait = if may_wait { *slice } else { Duration::ZERO };
                read_through_hidapi(&device.lock(), room, wait)?
            }
        };
        Ok(if length == 0 { 0 } else { length + start })
    }

    /// The next report; what the system holds already is looked at first, so as to notice when it
    /// holds nothing.
    fn read_or_wait(&mut self) -> Result<usize, Status> {
        match self.read(false)? {
            0 => self.drain.ran_dry(),
            length => return Ok(length),
        }
        match self.way.means {
            Means::Descriptor(_) => Ok(0),
            Means::Slices(..) => self.read(true),
        }
    }
}

fn read_through_hidapi(
    device: &HidDevice,
    room: &mut [u8],
    wait: Duration,
) -> Result<usize, Status> {
    loop {
        match device.read_timeout(room, wait.as_millis() as i32) {
            Ok(length) => return Ok(length),
            Err(error) if hid_error::is_interruption(&error) => {}
            Err(error) => return Err(hid_error::status(&error)),
        }
    }
}

impl Source for Reports {
    fn next(&mut self) -> Next<'_> {
        match self.read_or_wait() {
            Ok(0) => Next::Nothing,
            Ok(length) => {
                if self.drain.shows_overrun() {
                    self.core.statistics.count_overrun();
                }
                Next::Report(&self.scratch[..length], self.forgets)
            }
            Err(status) => {
                // hidapi does not say what it threw away; and a device that fails otherwise than by
                // being gone may have had more.
                if matches!(self.way.means, Means::Slices(..))
                    || status != Status::DEVICE_NOT_CONNECTED
                {
                    self.core.statistics.count_overrun();
                }
                Next::Gone
            }
        }
    }

    fn pause(&mut self) {
        self.drain.ran_dry();
    }

    fn resume(&mut self, _after: Duration) {
        self.drain.ran_dry();
        self.way.forget();
    }
}

/// Reports that the system has room for where hidapi opened the device: hidraw's ring of 64 slots
/// keeps one free, hidapi asks Windows for 64 and keeps 30 itself on macOS.
const ROOM_IN_THE_SYSTEM: u32 = if cfg!(windows) {
    64
} else if cfg!(target_os = "macos") {
    30
} else {
    63
};
