// SPDX-License-Identifier: MIT
//
// One call of a method of a service, with bytes as they are.
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstdio>
#include <exception>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include <ipcshim/message.hpp>
#include <ipcshim/port.hpp>
#include <ipcshim/service_error.hpp>
#include <ipcshim/socket.hpp>

#include "commands.hpp"
#include "ending.hpp"
#include "file.hpp"

namespace ipcshim::tools {

namespace {

using bytes = std::vector<std::byte>;

constexpr int largest_status = 255;
// Where a deadline is a must, and none is wanted.
constexpr double for_ever = 1e9;

bytes read_all(const file& from) {
    bytes all;
    bytes portion(capacity_unit);
    while (const std::size_t count = from.read(portion)) {
        all.insert(all.end(), portion.begin(), portion.begin() + static_cast<ptrdiff_t>(count));
        if (all.size() > socket_message_max) {
            throw std::length_error(
                fmt::format("the input is too long: a message has at most {} bytes; nothing was "
                            "sent",
                            socket_message_max));
        }
    }
    return all;
}

bytes payload_of(const call_options& options) {
    bytes payload;
    if (options.payload == "-") {
        payload = read_all(file::to_read("-"));
    } else {
        const auto text = bytes_of(options.payload);
        payload.assign(text.begin(), text.end());
    }
    if (options.cbor && !payload.empty()) {
        try {
            const auto cbor = nlohmann::json::to_cbor(nlohmann::json::parse(
                reinterpret_cast<const char*>(payload.data()),
                reinterpret_cast<const char*>(payload.data() + payload.size())));
            const auto raw = std::as_bytes(std::span(cbor));
            payload.assign(raw.begin(), raw.end());
        } catch (const nlohmann::json::exception&) {
            throw std::invalid_argument("the payload is not JSON; nothing was sent");
        }
    }
    return payload;
}

// What comes with an error is a text, if anything.
bool has_value(const message& answer) {
    return answer.header.error == 0 && !answer.payload.empty();
}

// The answer's payload as JSON; throws if it is not CBOR.
nlohmann::ordered_json value_of(const message& answer) {
    try {
        const auto raw = std::span(reinterpret_cast<const std::uint8_t*>(answer.payload.data()),
                                   answer.payload.size());
        return nlohmann::ordered_json::from_cbor(raw.begin(), raw.end());
    } catch (const nlohmann::json::exception&) {
        throw std::runtime_error(
            fmt::format("the answer came, but its {} bytes are not CBOR; call without --cbor to "
                        "see them",
                        answer.payload.size()));
    }
}

std::string to_hexadecimal(std::span<const std::byte> raw) {
    std::string text;
    for (const std::byte each : raw) {
        text += fmt::format("{:02x}", std::to_integer<unsigned>(each));
    }
    return text;
}

bool is_utf8(std::string_view text) {
    try {
        static_cast<void>(nlohmann::json(text).dump());
        return true;
    } catch (const nlohmann::json::type_error&) {
        return false;
    }
}

nlohmann::ordered_json to_json(const message& answer, std::uint64_t connection, bool cbor) {
    nlohmann::ordered_json object{{"connection", connection},
                                  {"exchange", answer.header.exchange},
                                  {"pid", answer.header.pid},
                                  {"uid", answer.header.uid},
                                  {"error", answer.header.error},
                                  {"length", answer.payload.size()},
                                  {"descriptors", answer.header.descriptors}};
    if (cbor && has_value(answer)) {
        object["value"] = value_of(answer);
    } else if (is_utf8(answer.text())) {
        object["text"] = answer.text();
    } else {
        object["hex"] = to_hexadecimal(answer.payload);
    }
    return object;
}

void print_answer(const message& answer, std::uint64_t connection, const call_options& options) {
    const file out = file::to_write("-");
    if (options.json) {
        out.write(bytes_of(to_json(answer, connection, options.cbor).dump(2) + "\n"));
    } else if (options.cbor && has_value(answer)) {
        out.write(bytes_of(value_of(answer).dump(2) + "\n"));
    } else {
        out.write(answer.payload);
    }
    if (answer.header.descriptors != 0 && !options.json) {
        fmt::print(stderr, "ipcshim: the answer carried {} descriptors, which are closed\n",
                   answer.header.descriptors);
    }
}

int ask(const call_options& options) {
    const bytes payload = payload_of(options);
    const deadline until = after(options.seconds);
    connect_parameters how{.wait = options.wait, .uid = options.uid};
    if (options.seconds || options.wait) {
        how.until = options.seconds ? until : after(for_ever);
    }
    const port mine = port::open();
    const socket link = mine.connect(options.name, how);
    if (payload.size() > link.message_max()) {
        throw std::length_error(
            fmt::format("'{}' takes messages of at most {} bytes, and this one has {}; nothing was "
                        "sent",
                        options.name, link.message_max(), payload.size()));
    }
    const message answer = link.call(options.code, payload, {.until = until});
    print_answer(answer, link.connection(), options);
    if (answer.header.error != 0) {
        fmt::print(stderr, "ipcshim: '{}' answered method {} with the error {} ({})\n",
                   options.name, options.code, answer.header.error,
                   service_category().message(answer.header.error));
    }
    return std::min<int>(answer.header.error, largest_status);
}

} // namespace

int call(const call_options& options) {
    try {
        return ask(options);
    } catch (const std::exception& error) {
        // Not 'failed': that is an error code as good as any.
        fmt::print(stderr, "ipcshim: {}\n", error.what());
        return not_called;
    }
}

} // namespace ipcshim::tools
