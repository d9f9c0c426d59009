// SPDX-License-Identifier: MIT
/* The layout of what batches and mapped pipes have; see layout.c. */
#include "layout.h"

#include "harness.h"
#include "support.h"

SIZE_IS(ipcshim_batch_entry, 16);
AT(ipcshim_batch_entry, buffer, 0);
AT(ipcshim_batch_entry, size, 8);
AT(ipcshim_batch_entry, moved, 12);
ENDS_WITH(ipcshim_batch_entry, moved);

SIZE_IS(ipcshim_pipe_batch, 64);
AT(ipcshim_pipe_batch, entries, 0);
AT(ipcshim_pipe_batch, count, 8);
AT(ipcshim_pipe_batch, mode, 12);
AT(ipcshim_pipe_batch, deadline, 16);
AT(ipcshim_pipe_batch, flags, 24);
AT(ipcshim_pipe_batch, moved, 28);
AT(ipcshim_pipe_batch, remains, 32);
AT(ipcshim_pipe_batch, lacks, 40);
AT(ipcshim_pipe_batch, cause, 48);
AT(ipcshim_pipe_batch, pid, 52);
AT(ipcshim_pipe_batch, reserved, 56);
ENDS_WITH(ipcshim_pipe_batch, reserved);

SIZE_IS(ipcshim_mapped_index, 128);
AT(ipcshim_mapped_index, position, 0);
AT(ipcshim_mapped_index, messages, 8);
AT(ipcshim_mapped_index, reserved, 16);
AT(ipcshim_mapped_index, wake, 64);
AT(ipcshim_mapped_index, closed, 68);
AT(ipcshim_mapped_index, reserved2, 72);
ENDS_WITH(ipcshim_mapped_index, reserved2);

SIZE_IS(ipcshim_record, 8);
AT(ipcshim_record, length, 0);
AT(ipcshim_record, reserved, 4);
ENDS_WITH(ipcshim_record, reserved);

SIZE_IS(ipcshim_pipe_wait, 16);
AT(ipcshim_pipe_wait, deadline, 0);
AT(ipcshim_pipe_wait, need, 8);
AT(ipcshim_pipe_wait, flags, 12);
ENDS_WITH(ipcshim_pipe_wait, flags);

SIZE_IS(ipcshim_pipe_wake, 8);
AT(ipcshim_pipe_wake, flags, 0);
AT(ipcshim_pipe_wake, reserved, 4);
ENDS_WITH(ipcshim_pipe_wake, reserved);

TEST(every_command_of_batches_and_mapped_pipes_has_its_number)
{
	ASSERT_EQ(0xc040e970, IPCSHIM_WRITE_BATCH);
	ASSERT_EQ(0xc040e971, IPCSHIM_READ_BATCH);
	ASSERT_EQ(0x4010e972, IPCSHIM_PIPE_WAIT);
	ASSERT_EQ(0x4008e973, IPCSHIM_PIPE_WAKE);
}

TEST(every_word_of_batches_and_mapped_pipes_has_its_number)
{
	ASSERT_EQ(0x40, IPCSHIM_FEATURE_MAPPED);
	ASSERT_EQ(0x80, IPCSHIM_FEATURE_BATCH);
	ASSERT_EQ(0x100, IPCSHIM_FEATURE_URING);
	ASSERT_EQ(0x04, IPCSHIM_OPEN_MAPPED);
	ASSERT_EQ(0x100, IPCSHIM_INFO_CAN_MAP);
	ASSERT_EQ(0x200, IPCSHIM_INFO_IS_MAPPED);
	ASSERT_EQ(0x01, IPCSHIM_WAIT_NOWAIT);
	ASSERT_EQ(1024, IPCSHIM_BATCH_MAX);
}
