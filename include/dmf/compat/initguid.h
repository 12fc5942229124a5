/** DEFINE_GUID, for sources that name device interfaces. */
#ifndef DMF_COMPAT_INITGUID_H
#define DMF_COMPAT_INITGUID_H

#ifdef _WIN32
#ifndef INITGUID
#define INITGUID
#endif
#include <guiddef.h>
#else

#include "../types.h"

/** A globally unique identifier. */
typedef struct _GUID
{
    /** First group. */
    ULONG Data1;
    /** Second group. */
    USHORT Data2;
    /** Third group. */
    USHORT Data3;
    /** The rest. */
    UCHAR Data4[8];
} GUID;

/** Defines a GUID that is private to the source file. */
#define DEFINE_GUID(Name, L, W1, W2, B1, B2, B3, B4, B5, B6, B7, B8)                                                   \
    DMF_TYPES_MAY_BE_UNUSED static const GUID Name = {L, W1, W2, {B1, B2, B3, B4, B5, B6, B7, B8}}

#endif
#endif /* DMF_COMPAT_INITGUID_H */
