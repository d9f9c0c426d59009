/* SPDX-License-Identifier: MIT */
/*
 * What one kind of descriptor has and another has not: each of these calls, with
 * arguments that would be good, has to be ENOTTY.
 */
#ifndef IPCSHIM_TESTS_ABI_CALLS_H
#define IPCSHIM_TESTS_ABI_CALLS_H

void lacks_calls_of_a_port(int fd);
void lacks_calls_of_a_pipe(int fd);
void lacks_calls_of_a_segment(int fd);
void lacks_calls_of_a_socket(int fd);
void lacks_calls_of_a_master(int fd); /* of a pty: those that are ours */
/* Every number with a size that no call has. */
void lacks_unknown_calls(int fd);

#endif
