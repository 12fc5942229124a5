//! What all Modules have in common: attributes, creation, parents.

use super::boundary::{not_null, put, status, value};
use super::object::{Attributes, device_of};
use super::types::*;
use crate::framework::frames::{self, Activity};
use crate::framework::handle::{Handle, Kind};
use crate::framework::misuse;
use crate::framework::status::{Error, Status};
use crate::framework::table::{self, Object};
use crate::framework::tree::{self, Draft};
use std::ffi::CStr;

/// Attributes as a fresh Module has them; the `DMF_<Module>_ATTRIBUTES_INIT` functions call it.
///
/// Parameters: Attributes: zeroed, then SizeOfHeader and SizeOfModuleSpecificConfig are set, both
/// Dynamic members TRUE, ClientModuleInstanceName "".
#[unsafe(export_name = "DMF_MODULE_ATTRIBUTES_INIT")]
pub unsafe extern "C" fn attributes_init(
    attributes: *mut DMF_MODULE_ATTRIBUTES,
    size_of_module_specific_config: ULONG,
) {
    value(c"DMF_MODULE_ATTRIBUTES_INIT", attributes, || {
        not_null(attributes, "Attributes is NULL")?;
        let fresh = DMF_MODULE_ATTRIBUTES {
            size_of_header: size_of::<DMF_MODULE_ATTRIBUTES>() as ULONG,
            module_config_pointer: std::ptr::null_mut(),
            size_of_module_specific_config,
            instance_creator: None,
            client_callbacks: std::ptr::null_mut(),
            resultant_dmf_module: std::ptr::null_mut(),
            client_module_instance_name: c"".as_ptr(),
            dynamic_module_immediate: 1,
            dynamic_module: 1,
            transport_module_add: None,
            passive_level: 0,
            is_transport_module: 0,
        };
        // SAFETY: the caller's pointer, not NULL.
        unsafe { put(attributes, fresh) };
        Ok(())
    })
}

/// Zeroes the event callbacks and sets them in the attributes.
#[unsafe(export_name = "DMF_MODULE_ATTRIBUTES_EVENT_CALLBACKS_INIT")]
pub unsafe extern "C" fn event_callbacks_init(
    module_attributes: *mut DMF_MODULE_ATTRIBUTES,
    dmf_module_event_callbacks: *mut DMF_MODULE_EVENT_CALLBACKS,
) {
    value(c"DMF_MODULE_ATTRIBUTES_EVENT_CALLBACKS_INIT", module_attributes, || {
        not_null(module_attributes, "ModuleAttributes is NULL")?;
        not_null(dmf_module_event_callbacks, "DmfModuleEventCallbacks is NULL")?;
        let none = DMF_MODULE_EVENT_CALLBACKS {
            evt_module_on_device_notification_post_open: None,
            evt_module_on_device_notification_pre_close: None,
        };
        // SAFETY: the caller's pointers, not NULL.
        unsafe {
            put(dmf_module_event_callbacks, none);
            put(&raw mut (*module_attributes).client_callbacks, dmf_module_event_callbacks);
        }
        Ok(())
    })
}

/// The Module that a Module is a child of, or NULL.
///
/// An enumeration callback of a BufferQueue gets the handle of its inner BufferPool; this gives the
/// queue. Any thread, callbacks included.
#[unsafe(export_name = "DMF_ParentModuleGet")]
pub unsafe extern "C" fn parent_module_get(dmf_module: DMFMODULE) -> DMFMODULE {
    value(c"DMF_ParentModuleGet", dmf_module, || {
        let parent = existing_module(dmf_module).map(tree::parent_of)?;
        Ok(parent.filter(|parent| parent.is_module()).map_or(std::ptr::null_mut(), Handle::to_c))
    })
}

/// The device that a Module belongs to, or NULL. Any thread, callbacks included.
#[unsafe(export_name = "DMF_ParentDeviceGet")]
pub unsafe extern "C" fn parent_device_get(dmf_module: DMFMODULE) -> WDFDEVICE {
    value(c"DMF_ParentDeviceGet", dmf_module, || {
        let module = existing_module(dmf_module)?;
        let device = tree::ancestor_of(module, |handle| handle.is_kind(Kind::Device));
        Ok(device.map_or(std::ptr::null_mut(), Handle::to_c))
    })
}

/// A Module that exists, even while it closes.
fn existing_module(module: DMFMODULE) -> Result<Handle, Error> {
    let handle = Handle::from_c(module);
    if handle.is_module() && !matches!(tree::state_of(handle), tree::Existence::Never) {
        return Ok(handle);
    }
    Err(table::refused(handle))
}

/// What a Module's creation is given besides its Config.
pub struct Setting {
    method: &'static CStr,
    /// The Module may use paged memory.
    pub passive_level: bool,
}

impl Setting {
    /// Paged memory needs a Module at passive level; creation goes on.
    pub fn check_pool_type(&self, module: Handle, pool_type: POOL_TYPE_INT) {
        if pool_type & PAGED_POOL != 0 && !self.passive_level {
            const MESSAGE: &str = "a paged PoolType needs PassiveLevel = TRUE in the attributes";
            misuse::report(self.method, module, &Error::misuse(Status::INVALID_PARAMETER, MESSAGE));
        }
    }
}

/// A Module's Create: reads attributes and Config, has the body made by `build`, opens the Module,
/// calls PostOpen. `module` leads to NULL before anything can refuse.
///
/// # Safety
/// The pointers are NULL or the caller's own, of their types; a Config pointer leads to a `C` if its
/// size says so; every bit pattern is a valid `C`.
pub unsafe fn create<C: Copy, T: Object>(
    method: &'static CStr,
    device: WDFDEVICE,
    attributes: *mut DMF_MODULE_ATTRIBUTES,
    object_attributes: *mut WDF_OBJECT_ATTRIBUTES,
    module: *mut DMFMODULE,
    build: impl FnOnce(&Draft, &C, &Setting) -> Result<T, Error>,
) -> NTSTATUS {
    // SAFETY: the caller's pointer.
    unsafe { put(module, std::ptr::null_mut()) };
    status(method, device, || {
        not_null(module, "the pointer for the Module's handle is NULL")?;
        not_null(attributes, "the Module's attributes are NULL")?;
        // SAFETY: not NULL; the size is compared before anything else is looked at.
        let size = unsafe { (&raw const (*attributes).size_of_header).read_unaligned() };
        if size as usize != size_of::<DMF_MODULE_ATTRIBUTES>() {
            return Err(Error::misuse(
                Status::INVALID_PARAMETER,
                "the Module's attributes were not initialized (SizeOfHeader)",
            ));
        }
        // SAFETY: the attributes are of the right size; the rest is the caller's word.
        let (attributes, config, mut object, events) = unsafe {
            let attributes = attributes.read_unaligned();
            let config = read_config::<C>(&attributes)?;
            let object = Attributes::read(object_attributes, device_of(device)?)?;
            let events = attributes.client_callbacks.as_ref().copied();
            (attributes, config, object, events)
        };
        let pre_close =
            events.and_then(|events| events.evt_module_on_device_notification_pre_close);
        // SAFETY: both take one handle, which is one pointer.
        object.choices.pre_close = pre_close.map(|callback| unsafe {
            std::mem::transmute::<unsafe extern "C" fn(DMFMODULE), tree::ObjectCallback>(callback)
        });
        let setting = Setting { method, passive_level: attributes.passive_level != 0 };
        let draft = object.reserve(T::KIND)?;
        let body = build(&draft, &config, &setting)?;
        let handle = draft.open(body)?;
        // SAFETY: the caller's pointer, not NULL.
        unsafe { put(module, handle.to_c()) };
        if let Some(post_open) =
            events.and_then(|events| events.evt_module_on_device_notification_post_open)
        {
            // SAFETY: the program vouches for its callback.
            frames::within(handle, Activity::Method, || unsafe { post_open(handle.to_c()) });
        }
        Ok(())
    })
}

/// The Config: all zero if there is none.
///
/// # Safety
/// As for [`create`].
unsafe fn read_config<C: Copy>(attributes: &DMF_MODULE_ATTRIBUTES) -> Result<C, Error> {
    if attributes.module_config_pointer.is_null() {
        // SAFETY: every bit pattern is a valid C.
        return Ok(unsafe { std::mem::zeroed() });
    }
    if attributes.size_of_module_specific_config as usize != size_of::<C>() {
        return Err(Error::misuse(
            Status::INVALID_PARAMETER,
            "SizeOfModuleSpecificConfig is not the size of this Module's Config",
        ));
    }
    // SAFETY: not NULL, and of the right size.
    Ok(unsafe { attributes.module_config_pointer.cast::<C>().read_unaligned() })
}

/// Initializes a Config and the attributes that lead to it.
///
/// # Safety
/// Both pointers are NULL or the caller's own.
pub unsafe fn config_init<C>(
    config: *mut C,
    attributes: *mut DMF_MODULE_ATTRIBUTES,
    init: unsafe extern "C" fn(*mut DMF_MODULE_ATTRIBUTES),
    fresh: C,
) -> Result<(), Error> {
    not_null(config, "the Config is NULL")?;
    not_null(attributes, "the Module's attributes are NULL")?;
    // SAFETY: not NULL; the caller's own.
    unsafe {
        put(config, fresh);
        init(attributes);
        put(&raw mut (*attributes).module_config_pointer, config.cast());
    }
    Ok(())
}

/// A Module's Create function.
pub type Create = unsafe extern "C" fn(
    WDFDEVICE,
    *mut DMF_MODULE_ATTRIBUTES,
    *mut WDF_OBJECT_ATTRIBUTES,
    *mut DMFMODULE,
) -> NTSTATUS;

/// Initializes the attributes of a Module with a Config of type `C`.
///
/// # Safety
/// The pointer is NULL or the caller's own.
pub unsafe fn init<C>(attributes: *mut DMF_MODULE_ATTRIBUTES, create: Create) {
    // SAFETY: by the contract of this function; not NULL where it is written.
    unsafe {
        attributes_init(attributes, size_of::<C>() as ULONG);
        if !attributes.is_null() {
            put(&raw mut (*attributes).instance_creator, Some(create));
        }
    }
}
