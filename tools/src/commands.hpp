// SPDX-License-Identifier: MIT
#ifndef IPCSHIM_TOOLS_COMMANDS_HPP
#define IPCSHIM_TOOLS_COMMANDS_HPP

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

/// \file
/// One function for each subcommand. Each returns the exit code, and throws for
/// what goes wrong; main() prints that as a sentence.

namespace ipcshim::tools {

inline constexpr int done = 0;
inline constexpr int failed = 1;
inline constexpr int misused = 2;
// For a command that is to be run, as shells have them.
inline constexpr int not_executable = 126;
inline constexpr int not_found = 127;
inline constexpr int by_signal = 128; ///< and the number of the signal

struct info_options final {
    bool json = false;
};
[[nodiscard]] int info(const info_options& options);

struct send_options final {
    pid_t pid = 0;
    std::string file = "-";
    bool message = false;
    bool mapped = false;      ///< by the memory of a mapped pipe
    std::size_t batch = 0;    ///< messages in one call, 0: each in one of its own
    std::size_t capacity = 0; ///< bytes, 0: one unit
    std::uint16_t command = 0;
};
[[nodiscard]] int send(const send_options& options);

struct receive_options final {
    std::string file = "-";
    bool mapped = false;           ///< by the memory of a mapped pipe
    std::size_t batch = 0;         ///< messages in one call, 0: each in one of its own
    std::optional<double> seconds; ///< how long to wait for a pipe
    bool anybody = false;
    bool quiet = false;
};
[[nodiscard]] int receive(const receive_options& options);

struct events_options final {
    bool json = false;
    std::optional<std::uint64_t> count; ///< end after so many
    std::optional<double> seconds;      ///< end after so long
    bool anybody = false;
    bool quiet = false;
};
[[nodiscard]] int events(const events_options& options);

struct inspect_options final {
    pid_t pid = 0; ///< with `waits` 0: every process
    bool waits = false;
    bool json = false;
};
[[nodiscard]] int inspect(const inspect_options& options);

struct services_options final {
    bool json = false;
};
[[nodiscard]] int services(const services_options& options);

struct call_options final {
    std::string name;
    std::uint16_t code = 0;
    std::string payload;           ///< "-": the input
    std::optional<double> seconds; ///< for all of it
    bool wait = false;             ///< for a name that nobody has yet
    std::optional<uid_t> uid;      ///< whose name; nothing: the caller's
    bool cbor = false;
    bool json = false;
};
/// \return 0, or the service's error code (255: it is larger than that), or
///         not_called
[[nodiscard]] int call(const call_options& options);
inline constexpr int not_called = 125; // as env(1) and timeout(1) have it

struct serve_options final {
    std::string name;
    std::vector<std::string> command;
    std::size_t at_once = 1;
    std::uint32_t message_max = 0;      ///< bytes, 0: what the module gives
    std::optional<std::uint64_t> count; ///< end after so many calls
    bool anybody = false;
    bool quiet = false;
};
[[nodiscard]] int serve(const serve_options& options);

struct pty_options final {
    std::string size; ///< "COLUMNSxROWS"; empty: that of the caller's terminal
    std::vector<std::string> command;
};
/// \return the command's exit code, or 128 and the number of the signal that
///         killed it; 126 or 127 if it could not be run
[[nodiscard]] int pty(const pty_options& options);

/// The whole command: reads the command line and does what it says.
[[nodiscard]] int run(int argc, const char* const* argv);

} // namespace ipcshim::tools

#endif
