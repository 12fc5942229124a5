//! The C surface: one file per Module or WDF object. The only place that takes raw pointers from C.
//!
//! A function here validates what C gave, converts it, calls down, and converts the answer back, all
//! inside [`boundary`]. Pointers that a Method must dereference (buffers of the length the caller
//! gives, callbacks) are the caller's word; nothing else is.

mod boundary;
pub mod buffer_pool;
pub mod buffer_queue;
pub mod continuous_request_target;
pub mod continuous_request_target_send;
pub mod device;
pub mod hid;
pub mod io_target;
pub mod memory;
pub mod misuse;
pub mod module;
pub mod notify_user_with_request;
pub mod object;
pub mod ping_pong_buffer;
pub mod queued_work_item;
pub mod request;
pub mod ring_buffer;
pub mod threaded_buffer_queue;
pub mod types;
pub mod wdf_request;

#[cfg(test)]
mod tests {
    use super::types::*;
    use super::*;
    use crate::framework::memory::failing;
    use crate::framework::status::Status;

    /// Creates a Module while each of its allocations fails in turn; the last time none does.
    fn create_with_every_failure(
        create: impl Fn(*mut DMF_MODULE_ATTRIBUTES, *mut DMFMODULE) -> NTSTATUS,
        mut attributes: DMF_MODULE_ATTRIBUTES,
    ) {
        for count in 0.. {
            let mut created = std::ptr::null_mut();
            failing::after(count);
            let status = create(&mut attributes, &mut created);
            if failing::was_not_reached() {
                assert_eq!(status, Status::SUCCESS.0);
                assert!(count > 1, "the Module allocates");
                // SAFETY: the handle was just created.
                unsafe { object::delete(created.cast()) };
                return;
            }
            assert_eq!(status, Status::INSUFFICIENT_RESOURCES.0, "allocation {count}");
            assert!(created.is_null());
        }
    }

    #[test]
    fn a_queue_that_runs_out_of_memory_is_a_status_and_nothing_more() {
        // SAFETY: both structures may be zero; the attributes lead to the Config, which outlives them.
        unsafe {
            let mut config = std::mem::zeroed();
            let config = &raw mut config;
            let mut attributes = std::mem::zeroed();
            buffer_queue::config_and_attributes_init(config, &mut attributes);
            (*config).source_settings.buffer_count = 3;
            (*config).source_settings.buffer_size = 10;
            let nothing = std::ptr::null_mut;
            create_with_every_failure(
                |attributes, module| {
                    buffer_queue::create(nothing(), attributes, std::ptr::null_mut(), module)
                },
                attributes,
            );
        }
    }

    #[test]
    fn a_stream_that_runs_out_of_memory_is_a_status_and_nothing_more() {
        // SAFETY: both structures may be zero; the attributes lead to the Config, which outlives them.
        unsafe {
            let mut config = std::mem::zeroed();
            let config = &raw mut config;
            let mut attributes = std::mem::zeroed();
            continuous_request_target::config_and_attributes_init(config, &mut attributes);
            (*config).continuous_request_count = 3;
            (*config).buffer_count_input = 3;
            (*config).buffer_count_output = 3;
            (*config).buffer_input_size = 8;
            (*config).buffer_output_size = 8;
            (*config).request_type = 2;
            let nothing = std::ptr::null_mut;
            create_with_every_failure(
                |attributes, module| {
                    continuous_request_target::create(
                        nothing(),
                        attributes,
                        std::ptr::null_mut(),
                        module,
                    )
                },
                attributes,
            );
        }
    }
}
