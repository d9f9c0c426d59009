// SPDX-License-Identifier: MIT
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <filesystem>
#include <functional>

/// What the processes of the demo do. They share nothing: a sender is told a
/// pid, a receiver is told nothing at all. Each says in lines of JSON what it
/// did; "state" is the kind of line.

namespace demo {

/// Claims the first pipe that is handed over and reads it to its end.
/// Says ready; progress {bytes, of}; done {bytes, sha256, seconds, from, hint}.
void receive_file();

/// Writes a file to a process. If the pipe is closed in between it waits to be
/// told why.
/// Says done {bytes, size, sha256}, or closed {bytes, size, sentence, errno, how,
/// status, unread, from}.
void send_file(pid_t to, const std::filesystem::path& file);

/// Claims a message pipe and reads messages to its end.
/// Says ready; done {messages, bytes, longest, sha256, seconds, from}.
void receive_lines();

/// Writes each line of a text as one message.
/// Says done {messages, bytes, sha256}.
void send_lines(pid_t to, const std::filesystem::path& text);

/// Claims a pipe, reads so many bytes, and then nothing more until it is killed;
/// says so when the writer waits for room.
/// Says ready; holding {bytes}.
void hold(std::size_t bytes);

/// Lives without a port until it is killed. Says ready.
void idle();

/// Lives with a port and takes what is handed over, until it is killed.
/// Says ready.
void host();

/// Tries to open a pipe to a process.
/// Says done {errno, sentence}; errno 0: it was opened.
void knock(pid_t to);

/// Runs a role. A failure is said, as failed {sentence}.
/// \return the exit status
int play(const std::function<void()>& role) noexcept;

} // namespace demo
