/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _VMPORT_TEXT_H
#define _VMPORT_TEXT_H

#include <linux/types.h>

void vmport_text_copy(char *to, size_t room, const u8 *from, size_t size);
void vmport_text_word(char *to, size_t room, const u8 *from, size_t size, unsigned int n);

#endif /* _VMPORT_TEXT_H */
