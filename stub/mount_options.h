/* SPDX-License-Identifier: Apache-2.0
 * The option field of a mount: `ro,nosuid,x-create=dir,size=10M`. */
#ifndef RUNDLE_MOUNT_OPTIONS_H
#define RUNDLE_MOUNT_OPTIONS_H

#include "mount_spec.h"

/* What the options say beyond the fields of struct mount_spec. */
struct mount_choice {
	bool bind, rbind, move, detach, create;
};

/* Apply the comma-separated `options` to `spec` and `choice`. What is no generic option goes to `spec->data`.
 * Returns 0, or -1 with a fault when that is full or an x- option is unknown. */
int mount_options_parse(const char *options, struct mount_spec *spec, struct mount_choice *choice,
                        struct fault *fault);

#endif
