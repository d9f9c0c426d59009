// SPDX-License-Identifier: MIT
#pragma once

#include <filesystem>

#include "stage.hpp"

/// The acts of the demo. Each starts its own processes and leaves none behind;
/// an exception says why it could not go on.

namespace demo {

/// A real file, from one process to another that knows only its pid.
void play_file(stage& shown, const std::filesystem::path& file);
/// The lines of a real text, as messages.
void play_lines(stage& shown, const std::filesystem::path& text);
/// The same text through a mapped pipe, without a system call.
void play_quiet(stage& shown, const std::filesystem::path& text);
/// Frames that go through three processes and are never copied.
void play_frames(stage& shown);
/// A shell on a pseudo terminal, driven as by a person.
void play_shell(stage& shown, const std::filesystem::path& text);
/// A service, its clients, and what a kill of either does to the other.
/// \param large a file whose first part is stored as a large value
void play_store(stage& shown, const std::filesystem::path& large);
/// A reader that is killed in mid-stream.
void play_killed(stage& shown, const std::filesystem::path& file);
/// Those who may not, or can't, be reached.
void play_refusals(stage& shown);

} // namespace demo
