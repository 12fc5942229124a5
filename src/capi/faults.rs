//! Every allocation of every operation fails in turn, and every start of a thread: each gives its
//! status, the objects work afterwards, and nothing is left of what was begun.
//!
//! The sweep runs in a process of its own, where nobody else allocates: what is in use after the end of
//! a round, in objects and in bytes, is compared to the byte with what was in use before.

use super::types::*;
use super::*;
use crate::framework::memory::failing::{self, Fault};
use crate::framework::status::Status;
use crate::framework::sync::{Condvar, Mutex};
use crate::framework::tree;
use std::alloc::{GlobalAlloc, Layout, System};
use std::ffi::{CString, c_void};
use std::process::Command;
use std::ptr::{null, null_mut};
use std::sync::atomic::{AtomicIsize, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

struct Counting;

static IN_USE: AtomicIsize = AtomicIsize::new(0);

#[global_allocator]
static ALLOCATOR: Counting = Counting;

// SAFETY: the system's allocator does the work.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        IN_USE.fetch_add(layout.size() as isize, Ordering::Relaxed);
        // SAFETY: by the contract of this function.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        IN_USE.fetch_sub(layout.size() as isize, Ordering::Relaxed);
        // SAFETY: by the contract of this function.
        unsafe { System.dealloc(memory, layout) }
    }
}

const SUCCESS: NTSTATUS = Status::SUCCESS.0;
const NO_MEMORY: NTSTATUS = Status::INSUFFICIENT_RESOURCES.0;
const EMPTY: NTSTATUS = Status::UNSUCCESSFUL.0;

/// Objects and bytes.
fn in_use() -> (usize, isize) {
    (tree::existing(), IN_USE.load(Ordering::SeqCst))
}

/// Waits until as much is in use as there was, at most ten seconds: threads may be ending.
fn settle(before: (usize, isize)) -> (usize, isize) {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let now = in_use();
        if now == before || Instant::now() > deadline {
            return now;
        }
        sleep(Duration::from_millis(1));
    }
}

/// Runs an operation with each of its allocations failing in turn, and each start of a thread, until
/// none is left to fail. `refusals`: the statuses that it may end with; then it must succeed.
fn sweep<S>(
    name: &str,
    refusals: &[NTSTATUS],
    make: impl Fn() -> S,
    operate: impl Fn(&mut S) -> NTSTATUS,
    end: impl Fn(S),
) {
    let whole_round = || {
        let mut state = make();
        assert_eq!(operate(&mut state), SUCCESS, "{name}, with memory");
        end(state);
    };
    // What is made once stays.
    whole_round();
    whole_round();
    // Threads that nobody waits for are ending.
    sleep(Duration::from_millis(50));
    let before = in_use();
    let mut counts = [0, 0];
    for (fault, counted) in [Fault::Allocation, Fault::Thread].into_iter().zip(&mut counts) {
        for count in 0.. {
            let mut state = make();
            failing::after(fault, count);
            let status = operate(&mut state);
            let is_over = failing::was_not_reached();
            if is_over {
                assert_eq!(status, SUCCESS, "{name}");
            } else {
                assert!(refusals.contains(&status), "{name}, {fault:?} {count}: {status:#x}");
                assert_eq!(operate(&mut state), SUCCESS, "{name}, after {fault:?} {count} failed");
            }
            end(state);
            assert_eq!(settle(before), before, "{name}, {fault:?} {count}: objects, bytes left");
            if is_over {
                *counted = count;
                break;
            }
        }
    }
    println!("{name}: {} allocations, {} threads", counts[0], counts[1]);
}

type Create = unsafe extern "C" fn(
    WDFDEVICE,
    *mut DMF_MODULE_ATTRIBUTES,
    *mut WDF_OBJECT_ATTRIBUTES,
    *mut DMFMODULE,
) -> NTSTATUS;
type Init<C> = unsafe extern "C" fn(*mut C, *mut DMF_MODULE_ATTRIBUTES);

fn module_with<C>(
    init: Init<C>,
    create: Create,
    set: impl Fn(&mut C),
    module: &mut DMFMODULE,
) -> NTSTATUS {
    // SAFETY: all structures may be zero; the attributes lead to the Config, which outlives the call.
    unsafe {
        let mut config = std::mem::zeroed();
        let mut attributes = std::mem::zeroed();
        let mut object = std::mem::zeroed();
        init(&mut config, &mut attributes);
        object::attributes_init(&mut object);
        set(&mut config);
        create(null_mut(), &mut attributes, &mut object, module)
    }
}

fn module<C>(init: Init<C>, create: Create, set: impl Fn(&mut C)) -> DMFMODULE {
    let mut module = null_mut();
    assert_eq!(module_with(init, create, set, &mut module), SUCCESS);
    module
}

fn delete<T>(object: *mut T) {
    // SAFETY: a handle is checked.
    unsafe { object::delete(object.cast()) };
}

/// Sweeps the creation of a Module, whose output is NULL when it fails.
fn sweep_create<C>(name: &str, init: Init<C>, create: Create, set: impl Fn(&mut C) + Copy) {
    sweep(
        name,
        &[NO_MEMORY],
        null_mut,
        |created: &mut DMFMODULE| {
            let status = module_with(init, create, set, created);
            assert_eq!(status == SUCCESS, !created.is_null(), "{name}");
            status
        },
        delete,
    );
}

fn source(settings: &mut BufferPool_SourceSettings) {
    settings.buffer_count = 2;
    settings.buffer_size = 16;
    settings.buffer_context_size = 8;
    settings.create_with_timer = 1;
}

unsafe extern "C" fn reused(_: DMFMODULE, _: *mut VOID, _: *mut VOID) {}

unsafe extern "C" fn expired(_: DMFMODULE, _: *mut VOID, _: *mut VOID, _: *mut VOID) {}

unsafe extern "C" fn worked(_: DMFMODULE, _: *mut VOID, _: *mut VOID) -> i32 {
    1
}

unsafe extern "C" fn thread_worked(
    _: DMFMODULE,
    _: *mut UCHAR,
    _: ULONG,
    _: *mut VOID,
    status: *mut NTSTATUS,
) -> i32 {
    // SAFETY: the library's own.
    unsafe { *status = SUCCESS };
    1
}

unsafe extern "C" fn canceled(request: WDFREQUEST) {
    // SAFETY: a handle is checked.
    unsafe { wdf_request::complete(request, Status::CANCELLED.0) };
}

/// Keeps what it is asked for until it is canceled.
unsafe extern "C" fn kept(
    _: WDFIOTARGET,
    request: WDFREQUEST,
    _: i32,
    _: ULONG,
    _: *mut VOID,
    _: usize,
    _: *mut VOID,
    _: usize,
    _: *mut ULONG_PTR,
    _: *mut VOID,
) -> NTSTATUS {
    // SAFETY: the callback is one.
    match unsafe { wdf_request::mark_cancelable_ex(request, Some(canceled)) } {
        SUCCESS => Status::PENDING.0,
        refused => refused,
    }
}

unsafe extern "C" fn answered(
    _: WDFIOTARGET,
    _: WDFREQUEST,
    _: i32,
    _: ULONG,
    _: *mut VOID,
    _: usize,
    _: *mut VOID,
    _: usize,
    _: *mut ULONG_PTR,
    _: *mut VOID,
) -> NTSTATUS {
    SUCCESS
}

unsafe extern "C" fn removed(_: WDFIOTARGET, _: *mut VOID) {}

unsafe extern "C" fn changed(_: *const DMF_HID_DEVICE_INFORMATION, _: BOOLEAN, _: *mut VOID) {}

unsafe extern "C" fn ended(
    _: DMFMODULE,
    _: *mut VOID,
    _: *mut VOID,
    _: usize,
    _: *mut VOID,
    _: usize,
    _: NTSTATUS,
) {
}

fn queue() -> DMFMODULE {
    module(
        buffer_queue::config_and_attributes_init,
        buffer_queue::create,
        |config: &mut buffer_queue::DMF_CONFIG_BufferQueue| {
            source(&mut config.source_settings);
            config.source_settings.enable_look_aside = 1;
        },
    )
}

fn work_settings(config: &mut queued_work_item::DMF_CONFIG_QueuedWorkItem) {
    source(&mut config.buffer_queue_config.source_settings);
    config.evt_queued_workitem_function = Some(worked);
}

fn threaded_settings(config: &mut threaded_buffer_queue::DMF_CONFIG_ThreadedBufferQueue) {
    source(&mut config.buffer_queue_config.source_settings);
    config.evt_threaded_buffer_queue_work = Some(thread_worked);
    config.evt_threaded_buffer_queue_reuse_cleanup = Some(reused);
}

fn notify_settings(config: &mut notify_user_with_request::DMF_CONFIG_NotifyUserWithRequest) {
    config.maximum_number_of_pending_requests = 100;
    config.maximum_number_of_pending_data_buffers = 2;
    config.size_of_data_buffer = 8;
    config.enable_look_aside = 1;
}

fn stream_settings(config: &mut continuous_request_target::DMF_CONFIG_ContinuousRequestTarget) {
    config.continuous_request_count = 2;
    // A target that was not waited for may still have those of the last start.
    config.buffer_count_input = 4;
    config.buffer_count_output = 4;
    config.buffer_input_size = 8;
    config.buffer_output_size = 8;
    config.request_type = 2;
}

fn client_target(answer: PEVT_DMF_IoTarget_Request) -> WDFIOTARGET {
    let mut target = null_mut();
    // SAFETY: the callback is one.
    let status = unsafe { io_target::client_create(null_mut(), answer, null_mut(), &mut target) };
    assert_eq!(status, SUCCESS);
    target
}

/// A stream and its target.
type Stream = (DMFMODULE, WDFIOTARGET);

fn stream(answer: PEVT_DMF_IoTarget_Request) -> Stream {
    let stream = module(
        continuous_request_target::config_and_attributes_init,
        continuous_request_target::create,
        stream_settings,
    );
    let target = client_target(answer);
    // SAFETY: handles are checked.
    assert_eq!(unsafe { continuous_request_target::io_target_set(stream, target) }, SUCCESS);
    (stream, target)
}

fn stream_end((stream, target): Stream) {
    delete(stream);
    delete(target);
}

fn request() -> WDFREQUEST {
    let mut request = null_mut();
    // SAFETY: no buffers, no callback.
    let status = unsafe {
        request::create(null_mut(), null_mut(), 0, null_mut(), 0, 0, None, null_mut(), &mut request)
    };
    assert_eq!(status, SUCCESS);
    request
}

fn creations() {
    sweep_create(
        "RingBuffer",
        ring_buffer::config_and_attributes_init,
        ring_buffer::create,
        |config: &mut ring_buffer::DMF_CONFIG_RingBuffer| {
            (config.item_count, config.item_size, config.mode) = (4, 8, 1);
        },
    );
    sweep_create(
        "PingPongBuffer",
        ping_pong_buffer::config_and_attributes_init,
        ping_pong_buffer::create,
        |config: &mut ping_pong_buffer::DMF_CONFIG_PingPongBuffer| config.buffer_size = 64,
    );
    sweep_create(
        "BufferPool",
        buffer_pool::config_and_attributes_init,
        buffer_pool::create,
        |config: &mut buffer_pool::DMF_CONFIG_BufferPool| {
            config.buffer_pool_mode = 1;
            // SAFETY: the union has one member.
            source(unsafe { &mut config.mode.source_settings });
        },
    );
    sweep_create(
        "BufferQueue",
        buffer_queue::config_and_attributes_init,
        buffer_queue::create,
        |config: &mut buffer_queue::DMF_CONFIG_BufferQueue| {
            source(&mut config.source_settings);
            config.evt_buffer_queue_reuse_cleanup = Some(reused);
        },
    );
    sweep_create(
        "QueuedWorkItem",
        queued_work_item::config_and_attributes_init,
        queued_work_item::create,
        work_settings,
    );
    sweep_create(
        "ThreadedBufferQueue",
        threaded_buffer_queue::config_and_attributes_init,
        threaded_buffer_queue::create,
        threaded_settings,
    );
    sweep_create(
        "NotifyUserWithRequest",
        notify_user_with_request::config_and_attributes_init,
        notify_user_with_request::create,
        notify_settings,
    );
    sweep_create(
        "ContinuousRequestTarget",
        continuous_request_target::config_and_attributes_init,
        continuous_request_target::create,
        stream_settings,
    );
    sweep(
        "ContinuousRequestTarget at passive level",
        &[NO_MEMORY],
        null_mut,
        // SAFETY: both structures may be zero; the attributes lead to the Config.
        |created: &mut DMFMODULE| unsafe {
            let mut config = std::mem::zeroed();
            let mut attributes = std::mem::zeroed();
            continuous_request_target::config_and_attributes_init(&mut config, &mut attributes);
            stream_settings(&mut config);
            attributes.passive_level = 1;
            continuous_request_target::create(null_mut(), &mut attributes, null_mut(), created)
        },
        delete,
    );
    sweep(
        "a device with a context",
        &[NO_MEMORY],
        null_mut,
        // SAFETY: the attributes may be zero, and lead to a type that outlives the device.
        |device: &mut WDFDEVICE| unsafe {
            static mut TYPE: std::mem::MaybeUninit<WDF_OBJECT_CONTEXT_TYPE_INFO> =
                std::mem::MaybeUninit::zeroed();
            let kind = (&raw mut TYPE).cast::<WDF_OBJECT_CONTEXT_TYPE_INFO>();
            (*kind).size = size_of::<WDF_OBJECT_CONTEXT_TYPE_INFO>() as ULONG;
            (*kind).context_size = 64;
            (*kind).unique_type = kind;
            let mut object = std::mem::zeroed();
            object::attributes_init(&mut object);
            object.context_type_info = kind;
            device::create(&mut object, device)
        },
        delete,
    );
    sweep(
        "Request_Create",
        &[NO_MEMORY],
        null_mut,
        // SAFETY: no buffers, no callback.
        |created: &mut WDFREQUEST| unsafe {
            request::create(null_mut(), null_mut(), 0, null_mut(), 0, 0, None, null_mut(), created)
        },
        delete,
    );
}

const RECORDING: &str =
    "R: 4 06 00 ff c0\nN: some\nP: some\nI: 3 1234 abcd\nE: 0.0 2 00 01\nE: 0.1 1 02\n";

fn targets() {
    let path = std::env::temp_dir().join(format!("dmf-faults-{}.hid", std::process::id()));
    std::fs::write(&path, RECORDING).unwrap();
    let c_path = CString::new(path.to_str().unwrap()).unwrap();
    sweep(
        "IoTarget_ClientCreate",
        &[NO_MEMORY],
        null_mut,
        // SAFETY: the callback is one.
        |target: &mut WDFIOTARGET| unsafe {
            io_target::client_create(null_mut(), Some(answered), null_mut(), target)
        },
        delete,
    );
    sweep(
        "IoTarget_ReplayOpen",
        &[NO_MEMORY],
        null_mut,
        // SAFETY: the path is a C string.
        |target: &mut WDFIOTARGET| unsafe {
            io_target::replay_open(null_mut(), c_path.as_ptr(), null(), target)
        },
        delete,
    );
    std::fs::remove_file(path).unwrap();
    sweep(
        "IoTarget_RemovalCallbackSet",
        &[NO_MEMORY],
        || client_target(Some(answered)),
        // SAFETY: the callback is one.
        |target| unsafe { io_target::removal_callback_set(*target, Some(removed), null_mut()) },
        delete,
    );
    sweep(
        "Hid_WatchStart",
        &[NO_MEMORY],
        null_mut,
        // SAFETY: the callback is one.
        |watch: &mut WDFOBJECT| unsafe {
            hid::watch_start(null_mut(), null(), Some(changed), null_mut(), watch)
        },
        delete,
    );
}

fn buffers() {
    sweep(
        "BufferQueue_Fetch that grows",
        &[EMPTY],
        || {
            let queue = queue();
            let mut held = Vec::new();
            for _ in 0..2 {
                let mut buffer = null_mut();
                // SAFETY: the pointers are this stack's.
                unsafe { buffer_queue::fetch(queue, &mut buffer, null_mut()) };
                held.push(buffer);
            }
            (queue, held)
        },
        |(queue, held)| {
            let mut buffer: *mut c_void = null_mut();
            // SAFETY: as above.
            let status = unsafe { buffer_queue::fetch(*queue, &mut buffer, null_mut()) };
            if status == SUCCESS {
                held.push(buffer);
            }
            status
        },
        |(queue, held)| {
            for buffer in held {
                // SAFETY: the pool checks the address.
                unsafe { buffer_queue::reuse(queue, buffer) };
            }
            delete(queue);
        },
    );
    sweep(
        "BufferQueue_EnqueueWithTimer",
        &[NO_MEMORY],
        || {
            let queue = queue();
            let mut buffer = null_mut();
            // SAFETY: the pointers are this stack's.
            unsafe { buffer_queue::fetch(queue, &mut buffer, null_mut()) };
            (queue, buffer)
        },
        // SAFETY: the callback is one.
        |(queue, buffer)| unsafe {
            buffer_queue::enqueue_with_timer(*queue, *buffer, 1_000_000, Some(expired), null_mut())
        },
        |(queue, _)| delete(queue),
    );
    for (name, wait) in [("QueuedWorkItem_Enqueue", false), ("QueuedWorkItem_EnqueueAndWait", true)]
    {
        sweep(
            name,
            // Without another thread the work waits for one that is busy.
            &[NO_MEMORY, SUCCESS],
            || {
                module(
                    queued_work_item::config_and_attributes_init,
                    queued_work_item::create,
                    work_settings,
                )
            },
            |module| {
                let mut byte = 0u8;
                let bytes = (&raw mut byte).cast();
                // SAFETY: the byte is there.
                unsafe {
                    match wait {
                        true => queued_work_item::enqueue_and_wait(*module, bytes, 1),
                        false => queued_work_item::enqueue(*module, bytes, 1),
                    }
                }
            },
            delete,
        );
    }
    let threaded = || {
        module(
            threaded_buffer_queue::config_and_attributes_init,
            threaded_buffer_queue::create,
            threaded_settings,
        )
    };
    sweep(
        "ThreadedBufferQueue_Start",
        &[NO_MEMORY],
        threaded,
        // SAFETY: a handle is checked.
        |queue| unsafe { threaded_buffer_queue::start(*queue) },
        delete,
    );
    sweep(
        "ThreadedBufferQueue_EnqueueAndWait",
        &[NO_MEMORY],
        || {
            let queue = threaded();
            let mut buffer = null_mut();
            // SAFETY: the pointers are this stack's.
            unsafe {
                threaded_buffer_queue::start(queue);
                threaded_buffer_queue::fetch(queue, &mut buffer, null_mut());
            }
            (queue, buffer)
        },
        // SAFETY: the queue checks the address.
        |(queue, buffer)| unsafe { threaded_buffer_queue::enqueue_and_wait(*queue, *buffer) },
        |(queue, _)| delete(queue),
    );
}

fn requests() {
    let notify = || {
        module(
            notify_user_with_request::config_and_attributes_init,
            notify_user_with_request::create,
            notify_settings,
        )
    };
    for (name, process) in [
        ("NotifyUserWithRequest_EventRequestAdd", false),
        ("NotifyUserWithRequest_RequestProcess", true),
    ] {
        sweep(
            name,
            &[NO_MEMORY],
            || (notify(), request()),
            // SAFETY: handles are checked.
            |(module, request)| unsafe {
                match process {
                    true => notify_user_with_request::request_process(*module, *request),
                    false => notify_user_with_request::event_request_add(*module, *request),
                }
            },
            |(module, request)| {
                delete(module);
                delete(request);
            },
        );
    }
    sweep(
        "NotifyUserWithRequest_DataProcess that grows",
        &[NO_MEMORY],
        || {
            let module = notify();
            for _ in 0..2 {
                // SAFETY: the data is there.
                unsafe {
                    let mut data = 0u64;
                    let data = (&raw mut data).cast();
                    notify_user_with_request::data_process(module, None, data, SUCCESS);
                }
            }
            module
        },
        |module| {
            let mut data = 0u64;
            let data = (&raw mut data).cast();
            // SAFETY: the data is there.
            unsafe { notify_user_with_request::data_process(*module, None, data, SUCCESS) };
            misuse::last_status_get()
        },
        delete,
    );
}

fn sends() {
    sweep(
        "ContinuousRequestTarget_Start",
        &[NO_MEMORY],
        || stream(Some(kept)),
        // SAFETY: a handle is checked.
        |(stream, _)| unsafe { continuous_request_target::start(*stream) },
        stream_end,
    );
    sweep(
        "Device_D0Exit and D0Entry",
        &[NO_MEMORY],
        || {
            let mut device = null_mut();
            let mut stream = null_mut();
            // SAFETY: the structures may be zero; the attributes lead to the Config.
            unsafe {
                device::create(null_mut(), &mut device);
                let mut config = std::mem::zeroed();
                let mut attributes = std::mem::zeroed();
                continuous_request_target::config_and_attributes_init(&mut config, &mut attributes);
                stream_settings(&mut config);
                let target = client_target(Some(kept));
                let create = continuous_request_target::create;
                create(device, &mut attributes, null_mut(), &mut stream);
                continuous_request_target::io_target_set(stream, target);
                assert_eq!(continuous_request_target::start(stream), SUCCESS);
                (device, target)
            }
        },
        // SAFETY: a handle is checked.
        |(device, _)| unsafe {
            match device::d0_exit(*device) {
                SUCCESS => match device::d0_entry(*device) {
                    SUCCESS => SUCCESS,
                    // As a program does that wants its streams back.
                    refused => refused,
                },
                refused => refused,
            }
        },
        |(device, target)| {
            delete(device);
            delete(target);
        },
    );
    for (name, option, timeout) in [
        ("ContinuousRequestTarget_SendEx", 0, 0),
        ("ContinuousRequestTarget_SendEx, passive", 1, 0),
        ("ContinuousRequestTarget_SendEx with a time-out", 0, 1_000_000),
    ] {
        sweep(
            name,
            &[NO_MEMORY],
            || stream(Some(kept)),
            // SAFETY: no buffers; the callback is one.
            |(stream, _)| unsafe {
                continuous_request_target_send::send_ex(
                    *stream,
                    null_mut(),
                    0,
                    null_mut(),
                    0,
                    3,
                    0,
                    timeout,
                    option,
                    Some(ended),
                    null_mut(),
                )
            },
            stream_end,
        );
    }
    sweep(
        "ContinuousRequestTarget_SendSynchronously",
        &[NO_MEMORY],
        || stream(Some(answered)),
        // SAFETY: no buffers.
        |(stream, _)| unsafe {
            let mut written = 0;
            continuous_request_target_send::send_synchronously(
                *stream,
                null_mut(),
                0,
                null_mut(),
                0,
                3,
                0,
                0,
                &mut written,
            )
        },
        stream_end,
    );
    sweep(
        "ContinuousRequestTarget_ReuseCreate",
        &[NO_MEMORY],
        || stream(Some(answered)),
        // SAFETY: the pointer is this stack's.
        |(stream, _)| unsafe {
            let mut cookie = null_mut();
            continuous_request_target_send::reuse_create(*stream, &mut cookie)
        },
        stream_end,
    );
    sweep(
        "ContinuousRequestTarget_ReuseSend",
        &[NO_MEMORY],
        || {
            let stream = stream(Some(kept));
            let mut cookie = null_mut();
            // SAFETY: the pointer is this stack's.
            unsafe { continuous_request_target_send::reuse_create(stream.0, &mut cookie) };
            (stream, cookie)
        },
        // SAFETY: no buffers; the callback is one.
        |(stream, cookie)| unsafe {
            continuous_request_target_send::reuse_send(
                stream.0,
                *cookie,
                null_mut(),
                0,
                null_mut(),
                0,
                3,
                0,
                0,
                Some(ended),
                null_mut(),
                null_mut(),
            )
        },
        |(stream, _)| stream_end(stream),
    );
}

/// The locks keep a table of waiting threads, which grows with their number and stays.
fn grow_table_of_waiting_threads() {
    let (lock, changed) = (Mutex::new(()), Condvar::new());
    std::thread::scope(|scope| {
        for _ in 0..100 {
            scope.spawn(|| changed.wait_for(&mut lock.lock(), Duration::from_millis(200)));
        }
    });
}

#[test]
#[ignore = "needs a process of its own; the next test gives it one"]
fn the_sweep() {
    grow_table_of_waiting_threads();
    creations();
    targets();
    buffers();
    requests();
    sends();
}

#[test]
fn whatever_runs_out_is_a_status_and_nothing_is_left_of_what_was_begun() {
    let program = std::env::current_exe().unwrap();
    let arguments = ["capi::faults::the_sweep", "--exact", "--ignored", "--nocapture"];
    let output = Command::new(program).args(arguments).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    println!("{text}{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && text.contains("1 passed"), "the sweep failed");
}
