/**
 * dmf/hid.h - control codes that a HID target answers, and the structures they fill.
 *
 * A report begins with its report ID, read and written; the ID is 0 for devices that do not number their reports.
 * Definitions of a Windows SDK that were included before this header stay as they are.
 */
#ifndef DMF_HID_H
#define DMF_HID_H

#include "types.h"

#ifdef __cplusplus
extern "C" {
#endif

#ifndef IOCTL_HID_GET_COLLECTION_INFORMATION
/** What IOCTL_HID_GET_COLLECTION_INFORMATION fills: 12 bytes. */
typedef struct _HID_COLLECTION_INFORMATION
{
    /** Size in bytes of the collection's descriptor. */
    ULONG DescriptorSize;
    /** TRUE for a device that is polled. */
    BOOLEAN Polled;
    /** 0. */
    UCHAR Reserved1[1];
    /** Vendor, as assigned by USB-IF. */
    USHORT VendorID;
    /** Product, as assigned by the vendor. */
    USHORT ProductID;
    /** Release of the device, binary coded decimal. */
    USHORT VersionNumber;
} HID_COLLECTION_INFORMATION, *PHID_COLLECTION_INFORMATION;
#endif

#ifndef IOCTL_HID_GET_DEVICE_ATTRIBUTES
/** What IOCTL_HID_GET_DEVICE_ATTRIBUTES fills: 32 bytes. */
typedef struct _HID_DEVICE_ATTRIBUTES
{
    /** Size of this structure in bytes. */
    ULONG Size;
    /** Vendor, as assigned by USB-IF. */
    USHORT VendorID;
    /** Product, as assigned by the vendor. */
    USHORT ProductID;
    /** Release of the device, binary coded decimal. */
    USHORT VersionNumber;
    /** 0. */
    USHORT Reserved[11];
} HID_DEVICE_ATTRIBUTES, *PHID_DEVICE_ATTRIBUTES;
#endif

/* ------------------------------------------------------- codes for ContinuousRequestTarget_RequestType_Ioctl */

/** Feature report. Output: the whole report; its ID stands in the first byte on entry. */
#ifndef IOCTL_HID_GET_FEATURE
#define IOCTL_HID_GET_FEATURE 0x000B0192
#endif
/** Feature report. Input: the whole report, ID first. Transfers 0 bytes back. */
#ifndef IOCTL_HID_SET_FEATURE
#define IOCTL_HID_SET_FEATURE 0x000B0191
#endif
/** Input report, asked for. Output: the whole report; its ID stands in the first byte on entry. */
#ifndef IOCTL_HID_GET_INPUT_REPORT
#define IOCTL_HID_GET_INPUT_REPORT 0x000B01A2
#endif
/** Output report, through the control channel. Input: the whole report, ID first. */
#ifndef IOCTL_HID_SET_OUTPUT_REPORT
#define IOCTL_HID_SET_OUTPUT_REPORT 0x000B0195
#endif
/** Identity. Output: HID_COLLECTION_INFORMATION. */
#ifndef IOCTL_HID_GET_COLLECTION_INFORMATION
#define IOCTL_HID_GET_COLLECTION_INFORMATION 0x000B01A8
#endif
/** Who made the device. Output: UTF-16 text with its final 0; STATUS_INVALID_BUFFER_SIZE if it does not fit. */
#ifndef IOCTL_HID_GET_MANUFACTURER_STRING
#define IOCTL_HID_GET_MANUFACTURER_STRING 0x000B01BA
#endif
/** What the device is called. Output: UTF-16 text with its final 0; STATUS_INVALID_BUFFER_SIZE if it does not fit. */
#ifndef IOCTL_HID_GET_PRODUCT_STRING
#define IOCTL_HID_GET_PRODUCT_STRING 0x000B01BE
#endif
/** Which one it is. Output: UTF-16 text with its final 0; STATUS_INVALID_BUFFER_SIZE if it does not fit. */
#ifndef IOCTL_HID_GET_SERIALNUMBER_STRING
#define IOCTL_HID_GET_SERIALNUMBER_STRING 0x000B01C2
#endif
/** A string of the device. Input: its index, a ULONG. Output: UTF-16 text with its final 0. */
#ifndef IOCTL_HID_GET_INDEXED_STRING
#define IOCTL_HID_GET_INDEXED_STRING 0x000B01E2
#endif
/** How many reports the library keeps while no Request waits for one. Output: ULONG. The name has no HID_ after IOCTL_. */
#ifndef IOCTL_GET_NUM_DEVICE_INPUT_BUFFERS
#define IOCTL_GET_NUM_DEVICE_INPUT_BUFFERS 0x000B01A0
#endif
/** Sets that number. Input: ULONG, 2..512; 32 when the target is opened. The name has no HID_ after IOCTL_. */
#ifndef IOCTL_SET_NUM_DEVICE_INPUT_BUFFERS
#define IOCTL_SET_NUM_DEVICE_INPUT_BUFFERS 0x000B01A4
#endif
/** Forgets the reports that no Request has taken yet. No buffers. */
#ifndef IOCTL_HID_FLUSH_QUEUE
#define IOCTL_HID_FLUSH_QUEUE 0x000B0197
#endif

/* ----------------------------------------------- codes for ContinuousRequestTarget_RequestType_InternalIoctl */

/** Report descriptor. Output: its bytes, as the device gives them (4096 at most). */
#ifndef IOCTL_HID_GET_REPORT_DESCRIPTOR
#define IOCTL_HID_GET_REPORT_DESCRIPTOR 0x000B0007
#endif
/** Identity. Output: HID_DEVICE_ATTRIBUTES. */
#ifndef IOCTL_HID_GET_DEVICE_ATTRIBUTES
#define IOCTL_HID_GET_DEVICE_ATTRIBUTES 0x000B0027
#endif
/** The next input report. Output: the whole report, ID first. */
#ifndef IOCTL_HID_READ_REPORT
#define IOCTL_HID_READ_REPORT 0x000B000B
#endif
/** Output report. Input: the whole report, ID first. */
#ifndef IOCTL_HID_WRITE_REPORT
#define IOCTL_HID_WRITE_REPORT 0x000B000F
#endif

#ifdef __cplusplus
}
#endif

#endif /* DMF_HID_H */
