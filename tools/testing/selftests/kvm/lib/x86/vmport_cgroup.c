// SPDX-License-Identifier: GPL-2.0-only
/*
 * A memory cgroup for the tests of what a guest can make its host hold.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vmport_cgroup.h"

/* Open all the while: where there is no room, a file that is opened would need some. */
static int vmport_cgroup_max;

/* A cgroup of its own for what comes; false where that cannot be. */
bool vmport_enter_cgroup(void)
{
	char text[32];
	int fd;

	mkdir(VMPORT_CGROUPS, 0755);
	if (access(VMPORT_CGROUPS "/cgroup.procs", F_OK) &&
	    mount("cgroup2", VMPORT_CGROUPS, "cgroup2", 0, NULL))
		return false;
	fd = open(VMPORT_CGROUPS "/cgroup.subtree_control", O_WRONLY);
	if (fd < 0 || write(fd, "+memory", 7) != 7)
		return false;
	close(fd);
	mkdir(VMPORT_CGROUP, 0755);
	fd = open(VMPORT_CGROUP "/cgroup.procs", O_WRONLY);
	snprintf(text, sizeof(text), "%d", getpid());
	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		return false;
	close(fd);
	vmport_cgroup_max = open(VMPORT_CGROUP "/memory.max", O_WRONLY);
	return vmport_cgroup_max >= 0;
}

void vmport_leave_cgroup(void)
{
	int fd = open(VMPORT_CGROUPS "/cgroup.procs", O_WRONLY);
	char text[32];

	snprintf(text, sizeof(text), "%d", getpid());
	TEST_ASSERT(fd >= 0 && write(fd, text, strlen(text)) > 0, "Cannot leave the cgroup");
	close(fd);
	close(vmport_cgroup_max);
	rmdir(VMPORT_CGROUP);
}

u64 vmport_cgroup_number(const char *name)
{
	char path[128], text[32] = "";
	int fd;

	snprintf(path, sizeof(path), VMPORT_CGROUP "/%s", name);
	fd = open(path, O_RDONLY);
	TEST_ASSERT(fd >= 0 && read(fd, text, sizeof(text) - 1) > 0, "Cannot read %s", path);
	close(fd);
	return strtoull(text, NULL, 0);
}

void vmport_cgroup_limit(u64 bytes)
{
	char text[32];

	snprintf(text, sizeof(text), "%llu", (unsigned long long)bytes);
	TEST_ASSERT(write(vmport_cgroup_max, text, strlen(text)) > 0, "Cannot set memory.max");
}

/* How often that has happened, of memory.events. */
u64 vmport_cgroup_event(const char *name)
{
	char text[512] = "\n", key[32];
	const char *found;
	int fd;

	fd = open(VMPORT_CGROUP "/memory.events", O_RDONLY);
	TEST_ASSERT(fd >= 0 && read(fd, text + 1, sizeof(text) - 2) > 0, "No memory.events");
	close(fd);
	snprintf(key, sizeof(key), "\n%s ", name);
	found = strstr(text, key);
	TEST_ASSERT(found, "memory.events has no '%s'", name);
	return strtoull(found + strlen(key), NULL, 0);
}
