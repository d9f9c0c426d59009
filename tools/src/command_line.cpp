// SPDX-License-Identifier: MIT
#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <ipcshim/batch.hpp>

#include "commands.hpp"
#include "own_terminal.hpp"
#include "proc.hpp"

namespace ipcshim::tools {

namespace {

using verb = std::function<int()>;

// A validator's answer is what is wrong, or nothing.
std::string a_pid(const std::string& text) {
    const bool digits = !text.empty() && text.find_first_not_of("0123456789") == std::string::npos;
    return digits && text.find_first_not_of('0') != std::string::npos
               ? std::string()
               : "'" + text + "' is not a process; give its pid, a whole number above 0";
}

void add_info(CLI::App& app, verb& chosen) {
    auto options = std::make_shared<info_options>();
    CLI::App* command = app.add_subcommand("info", "What the module is, its limits, what exists");
    command->add_flag("--json", options->json, "As JSON");
    command->callback([options, &chosen] { chosen = [options] { return info(*options); }; });
}

void add_send(CLI::App& app, verb& chosen) {
    auto options = std::make_shared<send_options>();
    CLI::App* command = app.add_subcommand("send", "Send a file or the input to a process");
    command->add_option("PID", options->pid, "The process that receives")->required()->check(a_pid);
    command->add_option("FILE", options->file, "What to send; '-' or nothing: the input");
    CLI::Option* message = command->add_flag("-m,--message", options->message,
                                             "Each line is a message, with its end of line");
    CLI::Option* mapped =
        command->add_flag("--mapped", options->mapped, "Write into the memory of a mapped pipe");
    command->add_option("--batch", options->batch, "Messages in one call, at most")
        ->check(CLI::Range(std::size_t{1}, batch_max))
        ->needs(message)
        ->excludes(mapped);
    command->add_option("--capacity", options->capacity, "Bytes that the pipe can hold")
        ->transform(CLI::AsSizeValue(false));
    command->add_option("--command", options->command, "Command code for the event, 0 to 65535");
    command->callback([options, &chosen] { chosen = [options] { return send(*options); }; });
}

void add_receive(CLI::App& app, verb& chosen) {
    auto options = std::make_shared<receive_options>();
    CLI::App* command =
        app.add_subcommand("receive", "Wait for a process that sends, and write what it sends");
    command->add_option("FILE", options->file, "Where to; '-' or nothing: the output");
    CLI::Option* mapped =
        command->add_flag("--mapped", options->mapped, "Read from the memory of a mapped pipe");
    command->add_option("--batch", options->batch, "Messages in one call, at most")
        ->check(CLI::Range(std::size_t{1}, batch_max))
        ->excludes(mapped);
    command->add_option("-t,--timeout", options->seconds, "Seconds to wait for a process")
        ->check(CLI::NonNegativeNumber);
    command->add_flag("--anybody", options->anybody, "Other users may send, too");
    command->add_flag("-q,--quiet", options->quiet, "Don't tell the pid");
    command->callback([options, &chosen] { chosen = [options] { return receive(*options); }; });
}

void add_events(CLI::App& app, verb& chosen) {
    auto options = std::make_shared<events_options>();
    CLI::App* command = app.add_subcommand("events", "Print the events that come to this process");
    command->alias("listen");
    command->add_flag("--json", options->json, "One JSON object a line");
    command->add_option("-n,--count", options->count, "End after so many");
    command->add_option("-t,--timeout", options->seconds, "End after so many seconds")
        ->check(CLI::NonNegativeNumber);
    command->add_flag("--anybody", options->anybody, "Other users may reach this one, too");
    command->add_flag("-q,--quiet", options->quiet, "Don't tell the pid");
    command->callback([options, &chosen] { chosen = [options] { return events(*options); }; });
}

void add_inspect(CLI::App& app, verb& chosen) {
    auto options = std::make_shared<inspect_options>();
    CLI::App* command = app.add_subcommand("inspect", "What of ipcshim another process has open");
    CLI::Option* pid = command->add_option("PID", options->pid, "The process")->check(a_pid);
    command->add_flag("-w,--waits", options->waits,
                      "Only who waits for whom; without a PID: of all processes");
    command->add_flag("--json", options->json, "As JSON");
    command->callback([options, pid, &chosen] {
        if (pid->empty() && !options->waits) {
            throw CLI::RequiredError("PID");
        }
        chosen = [options] { return inspect(*options); };
    });
}

void add_services(CLI::App& app, verb& chosen) {
    auto options = std::make_shared<services_options>();
    CLI::App* command =
        app.add_subcommand("services", "The names that are published, and by which processes");
    command->add_flag("--json", options->json, "As JSON");
    command->callback([options, &chosen] { chosen = [options] { return services(*options); }; });
}

// A number of 16 bits, decimal or after 0x.
std::optional<std::uint16_t> parse_code(std::string_view text) {
    const bool hexadecimal = text.starts_with("0x");
    const std::string_view digits = hexadecimal ? text.substr(2) : text;
    std::uint16_t code = 0;
    const auto [end, error] =
        std::from_chars(digits.data(), digits.data() + digits.size(), code, hexadecimal ? 16 : 10);
    return error == std::errc() && end == digits.data() + digits.size() ? std::optional(code)
                                                                        : std::nullopt;
}

std::string a_code(const std::string& text) {
    return parse_code(text) ? std::string()
                            : "'" + text + "' is not a code; give a whole number, 0 to 65535";
}

std::string a_uid(const std::string& text) {
    return parse_number<uid_t>(text) ? std::string()
                                     : "'" + text + "' is not a user; give the uid, a number";
}

void add_call(CLI::App& app, verb& chosen) {
    auto options = std::make_shared<call_options>();
    auto code = std::make_shared<std::string>();
    CLI::App* command = app.add_subcommand("call", "Call a method of a service, once");
    command->add_option("NAME", options->name, "The service")->required();
    command->add_option("CODE", *code, "Of the method, 0 to 65535")->required()->check(a_code);
    command->add_option("PAYLOAD", options->payload, "What it is told; '-': the input");
    command->add_option("-t,--timeout", options->seconds, "Seconds that all of it may take")
        ->check(CLI::NonNegativeNumber);
    command->add_flag("-w,--wait", options->wait, "Wait for a name that nobody has published yet");
    command->add_option("--uid", options->uid, "A name of that user, not of the own one")
        ->check(a_uid);
    command->add_flag("--cbor", options->cbor, "Payload and answer are JSON here, CBOR there");
    command->add_flag("--json", options->json, "Tell of the answer as JSON");
    command->callback([options, code, &chosen] {
        options->code = parse_code(*code).value_or(0);
        chosen = [options] { return call(*options); };
    });
}

// Of a command that runs another one: all from the first word on that is no option
// of ours belongs to that.
std::vector<std::string> command_words(const CLI::App& command,
                                       const std::vector<std::string>& rest) {
    std::vector<std::string> words = command.remaining();
    if (!words.empty() && words.front().starts_with('-')) {
        throw CLI::ValidationError("'" + words.front() +
                                   "' is no option; put '--' before a command of that name");
    }
    // "--" is ours only where it comes before the command.
    words.insert(words.end(), rest.begin() + (words.empty() && !rest.empty() ? 1 : 0), rest.end());
    if (words.empty()) {
        throw CLI::RequiredError("COMMAND");
    }
    return words;
}

// \param rest what followed the first "--", with it
void add_serve(CLI::App& app, const std::vector<std::string>& rest, verb& chosen) {
    auto options = std::make_shared<serve_options>();
    CLI::App* command = app.add_subcommand("serve", "A service that runs a command for each call");
    command->add_option("NAME", options->name, "The name to publish")->required();
    command->add_option("-j,--threads", options->at_once, "Calls that are served at once")
        ->check(CLI::Range(1, 1024));
    command->add_option("--max", options->message_max, "Bytes of the largest message")
        ->transform(CLI::AsSizeValue(false));
    command->add_option("-n,--count", options->count, "End after so many calls");
    command->add_flag("--anybody", options->anybody, "Other users may call, too");
    command->add_flag("-q,--quiet", options->quiet, "Don't tell the name and the pid");
    command->prefix_command();
    command->footer("Then the command: ipcshim serve [OPTIONS] NAME [--] COMMAND [ARGUMENT]...");
    command->callback([options, command, &rest, &chosen] {
        options->command = command_words(*command, rest);
        chosen = [options] { return serve(*options); };
    });
}

// "80x24", each number 1 to 65535.
std::string a_size(const std::string& text) {
    return parse_size(text) ? std::string()
                            : "'" + text + "' is not a size; give columns and rows, as 80x24";
}

// \param rest what followed the first "--", with it
void add_pty(CLI::App& app, const std::vector<std::string>& rest, verb& chosen) {
    auto options = std::make_shared<pty_options>();
    CLI::App* command = app.add_subcommand("pty", "Run a command on a new pseudo terminal");
    command->add_option("-s,--size", options->size, "Columns and rows, as 80x24")->check(a_size);
    command->prefix_command();
    command->footer("Then the command: ipcshim pty [OPTIONS] [--] COMMAND [ARGUMENT]...");
    command->callback([options, command, &rest, &chosen] {
        options->command = command_words(*command, rest);
        chosen = [options] { return pty(*options); };
    });
}

} // namespace

int run(int argc, const char* const* argv) {
    CLI::App app("Pipes, shared memory, terminals and services between processes", "ipcshim");
    app.set_version_flag("--version", "ipcshim " IPCSHIM_VERSION);
    app.require_subcommand(1);
    app.footer("Each command has a manual page: man ipcshim-send");
    // The parser would take "--" for its own wherever it is in a command.
    std::vector<const char*> words(argv, argv + argc);
    std::vector<std::string> rest;
    if (words.size() > 1 &&
        (words[1] == std::string_view("pty") || words[1] == std::string_view("serve"))) {
        const auto found = std::find(words.begin() + 1, words.end(), std::string_view("--"));
        rest.assign(found, words.end());
        words.erase(found, words.end());
    }
    verb chosen;
    add_info(app, chosen);
    add_send(app, chosen);
    add_receive(app, chosen);
    add_events(app, chosen);
    add_inspect(app, chosen);
    add_services(app, chosen);
    add_call(app, chosen);
    add_serve(app, rest, chosen);
    add_pty(app, rest, chosen);
    try {
        app.parse(static_cast<int>(words.size()), words.data());
    } catch (const CLI::ParseError& error) {
        return app.exit(error) == 0 ? done : misused;
    }
    return chosen();
}

} // namespace ipcshim::tools
