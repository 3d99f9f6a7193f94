/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _VMPORT_FIND_H
#define _VMPORT_FIND_H

#include "window.h"

/* So many places are named when there is more than one. */
#define MAX_PLACES	8

/**
 * struct finder - the blobs of a stream
 * @w: the stream
 * @options: where the blob is, if that was said
 * @best: the blob; of several the first
 * @is_whole: the checksum of @best is right
 * @count: blobs whose checksum is right
 * @places: where they are
 * @budget: bytes whose checksum may still be looked at
 * @is_lost: from @lost_at on it was not told what is the guest's memory
 * @lost_at: where in the stream
 * @is_cut: the stream ends in what looks like a blob
 * @cut_at: where that begins
 */
struct finder {
	struct window *w;
	const struct options *options;
	struct blob best;
	bool is_whole;
	u64 count;
	u64 places[MAX_PLACES];
	u64 budget;
	bool is_lost;
	u64 lost_at;
	bool is_cut;
	u64 cut_at;
};

size_t look_for_blob(struct finder *finder);
void scan_rest(struct finder *finder);

#endif /* _VMPORT_FIND_H */
