// SPDX-License-Identifier: MIT
#include "event_text.hpp"

#include <nlohmann/json.hpp>

#include <sstream>

namespace ipcshim::tools {

namespace {

std::string to_text(rights value) {
    std::ostringstream out;
    out << value;
    return out.str();
}

} // namespace

std::string to_line(const event& what) {
    std::ostringstream out;
    out << what;
    return out.str();
}

nlohmann::ordered_json to_json(const event& what) {
    nlohmann::ordered_json object{
        {"sequence", what.sequence()},
        {"event", to_string(what.code())},
        {"code", static_cast<std::uint16_t>(what.code())},
        {"command", what.command()},
        {"token", static_cast<std::uint64_t>(what.token())},
        {"pid", what.pid()},
        {"uid", what.uid()},
    };
    if (const auto pipe = what.as_recv_pipe()) {
        object["end"] = to_string(pipe->end);
        object["mode"] = to_string(pipe->mode);
        object["capacity"] = pipe->capacity;
        object["size_hint"] = pipe->size_hint;
        object["inode"] = pipe->inode;
    } else if (const auto closed = what.as_pipe_closed()) {
        object["how"] = to_string(closed->how);
        object["status"] = closed->status;
        object["end"] = to_string(closed->end);
        object["inode"] = closed->inode;
        object["bytes_unread"] = closed->bytes_unread;
        object["messages_unread"] = closed->messages_unread;
    } else if (const auto memory = what.as_recv_shared_mem()) {
        object["mode"] = to_string(memory->mode);
        object["rights"] = to_text(memory->rights);
        object["length"] = memory->length;
        object["inode"] = memory->inode;
        if (memory->mode == memory_mode::returned) {
            object["how"] = to_string(memory->how);
            object["status"] = memory->status;
        }
        if (memory->lease_end != no_deadline) {
            object["lease_end"] = memory->lease_end.time_since_epoch().count();
        }
    } else if (const auto unshared = what.as_unshared_mem()) {
        object["how"] = to_string(unshared->how);
        object["status"] = unshared->status;
        object["gone"] = unshared->is_gone();
        object["inode"] = unshared->inode;
    } else if (const auto terminal = what.as_recv_pty()) {
        object["index"] = terminal->index;
        object["rows"] = terminal->size.rows;
        object["columns"] = terminal->size.columns;
        object["inode"] = terminal->inode;
    } else if (const auto socket = what.as_recv_serv_sock()) {
        object["side"] = to_string(socket->side);
        object["message_max"] = socket->message_max;
        object["connection"] = socket->connection;
        object["inode"] = socket->inode;
    } else if (const auto message = what.as_recv_sock_msg()) {
        object["exchange"] = message->exchange;
        object["message_code"] = message->code;
        object["error"] = message->error;
        object["opens"] = message->opens;
        object["concludes"] = message->concludes;
        object["notification"] = message->is_notification;
        object["descriptors"] = message->descriptors;
        object["length"] = message->length;
        object["inode"] = message->inode;
    } else if (const auto request = what.as_service_conn_request()) {
        object["connection"] = request->connection;
        object["service"] = request->service;
        object["message_max"] = request->message_max;
        object["deadline"] = request->until.time_since_epoch().count();
    } else if (const auto ended = what.as_sock_closed()) {
        object["how"] = to_string(ended->how);
        object["status"] = ended->status;
        object["side"] = to_string(ended->side);
        object["connection"] = ended->connection;
        object["inode"] = ended->inode;
        object["messages_unread"] = ended->messages_unread;
        object["exchanges"] = ended->exchanges;
    }
    return object;
}

} // namespace ipcshim::tools
