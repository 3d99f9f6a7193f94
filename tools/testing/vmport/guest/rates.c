// SPDX-License-Identifier: GPL-2.0-only
/*
 * rates: print what a guest is told of its clock, and how it may make hypercalls: the
 * TSC's rate by GETHZ, and CPUID leaf 0x40000010, or "none" where the guest has no such
 * leaf.
 */
#include <cpuid.h>
#include <stdint.h>
#include <stdio.h>

#define MAGIC		0x564d5868
#define PORT		0x5658
#define CMD_GETHZ	45
#define LEAF		0x40000010

int main(void)
{
	uint32_t eax = MAGIC, ebx = ~MAGIC, ecx = CMD_GETHZ, edx = PORT;

	asm volatile("inl %%dx, %%eax" : "+a"(eax), "+b"(ebx), "+c"(ecx), "+d"(edx));
	printf("GETHZ %llu Hz, ", (unsigned long long)ebx << 32 | eax);

	__cpuid(0x40000000, eax, ebx, ecx, edx);
	if (eax < LEAF) {
		printf("CPUID none\n");
		return 0;
	}
	__cpuid(LEAF, eax, ebx, ecx, edx);
	printf("CPUID %u kHz, hypercalls %u\n", eax, ecx);
	return 0;
}
