// SPDX-License-Identifier: MIT
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <functional>

/// A text that goes from one process to another while neither of them may make a
/// system call.

namespace demo {

/// Does something, in a thread of its own, while the kernel has orders to kill this
/// process at the first system call of that thread.
void do_without_system_calls(const std::function<void()>& work);

/// Are those orders followed? A child makes the most harmless call that there is.
/// \return the signal that the child was killed by; 0: it was not
[[nodiscard]] int signal_of_a_system_call();

/// Writes each line of a text into a mapped pipe without a system call, and closes it.
/// Says done {messages, bytes, sha256}.
void send_quietly(pid_t to, const std::filesystem::path& text);

/// Claims a mapped pipe; once it is closed reads it to its end without a system call.
/// Says ready; done {messages, bytes, sha256, unread, closed}; unread: messages that were
/// there at its beginning.
void receive_quietly();

} // namespace demo
