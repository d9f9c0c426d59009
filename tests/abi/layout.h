/* SPDX-License-Identifier: MIT */
/* How the layout of a structure is pinned: its size, and where each field lies. */
#ifndef IPCSHIM_TESTS_ABI_LAYOUT_H
#define IPCSHIM_TESTS_ABI_LAYOUT_H

#define SIZE_IS(type, bytes)                                                   \
	_Static_assert(sizeof(struct type) == (bytes), #type " has another size");  \
	_Static_assert((bytes) % 8 == 0, #type " is no multiple of 8 bytes")
#define AT(type, field, place)                                                 \
	_Static_assert(offsetof(struct type, field) == (place),                \
		       #type "." #field " lies elsewhere")
/* The last field ends where the structure does: no padding at the end. */
#define ENDS_WITH(type, field)                                                 \
	_Static_assert(offsetof(struct type, field) +                          \
				       sizeof(((struct type *)0)->field) ==    \
			       sizeof(struct type),                            \
		       #type " is padded at its end")

#endif
