//! Objects of every kind: attributes, contexts, references, deletion.

use super::boundary::{not_null, put, value};
use super::types::*;
use crate::framework::deletion;
use crate::framework::handle::{Handle, Kind};
use crate::framework::status::{Error, Status};
use crate::framework::tree::{self, Choices, Draft};

/// `Wdf…InheritFromParent` of both enumerations.
const INHERIT_FROM_PARENT: i32 = 1;

/// Attributes as a fresh object has them: no parent, no callbacks, no context.
#[unsafe(export_name = "WDF_OBJECT_ATTRIBUTES_INIT")]
pub unsafe extern "C" fn attributes_init(attributes: PWDF_OBJECT_ATTRIBUTES) {
    value(c"WDF_OBJECT_ATTRIBUTES_INIT", attributes, || {
        not_null(attributes, "Attributes is NULL")?;
        let fresh = WDF_OBJECT_ATTRIBUTES {
            size: size_of::<WDF_OBJECT_ATTRIBUTES>() as ULONG,
            evt_cleanup_callback: None,
            evt_destroy_callback: None,
            execution_level: INHERIT_FROM_PARENT,
            synchronization_scope: INHERIT_FROM_PARENT,
            parent_object: std::ptr::null_mut(),
            context_size_override: 0,
            context_type_info: std::ptr::null(),
        };
        // SAFETY: the caller's pointer, not NULL.
        unsafe { put(attributes, fresh) };
        Ok(())
    })
}

/// Deletes an object and its children.
///
/// A Module first gets its PreClose callback; from then on its Methods fail with
/// STATUS_INVALID_DEVICE_STATE, running ones end, and the Module closes. Buffers that the Client holds
/// stay valid until they are put back. From inside one of the object's own callbacks the handle is
/// dead at once and the rest happens when the outermost callback has returned; a Module that PostOpen
/// deletes is made all the same: its Create returns STATUS_SUCCESS, and a handle that is dead.
///
/// Parameters: Object: a device, Module, target or Request.
///
/// Misuse: a handle that is deleted already or never was one (STATUS_INVALID_HANDLE); from an
/// enumeration callback that runs under the Module's own lock (STATUS_INVALID_DEVICE_STATE, nothing is
/// deleted); a Request that is pending, or the library's; a part of a Module, such as the inner BufferPool of a
/// queue (STATUS_INVALID_DEVICE_STATE, nothing is deleted); a WDFMEMORY (STATUS_INVALID_DEVICE_REQUEST). The status is DMF_LastStatusGet's.
///
/// Any thread.
#[unsafe(export_name = "WdfObjectDelete")]
pub unsafe extern "C" fn delete(object: WDFOBJECT) {
    value(c"WdfObjectDelete", object, || {
        let handle = Handle::from_c(object);
        if handle.is_kind(Kind::Memory) {
            return Err(Error::misuse(
                Status::INVALID_DEVICE_REQUEST,
                "a pool's memory is deleted with its pool; put the buffer back instead",
            ));
        }
        if tree::is_part(handle) {
            return Err(Error::misuse(
                Status::INVALID_DEVICE_STATE,
                "the object is a part of its Module, and is deleted with it",
            ));
        }
        crate::io::request::check_delete(handle)?;
        deletion::delete(handle)
    })
}

/// Keeps an object's memory and contexts beyond its deletion; its Methods fail all the same.
///
/// Any thread. Give the reference back with WdfObjectDereference. Misuse: no object has that handle; the object
/// is being destroyed.
#[unsafe(export_name = "WdfObjectReference")]
pub unsafe extern "C" fn reference(object: WDFOBJECT) {
    value(c"WdfObjectReference", object, || tree::reference(Handle::from_c(object)))
}

/// Gives a reference back. The last one of a deleted object destroys it: its EvtDestroyCallback runs
/// and its contexts are freed.
///
/// Any thread. Misuse: more references given back than taken.
#[unsafe(export_name = "WdfObjectDereference")]
pub unsafe extern "C" fn dereference(object: WDFOBJECT) {
    value(c"WdfObjectDereference", object, || tree::dereference(Handle::from_c(object)))
}

/// The context of that type, or NULL if the object has none; what the accessor that
/// WDF_DECLARE_CONTEXT_TYPE_WITH_NAME makes calls.
///
/// The pointer is valid until the object is destroyed. Any thread, callbacks included.
#[unsafe(export_name = "WdfObjectGetTypedContextWorker")]
pub unsafe extern "C" fn typed_context(
    handle: WDFOBJECT,
    type_info: PCWDF_OBJECT_CONTEXT_TYPE_INFO,
) -> PVOID {
    value(c"WdfObjectGetTypedContextWorker", handle, || {
        not_null(type_info, "TypeInfo is NULL")?;
        // SAFETY: not NULL; the caller's type information.
        let kind = unsafe { identity(type_info) };
        let context = tree::context_of(Handle::from_c(handle), kind)?;
        Ok(context.map_or(std::ptr::null_mut(), |memory| memory.as_ptr().cast()))
    })
}

/// What tells context types apart: the address of the one unique description.
///
/// # Safety
/// `info` points to a type's description.
unsafe fn identity(info: PCWDF_OBJECT_CONTEXT_TYPE_INFO) -> usize {
    // SAFETY: by the contract of this function.
    let description = unsafe { &*info };
    let unique = match description.evt_driver_get_unique_context_type {
        // SAFETY: the program vouches for its callback.
        Some(unique) => unsafe { unique() },
        None => description.unique_type,
    };
    if unique.is_null() { info.addr() } else { unique.addr() }
}

/// What `WDF_OBJECT_ATTRIBUTES` ask for.
pub struct Attributes {
    /// All but the context.
    pub choices: Choices,
    /// Identity and size of the context.
    context: Option<(usize, usize)>,
}

impl Attributes {
    /// Reads the caller's attributes; without a parent there the object is `parent`'s.
    ///
    /// # Safety
    /// `attributes` is NULL or points to attributes.
    pub unsafe fn read(
        attributes: *const WDF_OBJECT_ATTRIBUTES,
        parent: Option<Handle>,
    ) -> Result<Self, Error> {
        if attributes.is_null() {
            let choices = Choices { parent, ..Choices::default() };
            return Ok(Self { choices, context: None });
        }
        // SAFETY: not NULL; the size is compared before anything else is looked at.
        let size = unsafe { (&raw const (*attributes).size).read_unaligned() };
        if size as usize != size_of::<WDF_OBJECT_ATTRIBUTES>() {
            return Err(Error::misuse(
                Status::INVALID_PARAMETER,
                "the object attributes were not initialized (Size)",
            ));
        }
        // SAFETY: not NULL, and of the right size.
        let attributes = unsafe { attributes.read_unaligned() };
        let own_parent = Handle::from_c(attributes.parent_object);
        let parent = if own_parent == Handle::NULL { parent } else { Some(own_parent) };
        let info = attributes.context_type_info;
        let context = if info.is_null() {
            None
        } else {
            // SAFETY: not NULL; the caller's type information.
            let (kind, size) = unsafe { (identity(info), (*info).context_size) };
            Some((kind, size.max(attributes.context_size_override)))
        };
        Ok(Self {
            choices: Choices {
                parent,
                cleanup: attributes.evt_cleanup_callback,
                destroy: attributes.evt_destroy_callback,
                pre_close: None,
                is_part: false,
                is_hidden: false,
            },
            context,
        })
    }

    /// Reserves an object of that kind, with its context.
    pub fn reserve(self, kind: Kind) -> Result<Draft, Error> {
        let draft = tree::reserve(kind, self.choices)?;
        if let Some((kind, size)) = self.context {
            draft.add_context(kind, size)?;
        }
        Ok(draft)
    }
}

/// The device that a Create function was given, if any.
pub fn device_of(device: WDFDEVICE) -> Result<Option<Handle>, Error> {
    let handle = Handle::from_c(device);
    if handle == Handle::NULL {
        return Ok(None);
    }
    if !handle.is_kind(Kind::Device) {
        return Err(crate::framework::table::refused(handle));
    }
    Ok(Some(handle))
}
