/* SPDX-License-Identifier: Apache-2.0
 * Every option, in the order of the help. */
#include "options.h"

#define FLAG(letter, name, field, group, text)                                                               \
	{                                                                                                    \
		letter, name, OPTION_FLAG, offsetof(struct options, field), NULL, group, text                \
	}
#define VALUE(letter, name, field, value, group, text)                                                       \
	{                                                                                                    \
		letter, name, OPTION_VALUE, offsetof(struct options, field), value, group, text              \
	}
#define LIST(letter, name, field, value, group, text)                                                        \
	{                                                                                                    \
		letter, name, OPTION_LIST, offsetof(struct options, field), value, group, text               \
	}

#define PROGRAM "Program"
#define CONTAINER "Container"
#define TREE "Extracted tree"
#define BUNDLE "Bundle and host"

const struct option_row option_table[] = {
    LIST('e', "env", environment, "KEY[=VAL]", PROGRAM, "set a variable; without =VAL take the host's"),
    LIST(0, "env-file", environment_files, "FILE", PROGRAM, "set the variables of FILE, KEY=VAL lines"),
    FLAG(0, "inherit-env", inherit_environment, PROGRAM, "pass all variables of the host"),
    FLAG(0, "clean-env", clean_environment, PROGRAM, "pass no variables of the host"),
    FLAG(0, "no-entrypoint", no_entrypoint, PROGRAM, "run COMMAND itself, without entrypoint and rc"),
    VALUE(0, "rc", rc, "SCRIPT", PROGRAM, "start SCRIPT of the host in place of /etc/rc"),
    VALUE(0, "workdir", workdir, "DIR", PROGRAM, "start in DIR of the image"),
    LIST('c', "conf", configurations, "FILE", PROGRAM, "read settings, env and mount lines from FILE"),
    LIST('m', "mount", mounts, "SRC:DST[:OPTS]", CONTAINER, "show a file or directory of the host inside"),
    FLAG(0, "mount-home", mount_home, CONTAINER, "show the home directory inside"),
    FLAG(0, "mount-cwd", mount_cwd, CONTAINER, "show the current directory inside, and start in it"),
    FLAG('r', "root", root, CONTAINER, "be root inside"),
    FLAG('w', "rw", writable, CONTAINER, "make the root file system writable"),
    VALUE(0, "overlay", overlay, "DIR", CONTAINER, "as --rw, and keep the changes in DIR for the next start"),
    FLAG(0, "pid", pid, CONTAINER, "own process numbers"),
    FLAG(0, "net", net, CONTAINER, "own network, loopback only"),
    FLAG(0, "ipc", ipc, CONTAINER, "own System V IPC and /dev/shm"),
    FLAG(0, "uts", uts, CONTAINER, "own host name"),
    FLAG('k', "keep", keep, TREE, "keep the tree, and start from it when it is there"),
    VALUE('t', "target", target, "DIR", TREE, "keep the tree in DIR (default ./NAME)"),
    FLAG('x', "extract", extract, TREE, "only extract the tree, start nothing"),
    VALUE(0, "mode", mode, "TIER", TREE, "start in this way only: mount, extract or trace"),
    FLAG('q', "quiet", quiet, TREE, "no progress and no notices"),
    FLAG('i', "info", info, BUNDLE, "show what the bundle holds"),
    FLAG(0, "licenses", licenses, BUNDLE, "with --info: licences of what is in it beside the image"),
    FLAG(0, "check", check, BUNDLE, "check every byte of the bundle"),
    FLAG('v', "verify", verify, BUNDLE, "try whether this host can run the bundle"),
    FLAG(0, "ignore-requirements", ignore_requirements, BUNDLE,
         "start although the host lacks what the bundle needs"),
    FLAG(0, "json", json, BUNDLE, "print --info, --check or --verify as JSON"),
    FLAG(0, "setup-host", setup_host, BUNDLE, "as root: install the launcher, and a profile for AppArmor"),
    FLAG(0, "remove", remove, BUNDLE, "with --setup-host: undo it"),
    FLAG(0, "yes", yes, BUNDLE, "with --setup-host: do not ask"),
    FLAG('h', "help", help, BUNDLE, "show this text"),
    FLAG(0, "version", version, BUNDLE, "show the launcher's version"),
};

const size_t option_count = sizeof option_table / sizeof *option_table;
