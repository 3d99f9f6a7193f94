// SPDX-License-Identifier: GPL-2.0-only
/*
 * ptp DEVICE: print the time of a PTP clock, in nanoseconds since 1970.
 */
#include <fcntl.h>
#include <stdio.h>
#include <time.h>

/* A clock that is a file: Documentation/driver-api/ptp.rst of Linux. */
#define FD_TO_CLOCKID(_fd)	((clockid_t)(~(unsigned int)(_fd) << 3 | 3))

int main(int argc, char *argv[])
{
	struct timespec now;
	int fd;

	if (argc != 2) {
		fprintf(stderr, "usage: ptp DEVICE\n");
		return 2;
	}
	fd = open(argv[1], O_RDONLY);
	if (fd < 0) {
		perror(argv[1]);
		return 1;
	}
	if (clock_gettime(FD_TO_CLOCKID(fd), &now)) {
		perror("clock_gettime");
		return 1;
	}
	printf("%lld%09ld\n", (long long)now.tv_sec, now.tv_nsec);
	return 0;
}
