// SPDX-License-Identifier: MIT
#include "acts.hpp"

#include <signal.h> // NOLINT(modernize-deprecated-headers): SIGKILL

#include <algorithm>
#include <array>
#include <cerrno>
#include <string>

#include <fmt/format.h>

#include "actor.hpp"

namespace demo {

namespace {

using nlohmann::json;

// Any two users that are not root, which could reach everybody.
constexpr uid_t alice = 1000;
constexpr uid_t bob = 1001;

/// An act that takes longer has failed.
clock::time_point patience() {
    return clock::now() + std::chrono::seconds(15);
}

std::string number(pid_t pid) {
    return std::to_string(pid);
}

/// The names of the few errors that the demo provokes.
std::string name_of(int error) {
    switch (error) {
    case 0:
        return "no error";
    case EPIPE:
        return "EPIPE";
    case ESRCH:
        return "ESRCH";
    case ECONNREFUSED:
        return "ECONNREFUSED";
    case EPERM:
        return "EPERM";
    default:
        return fmt::format("errno {}", error);
    }
}

/// Hears both until each has said how it ended; shows how far the receiver is.
std::array<json, 2> hear_both(stage& shown, actor& receiver, actor& sender) {
    const std::array<actor* const, 2> both{&receiver, &sender};
    const clock::time_point begin = clock::now();
    const clock::time_point until = patience();
    std::array<json, 2> last;

    while (last[0].is_null() || last[1].is_null()) {
        const actor::heard heard = actor::hear_any(both, until);
        if (heard.what.at("state") == "progress") {
            shown.progress(heard.what.at("bytes"), heard.what.at("of"),
                           std::chrono::duration<double>(clock::now() - begin).count());
        } else {
            last[heard.who] = heard.what;
        }
    }
    return last;
}

} // namespace

void play_file(stage& shown, const std::filesystem::path& file) {
    shown.act("A file, to a process of which only the pid is known",
              "a raw pipe of 1 MiB; both sides compute SHA-256 on the way");
    actor receiver({"receive-file"});
    receiver.expect("ready", patience());
    actor sender({"send-file", number(receiver.pid()), file.string()});
    const auto [received, sent] = hear_both(shown, receiver, sender);

    const auto size = std::filesystem::file_size(file);
    const std::uint64_t bytes = received.at("bytes");
    const double seconds = received.at("seconds");
    const double rate = seconds > 0 ? static_cast<double>(bytes) / 1e6 / seconds : 0;

    shown.tell("file", fmt::format("{}, {} bytes", file.filename().string(), grouped(size)));
    shown.tell("sent", fmt::format("{} bytes by pid {}", grouped(sent.at("bytes")), sender.pid()));
    shown.detail(sent.value("sha256", sent.value("sentence", "")));
    shown.tell("received", fmt::format("{} bytes by pid {}", grouped(bytes), receiver.pid()));
    shown.detail(received.at("sha256").get<std::string>());
    shown.tell("throughput",
               fmt::format("{:.1f} MB/s: {} in {:.2f} s", rate, megabytes(bytes), seconds));
    shown.figure("bytes", bytes);
    shown.figure("seconds", seconds);
    shown.figure("megabytes_per_second", rate);
    shown.figure("sha256_sent", sent.value("sha256", ""));
    shown.figure("sha256_received", received.at("sha256"));

    shown.check("the file has at least 20 MB", size >= 20'000'000);
    shown.check("every byte was sent and received", sent.at("bytes") == size && bytes == size);
    shown.check("the SHA-256 is the same on both sides",
                sent.value("sha256", "") == received.at("sha256").get<std::string>());
    shown.check("the receiver was told who sends, and how much",
                received.at("from") == sender.pid() && received.at("hint") == size);
}

void play_lines(stage& shown, const std::filesystem::path& text) {
    shown.act("The lines of a text, as messages", "a message pipe; each line is one message");
    actor receiver({"receive-lines"});
    receiver.expect("ready", patience());
    actor sender({"send-lines", number(receiver.pid()), text.string()});
    const auto [received, sent] = hear_both(shown, receiver, sender);
    const std::uint64_t messages = received.at("messages");
    const std::uint64_t bytes = received.at("bytes");

    shown.tell("text", fmt::format("{}, {} bytes", text.filename().string(),
                                   grouped(std::filesystem::file_size(text))));
    shown.tell("sent", fmt::format("{} messages, {} bytes", grouped(sent.at("messages")),
                                   grouped(sent.at("bytes"))));
    shown.tell("received",
               fmt::format("{} messages, {} bytes, the longest {} bytes", grouped(messages),
                           grouped(bytes), grouped(received.at("longest"))));
    shown.figure("messages", messages);
    shown.figure("bytes", bytes);
    shown.figure("seconds", received.at("seconds"));

    shown.check("as many messages as lines", messages > 0 && sent.at("messages") == messages);
    shown.check("no byte is missing", bytes == std::filesystem::file_size(text));
    shown.check("put together they are the text (SHA-256)",
                sent.at("sha256") == received.at("sha256"));
}

void play_killed(stage& shown, const std::filesystem::path& file) {
    constexpr std::uint64_t taken = 3'000'000;

    shown.act("A reader is killed in mid-stream",
              "the writer is told how it ended, and what was lost");
    actor reader({"hold", std::to_string(taken)});
    reader.expect("ready", patience());
    const pid_t victim = reader.pid();
    actor writer({"send-file", number(victim), file.string()});
    const std::uint64_t read = reader.expect("holding", patience()).at("bytes");
    reader.kill();
    const json told = writer.hear(patience());
    const bool closed = told.at("state") == "closed";
    const std::uint64_t written = told.at("bytes");
    const std::uint64_t unread = told.value("unread", std::uint64_t{0});
    const int status = told.value("status", 0);
    const std::string how = told.value("how", "nothing");

    shown.tell("reader", fmt::format("pid {} read {} and got SIGKILL", victim, megabytes(read)));
    shown.tell("writer",
               fmt::format("pid {} was writing {}", writer.pid(), megabytes(told.at("size"))));
    shown.tell("its error", fmt::format("{}: {}", name_of(told.value("errno", 0)),
                                        told.value("sentence", "none")));
    shown.tell("its event", fmt::format("PIPE_CLOSED: {} by signal {}, {} bytes never read", how,
                                        status, grouped(unread)));
    shown.tell("the books", fmt::format("{} written = {} read + {} never read", grouped(written),
                                        grouped(read), grouped(unread)));
    shown.figure("bytes_written", written);
    shown.figure("bytes_read", read);
    shown.figure("bytes_never_read", unread);
    shown.figure("how", how);
    shown.figure("status", status);

    shown.check("the writer was stopped, by EPIPE", closed && told.value("errno", 0) == EPIPE);
    shown.check("it was told that the reader was killed by signal 9",
                how == "killed" && status == SIGKILL && told.value("from", -1) == victim);
    shown.check("every byte is accounted for",
                read == taken && unread > 0 && written == read + unread);
}

void play_refusals(stage& shown) {
    struct refusal {
        const char* name;
        pid_t target;
        int error;
    };

    shown.act("Refusals", "every caller is uid 1000; nothing is created, and a sentence says why");
    actor gone({"idle"}, alice);
    gone.expect("ready", patience());
    const pid_t nobody = gone.pid();
    gone.kill();
    actor deaf({"idle"}, alice);
    deaf.expect("ready", patience());
    actor foreign({"host"}, bob);
    foreign.expect("ready", patience());
    actor own({"host"}, alice);
    own.expect("ready", patience());

    for (const refusal& each :
         {refusal{"no process", nobody, ESRCH}, refusal{"no handler", deaf.pid(), ECONNREFUSED},
          refusal{"another user", foreign.pid(), EPERM}, refusal{"its own", own.pid(), 0}}) {
        actor caller({"knock", number(each.target)}, alice);
        const json answer = caller.expect("done", patience());
        const int error = answer.at("errno");

        if (each.error != 0) {
            shown.tell(each.name, answer.at("sentence").get<std::string>());
            shown.figure(each.name, answer);
            shown.check(fmt::format("refused with {}", name_of(each.error)), error == each.error);
        } else {
            shown.check("the same knock at a process of its own, with a handler, is let in",
                        error == 0);
        }
    }
}

} // namespace demo
