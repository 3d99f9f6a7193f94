// SPDX-License-Identifier: GPL-2.0-only
/*
 * Mutations of state blobs.  Builds with the engine and its shims, and with KVM's
 * selftests: so it has its own random numbers and its own checksum.
 */
#include <endian.h>
#include <string.h>

#include "mutate.h"

/* Of struct kvm_vmport_blob_header: bytes, and where the length and the checksum are. */
#define HEADER		32
#define LENGTH		8
#define CHECKSUM	16

struct mutation {
	unsigned char *data;
	size_t size;
	size_t room;
	unsigned long long random;
};

/* SplitMix64's step; below @n. */
static size_t below(struct mutation *m, size_t n)
{
	unsigned long long z = m->random += 0x9e3779b97f4a7c15ull;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return (z ^ (z >> 31)) % n;
}

static unsigned int crc32c(unsigned int crc, const unsigned char *data, size_t size)
{
	unsigned int bit;

	for (; size; size--) {
		crc ^= *data++;
		for (bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78 : 0);
	}
	return crc;
}

/* The length too, but now and then. */
static void seal(struct mutation *m)
{
	unsigned long long length = htole64(m->size);
	unsigned int checksum = 0;

	if (m->size < HEADER)
		return;
	if (below(m, 32))
		memcpy(m->data + LENGTH, &length, sizeof(length));
	memcpy(m->data + CHECKSUM, &checksum, sizeof(checksum));
	checksum = htole32(~crc32c(~0u, m->data, m->size));
	memcpy(m->data + CHECKSUM, &checksum, sizeof(checksum));
}

/* A number that something is compared with, more often than not. */
static unsigned long long number(struct mutation *m)
{
	static const unsigned long long numbers[] = {
		0, 1, 2, 3, 4, 5, 6, 7, 8, 16, 31, 32, 40, 63, 64, 127, 128, 255, 256, 257, 4095,
		4096, 4097, 16383, 16384, 65535, 65536, 65537, 65600, 65601, 1048576, 0x49435052,
		0x4f4c4354, 0x53504d56, 0x7fffffff, 0x80000000, 0xffffffff, 1ull << 32,
		0x7ffffffffffffffeull, 0x7fffffffffffffffull, 1ull << 63, ~0ull,
	};
	const size_t count = sizeof(numbers) / sizeof(*numbers);

	return numbers[below(m, count)];
}

static void change_field(struct mutation *m, size_t at)
{
	unsigned long long value = htole64(number(m));
	size_t size = 1u << below(m, 4);

	at &= ~(size - 1);
	if (at + size <= m->size)
		memcpy(m->data + at, &value, size);
}

/* What stands at multiples of 8, twice or not at all. */
static void change_length(struct mutation *m)
{
	size_t at = below(m, m->size / 8 + 1) * 8, size = (1 + below(m, 12)) * 8;

	if (at + size > m->size)
		return;
	if (below(m, 2)) {
		memmove(m->data + at, m->data + at + size, m->size - at - size);
		m->size -= size;
	} else if (m->size + size <= m->room) {
		memmove(m->data + at + size, m->data + at, m->size - at);
		m->size += size;
	}
}

static void change(struct mutation *m)
{
	/* Past the header, mostly: what is wrong there hides the rest. */
	size_t from = m->size > HEADER && below(m, 16) ? HEADER : 0;
	size_t at = from + (m->size > from ? below(m, m->size - from) : 0);

	if (!m->size)
		return;
	switch (below(m, 8)) {
	case 0:
	case 1:
		m->data[at] ^= 1u << below(m, 8);
		break;
	case 2:
		m->data[at] = below(m, 256);
		break;
	case 3:
	case 4:
	case 5:
		change_field(m, at);
		break;
	case 6:
		change_length(m);
		break;
	case 7:
		if (!below(m, 4))
			m->size = at;
		else
			m->data[at] += below(m, 2) ? 1 : -1;
		break;
	}
}

size_t mutate(void *to, const void *from, size_t size, unsigned long long n)
{
	struct mutation m = {
		.data = to,
		.size = size,
		.room = size + MUTATE_ROOM,
		.random = n * 0x2545f4914f6cdd1dull,
	};
	size_t changes;

	memcpy(to, from, size);
	if (!n)
		return size;
	for (changes = 1 + below(&m, 4); changes; changes--)
		change(&m);
	if (below(&m, 16))
		seal(&m);
	return m.size;
}
