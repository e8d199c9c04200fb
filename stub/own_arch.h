/* SPDX-License-Identifier: Apache-2.0
 * The architecture that this launcher was compiled for. */
#ifndef RUNDLE_OWN_ARCH_H
#define RUNDLE_OWN_ARCH_H

#include "bundle.h"

#if defined(__x86_64__)
#define OWN_ARCH BUNDLE_ARCH_X86_64
#define OWN_ARCH_NAME "x86_64"
#elif defined(__aarch64__)
#define OWN_ARCH BUNDLE_ARCH_AARCH64
#define OWN_ARCH_NAME "aarch64"
#else
#error "there is no launcher for this architecture"
#endif

#endif
