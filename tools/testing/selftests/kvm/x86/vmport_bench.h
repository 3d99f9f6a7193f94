/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The loops that vmport_bench counts the ticks of.
 */
#ifndef SELFTEST_KVM_VMPORT_BENCH_H
#define SELFTEST_KVM_VMPORT_BENCH_H

#include "vmport.h"

/*
 * The guest.  EDX is in R10, the cookie in R12 and R13; ticks come back in EAX.
 */
#define START	"rdtsc\n\tmov %eax, %r14d\n\t"
#define END	"rdtsc\n\tsub %r14d, %eax\n"
#define REQUEST(_type)				\
	"mov $0x564d5868, %eax\n\t"		\
	"mov $" #_type " << 16 | 30, %ecx\n\t"	\
	"mov %r10d, %edx\n\t"			\
	"mov %r12d, %esi\n\t"			\
	"mov %r13d, %edi\n\t"			\
	"in %dx, %eax\n\t"
#define HB_REQUEST				\
	"mov $0x564d5868, %eax\n\t"		\
	"mov $0x10000, %ebx\n\t"		\
	"lea 1(%r10), %edx\n\t"

/* R8 times @_insn, with EAX of @_eax, EBX of R11 and ECX of R9. */
#define LOOP(_name, _eax, _insn)		\
	#_name ":\n\t"				\
	START					\
	"mov %r8d, %r15d\n"			\
	"1:\n\t"				\
	"mov " _eax ", %eax\n\t"		\
	"mov %r11d, %ebx\n\t"			\
	"mov %r9d, %ecx\n\t"			\
	"mov %r10d, %edx\n\t"			\
	"mov %r12d, %esi\n\t"			\
	"mov %r13d, %edi\n\t"			\
	_insn "\n\t"				\
	"dec %r15d\n\t"				\
	"jnz 1b\n\t"				\
	END					\
	#_name "_end:\n\t"			\
	VMPORT_DONE				\
	"ud2\n"

asm(".pushsection .text, \"ax\"\n\t"
	".balign 64\n"
	LOOP(bench_calls, "$0x564d5868", "in %dx, %eax")
	LOOP(bench_port, "$0x564d5868", "in %dx, %al")
	/* What KVM itself does in its fast path, and what it does least for. */
	LOOP(bench_wrmsr, "%ebp", "wrmsr")
	LOOP(bench_invd, "$0x564d5868", "invd")
	/* CPUID, R8 times: it clobbers EBX, ECX and EDX. */
	"bench_cpuid:\n\t"
	"mov %r8d, %r15d\n"
	"1:\n\t"
	"xor %eax, %eax\n\t"
	"cpuid\n\t"
	"dec %r15d\n\t"
	"jnz 1b\n\t"
	VMPORT_DONE
	"ud2\n"
	/* OPEN with EBX of R11 and CLOSE, R8 times. */
	"bench_open_close:\n\t"
	START
	"mov %r8d, %r15d\n"
	"1:\n\t"
	"mov %r11d, %ebx\n\t"
	REQUEST(0)
	/* The channel is in the high half now, and the port in no half. */
	"mov %r10w, %dx\n\t"
	"mov $0x564d5868, %eax\n\t"
	"mov $6 << 16 | 30, %ecx\n\t"
	"in %dx, %eax\n\t"
	"dec %r15d\n\t"
	"jnz 1b\n\t"
	END
	VMPORT_DONE
	"ud2\n"
	/* A request of R11 bytes, R8 words, at RBP; the reply goes behind it. */
	"bench_rpc:\n\t"
	START
	"mov %r11d, %ebx\n\t"
	REQUEST(1)
	"1:\n\t"
	"mov (%rbp), %ebx\n\t"
	REQUEST(2)
	"add $4, %rbp\n\t"
	"dec %r8d\n\t"
	"jnz 1b\n\t"
	REQUEST(3)
	"lea 3(%rbx), %r8d\n\t"
	"shr $2, %r8d\n"
	"2:\n\t"
	"mov $1, %ebx\n\t"
	REQUEST(4)
	"mov %ebx, (%rbp)\n\t"
	"add $4, %rbp\n\t"
	"dec %r8d\n\t"
	"jnz 2b\n\t"
	"mov $1, %ebx\n\t"
	REQUEST(5)
	END
	VMPORT_DONE
	"ud2\n"
	/* The same by string instructions, the request at R8, the reply at R9. */
	"bench_rpc_hb:\n\t"
	START
	"mov %r11d, %ebx\n\t"
	REQUEST(1)
	HB_REQUEST
	"mov %r11d, %ecx\n\t"
	"mov %r8, %rsi\n\t"
	"mov %r12d, %ebp\n\t"
	"rep outsb\n\t"
	REQUEST(3)
	"mov %ebx, %r15d\n\t"
	HB_REQUEST
	"mov %r15d, %ecx\n\t"
	"mov %r9, %rdi\n\t"
	"mov %r13d, %ebp\n\t"
	"rep insb\n\t"
	"mov $1, %ebx\n\t"
	REQUEST(5)
	END
	VMPORT_DONE
	"ud2\n"
	/* One string instruction: R11 bytes at R8. */
	"bench_hb_send:\n\t"
	START
	HB_REQUEST
	"mov %r11d, %ecx\n\t"
	"mov %r8, %rsi\n\t"
	"mov %r12d, %ebp\n\t"
	"mov %r13d, %edi\n\t"
	"rep outsb\n\t"
	END
	VMPORT_DONE
	"ud2\n\t"
	/* In the host: RDX bytes from RSI to RDI, as the kernel's own copies do. */
	"bench_copy_words:\n"
	"1:\n\t"
	"mov 0(%rsi), %r8\n\t"
	"mov 8(%rsi), %r9\n\t"
	"mov 16(%rsi), %r10\n\t"
	"mov 24(%rsi), %r11\n\t"
	"mov %r8, 0(%rdi)\n\t"
	"mov %r9, 8(%rdi)\n\t"
	"mov %r10, 16(%rdi)\n\t"
	"mov %r11, 24(%rdi)\n\t"
	"mov 32(%rsi), %r8\n\t"
	"mov 40(%rsi), %r9\n\t"
	"mov 48(%rsi), %r10\n\t"
	"mov 56(%rsi), %r11\n\t"
	"mov %r8, 32(%rdi)\n\t"
	"mov %r9, 40(%rdi)\n\t"
	"mov %r10, 48(%rdi)\n\t"
	"mov %r11, 56(%rdi)\n\t"
	"add $64, %rsi\n\t"
	"add $64, %rdi\n\t"
	"sub $64, %rdx\n\t"
	"jnz 1b\n\t"
	"ret\n\t"
	".popsection");

extern char bench_calls[], bench_calls_end[], bench_port[], bench_wrmsr[], bench_invd[];
extern char bench_cpuid[], bench_open_close[];
extern char bench_rpc[], bench_rpc_hb[], bench_hb_send[];
void bench_copy_words(void *to, const void *from, size_t size);

#endif /* SELFTEST_KVM_VMPORT_BENCH_H */
