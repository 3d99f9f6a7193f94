// SPDX-License-Identifier: GPL-2.0-only
/*
 * Making a state from a blob, for KVM_SET_VMPORT_STATE.  What is wrong with any part of it
 * is found before anybody uses the state.
 */
#include <linux/crc32c.h>
#include <linux/err.h>
#include <linux/kernel.h>
#include <linux/string.h>

#include "section.h"
#include "unpack.h"
#include "unpacker.h"

static const struct vmport_section *vmport_find_section(u32 type)
{
	unsigned int i;

	for (i = 0; i < vmport_nr_sections; i++) {
		if (vmport_sections[i].type == type)
			return &vmport_sections[i];
	}
	return NULL;
}

/*
 * One section of a known type whose header stands at @pos; its payload is next.  What
 * is wrong in a section that nobody has to know does not make the blob unloadable: the
 * rest of it is left out.
 */
static int vmport_unpack_payload(struct vmport_unpacker *u, size_t pos,
				 const struct vmport_section *section, u32 flags, u64 size)
{
	u32 critical = section->is_critical ? KVM_VMPORT_SECTION_CRITICAL : 0;
	int r;

	if (flags != critical)
		return vmport_malformed(u, pos, KVM_VMPORT_ERR_FLAGS);
	if (!vmport_has_feature(u->config, section->feature))
		return critical ? vmport_lacks(u, pos, section->feature) :
				  vmport_skip_bytes(u, size);

	r = section->unpack(u, size);
	if (!critical && (!r || u->why->error)) {
		*u->why = (struct vmport_blob_error){ };
		return vmport_skip_bytes(u, u->end - u->pos);
	}
	if (!r && u->pos != u->end)
		r = vmport_malformed(u, u->pos, KVM_VMPORT_ERR_SECTION);
	return r;
}

static int vmport_unpack_section(struct vmport_unpacker *u, u32 *last_type)
{
	struct kvm_vmport_blob_section section;
	const struct vmport_section *known;
	size_t end = u->end, pos = u->pos;
	u32 type, flags;
	u64 size;
	int r;

	r = vmport_unpack_record(u, &section, sizeof(section));
	if (r)
		return r;

	type = le32_to_cpu(section.type);
	flags = le32_to_cpu(section.flags);
	size = le64_to_cpu(section.size);
	if (flags & ~KVM_VMPORT_SECTION_CRITICAL)
		return vmport_malformed(u, VMPORT_FIELD_POS(pos, &section, flags),
					KVM_VMPORT_ERR_FLAGS);
	if (size > end - u->pos)
		return vmport_malformed(u, VMPORT_FIELD_POS(pos, &section, size),
					KVM_VMPORT_ERR_SECTION);
	known = vmport_find_section(type);
	if (type < *last_type ||
	    (type == *last_type && known && known->is_critical && !known->is_many))
		return vmport_malformed(u, pos, KVM_VMPORT_ERR_ORDER);
	*last_type = type;

	u->end = u->pos + size;
	if (known)
		r = vmport_unpack_payload(u, pos, known, flags, size);
	else if (flags & KVM_VMPORT_SECTION_CRITICAL)
		r = vmport_refuse_at(u, pos, -EOPNOTSUPP, KVM_VMPORT_ERR_CRITICAL);
	else
		r = vmport_skip_bytes(u, size);
	if (r)
		return r;
	u->end = end;
	return vmport_unpack_padding(u);
}

/* What has to be so for the checksum to be where it is looked for, and that. */
static int vmport_unpack_header(struct vmport_unpacker *u, struct kvm_vmport_blob_header *header)
{
	const struct kvm_vmport_blob_header without = { };
	size_t size = u->end;
	u16 version;
	int r;

	if (size < sizeof(*header))
		return vmport_malformed(u, 0, KVM_VMPORT_ERR_LENGTH);
	r = u->source->read(u->source, header, sizeof(*header));
	if (r)
		return r;
	if (le32_to_cpu(header->magic) != KVM_VMPORT_BLOB_MAGIC)
		return vmport_malformed(u, 0, KVM_VMPORT_ERR_MAGIC);

	version = le16_to_cpu(header->version);
	if (version != KVM_VMPORT_BLOB_VERSION)
		return vmport_refuse_at(u, VMPORT_FIELD_POS(0, header, version),
				 version ? -EOPNOTSUPP : -EINVAL, KVM_VMPORT_ERR_VERSION);
	if (le16_to_cpu(header->header_size) != sizeof(*header))
		return vmport_malformed(u, VMPORT_FIELD_POS(0, header, header_size),
					KVM_VMPORT_ERR_LENGTH);
	if (le64_to_cpu(header->size) != size)
		return vmport_malformed(u, VMPORT_FIELD_POS(0, header, size),
					KVM_VMPORT_ERR_LENGTH);

	u->pos = sizeof(*header);
	u->crc = crc32c(~0, header, offsetof(typeof(*header), checksum));
	u->crc = crc32c(u->crc, &without.checksum, sizeof(without.checksum));
	u->crc = crc32c(u->crc, (u8 *)header + offsetofend(typeof(*header), checksum),
			sizeof(*header) - offsetofend(typeof(*header), checksum));
	return 0;
}

static int vmport_unpack_sections(struct vmport_unpacker *u,
				  const struct kvm_vmport_blob_header *header)
{
	u32 last_type = 0;
	u64 missing;
	int r = 0;

	if (header->reserved32)
		return vmport_malformed(u, VMPORT_FIELD_POS(0, header, reserved32),
					KVM_VMPORT_ERR_RESERVED);
	/* First of all: what the guest was promised, the VM must have. */
	missing = le64_to_cpu(header->features) & ~u->config->features;
	if (missing)
		return vmport_lacks(u, VMPORT_FIELD_POS(0, header, features), missing);

	while (!r && u->pos < u->end)
		r = vmport_unpack_section(u, &last_type);
	if (r)
		return r;

	/* No channel can hold a request that was never queued. */
	if (u->last_taken >= u->state->tclo.next_id)
		return vmport_malformed(u, u->last_taken_pos, KVM_VMPORT_ERR_REQUEST);
	return 0;
}

static int vmport_unpack_blob(struct vmport_unpacker *u)
{
	struct kvm_vmport_blob_header header;
	size_t size = u->end;
	int r, skipped;

	r = vmport_unpack_header(u, &header);
	if (r)
		return r;

	r = vmport_unpack_sections(u, &header);
	if (r && !u->why->error)
		return r;

	/* In a blob that was damaged on its way any error may be found first. */
	skipped = vmport_skip_bytes(u, size - u->pos);
	if (skipped) {
		*u->why = (struct vmport_blob_error){ };
		return skipped;
	}
	if (le32_to_cpu(header.checksum) != (u32)~u->crc)
		return vmport_malformed(u, VMPORT_FIELD_POS(0, &header, checksum),
					KVM_VMPORT_ERR_CHECKSUM);
	return r;
}

/*
 * Make a state from a blob.
 * @config: features that the blob must keep to; its limits are for what is new
 * @why: out: on an error, what was wrong and where
 *
 * A wrong checksum is reported rather than what is wrong behind the header.
 *
 * Returns a state that nobody else knows yet, or ERR_PTR(): -EINVAL malformed, -EOPNOTSUPP
 * newer format or unknown critical section, -E2BIG past a limit of all VMs, -EPERM needs a
 * feature that is not enabled, -ENOMEM, @source's error.  May sleep, with no lock of a
 * state that is in use, and for what @source does.
 */
struct vmport_state *vmport_state_unpack(const struct vmport_config *config,
					 struct vmport_events *events,
					 struct vmport_source *source, size_t size,
					 struct vmport_blob_error *why)
{
	struct vmport_unpacker u = {
		.config = config,
		.source = source,
		.end = size,
		.now = vmport_now(),
		.why = why,
	};
	int r;

	*why = (struct vmport_blob_error){ };

	u.state = vmport_state_alloc(events);
	if (!u.state)
		return ERR_PTR(-ENOMEM);

	r = vmport_unpack_blob(&u);
	if (r) {
		vmport_state_free(u.state);
		return ERR_PTR(r);
	}
	return u.state;
}
