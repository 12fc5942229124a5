/**
 * Everything of this library, and those small helpers of the kernel that Clients of the Modules use all the time. They
 * stand here and not in dmf.h, because a program that was not written for the framework has no use for their names.
 */
#ifndef DMF_COMPAT_WDM_H
#define DMF_COMPAT_WDM_H

#include "../../dmf.h"

#include <assert.h>
#include <string.h>

/** Sets bytes to 0. */
#ifndef RtlZeroMemory
#define RtlZeroMemory(Destination, Length) ((void)memset((Destination), 0, (Length)))
#endif
/** Sets bytes to a value. */
#ifndef RtlFillMemory
#define RtlFillMemory(Destination, Length, Fill) ((void)memset((Destination), (Fill), (Length)))
#endif
/** Copies bytes between places that do not overlap. */
#ifndef RtlCopyMemory
#define RtlCopyMemory(Destination, Source, Length) ((void)memcpy((Destination), (Source), (Length)))
#endif
/** Copies bytes between places that may overlap. */
#ifndef RtlMoveMemory
#define RtlMoveMemory(Destination, Source, Length) ((void)memmove((Destination), (Source), (Length)))
#endif
/** Whether bytes are the same. */
#ifndef RtlEqualMemory
#define RtlEqualMemory(First, Second, Length) (memcmp((First), (Second), (Length)) == 0)
#endif
/** Marks code that may wait; every thread of a program may. */
#ifndef PAGED_CODE
#define PAGED_CODE() ((void)0)
#endif
/** The kernel's assertion. */
#ifndef ASSERT
#define ASSERT(Expression) assert(Expression)
#endif
/** The framework's assertion. */
#ifndef DmfAssert
#define DmfAssert(Expression) assert(Expression)
#endif
/** The framework's assertion with an explanation. */
#ifndef DmfAssertMessage
#define DmfAssertMessage(Message, Expression) assert((Expression) && (Message))
#endif
/** A function that is worth inlining. */
#ifndef FORCEINLINE
#define FORCEINLINE static inline
#endif
/** Number of elements of an array. */
#ifndef ARRAYSIZE
#define ARRAYSIZE(Array) (sizeof(Array) / sizeof((Array)[0]))
#endif
/** Offset of a member in bytes. */
#ifndef FIELD_OFFSET
#define FIELD_OFFSET(Type, Member) ((LONG)offsetof(Type, Member))
#endif
/** Address of the structure that a member belongs to. */
#ifndef CONTAINING_RECORD
#define CONTAINING_RECORD(Address, Type, Member) ((Type*)((char*)(Address) - offsetof(Type, Member)))
#endif
/** Begins declarations that C++ must see as C. */
#ifndef EXTERN_C_START
#define EXTERN_C_START DMF_TYPES_EXTERN_C_BEGIN
#endif
/** Ends them. */
#ifndef EXTERN_C_END
#define EXTERN_C_END DMF_TYPES_EXTERN_C_END
#endif

#endif /* DMF_COMPAT_WDM_H */
