/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A PC's firmware that reads guestinfo.ipxe.hostname as iPXE does: in 16-bit code, then
 * in 32-bit code.  It has its own values in ESI and EDI meanwhile, and compares all of
 * ECX.  What it reads goes to the second serial line, in guest-init.sh's way; then it
 * halts.  With the bytes of the image at 0xf0000, linked there.
 */
#define MAGIC		0x564d5868
#define PORT		0x5658
#define GETVERSION	10
#define MESSAGE		30
#define RPCI		0x49435052

#define OPEN		0
#define SENDSIZE	1
#define SENDPAYLOAD	2
#define RECVSIZE	3
#define RECVPAYLOAD	4
#define RECVSTATUS	5
#define CLOSE		6

#define SERIAL		0x2f8
#define SERIAL_STATUS	0x2fd
#define SERIAL_EMPTY	0x20

#define STACK		0x8000

#define CODE		0x08
#define DATA		0x10

	.text

/* EBX is the parameter, EBP the channel in its upper half; ECX must be \status. */
.macro message mode, request, status
	mov	$MAGIC, %eax
	mov	$(\request << 16 | MESSAGE), %ecx
	mov	%ebp, %edx
	mov	$PORT, %dx
	in	%dx, %eax
	cmp	$\status, %ecx
	jne	failed_\mode
.endm

/* Code for \mode, whose data begin at \base. */
.macro client mode, base
run_\mode:
	mov	$name_\mode - \base, %esi
	call	print_\mode

	mov	$MAGIC, %eax
	xor	%ebx, %ebx
	mov	$GETVERSION, %ecx
	mov	$PORT, %edx
	in	%dx, %eax
	cmp	$MAGIC, %ebx
	jne	failed_\mode

	mov	$request - \base, %esi
	mov	$request_size, %edi
	xor	%ebp, %ebp
	mov	$RPCI, %ebx
	message	\mode, OPEN, 0x00010000
	mov	%edx, %ebp
	mov	%edi, %ebx
	message	\mode, SENDSIZE, 0x00810000
1:	mov	(%esi), %ebx
	message	\mode, SENDPAYLOAD, 0x00010000
	add	$4, %esi
	sub	$4, %edi
	ja	1b

	xor	%ebx, %ebx
	message	\mode, RECVSIZE, 0x00830000
	mov	%ebx, %edi
	mov	%edx, %esi
	shr	$16, %esi
2:	mov	%esi, %ebx
	message	\mode, RECVPAYLOAD, 0x00010000
	mov	$4, %ecx
3:	mov	%bl, %al
	shr	$8, %ebx
	call	put_\mode
	dec	%edi
	jz	4f
	dec	%ecx
	jnz	3b
	jmp	2b
4:	mov	%esi, %ebx
	message	\mode, RECVSTATUS, 0x00010000
	xor	%ebx, %ebx
	message	\mode, CLOSE, 0x00010000
	mov	$'\n', %al
	call	put_\mode
	ret

failed_\mode:
	mov	$failure - \base, %esi
end_\mode:
	call	print_\mode
5:	hlt
	jmp	5b

/* Print the text at ESI. */
print_\mode:
	mov	(%esi), %al
	inc	%esi
	test	%al, %al
	jz	6f
	call	put_\mode
	jmp	print_\mode
6:	ret

/* Print AL. */
put_\mode:
	push	%edx
	push	%eax
	mov	$SERIAL_STATUS, %dx
7:	in	%dx, %al
	test	$SERIAL_EMPTY, %al
	jz	7b
	pop	%eax
	mov	$SERIAL, %dx
	out	%al, %dx
	pop	%edx
	ret
.endm

start:
	.code32
	client	flat, 0

flat:
	mov	$DATA, %eax
	mov	%eax, %ds
	mov	%eax, %es
	mov	%eax, %ss
	mov	$STACK, %esp
	call	run_flat
	mov	$success, %esi
	jmp	end_flat

	.code16
	client	real, start

real:
	cli
	mov	%cs, %ax
	mov	%ax, %ds
	xor	%ax, %ax
	mov	%ax, %ss
	mov	$STACK, %esp
	call	run_real

	lgdtl	gdt_place - start
	mov	%cr0, %eax
	or	$1, %al
	mov	%eax, %cr0
	ljmpl	$CODE, $flat

name_real:
	.asciz	"|16-bit code: "
name_flat:
	.asciz	"|32-bit code: "
success:
	.asciz	"@@0\n"
failure:
	.asciz	"refused\n@@1\n"

	.balign	4
request:
	.ascii	"info-get guestinfo.ipxe.hostname"
	.equ	request_size, . - request
	.long	0

	.balign	8
gdt:
	.quad	0
	.quad	0x00cf9b000000ffff
	.quad	0x00cf93000000ffff
gdt_end:
gdt_place:
	.word	gdt_end - gdt - 1
	.long	gdt

	/* The last 16 bytes, where the processor begins. */
	.org	0xfff0
	ljmp	$0xf000, $real - start
	.org	0x10000
