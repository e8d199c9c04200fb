/* SPDX-License-Identifier: Apache-2.0
 * The checks; the table in look.c gives their ids and groups, README.md says what each one tries. */
#ifndef RUNDLE_HOST_CHECKS_H
#define RUNDLE_HOST_CHECKS_H

#include "host/host.h"

/* What a failure of something that a tier needs is: it fails when no tier works. */
enum check_result check_hurts(const struct host *host);

/* The machine and the bundle. */
check_function look_kernel, look_architecture, look_host_kind, look_job, look_cpu;
check_function look_launcher_directory, look_launcher_installed, look_payload;

/* What containers are made of. */
check_function look_user_namespaces, look_nesting, look_mounts, look_pivot_root, look_fuse, look_overlay,
    look_proc;

/* What may be forbidden. */
check_function look_seccomp, look_ptrace, look_apparmor, look_selinux, look_yama, look_memfd;

/* Room and limits. */
check_function look_directories, look_shm, look_rlimits, look_cgroup;

/* Devices. */
check_function look_gpu_nvidia, look_gpu_amd, look_wsl_gpu, look_fabric;

#endif
