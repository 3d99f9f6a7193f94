// SPDX-License-Identifier: GPL-2.0-only
/* Compiled only: the assertions are the test. */
#include "vmport_abi.h"
