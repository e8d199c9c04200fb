/* SPDX-License-Identifier: Apache-2.0
 * Which variables of the host describe this very run, and so reach the program by default.
 *
 * The one place: environment.c filters by it and `--info` shows it. INHERIT names a variable, or with a `*`
 * at its end a family. KEEP_OUT names members of a family that tell where the host installed something:
 * inside they would point to files of the image that are not there, or hide the image's own value. */
#ifndef INHERIT
#define INHERIT(name)
#endif
#ifndef KEEP_OUT
#define KEEP_OUT(name)
#endif

/* terminal and locale */
INHERIT("TERM")
INHERIT("COLORTERM")
INHERIT("NO_COLOR")
INHERIT("TZ")
INHERIT("LANG")
INHERIT("LANGUAGE")
INHERIT("LC_*")

/* proxies */
INHERIT("http_proxy")
INHERIT("https_proxy")
INHERIT("ftp_proxy")
INHERIT("all_proxy")
INHERIT("no_proxy")
INHERIT("HTTP_PROXY")
INHERIT("HTTPS_PROXY")
INHERIT("FTP_PROXY")
INHERIT("ALL_PROXY")
INHERIT("NO_PROXY")

/* batch systems */
INHERIT("SLURM_*")
INHERIT("SLURMD_NODENAME")
INHERIT("PBS_*")
INHERIT("LSB_*")
INHERIT("FLUX_*")
INHERIT("PALS_*")

/* process managers and MPI */
INHERIT("PMI*")
INHERIT("PMIX_*")
INHERIT("PRTE_*")
INHERIT("OMPI_*")
INHERIT("I_MPI_*")
KEEP_OUT("I_MPI_ROOT")
INHERIT("HYDRA_*")
INHERIT("HYDI_*")
INHERIT("MPICH_*")
INHERIT("MPIR_CVAR_*")
INHERIT("MV2_*")
INHERIT("MPI_LOCAL*")
INHERIT("MASTER_ADDR")
INHERIT("MASTER_PORT")
INHERIT("WORLD_SIZE")
INHERIT("RANK")
INHERIT("LOCAL_RANK")
INHERIT("LOCAL_WORLD_SIZE")

/* communication libraries */
INHERIT("UCX_*")
INHERIT("UCC_*")
INHERIT("NCCL_*")
INHERIT("RCCL_*")
INHERIT("FI_*")
KEEP_OUT("FI_PROVIDER_PATH")
INHERIT("PSM*")

/* threads */
INHERIT("OMP_*")
INHERIT("GOMP_*")
INHERIT("KMP_*")
INHERIT("OPENBLAS_*")
INHERIT("GOTO_NUM_THREADS")
INHERIT("BLIS_*")
INHERIT("MKL_*")
INHERIT("NUMEXPR_*")

/* accelerators */
INHERIT("CUDA_*")
KEEP_OUT("CUDA_HOME")
KEEP_OUT("CUDA_PATH")
KEEP_OUT("CUDA_ROOT")
KEEP_OUT("CUDA_DIR")
KEEP_OUT("CUDA_VERSION")
INHERIT("NVIDIA_VISIBLE_DEVICES")
INHERIT("NVIDIA_DRIVER_CAPABILITIES")
INHERIT("ROCR_VISIBLE_DEVICES")
INHERIT("HIP_VISIBLE_DEVICES")
INHERIT("GPU_DEVICE_ORDINAL")
INHERIT("ZE_AFFINITY_MASK")
INHERIT("ONEAPI_DEVICE_SELECTOR")

#undef INHERIT
#undef KEEP_OUT
