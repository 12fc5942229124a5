/**
 * dmf.h - everything an application needs.
 *
 * The buffer, notification and streaming Modules of the Driver Module Framework for ordinary programs, behind a C ABI.
 *
 *     #include <dmf.h>
 *
 * Define DMF_API_LEVEL before the include to choose the generation of a few prototypes (see dmf/types.h).
 * Compiles as C11, C23 and C++17.
 */
#ifndef DMF_H
#define DMF_H

#include "dmf/types.h"
#include "dmf/hid.h"
#include "dmf/wdf.h"
#include "dmf/module.h"
#include "dmf/io_target.h"
#include "dmf/Dmf_BufferPool.h"
#include "dmf/Dmf_ContinuousRequestTarget.h"

/*
 * The later generation of SendEx has one parameter less and another last one, under the same name. The library exports
 * both; this stands after the prototypes, because it would rename the first of them otherwise.
 */
#if DMF_API_LEVEL >= 2025
#define DMF_ContinuousRequestTarget_SendEx DMF_ContinuousRequestTarget_SendEx_2025
#endif

#endif /* DMF_H */
