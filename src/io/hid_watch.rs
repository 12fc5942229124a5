//! Sees HID devices come and go.
//!
//! A thread for each watch looks, a few times a second, whether the system's list of devices has
//! changed; that costs next to nothing, needs no permission and no daemon, and works in containers.
//! Only then is hidapi asked what the devices are. A device that goes and comes back in between, under
//! the same name, is told as gone and as arrived.

use super::hid::{self, Selector};
use crate::framework::frames;
use crate::framework::handle::{Handle, Kind};
use crate::framework::memory::{Shared, try_push, try_vec};
use crate::framework::status::Error;
use crate::framework::sync::{Condvar, Mutex};
use crate::framework::table::Object;
use crate::framework::thread;
use hidapi::DeviceInfo;
use std::ffi::CStr;
use std::thread::JoinHandle;
use std::time::Duration;

/// Who is told.
pub trait Watcher: Send + Sync {
    fn changed(&self, watch: Handle, device: &DeviceInfo, arrived: bool);
}

/// How often the list is looked at.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// What a device tells of itself may be complete only a moment after it is listed.
const LOOKS_AFTER_A_CHANGE: u32 = 3;

/// The object behind a watch.
pub struct Watch {
    shared: Shared<State>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

struct State {
    handle: Handle,
    wanted: Wanted,
    watcher: Box<dyn Watcher>,
    known: Mutex<Vec<Known>>,
    phase: Mutex<Phase>,
    changed: Condvar,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// The devices that are there are being told, on the thread that started the watch.
    Starting,
    Watching,
    Over,
}

/// A selector with its own texts.
struct Wanted {
    selector: Selector<'static>,
    path: Option<Vec<u8>>,
    serial: Option<Vec<u8>>,
}

impl Wanted {
    fn new(selector: Selector<'_>) -> Result<Self, Error> {
        let path = selector.path.map(|path| try_vec(path.to_bytes_with_nul())).transpose()?;
        let serial = selector.serial.map(|serial| try_vec(serial.as_bytes())).transpose()?;
        let Selector { vendor, product, usage_page, usage, .. } = selector;
        let selector = Selector { path: None, serial: None, vendor, product, usage_page, usage };
        Ok(Self { selector, path, serial })
    }

    fn matches(&self, device: &DeviceInfo) -> bool {
        let selector = Selector {
            path: self.path.as_ref().and_then(|path| CStr::from_bytes_with_nul(path).ok()),
            serial: self.serial.as_ref().and_then(|serial| std::str::from_utf8(serial).ok()),
            ..self.selector
        };
        selector.matches(device)
    }
}

/// A device that was told as arrived.
struct Known {
    device: DeviceInfo,
    /// Which device of that name.
    incarnation: u64,
    is_present: bool,
}

impl Watch {
    /// Makes a watch; `handle` is its own. Nothing is told before [`Watch::tell_present`].
    pub fn new(
        handle: Handle,
        selector: Selector<'_>,
        watcher: Box<dyn Watcher>,
    ) -> Result<Self, Error> {
        let shared = Shared::new(State {
            handle,
            wanted: Wanted::new(selector)?,
            watcher,
            known: Mutex::new(Vec::new()),
            phase: Mutex::new(Phase::Starting),
            changed: Condvar::new(),
        })?;
        let running = shared.clone();
        let thread = thread::start("dmf-hid-watch", move || running.run())?;
        Ok(Self { shared, thread: Mutex::new(Some(thread)) })
    }

    /// Tells the devices that are there, on this thread; from then on the watch's own thread tells.
    pub fn tell_present(&self) -> Result<(), Error> {
        let looked = self.shared.look();
        let mut phase = self.shared.phase.lock();
        if *phase == Phase::Starting {
            *phase = Phase::Watching;
        }
        drop(phase);
        self.shared.changed.notify_all();
        looked
    }

    fn end(&self) {
        self.shut();
        let thread = self.thread.lock().take();
        if let Some(thread) = thread {
            thread::join(thread);
        }
    }
}

impl State {
    fn run(&self) {
        let mut seen = listed();
        let mut looks = LOOKS_AFTER_A_CHANGE;
        loop {
            {
                let mut phase = self.phase.lock();
                while *phase == Phase::Starting {
                    self.changed.wait(&mut phase);
                }
                if *phase == Phase::Watching {
                    self.changed.wait_for(&mut phase, LOOK_AGAIN);
                }
                if *phase == Phase::Over {
                    return;
                }
            }
            let now = listed();
            if now.is_none() || now != seen {
                looks = LOOKS_AFTER_A_CHANGE;
                seen = now;
            }
            if looks > 0 {
                looks -= 1;
                // What cannot be listed now is looked for again.
                if self.look().is_err() {
                    looks = LOOKS_AFTER_A_CHANGE;
                }
            }
        }
    }

    /// Compares what is there with what is known, and tells.
    fn look(&self) -> Result<(), Error> {
        let mut fresh = Vec::new();
        {
            let mut known = self.known.lock();
            known.iter_mut().for_each(|known| known.is_present = false);
            let mut result = Ok(());
            hid::enumerate(|device| {
                if !self.wanted.matches(device) {
                    return true;
                }
                let incarnation = incarnation_of(device.path());
                let is_same = |other: &&mut Known| {
                    other.device.path() == device.path()
                        && may_be_same(other.incarnation, incarnation)
                };
                if let Some(known) = known.iter_mut().find(is_same) {
                    known.is_present = true;
                } else if !fresh.iter_mut().any(|other: &mut Known| is_same(&other)) {
                    let device = device.clone();
                    result = try_push(&mut fresh, Known { device, incarnation, is_present: true });
                }
                result.is_ok()
            })?;
            result?;
        }
        while let Some(gone) = self.next_gone() {
            self.tell(&gone.device, false);
        }
        for arrived in fresh {
            let device = arrived.device.clone();
            try_push(&mut self.known.lock(), arrived)?;
            self.tell(&device, true);
        }
        Ok(())
    }

    fn next_gone(&self) -> Option<Known> {
        let mut known = self.known.lock();
        let index = known.iter().position(|known| !known.is_present)?;
        Some(known.remove(index))
    }

    fn tell(&self, device: &DeviceInfo, arrived: bool) {
        if *self.phase.lock() == Phase::Over {
            return;
        }
        frames::within(self.handle, frames::Activity::Callback, || {
            self.watcher.changed(self.handle, device, arrived);
        });
    }
}

impl Object for Watch {
    const KIND: Kind = Kind::Watch;
    const ENTERED: bool = true;

    fn shut(&self) {
        *self.shared.phase.lock() = Phase::Over;
        self.shared.changed.notify_all();
    }

    fn close(&mut self, _handle: Handle) {
        self.end();
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        // One that never became an object has a thread all the same.
        self.end();
    }
}

/// Which device of a name it is cannot be told: it was listed, and is gone by now.
const UNKNOWN: u64 = 0;

/// Whether a device that is listed now may be the one that was known by the same name. One that goes
/// while it is looked at has not gone and come back; the next look finds it gone.
fn may_be_same(known: u64, now: u64) -> bool {
    known == now || now == UNKNOWN
}

#[cfg(target_os = "linux")]
use linux::{incarnation_of, listed};

#[cfg(target_os = "linux")]
mod linux {
    use super::UNKNOWN;
    use crate::framework::memory::try_push;
    use std::ffi::{CStr, OsString};
    use std::fs;
    use std::os::unix::fs::{DirEntryExt, MetadataExt};
    use std::path::Path;

    /// Has a link for each device, which is another file for each that comes.
    const DEVICES: &str = "/sys/class/hidraw";

    /// What is listed now. Without the folder (no device has ever been there) it is empty.
    pub fn listed() -> Option<Vec<(OsString, u64)>> {
        let mut found = Vec::new();
        if let Ok(entries) = fs::read_dir(DEVICES) {
            for entry in entries {
                let entry = entry.ok()?;
                try_push(&mut found, (entry.file_name(), entry.ino())).ok()?;
            }
        }
        found.sort_unstable();
        Some(found)
    }

    pub fn incarnation_of(path: &CStr) -> u64 {
        let name = path.to_str().ok().and_then(|path| Path::new(path).file_name());
        let link = name.and_then(|name| fs::symlink_metadata(Path::new(DEVICES).join(name)).ok());
        link.map_or(UNKNOWN, |link| link.ino())
    }
}

/// `None`: only hidapi knows.
#[cfg(not(target_os = "linux"))]
fn listed() -> Option<()> {
    None
}

#[cfg(not(target_os = "linux"))]
fn incarnation_of(_path: &CStr) -> u64 {
    UNKNOWN
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_that_goes_while_it_is_looked_at_does_not_arrive() {
        assert!(may_be_same(7, 7) && may_be_same(7, UNKNOWN) && may_be_same(UNKNOWN, UNKNOWN));
        assert!(!may_be_same(7, 8) && !may_be_same(UNKNOWN, 8));
    }
}
