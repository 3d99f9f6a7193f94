/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The guest of vmport-vmm: real mode, all segments at 0, loaded at 0.  It sends
 * "info-set guestinfo.hello world" as open-vm-tools does, over an RPCI channel with a
 * cookie, but stops in the middle.  It keeps channel and cookie in memory, and how far it
 * has come in BP: whoever moves this guest must move both.
 */
#include "guest.h"

/* ECX of the requests; Documentation/virt/kvm/x86/vmport.rst has what they do. */
#define MESSAGE(request)	((request) << 16 | 30)
#define OPEN			MESSAGE(0)
#define SENDSIZE		MESSAGE(1)
#define SENDPAYLOAD		MESSAGE(2)
#define RECVSIZE		MESSAGE(3)
#define RECVPAYLOAD		MESSAGE(4)
#define RECVSTATUS		MESSAGE(5)
#define CLOSE			MESSAGE(6)

#define SUCCESS			(0x01 << 16)
#define DORECV			(0x02 << 16)

/* Where the guest has something. */
#define AT(label)		((label) - guest_start)

	.section .rodata
	.code16
	.global	guest_start, guest_end
guest_start:
	mov	$OPEN, %ecx
	mov	$0x80000000 | 0x49435052, %ebx	/* with a cookie; RPCI */
	call	call_host
	mov	%edx, AT(channel)
	mov	%esi, AT(cookie_high)
	mov	%edi, AT(cookie_low)

	mov	$SENDSIZE, %ecx
	mov	$message_end - message, %ebx
	call	call_host
	mov	$AT(message), %bp
send_half:
	mov	$SENDPAYLOAD, %ecx
	mov	(%bp), %ebx
	call	call_host
	add	$4, %bp
	cmp	$AT(message) + 16, %bp
	jb	send_half

	mov	$EVENT_HALF, %al
	out	%al, $PORT_EVENT		/* ends the first process */

send_rest:
	mov	$SENDPAYLOAD, %ecx
	mov	(%bp), %ebx
	call	call_host
	add	$4, %bp
	cmp	$AT(message_end), %bp
	jb	send_rest

	mov	$RECVSIZE, %ecx
	call	call_host
	test	$DORECV, %ecx
	jz	failed				/* the reply must wait already */
	mov	%bx, AT(reply_size)
	mov	$AT(reply), %bp
receive:
	mov	$RECVPAYLOAD, %ecx
	mov	$1, %ebx
	call	call_host
	mov	%ebx, (%bp)
	add	$4, %bp
	mov	%bp, %ax
	sub	$AT(reply), %ax
	cmp	AT(reply_size), %ax
	jb	receive

	mov	$RECVSTATUS, %ecx
	mov	$1, %ebx			/* received */
	call	call_host
	mov	$CLOSE, %ecx
	call	call_host

	mov	$AT(text), %si
	mov	AT(reply_size), %cx
	add	$reply - text, %cx
print:
	lodsb
	out	%al, $PORT_CONSOLE
	loop	print
	mov	$'"', %al
	out	%al, $PORT_CONSOLE
	mov	$'\n', %al
	out	%al, $PORT_CONSOLE
	mov	$EVENT_DONE, %al
	out	%al, $PORT_EVENT
failed:
	mov	$EVENT_FAILED, %al
	out	%al, $PORT_EVENT
	hlt

/* ECX and EBX say what; returns only if it succeeds. */
call_host:
	mov	$0x564d5868, %eax
	mov	AT(channel), %edx		/* its id is in the high half */
	mov	$0x5658, %dx
	mov	AT(cookie_high), %esi
	mov	AT(cookie_low), %edi
	in	%dx, %eax
	test	$SUCCESS, %ecx
	jz	failed
	ret

	.balign	4
channel:	.long	0
cookie_high:	.long	0
cookie_low:	.long	0
reply_size:	.word	0
message:	.ascii	"info-set guestinfo.hello world"
message_end:	.zero	4			/* the last word is partial */
text:		.ascii	"guest: the reply is \""
reply:		.zero	64
guest_end:

	.section .note.GNU-stack, "", @progbits
