// SPDX-License-Identifier: MIT
#include "event_text.hpp"

#include <nlohmann/json.hpp>

#include <sstream>

namespace ipcshim::tools {

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
    }
    return object;
}

} // namespace ipcshim::tools
