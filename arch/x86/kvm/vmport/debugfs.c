// SPDX-License-Identifier: GPL-2.0-only
/*
 * The file "vmport" in a VM's folder in debugfs: what channels, guestinfo and requests there
 * are.  For people; its text may change.  It has no values, no messages and no cookies.
 *
 * Locks are the engine's, and held while a line is written to memory of seq_file's: never
 * while that is copied to user space.
 */
#include <linux/debugfs.h>
#include <linux/err.h>
#include <linux/fs.h>
#include <linux/jiffies.h>
#include <linux/kvm_host.h>
#include <linux/math64.h>
#include <linux/minmax.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/srcu.h>

#include "channels.h"
#include "requests.h"
#include "text.h"
#include "vm.h"
#include "vmport.h"

/* What the guest wrote, as of vmport_text_copy(). */
static void vmport_show_text(struct seq_file *m, const u8 *from, size_t size)
{
	char text[KVM_VMPORT_MAX_KEY + 1];

	vmport_text_copy(text, sizeof(text), from, size);
	seq_printf(m, "\"%s\"", text);
}

static void vmport_show_config(struct seq_file *m, const struct vmport_config *config)
{
	const struct kvm_vmport_limits *limits = &config->limits;

	seq_printf(m, "features 0x%llx\n", config->features);
	seq_printf(m, "limits: channels %u entries %u value %u bytes guestinfo %u bytes\n",
		   limits->channels, limits->keys, limits->value_bytes, limits->guestinfo_bytes);
}

static const char *vmport_activity_name(enum vmport_activity activity)
{
	static const char * const names[] = {
		[VMPORT_IDLE] = "idle",
		[VMPORT_SENDING] = "guest sends",
		[VMPORT_WAITING] = "message waits for guest",
		[VMPORT_WAITING_SENDING] = "message waits for guest, guest sends",
		[VMPORT_RUNNING] = "guest runs request",
		[VMPORT_RUNNING_SENDING] = "guest runs request, sends result",
		[VMPORT_ASKING] = "message waits for VMM",
	};

	return names[activity];
}

/* The caller owns the channel. */
static void vmport_show_channel(struct seq_file *m, const struct vmport_channel *channel, u16 id)
{
	u64 now = vmport_now();
	/* What was loaded in this tick may be ahead, to keep its order. */
	u64 age = now - min(now, channel->used);

	seq_printf(m, "channel %u %s ", id,
		   channel->protocol == VMPORT_PROTOCOL_TCLO ? "TCLO" : "RPCI");
	vmport_show_text(m, channel->name.text, channel->name.size);
	seq_printf(m, ": %s", vmport_activity_name(channel->activity));
	if (vmport_channel_is_sending(channel))
		seq_printf(m, ", sent %u of %u bytes", channel->send_done, channel->send_size);
	if (vmport_channel_is_waiting(channel))
		seq_printf(m, ", received %u of %u bytes", channel->recv_done,
			   vmport_channel_recv_size(channel));
	seq_printf(m, ", used %llu ms ago\n", jiffies64_to_msecs(div_u64(age, VMPORT_STEPS)));
}

static void vmport_show_channels(struct seq_file *m, struct vmport_state *state)
{
	struct vmport_channel *channel;
	u32 open = 0;
	u16 id;

	for (id = 0; id < KVM_VMPORT_MAX_CHANNELS; id++) {
		channel = vmport_channel_at(state, id);
		if (!channel)
			continue;
		vmport_channel_own(channel);
		if (channel->activity != VMPORT_CLOSED) {
			vmport_show_channel(m, channel, id);
			open++;
		}
		vmport_channel_disown(channel);
	}
	seq_printf(m, "channels %u\n", open);
}

static void vmport_show_entry(struct seq_file *m, const struct vmport_entry *entry)
{
	seq_puts(m, "entry ");
	vmport_show_text(m, entry->data, entry->key_size);
	seq_printf(m, ": %u bytes%s%s%s, change %llu\n", entry->value_size,
		   entry->flags & KVM_VMPORT_GUESTINFO_READONLY ? ", readonly" : "",
		   entry->flags & KVM_VMPORT_GUESTINFO_PRIVILEGED ? ", privileged" : "",
		   entry->flags & KVM_VMPORT_GUESTINFO_WIPEABLE ? ", wipeable" : "",
		   entry->change);
}

static int vmport_show_guestinfo(struct seq_file *m, struct vmport_guestinfo *gi)
{
	struct vmport_entry **sorted;
	u32 i;

	mutex_lock(&gi->lock);
	sorted = vmport_guestinfo_sort(gi, false);
	if (IS_ERR(sorted)) {
		mutex_unlock(&gi->lock);
		return PTR_ERR(sorted);
	}
	for (i = 0; i < gi->count; i++)
		vmport_show_entry(m, sorted[i]);
	seq_printf(m, "entries %u, %u bytes\n", gi->count, gi->bytes);
	mutex_unlock(&gi->lock);
	kvfree(sorted);
	return 0;
}

static const char *vmport_request_status(u32 status)
{
	switch (status) {
	case KVM_VMPORT_TCLO_QUEUED:
		return "queued";
	case KVM_VMPORT_TCLO_TAKEN:
		return "taken";
	case KVM_VMPORT_TCLO_LOST:
		return "lost";
	default:
		return "answered";
	}
}

static int vmport_show_requests(struct seq_file *m, struct vmport_state *state)
{
	struct kvm_vmport_tclo_item *items;
	u32 i, count;

	items = kcalloc(KVM_VMPORT_MAX_TCLO, sizeof(*items), VMPORT_GFP);
	if (!items)
		return -ENOMEM;

	count = vmport_requests_list(state, items);
	for (i = 0; i < count; i++) {
		seq_printf(m, "request %llu for ", items[i].id);
		vmport_show_text(m, items[i].name, strnlen(items[i].name, sizeof(items[i].name)));
		seq_printf(m, ": %s, %u bytes\n", vmport_request_status(items[i].status),
			   items[i].size);
	}
	seq_printf(m, "requests %u of %u\n", count, KVM_VMPORT_MAX_TCLO);
	kfree(items);
	return 0;
}

static int vmport_debugfs_show(struct seq_file *m, void *v)
{
	struct kvm *kvm = m->private;
	struct kvm_vmport *vmport = kvm->arch.vmport;
	struct vmport_state *state;
	int idx, r;

	idx = srcu_read_lock(&vmport->srcu);
	vmport_show_config(m, srcu_dereference(vmport->config, &vmport->srcu));
	state = srcu_dereference(vmport->state, &vmport->srcu);
	vmport_show_channels(m, state);
	r = vmport_show_guestinfo(m, &state->guestinfo) ?: vmport_show_requests(m, state);
	srcu_read_unlock(&vmport->srcu, idx);
	return r;
}

/* Whoever has the file open keeps the VM, as with KVM's own files. */
static int vmport_debugfs_open(struct inode *inode, struct file *file)
{
	struct kvm *kvm = inode->i_private;
	int r;

	if (!kvm_get_kvm_safe(kvm))
		return -ENOENT;

	r = single_open(file, vmport_debugfs_show, kvm);
	if (r)
		kvm_put_kvm(kvm);
	return r;
}

static int vmport_debugfs_release(struct inode *inode, struct file *file)
{
	struct kvm *kvm = inode->i_private;

	single_release(inode, file);
	kvm_put_kvm(kvm);
	return 0;
}

static const struct file_operations vmport_debugfs_fops = {
	.owner = THIS_MODULE,
	.open = vmport_debugfs_open,
	.read = seq_read,
	.llseek = seq_lseek,
	.release = vmport_debugfs_release,
};

/*
 * Make the file.
 * @kvm: has the interface enabled for good; its folder goes before it does, with the file
 *
 * May sleep.
 */
void kvm_vmport_create_debugfs(struct kvm *kvm)
{
	/* Where there is no folder the file would be in that of debugfs itself. */
	if (!IS_ERR_OR_NULL(kvm->debugfs_dentry))
		debugfs_create_file("vmport", 0400, kvm->debugfs_dentry, kvm, &vmport_debugfs_fops);
}
