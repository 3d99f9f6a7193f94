// SPDX-License-Identifier: GPL-2.0-only
/*
 * The attributes of what guest and VMM ask each other: RPCs that are the VMM's, and
 * requests to the guest's tools.  See attr.h.
 */
#include <linux/kvm_host.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "ask.h"
#include "attr.h"
#include "requests.h"

int kvm_vmport_get_rpc(struct kvm *kvm, struct kvm_vmport_attr *attr)
{
	struct kvm_vmport_rpc *arg = &attr->u.rpc;
	struct vmport_asked asked;
	int r;

	if (arg->flags & ~KVM_VMPORT_RPC_NEXT)
		return kvm_vmport_refuse(attr, -EINVAL, KVM_VMPORT_ERR_FLAGS);

	r = vmport_ask_read(kvm_vmport_current_state(kvm->arch.vmport), arg->id,
			    arg->flags & KVM_VMPORT_RPC_NEXT, arg->size, &asked);
	if (r && r != -E2BIG)
		return r;

	arg->size = asked.size;
	/* @id stays, so that the same call can be made again with more room. */
	if (r)
		return kvm_vmport_refuse(attr, r, KVM_VMPORT_ERR_BUFFER);

	if (asked.data && copy_to_user(u64_to_user_ptr(arg->data), asked.data, asked.size)) {
		r = -EFAULT;
	} else {
		arg->id = asked.id;
		arg->channel = asked.channel;
		arg->sender = vmport_asked_sender(&asked);
	}
	kvfree(asked.data);
	return r;
}

int kvm_vmport_set_rpc(struct kvm *kvm, struct kvm_vmport_attr *attr)
{
	const struct kvm_vmport_rpc *arg = &attr->u.rpc;
	u8 *data;
	int r;

	if (arg->flags)
		return kvm_vmport_refuse(attr, -EINVAL, KVM_VMPORT_ERR_FLAGS);
	if (arg->size > KVM_VMPORT_MAX_REPLY)
		return kvm_vmport_refuse(attr, -E2BIG, KVM_VMPORT_ERR_REPLY_SIZE);

	data = kvm_vmport_dup_user(arg->data, arg->size);
	if (IS_ERR(data))
		return PTR_ERR(data);
	r = vmport_ask_answer(kvm_vmport_current_state(kvm->arch.vmport), arg->id, data, arg->size);
	kvfree(data);
	return r;
}

/* Whom a request is for: the system's daemon where the VMM does not say. */
static int vmport_get_tclo_name(struct kvm_vmport_attr *attr, struct vmport_name *name)
{
	const struct kvm_vmport_tclo *arg = &attr->u.tclo;
	u8 text[KVM_VMPORT_MAX_NAME];

	if (!arg->name_size)
		return 0;
	if (arg->name_size > sizeof(text))
		return kvm_vmport_refuse(attr, -EINVAL, KVM_VMPORT_ERR_NAME);
	if (copy_from_user(text, u64_to_user_ptr(arg->name), arg->name_size))
		return -EFAULT;
	if (!vmport_name_ok(text, arg->name_size))
		return kvm_vmport_refuse(attr, -EINVAL, KVM_VMPORT_ERR_NAME);

	vmport_name_set(name, text, arg->name_size);
	return 0;
}

int kvm_vmport_send_tclo(struct kvm *kvm, struct kvm_vmport_attr *attr)
{
	struct kvm_vmport_tclo *arg = &attr->u.tclo;
	struct vmport_request *request;
	int r;

	if (!arg->size)
		return kvm_vmport_refuse(attr, -EINVAL, KVM_VMPORT_ERR_REQUEST);
	if (arg->size > KVM_VMPORT_MAX_TCLO_REQUEST)
		return kvm_vmport_refuse(attr, -E2BIG, KVM_VMPORT_ERR_TCLO_SIZE);

	request = vmport_request_alloc(0, arg->size);
	if (!request)
		return -ENOMEM;
	if (copy_from_user(request->data, u64_to_user_ptr(arg->data), arg->size)) {
		vmport_request_free(request);
		return -EFAULT;
	}
	r = vmport_get_tclo_name(attr, &request->name);
	if (r) {
		vmport_request_free(request);
		return r;
	}

	r = vmport_tclo_queue(&kvm_vmport_current_state(kvm->arch.vmport)->tclo, request, &arg->id);
	if (r) {
		vmport_request_free(request);
		return kvm_vmport_refuse(attr, r, r == -EBUSY ? KVM_VMPORT_ERR_TCLO_COUNT :
						     KVM_VMPORT_ERR_REQUEST);
	}
	return 0;
}

int kvm_vmport_get_tclo_result(struct kvm *kvm, struct kvm_vmport_attr *attr)
{
	struct vmport_tclo *tclo = &kvm_vmport_current_state(kvm->arch.vmport)->tclo;
	struct kvm_vmport_tclo *arg = &attr->u.tclo;
	struct vmport_request *result;
	u32 room = arg->size;

	/* vmport->lock makes this the only reader. */
	result = vmport_tclo_first_result(tclo);
	if (!result)
		return -ENOENT;

	arg->size = result->size;
	if (result->size > room)
		return kvm_vmport_refuse(attr, -E2BIG, KVM_VMPORT_ERR_BUFFER);
	if (copy_to_user(u64_to_user_ptr(arg->data), result->data, result->size))
		return -EFAULT;

	arg->id = result->id;
	arg->status = result->status;
	return 0;
}

int kvm_vmport_list_tclo(struct kvm *kvm, struct kvm_vmport_attr *attr)
{
	struct kvm_vmport_tclo_list *arg = &attr->u.tclo_list;
	struct kvm_vmport_tclo_item *items;
	u32 room = arg->count;
	int r = 0;

	items = kcalloc(KVM_VMPORT_MAX_TCLO, sizeof(*items), VMPORT_GFP);
	if (!items)
		return -ENOMEM;

	arg->count = vmport_requests_list(kvm_vmport_current_state(kvm->arch.vmport), items);
	if (arg->count > room)
		r = kvm_vmport_refuse(attr, -E2BIG, KVM_VMPORT_ERR_BUFFER);
	else if (copy_to_user(u64_to_user_ptr(arg->items), items, arg->count * sizeof(*items)))
		r = -EFAULT;
	kfree(items);
	return r;
}

int kvm_vmport_cancel_tclo(struct kvm *kvm, struct kvm_vmport_attr *attr)
{
	struct kvm_vmport_tclo *arg = &attr->u.tclo;

	return vmport_requests_cancel(kvm_vmport_current_state(kvm->arch.vmport), arg->id,
				   &arg->status);
}
