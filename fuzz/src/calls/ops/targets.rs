//! Targets: of the program's own, recordings, devices.

use super::Method;
use super::common::{maybe, succeeded};
use crate::call;
use crate::calls::callbacks;
use crate::calls::input::Input;
use crate::calls::world::{Kind, c, device, world};
use dmf::capi::hid::DMF_HID_OPEN_PARAMS;
use dmf::capi::io_target::{DMF_IO_TARGET_STATISTICS, DMF_REPLAY_PARAMS};
use dmf::capi::types::*;
use std::ffi::CString;
use std::mem::zeroed;
use std::ptr::{null, null_mut};
use std::sync::OnceLock;

fn opened(status: NTSTATUS, target: WDFIOTARGET) {
    assert_eq!(succeeded(status), !target.is_null(), "{status:#x}");
    if succeeded(status) {
        world().add(target.addr(), Kind::Target, 0, 0);
    }
}

pub fn create_client(from: Input) {
    let mut target = null_mut();
    let callback = if from.one_in(32) { None } else { Some(callbacks::target_request as _) };
    world().threaded = true;
    if from.one_in(64) {
        assert!(!succeeded(call!(DMF_IoTarget_ClientCreate(
            null_mut(),
            callback,
            null_mut(),
            null_mut()
        ))));
        return;
    }
    let status =
        call!(DMF_IoTarget_ClientCreate(c(device(from)), callback, null_mut(), &mut target));
    opened(status, target);
}

const RECORDINGS: [&[u8]; 4] = [
    b"R: 8 75 08 95 03 81 02 c0 c0\nN: x\nI: 3 0001 0002\nE: 0.000001 3 01 02 03\nE: 0.001000 3 04 05 06\n",
    b"R: 8 85 01 75 08 95 03 81 02\nI: 3 0001 0002\nE: 5.000001 4 01 02 03 ff\nE: 4.0 2 01 00\nE: 9.9 1 01\n",
    b"R: 0\n",
    b"E: 1.0 1 00\n",
];

/// Files in memory, and what is no file.
fn paths() -> &'static [CString] {
    static PATHS: OnceLock<Vec<CString>> = OnceLock::new();
    PATHS.get_or_init(|| {
        let file = |bytes: &[u8]| {
            // SAFETY: a new file, and bytes that are there.
            let file = unsafe {
                let file = libc::memfd_create(c"recording".as_ptr(), libc::MFD_CLOEXEC);
                assert!(libc::write(file, bytes.as_ptr().cast(), bytes.len()) > 0);
                file
            };
            CString::new(format!("/proc/self/fd/{file}")).unwrap()
        };
        let others = ["", "/", "/dev/null", "/dev/hidraw0", "/nowhere"];
        let others = others.iter().map(|path| CString::new(*path).unwrap());
        let strange = CString::new(b"/tmp/\xFF\xFE".as_slice()).unwrap();
        RECORDINGS.iter().map(|bytes| file(bytes)).chain(others).chain([strange]).collect()
    })
}

pub fn open_replay(from: Input) {
    let choice = from.byte();
    let path = match choice {
        0..=229 => paths()[usize::from(choice) % 2].as_ptr(),
        230..=250 => paths()[usize::from(choice) % paths().len()].as_ptr(),
        _ => null(),
    };
    const SPEEDS: [f64; 10] =
        [0.0, 0.0, 1.0, 1000.0, 1e300, 1e-300, -1.0, f64::NAN, f64::INFINITY, -0.0];
    let params = DMF_REPLAY_PARAMS {
        size: if from.one_in(32) { from.number() } else { size_of::<DMF_REPLAY_PARAMS>() as u32 },
        speed: SPEEDS[from.choose(SPEEDS.len())],
        repeat: u32::from(from.byte() % 4),
    };
    let params = if from.one_in(8) { null() } else { &raw const params };
    let mut target = null_mut();
    world().threaded = true;
    let status = call!(DMF_IoTarget_ReplayOpen(c(device(from)), path, params, &mut target));
    opened(status, target);
}

pub fn open_hid(from: Input) {
    // SAFETY: integers and pointers.
    let mut params: DMF_HID_OPEN_PARAMS = unsafe { zeroed() };
    call!(DMF_HID_OPEN_PARAMS_INIT(&mut params));
    let choice = from.byte();
    params.path = paths()[usize::from(choice) % paths().len()].as_ptr();
    params.wait_milliseconds = u32::from(choice.is_multiple_of(16));
    if from.one_in(16) {
        params.size = from.number();
    }
    let pointer = if from.one_in(16) { null() } else { &raw const params };
    let mut target = null_mut();
    let status = call!(DMF_IoTarget_HidOpen(c(device(from)), pointer, &mut target));
    opened(status, target);
}

pub const TARGET: &[Method] = &[statistics, removal_callback, delete, d0];

fn statistics(from: Input, target: usize) {
    // SAFETY: integers.
    let mut statistics: DMF_IO_TARGET_STATISTICS = unsafe { zeroed() };
    statistics.size = size_of::<DMF_IO_TARGET_STATISTICS>() as u32;
    if from.one_in(8) {
        statistics.size = from.number();
    }
    call!(DMF_IoTarget_StatisticsGet(c(target), maybe(from, &mut statistics)));
}

fn removal_callback(from: Input, target: usize) {
    let callback = if from.one_in(4) { None } else { Some(callbacks::removed as _) };
    call!(DMF_IoTarget_RemovalCallbackSet(c(target), callback, null_mut()));
}

fn delete(from: Input, target: usize) {
    super::objects::OBJECT[0](from, target);
}

/// A Method of another kind of object.
fn d0(from: Input, target: usize) {
    super::objects::DEVICE[from.choose(2)](from, target);
}
