// SPDX-License-Identifier: MIT
#ifndef IPCSHIM_SRC_SENTENCE_HPP
#define IPCSHIM_SRC_SENTENCE_HPP

#include <sys/types.h>

#include <string>
#include <string_view>
#include <system_error>

#include <ipcshim/driver_info.hpp>
#include <ipcshim/io_result.hpp>

namespace ipcshim::detail {

/// What was tried.
enum class attempt {
    open_device,
    query,
    handle,
    unhandle,
    is_handled,
    ready,
    set_access,
    read_events,
    claim,
    open_pipe,
    send_pipe,
    write,
    read,
    info,
    close_pipe,
    adopt,
    descriptor_flags,
    dispatch,
    signal_source,
    signal_handler,
    create_segment,
    adopt_memory,
    segment_info,
    map,
    map_executable,
    copy_memory,
    share,
    hand_over,
    lend,
    give_back,
    unshare,
    export_dmabuf,
    find_root,
    open_pty,
    read_pty,
    write_pty,
    window_size,
    resize,
    packet_mode,
    signal_foreground,
    foreground,
    open_slave,
    lock_pty,
    send_pty,
    spawn_process,
    spawn_terminal,
    spawn_directory,
    spawn_program,
    wait_child,
    kill_child,
    publish,
    withdraw,
    connect,
    accept,
    reject,
    has_service,
    open_socket,
    send_message,
    answer_message,
    read_message,
    call_method,
    end_connection,
    close_socket,
    run_service,
    run_client,
    map_pipe,
    reserve,
    commit,
    peek,
    release,
    write_batch,
    read_batch,
};

/// What happened, to what, and what to do.
/// \param subject what it was done to, as the sentence is to name it:
///        "process 42", "/dev/ipcshim", "token 7"; may be empty
[[nodiscard]] std::string sentence(attempt what, int error, const std::string& subject);

/// The same for a read or a write that failed, of bytes or of a batch.
[[nodiscard]] std::string sentence(attempt what, int error, const std::string& subject,
                                   const io_result& result);

/// Why a module does not fit this library.
[[nodiscard]] std::string misfit(const std::string& path, const driver_info& found);

[[nodiscard]] inline std::error_code code_of(int error) noexcept {
    return {error, std::generic_category()};
}

/// How a sentence names a process; 0 stands for the calling one.
[[nodiscard]] std::string process_name(pid_t pid);

/// For sentence(): why something with a segment failed and what to do, empty
/// where nothing special is known.
[[nodiscard]] std::string_view segment_reason(attempt what, int error) noexcept;

/// The same of pseudo terminals.
[[nodiscard]] std::string_view pty_reason(attempt what, int error) noexcept;

/// The same of services and sockets.
[[nodiscard]] std::string_view service_reason(attempt what, int error) noexcept;

/// The same of mapped pipes and batches.
[[nodiscard]] std::string_view pipe_reason(attempt what, int error) noexcept;

/// Throws std::system_error with the sentence if there is an error.
void check(const std::error_code& error, attempt what, const std::string& subject);

/// Throws std::logic_error: a closed object was used.
[[noreturn]] void used_closed(const char* what);

} // namespace ipcshim::detail

#endif
