// SPDX-License-Identifier: MIT
//
// A service that runs a command for each call. One thread: it waits for clients,
// for messages while fewer commands run than may, and for commands.
#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <ipcshim/message.hpp>
#include <ipcshim/port.hpp>
#include <ipcshim/service_error.hpp>
#include <ipcshim/socket.hpp>

#include "commands.hpp"
#include "running_command.hpp"
#include "signal_queue.hpp"

namespace ipcshim::tools {

namespace {

// Which end it in order; a second one ends it at once.
constexpr std::array ending_signals{SIGINT, SIGTERM};

constexpr auto cannot_run = static_cast<std::uint16_t>(service_errc::handler_failed);
constexpr auto too_long = static_cast<std::uint16_t>(service_errc::answer_too_long);

// A message for which a command runs.
struct call_at_work final {
    std::shared_ptr<const socket> client; ///< which may end meanwhile
    message_header header{};
    running_command command;
};

class server final {
public:
    server(const serve_options& options, std::string program)
        : options_(&options), program_(std::move(program)), signals_(ending_signals),
          port_(port::open()) {
        if (options.anybody) {
            port_.set_access(access::anybody);
        }
        publish_parameters how;
        how.message_max = options.message_max != 0 ? options.message_max : how.message_max;
        name_ = port_.publish(options.name, how);
    }

    int run() {
        if (!options_->quiet) {
            fmt::print(stderr, "ipcshim: process {} serves '{}'\n", ::getpid(), options_->name);
        }
        while (!ending_ || !work_.empty()) {
            step();
        }
        return done;
    }

private:
    void step() {
        const std::vector<pollfd> ready = wait();
        auto next = ready.begin();
        if ((next++)->revents != 0) {
            take_signals();
        }
        const bool asked = (next++)->revents != 0;
        const auto first_work = next + static_cast<ptrdiff_t>(clients_.size());
        // Commands first: what has ended makes room. From the last one, since those
        // behind an erased one move up.
        for (std::size_t i = work_.size(); i-- > 0;) {
            const auto entry = first_work + static_cast<ptrdiff_t>(2 * i);
            look_after(i, entry[0].revents != 0, entry[1].revents != 0);
        }
        for (std::size_t i = clients_.size(); i-- > 0;) {
            if (next[static_cast<ptrdiff_t>(i)].revents != 0) {
                take_message(i);
            }
        }
        // The next one is first the next time.
        if (!clients_.empty()) {
            std::rotate(clients_.begin(), clients_.begin() + 1, clients_.end());
        }
        if (asked) {
            take_requests();
        }
    }

    // Signals, the port, each client, and two for each command.
    [[nodiscard]] std::vector<pollfd> wait() const {
        const auto entry = [](int fd) { return pollfd{.fd = fd, .events = POLLIN, .revents = 0}; };
        std::vector<pollfd> entries{entry(signals_.fd()), entry(ending_ ? -1 : port_.fd())};
        const bool has_room = may_begin();
        for (const auto& client : clients_) {
            // Not even that it has ended, while nothing would be done about it.
            entries.push_back(entry(has_room ? client->fd() : -1));
        }
        for (const call_at_work& each : work_) {
            entries.push_back(entry(each.command.ended_fd()));
            entries.push_back(entry(each.command.output_fd()));
        }
        if (::poll(entries.data(), entries.size(), -1) < 0 && errno != EINTR) {
            throw std::system_error(errno, std::generic_category(), "cannot wait for anything");
        }
        return entries;
    }

    [[nodiscard]] bool may_begin() const {
        return !ending_ && work_.size() < options_->at_once &&
               (!options_->count || begun_ < *options_->count);
    }

    void take_signals() {
        while (const int signo = signals_.next()) {
            if (ending_) {
                // As if it had never been caught.
                ::pthread_sigmask(SIG_SETMASK, &signals_.before(), nullptr);
                static_cast<void>(::raise(signo));
            }
            end();
        }
    }

    // Nobody finds it any more; what was begun is done.
    void end() {
        ending_ = true;
        std::error_code error; // at worst the name is gone
        name_.withdraw(error);
    }

    void take_requests() {
        while (const auto event = port_.try_read_event()) {
            if (!event->as_service_conn_request()) {
                continue;
            }
            std::error_code error;
            socket client = port_.accept(*event, false, error);
            if (!error) {
                clients_.push_back(std::make_shared<const socket>(std::move(client)));
            } else if (error != std::errc::no_such_file_or_directory) { // it has given up
                fmt::print(stderr, "ipcshim: cannot accept process {}: {}\n", event->pid(),
                           error.message());
                port_.reject(*event, cannot_run, error);
            }
        }
    }

    void take_message(std::size_t index) {
        if (!may_begin()) {
            return;
        }
        message request;
        std::error_code error;
        clients_[index]->read(request, {.nowait = true}, error);
        if (!error) {
            begin(clients_[index], request);
        } else if (error != std::errc::resource_unavailable_try_again) {
            if (error != std::errc::broken_pipe && error != std::errc::connection_reset) {
                fmt::print(stderr, "ipcshim: cannot read a message: {}; its client is let go\n",
                           error.message());
            }
            clients_.erase(clients_.begin() + static_cast<ptrdiff_t>(index));
        }
    }

    void begin(const std::shared_ptr<const socket>& client, const message& request) {
        ++begun_;
        const message_header& header = request.header;
        const std::vector<std::string> extra{
            "IPCSHIM_SERVICE=" + options_->name, fmt::format("IPCSHIM_CODE={}", header.code),
            fmt::format("IPCSHIM_PID={}", header.pid), fmt::format("IPCSHIM_UID={}", header.uid)};
        try {
            work_.push_back(
                {.client = client,
                 .header = header,
                 .command = running_command(program_, options_->command, extra, request.payload,
                                            signals_.before(), client->message_max())});
        } catch (const std::system_error& error) {
            fmt::print(stderr, "ipcshim: {}\n", error.what());
            answer(*client, header, cannot_run, {});
        }
    }

    void look_after(std::size_t index, bool ended, bool written) {
        call_at_work& work = work_[index];
        if (written) {
            work.command.take_output();
        }
        const auto code = ended ? work.command.try_end() : std::nullopt;
        if (!code) {
            return;
        }
        if (work.command.wrote_too_much()) {
            fmt::print(stderr,
                       "ipcshim: the command wrote more than the {} bytes that an answer may "
                       "have; see --max\n",
                       work.client->message_max());
            answer(*work.client, work.header, too_long, {});
        } else {
            answer(*work.client, work.header, static_cast<std::uint16_t>(*code),
                   work.command.output());
        }
        work_.erase(work_.begin() + static_cast<ptrdiff_t>(index));
    }

    // One that nobody waits for is not sent.
    void answer(const socket& client, const message_header& request, std::uint16_t reason,
                std::span<const std::byte> payload) {
        std::error_code error;
        if (!request.concludes) {
            if (reason == 0) {
                client.answer(request.exchange, payload, {}, error);
            } else {
                client.fail(request.exchange, reason, payload, error);
            }
        }
        if (error) {
            fmt::print(stderr, "ipcshim: cannot answer process {}: {}\n", request.pid,
                       error.message());
        }
        if (++answered_; options_->count && answered_ == *options_->count) {
            end();
        }
    }

    const serve_options* options_;
    std::string program_;
    signal_queue signals_;
    port port_;
    published_service name_;
    std::vector<std::shared_ptr<const socket>> clients_;
    std::vector<call_at_work> work_;
    bool ending_ = false;
    std::uint64_t begun_ = 0;
    std::uint64_t answered_ = 0;
};

} // namespace

int serve(const serve_options& options) {
    std::string program;
    try {
        program = find_program(options.command.front());
    } catch (const std::system_error& error) {
        fmt::print(stderr, "ipcshim: {}; '{}' is not published\n", error.what(), options.name);
        return error.code() == std::errc::no_such_file_or_directory ? not_found : not_executable;
    }
    return server(options, std::move(program)).run();
}

} // namespace ipcshim::tools
