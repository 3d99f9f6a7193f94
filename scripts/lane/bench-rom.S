/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A PC's firmware that measures what accesses to I/O ports cost under QEMU, in
 * ticks of the TSC, and says so on the debug console, port 0xe9:
 *
 *	@@BENCH instructions NAME NUMBER
 *
 * Ring 3 has neither IOPL nor an I/O bitmap.  With the bytes of the image at
 * 0xf0000, linked there; it ends QEMU by isa-debug-exit at 0xf4.
 */
#define MAGIC		0x564d5868
#define VMPORT		0x5658
#define GETVERSION	10
#define PLAIN_PORT	0x92	/* system control port A, an easy one for QEMU */
#define CONSOLE		0xe9
#define EXIT		0xf4

#define GP_VECTOR	13

#define MSR_SYSENTER_CS		0x174
#define MSR_SYSENTER_ESP	0x175
#define MSR_SYSENTER_EIP	0x176

/* Memory. */
#define ROUNDS		0x500
#define GDT		0x1000
#define TSS		0x2000
#define IDT		0x3000
#define STACK0		0x8000
#define STACK3		0x9000

#define CODE0		0x08
#define DATA0		0x10
#define CODE3		0x1b
#define DATA3		0x23
#define TASK		0x28

	.text
	.code32

/* The fewest ticks of 5 times 20 calls, for one of them, in EAX. */
.macro measure port, in:vararg
	mov	$-1, %edi
	movl	$5, ROUNDS
1:	rdtsc
	mov	%eax, %esi
	mov	$20, %ebp
2:	mov	$MAGIC, %eax
	mov	$GETVERSION, %ecx
	mov	$\port, %edx
	\in
	dec	%ebp
	jnz	2b
	mov	%eax, %ecx
	rdtsc
	sub	%esi, %eax
	cmp	%edi, %eax
	jae	3f
	mov	%eax, %edi
3:	decl	ROUNDS
	jnz	1b
	mov	%ecx, %ebx
	mov	%edi, %eax
	xor	%edx, %edx
	mov	$20, %ecx
	div	%ecx
.endm

/* Print the text at \name and EAX. */
.macro report name
	mov	$\name, %esi
	call	print_text
	call	print_number
	mov	$'\n', %al
	out	%al, $CONSOLE
.endm

start:
	mov	$DATA0, %eax
	mov	%eax, %ds
	mov	%eax, %es
	mov	%eax, %ss
	mov	$STACK0, %esp

	/* Loading TR writes to the table. */
	mov	$gdt, %esi
	mov	$GDT, %edi
	mov	$gdt_end - gdt, %ecx
	rep movsb
	lgdt	gdt_ram
	movl	$STACK0, TSS + 4
	movl	$DATA0, TSS + 8
	movw	$104, TSS + 102
	mov	$TASK, %eax
	ltr	%ax

	mov	$failed, %edx
	mov	%dx, IDT + GP_VECTOR * 8
	movw	$CODE0, IDT + GP_VECTOR * 8 + 2
	movw	$0x8e00, IDT + GP_VECTOR * 8 + 4
	shr	$16, %edx
	mov	%dx, IDT + GP_VECTOR * 8 + 6
	lidt	idt_ram

	/* Ring 3 comes back by SYSENTER: it needs no TSS. */
	xor	%edx, %edx
	mov	$MSR_SYSENTER_CS, %ecx
	mov	$CODE0, %eax
	wrmsr
	mov	$MSR_SYSENTER_ESP, %ecx
	mov	$STACK0, %eax
	wrmsr
	mov	$MSR_SYSENTER_EIP, %ecx
	mov	$done, %eax
	wrmsr

	measure	PLAIN_PORT, in %dx, %al
	report	name_pio
	measure	VMPORT, in %dx, %eax
	cmp	$6, %ebx
	jne	failed
	report	name_vmport

	push	$DATA3
	push	$STACK3
	push	$2
	push	$CODE3
	push	$ring3
	iret

ring3:
	mov	$DATA3, %eax
	mov	%eax, %ds
	mov	%eax, %es
	measure	VMPORT, in %dx, %eax
	sysenter

done:
	mov	$DATA0, %ecx
	mov	%ecx, %ds
	mov	%ecx, %es
	cmp	$6, %ebx
	jne	failed
	report	name_ring3
	jmp	leave

failed:
	mov	$DATA0, %ecx
	mov	%ecx, %ds
	mov	$text_failed, %esi
	call	print_text
leave:
	xor	%eax, %eax
	out	%al, $EXIT
4:	hlt
	jmp	4b

print_text:
	push	%eax
5:	lodsb
	test	%al, %al
	jz	6f
	out	%al, $CONSOLE
	jmp	5b
6:	pop	%eax
	ret

print_number:
	mov	$10, %ebx
	xor	%ecx, %ecx
7:	xor	%edx, %edx
	div	%ebx
	push	%edx
	inc	%ecx
	test	%eax, %eax
	jnz	7b
8:	pop	%eax
	add	$'0', %al
	out	%al, $CONSOLE
	loop	8b
	ret

name_pio:
	.asciz	"@@BENCH instructions pio_qemu "
name_vmport:
	.asciz	"@@BENCH instructions qemu_vmport_getversion "
name_ring3:
	.asciz	"@@BENCH instructions stock_ring3_getversion "
text_failed:
	.asciz	"@@BENCH failed the firmware's call was not answered\n"

	.balign	8
gdt:
	.quad	0
	.quad	0x00cf9b000000ffff
	.quad	0x00cf93000000ffff
	.quad	0x00cffb000000ffff
	.quad	0x00cff3000000ffff
	.quad	0x0000890000000067 | TSS << 16
gdt_end:
gdt_rom:
	.word	gdt_end - gdt - 1
	.long	gdt
gdt_ram:
	.word	gdt_end - gdt - 1
	.long	GDT
idt_ram:
	.word	(GP_VECTOR + 1) * 8 - 1
	.long	IDT

	.code16
real:
	cli
	lgdtl	%cs:gdt_rom - start
	mov	%cr0, %eax
	or	$1, %al
	mov	%eax, %cr0
	ljmpl	$CODE0, $start

	/* The last 16 bytes, where the processor begins. */
	.org	0xfff0
	jmp	real
	.org	0x10000
