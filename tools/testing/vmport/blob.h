/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * State blobs built by hand from the description in
 * include/uapi/linux/kvm_vmport.h, not with the engine's packer.
 */
#ifndef _BLOB_H
#define _BLOB_H

#include "guest.h"

struct blob {
	u8 *data;
	size_t size;
	size_t section;		/* where the one in the making begins */
};

/* Header only, not sealed. */
void blob_init(struct blob *blob);
void blob_free(struct blob *blob);
void blob_bytes(struct blob *blob, const void *data, size_t size);
void blob_pad(struct blob *blob);

void blob_begin(struct blob *blob, u32 type, u32 flags);
void blob_end(struct blob *blob);

/* Whole sections.  The sizes in @packed are what stands there, right or wrong. */
void blob_channel(struct blob *blob, const struct kvm_vmport_blob_channel *packed,
		  const char *bytes);
/* Parts of sections. */
void blob_tclo(struct blob *blob, u64 next_id, u32 count);
void blob_request(struct blob *blob, u64 id, u16 kind, const char *bytes);
void blob_entry(struct blob *blob, const char *key, const char *value, u16 flags);
void blob_stealclock(struct blob *blob, u64 address, u32 vcpu_id, u32 reserved);

/* A whole section with the order of @count channels. */
struct use {
	u8 id;
	u8 messages;
};

void blob_order(struct blob *blob, const struct use *order, u32 count);

/* Length and checksum. */
void blob_seal(struct blob *blob);
/* The checksum of any bytes that are long enough for a header. */
void blob_checksum(void *data, size_t size);

/* Load a copy that ends where it says, so that reading past it is seen. */
int blob_load(struct vm *vm, const void *data, size_t size, struct vmport_blob_error *why);

/*
 * Has it sections of which only what makes sense is kept, and packed again, or numbers that
 * are replaced?
 */
bool blob_may_change(const void *data, size_t size);

/* It is refused like this, and all is as before. */
void check_refused(struct vm *vm, const void *data, size_t size, int r,
		   u32 error, u64 offset);
/* It is accepted, and packed again the same. */
void check_accepted(struct vm *vm, const void *data, size_t size);
/* Sealed, in a new VM: refused so, or accepted where @r is 0. */
void check_blob(struct blob *blob, int r, u32 error, u64 offset);

/* One of everything that a guest can be in the middle of. */
void rich_state(struct vm *vm);

#endif /* _BLOB_H */
