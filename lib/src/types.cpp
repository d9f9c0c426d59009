// SPDX-License-Identifier: MIT
#include <ipcshim/types.hpp>

#include <ostream>
#include <type_traits>

namespace ipcshim {

namespace {

constexpr std::string_view unknown = "unknown";

template <typename Enum> std::ostream& print(std::ostream& out, Enum value) {
    const std::string_view name = to_string(value);
    out << name;
    if (name == unknown) {
        out << '(' << +static_cast<std::underlying_type_t<Enum>>(value) << ')';
    }
    return out;
}

} // namespace

std::string_view to_string(event_code value) noexcept {
    switch (value) {
    case event_code::recv_pipe:
        return "recv_pipe";
    case event_code::pipe_closed:
        return "pipe_closed";
    case event_code::recv_serv_sock:
        return "recv_serv_sock";
    case event_code::recv_sock_msg:
        return "recv_sock_msg";
    case event_code::serv_sock_closed:
        return "serv_sock_closed";
    case event_code::service_conn_request:
        return "service_conn_request";
    case event_code::service_client_closed:
        return "service_client_closed";
    case event_code::service_client_quitted:
        return "service_client_quitted";
    case event_code::service_server_quitted:
        return "service_server_quitted";
    case event_code::recv_shared_mem:
        return "recv_shared_mem";
    case event_code::unshared_mem:
        return "unshared_mem";
    case event_code::recv_pty:
        return "recv_pty";
    }
    return unknown;
}

std::string_view to_string(how value) noexcept {
    switch (value) {
    case how::closed:
        return "closed";
    case how::exited:
        return "exited";
    case how::killed:
        return "killed";
    case how::executed:
        return "executed";
    case how::revoked:
        return "revoked";
    case how::lease_ended:
        return "lease_ended";
    case how::returned:
        return "returned";
    }
    return unknown;
}

std::string_view to_string(pipe_end value) noexcept {
    switch (value) {
    case pipe_end::sender:
        return "sender";
    case pipe_end::receiver:
        return "receiver";
    }
    return unknown;
}

std::string_view to_string(pipe_mode value) noexcept {
    switch (value) {
    case pipe_mode::raw:
        return "raw";
    case pipe_mode::message:
        return "message";
    }
    return unknown;
}

std::string_view to_string(memory_mode value) noexcept {
    switch (value) {
    case memory_mode::mutual:
        return "mutual";
    case memory_mode::exclusive:
        return "exclusive";
    case memory_mode::lent:
        return "lent";
    case memory_mode::returned:
        return "returned";
    case memory_mode::made:
        return "made";
    }
    return unknown;
}

std::string_view to_string(io_mode value) noexcept {
    switch (value) {
    case io_mode::all:
        return "all";
    case io_mode::fail:
        return "fail";
    case io_mode::some:
        return "some";
    }
    return unknown;
}

std::string_view to_string(cause value) noexcept {
    switch (value) {
    case cause::none:
        return "none";
    case cause::locked:
        return "locked";
    case cause::full:
        return "full";
    case cause::empty:
        return "empty";
    case cause::closed:
        return "closed";
    case cause::signal:
        return "signal";
    case cause::deadline:
        return "deadline";
    case cause::too_long:
        return "too_long";
    case cause::fault:
        return "fault";
    }
    return unknown;
}

std::string_view to_string(access value) noexcept {
    switch (value) {
    case access::same_user:
        return "same_user";
    case access::same_executable:
        return "same_executable";
    case access::anybody:
        return "anybody";
    }
    return unknown;
}

std::string_view to_string(role value) noexcept {
    switch (value) {
    case role::client:
        return "client";
    case role::service:
        return "service";
    }
    return unknown;
}

std::ostream& operator<<(std::ostream& out, event_code value) {
    return print(out, value);
}
std::ostream& operator<<(std::ostream& out, how value) {
    return print(out, value);
}
std::ostream& operator<<(std::ostream& out, pipe_end value) {
    return print(out, value);
}
std::ostream& operator<<(std::ostream& out, pipe_mode value) {
    return print(out, value);
}
std::ostream& operator<<(std::ostream& out, memory_mode value) {
    return print(out, value);
}
std::ostream& operator<<(std::ostream& out, io_mode value) {
    return print(out, value);
}
std::ostream& operator<<(std::ostream& out, cause value) {
    return print(out, value);
}
std::ostream& operator<<(std::ostream& out, access value) {
    return print(out, value);
}
std::ostream& operator<<(std::ostream& out, role value) {
    return print(out, value);
}
std::ostream& operator<<(std::ostream& out, rights value) {
    return out << (has(value, rights::read) ? 'r' : '-') << (has(value, rights::write) ? 'w' : '-')
               << (has(value, rights::execute) ? 'x' : '-')
               << (has(value, rights::copy_on_write) ? "c" : "");
}
std::ostream& operator<<(std::ostream& out, const window_size& value) {
    return out << value.columns << 'x' << value.rows;
}
std::ostream& operator<<(std::ostream& out, token value) {
    return out << static_cast<std::uint64_t>(value);
}

} // namespace ipcshim
